//! Promises of finalize.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that cannot go on fails its test")]

mod world;
mod recording;
mod merging;
mod books;
mod sweeping;
mod results;
mod size;
