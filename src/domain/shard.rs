//! Shards: which rows of the reversed queue belong together.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// Index of a shard, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardIndex(pub u32);

impl ShardIndex {
    /// Its place in a list of all shards.
    pub fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

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

/// Shards in ascending order, joined: `3,7-9`.
pub fn shard_list(shards: &[ShardIndex]) -> String {
    let mut sorted: Vec<u32> = shards.iter().map(|shard| shard.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for shard in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == shard => *last = shard,
            _ => ranges.push((shard, shard)),
        }
    }
    let mut text = String::new();
    for (first, last) in ranges {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match last - first {
            0 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined() {
        let of = |shards: &[u32]| shard_list(&shards.iter().copied().map(ShardIndex).collect::<Vec<_>>());
        assert_eq!(of(&[0]), "0");
        assert_eq!(of(&[0, 1]), "0-1");
        assert_eq!(of(&[5, 1, 2, 4]), "1-2,4-5");
        assert_eq!(of(&[]), "");
    }
}
