//! The only I/O. No adapter knows another.

pub mod warehouse;
pub mod blobs;
pub mod postgres;
pub mod kubernetes;
pub mod notify;
