//! All outcomes of a run by row number, in bounded memory.
//!
//! The row numbers are dense, so nothing is compared: outcomes are dealt into at most [`BUCKETS`] buckets on the local
//! disk by ranges of rows, in the order in which they come; then one range at a time is held in memory, each row in its
//! slot.

use std::sync::Arc;

use futures_util::TryStreamExt;

use super::{
    Plan, RowSet, RunStore,
    lines::{Buckets, SpooledBuckets, no_room, push},
    segments::{Segment, segments},
};
use crate::{
    domain::{Outcome, ShardIndex},
    ports::{Fault, FaultKind, Service, on_thread},
};

/// Ranges of rows, of which one is held in memory at a time.
const BUCKETS: u64 = 256;
/// A range is at least so many rows, so that small runs have few: about 6 MB of memory.
const LEAST_ROWS: u64 = 2_048;

/// Segments decoded at a time, each on a thread.
const DECODED_AHEAD: usize = 4;

/// The rows of an input, cut into ranges of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranges {
    rows: u64,
    each: u64,
}

impl Ranges {
    /// `rows` rows, `each` of them (at least 1) a range.
    pub fn new(rows: u64, each: u64) -> Self {
        Self { rows, each: each.max(1) }
    }

    /// At most [`BUCKETS`] ranges, each of `least` rows or more.
    pub fn of(rows: u64, least: u64) -> Self {
        Self::new(rows, rows.div_ceil(BUCKETS).max(least))
    }

    /// Number of ranges, at least 1.
    pub fn count(&self) -> usize {
        index(self.rows.div_ceil(self.each).max(1))
    }

    /// Rows of a range at most.
    pub fn each(&self) -> u64 {
        self.each
    }

    /// Rows (from, to; both included) of a range. The last one may name rows beyond the input's.
    pub fn range(&self, range: usize) -> (u64, u64) {
        let first = range as u64 * self.each + 1;
        (first, first + self.each - 1)
    }

    /// Rows of the input in a range.
    pub fn rows(&self, range: usize) -> u64 {
        let (first, last) = self.range(range);
        (last.min(self.rows) + 1).saturating_sub(first)
    }

    /// The range of a row, which counts from 1.
    pub fn of_row(&self, row: u64) -> usize {
        index(row.saturating_sub(1) / self.each)
    }
}

/// A row, and the line that a bucket holds of its outcome if its range is kept.
type Decoded = (u64, Option<Vec<u8>>);

/// Decodes the outcomes of a shard. An outcome is written anew only if `kept` says so of its range: each of several processes reads
/// all segments.
fn decode(
    shard: ShardIndex,
    outcomes: impl Iterator<Item = Result<Outcome, Fault>>,
    ranges: Ranges,
    kept: &[bool],
) -> Result<Vec<Decoded>, Fault> {
    let line_of = |outcome: &Outcome| {
        let mut line = Vec::new();
        push(&mut line, &(shard, outcome)).map_err(|error| no_room(error.into()))?;
        Ok(line)
    };
    let decoded = |read: Result<Outcome, Fault>| {
        let outcome = read?;
        let is_kept = kept.get(ranges.of_row(outcome.row)) == Some(&true);
        Ok((outcome.row, is_kept.then(|| line_of(&outcome)).transpose()?))
    };
    outcomes.map(decoded).collect()
}

/// All outcomes of a run, on the local disk.
pub struct Outcomes {
    ranges: Ranges,
    buckets: SpooledBuckets,
    seen: RowSet,
    recorded: Vec<u64>,
}

