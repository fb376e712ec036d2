//! Promises of one process that moves a shard, with every service in memory.

mod ends;
mod rows;
mod starting;
mod stopping;
