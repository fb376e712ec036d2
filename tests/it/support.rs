//! What the tests share: real servers, started once.

pub mod postgres;
pub mod azurite;
pub mod tds;
pub mod proxy;
