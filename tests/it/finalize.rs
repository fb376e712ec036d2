//! Promises of finalize.

mod recording;
mod merging;
mod receipts;
mod books;
mod sweeping;
mod results;
mod size;
mod waiting;
