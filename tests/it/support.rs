//! What the tests share: real servers, started once.

pub mod rows;
pub mod postgres;
pub mod azurite;
pub mod cache;
pub mod http_stub;
pub mod blob_service;
pub mod tds;
pub mod prometheus;
pub mod collector;
pub mod proxy;
pub mod pooler;
pub mod npm;
pub mod fakes;
pub mod inside;
pub mod settings;
pub mod world;
pub mod plans;
pub mod browser;
pub mod app;
pub mod results;
pub mod csv;
pub mod documents;
pub mod files;
pub mod machine;
pub mod process;
pub mod tls;
