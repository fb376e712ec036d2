//! Promises of finalize.

mod world;
mod recording;
mod merging;
mod books;
mod sweeping;
mod results;
mod size;
mod waiting;
