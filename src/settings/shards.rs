//! Which shard a pod works on: its index in the Job, mapped if only some shards are run again.

use std::{ops::RangeInclusive, str::FromStr};

use crate::domain::ShardIndex;

/// `SHARD_INDEXES`: which shards a Job runs, as `3,7-9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndexes(Vec<RangeInclusive<u32>>);

impl ShardIndexes {
    /// The shard at `place` (from 0) of the list.
    pub fn at(&self, place: u32) -> Result<ShardIndex, String> {
        let mut left = place;
        for range in &self.0 {
            let (first, last) = (*range.start(), *range.end());
            if left <= last - first {
                return Ok(ShardIndex(first + left));
            }
            left -= last - first + 1;
        }
        Err(format!(
            "place {place} is not in SHARD_INDEXES, which lists {} shards (places count from 0)",
            u64::from(place) - u64::from(left)
        ))
    }
}

impl FromStr for ShardIndexes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "shards are expected, each once, as 3,7-9".to_owned();
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        for item in text.split(',').map(str::trim) {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let index = |digits: &str| super::parse::number::<u32>(digits, &(0..=99_999)).ok();
            let (Some(first), Some(last)) = (index(first), index(last)) else { return Err(expected()) };
            let twice = ranges.iter().any(|earlier| *earlier.start() <= last && first <= *earlier.end());
            if first > last || twice {
                return Err(expected());
            }
            ranges.push(first..=last);
        }
        Ok(Self(ranges))
    }
}

/// The shard of a process: what `--shard` says, else the Job's place, mapped through `SHARD_INDEXES`.
pub fn shard_index(
    flag: Option<u32>,
    completion_index: Option<u32>,
    indexes: Option<&ShardIndexes>,
) -> Result<Option<ShardIndex>, String> {
    match (flag, completion_index, indexes) {
        (Some(shard), _, _) => Ok(Some(ShardIndex(shard))),
        (None, Some(place), Some(indexes)) => indexes.at(place).map(Some),
        (None, Some(place), None) => Ok(Some(ShardIndex(place))),
        (None, None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(indexes: &str, place: u32) -> Result<u32, String> {
        indexes.parse::<ShardIndexes>()?.at(place).map(|shard| shard.0)
    }

    #[test]
    fn a_place_in_the_job_is_mapped_through_the_list() {
        let shards: Vec<_> = (0..4).map(|place| at("3, 7-9", place)).collect();
        assert_eq!(shards, [Ok(3), Ok(7), Ok(8), Ok(9)]);
        assert_eq!(at("0-99999", 99_999), Ok(99_999));
        assert_eq!(at("7-9,3", 3), Ok(3));
    }

    #[test]
    fn a_place_past_the_list_is_named() {
        assert_eq!(
            at("3,7-9", 4).unwrap_err(),
            "place 4 is not in SHARD_INDEXES, which lists 4 shards (places count from 0)"
        );
    }

    #[test]
    fn a_list_that_would_run_a_shard_twice_or_none_is_refused() {
        for text in ["", "3,", "3,3", "7-9,8", "8,7-9", "9-7", "3-", "-1", "a", "3;4", "0-100000"] {
            assert!(text.parse::<ShardIndexes>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_flag_names_the_shard_itself() {
        let indexes: ShardIndexes = "3,7-9".parse().unwrap();
        assert_eq!(shard_index(Some(1), Some(1), Some(&indexes)), Ok(Some(ShardIndex(1))));
        assert_eq!(shard_index(None, Some(1), Some(&indexes)), Ok(Some(ShardIndex(7))));
        assert_eq!(shard_index(None, Some(1), None), Ok(Some(ShardIndex(1))));
        assert_eq!(shard_index(None, None, Some(&indexes)), Ok(None));
    }
}
