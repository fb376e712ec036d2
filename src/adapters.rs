//! The only I/O. No adapter knows another.

pub mod inputs;
pub mod warehouse;
pub mod blobs;
pub mod postgres;