impl Outcomes {
    /// Reads every segment of the run. Needs about a kilobyte of local disk per outcome.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Fault> {
        Self::of_ranges(store, plan, Ranges::of(plan.last_row(), LEAST_ROWS), |_| true).await
    }

    /// The same, but keeps the outcomes of these ranges only.
    pub async fn of_ranges(
        store: &RunStore,
        plan: &Plan,
        ranges: Ranges,
        keeps: impl Fn(usize) -> bool,
    ) -> Result<Self, Fault> {
        let mut buckets = Buckets::new(ranges.count())?;
        let mut seen = RowSet::new(plan.last_row());
        let mut recorded = vec![0; plan.shards.len()];
        let kept: Arc<[bool]> = (0..ranges.count()).map(keeps).collect();
        let decoded = |segment: Segment| {
            let kept = Arc::clone(&kept);
            on_thread(move || {
                let lines = decode(segment.shard, segment.outcomes(), ranges, &kept)?;
                Ok((segment, lines))
            })
        };
        let mut found = segments(store, plan, None).map_ok(decoded).try_buffered(DECODED_AHEAD);
        while let Some((segment, lines)) = found.try_next().await? {
            for (row, line) in lines {
                let new = seen.insert(row).map_err(|_| segment.foreign_row(row))?;
                if let Some(recorded) = recorded.get_mut(segment.shard.place()) {
                    *recorded += u64::from(new);
                }
                if let Some(line) = line {
                    buckets.push_line(ranges.of_row(row), &line)?;
                }
            }
        }
        Ok(Self { ranges, buckets: buckets.finish()?, seen, recorded })
    }

    /// Outcomes of no row.
    pub fn none(ranges: Ranges) -> Result<Self, Fault> {
        let buckets = Buckets::new(ranges.count())?.finish()?;
        Ok(Self { ranges, buckets, seen: RowSet::new(0), recorded: Vec::new() })
    }

    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.seen.contains(row)
    }

    /// How many rows have an outcome in the shard's segments.
    pub fn recorded(&self, shard: ShardIndex) -> u64 {
        self.recorded.get(shard.place()).copied().unwrap_or_default()
    }

    /// Number of ranges.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Rows (from, to; both included) of a range.
    pub fn range(&self, bucket: usize) -> (u64, u64) {
        self.ranges.range(bucket)
    }

    /// The ranges of rows.
    pub fn ranges(&self) -> Ranges {
        self.ranges
    }

    /// One outcome of each row of a range, each in its slot, with its shard. `stands` chooses between two outcomes of a
    /// row, in the order in which they were read.
    pub fn of(
        &self,
        bucket: usize,
        stands: impl Fn(Outcome, Outcome) -> Outcome,
    ) -> Result<Vec<Option<(ShardIndex, Outcome)>>, Fault> {
        let (first, _) = self.range(bucket);
        let mut slots = Vec::new();
        slots.resize_with(index(self.ranges.each()), || None);
        let mut is_dealt_right = true;
        self.buckets.read(bucket, |(shard, outcome): (ShardIndex, Outcome)| {
            let place = outcome.row.checked_sub(first).map_or(usize::MAX, index);
            let Some(slot) = slots.get_mut(place) else {
                is_dealt_right = false;
                return Ok(());
            };
            let standing = match slot.take() {
                Some((_, earlier)) => stands(earlier, outcome),
                None => outcome,
            };
            *slot = Some((shard, standing));
            Ok(())
        })?;
        if is_dealt_right {
            return Ok(slots);
        }
        let what = "a temporary file changed while it was read; run again";
        Err(Fault::new(Service::LocalDisk, FaultKind::Unavailable, what))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fate, SkipCode};

    fn outcome(row: u64) -> Outcome {
        let fate = Fate::Skipped { code: SkipCode::Withdrawn, detail: "gone".to_owned() };
        let (attempt, source, at) = (None, None, chrono::DateTime::UNIX_EPOCH);
        Outcome { row, attempt, at, worker: 1, milliseconds: 0, gather_ms: 0, source, fate }
    }

    #[test]
    fn only_outcomes_of_ranges_that_are_kept_are_written_anew() {
        let outcomes = (1..=6).map(|row| Ok(outcome(row)));
        let decoded = decode(ShardIndex(0), outcomes, Ranges::new(6, 2), &[false, true, false]).unwrap();
        let all: Vec<u64> = decoded.iter().map(|(row, _)| *row).collect();
        let kept: Vec<u64> = decoded.iter().filter(|(_, line)| line.is_some()).map(|(row, _)| *row).collect();
        assert_eq!((all, kept), (vec![1, 2, 3, 4, 5, 6], vec![3, 4]));
    }
}
