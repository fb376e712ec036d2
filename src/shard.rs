//! Shard: moves the rows of one queue: gather, decide, copy, commit, record.

pub mod copy;
pub mod record;
