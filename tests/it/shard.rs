//! Promises of one process that moves a shard, with every service in memory.

mod ends;
mod feeding;
mod invariants;
mod limits;
mod rows;
mod starting;
mod stopping;
mod waiting;
