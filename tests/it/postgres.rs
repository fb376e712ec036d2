//! Promises of the target database, kept on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;
mod commit;
mod answers;
mod enforcement;
mod fence;
mod connect;
mod reads;
mod preflight;
