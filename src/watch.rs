//! Watch: how a run is followed and continued from outside of its shards: the wait for the shard Job, where a run
//! stands, the line that runs shards again, the copy of its results.

pub mod wait;
pub mod standing;
pub mod rerun;
pub mod fetch;
