//! Shards: which rows of the reversed queue belong together.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Index of a shard, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardIndex(pub u32);

impl fmt::Display for ShardIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The shard of the row at `place` (from 0) of the reversed queue: place modulo `shards`,
/// so that every shard works from the newest row down.
pub fn shard_of(place: u64, shards: u32) -> ShardIndex {
    let index = place % u64::from(shards.max(1));
    ShardIndex(u32::try_from(index).unwrap_or_default())
}
