//! All outcomes of a run by row number, in bounded memory.
//!
//! The row numbers are dense, so nothing is compared: outcomes are dealt into at most [`BUCKETS`] buckets on the local
//! disk by ranges of rows, in the order in which they come; then one range at a time is held in memory, each row in its
//! slot.

use futures_util::TryStreamExt;

use super::{
    Plan, RowSet, RunStore,
    lines::{Buckets, SpooledBuckets},
    segments::segments,
};
use crate::{
    domain::{Outcome, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// Ranges of rows, of which one is held in memory at a time.
const BUCKETS: u64 = 256;
/// A range is at least so many rows, so that small runs have few.
const LEAST_ROWS: u64 = 8_192;

/// All outcomes of a run, on the local disk.
pub struct Outcomes {
    rows_per_bucket: u64,
    buckets: SpooledBuckets,
    seen: RowSet,
    recorded: Vec<u64>,
}

impl Outcomes {
    /// Reads every segment of the run. Needs about a kilobyte of local disk per outcome.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Fault> {
        let rows = plan.last_row();
        let rows_per_bucket = rows.div_ceil(BUCKETS).max(LEAST_ROWS);
        let mut buckets = Buckets::new(index(rows.div_ceil(rows_per_bucket).max(1)))?;
        let mut seen = RowSet::new(rows);
        let mut recorded = vec![0; plan.shards.len()];
        let mut found = segments(store, plan, None);
        while let Some(segment) = found.try_next().await? {
            for read in segment.outcomes() {
                let outcome = read?;
                let row = outcome.row;
                let new = seen.insert(row).map_err(|_| segment.foreign_row(row))?;
                if let Some(recorded) = recorded.get_mut(index(u64::from(segment.shard.0))) {
                    *recorded += u64::from(new);
                }
                buckets.push(bucket_of(row, rows_per_bucket), &(segment.shard, &outcome))?;
            }
        }
        Ok(Self { rows_per_bucket, buckets: buckets.finish()?, seen, recorded })
    }

    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.seen.contains(row)
    }

    /// How many rows have an outcome in the shard's segments.
    pub fn recorded(&self, shard: ShardIndex) -> u64 {
        self.recorded.get(index(u64::from(shard.0))).copied().unwrap_or_default()
    }

    /// Number of ranges.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Rows (from, to; both included) of a range.
    pub fn range(&self, bucket: usize) -> (u64, u64) {
        let first = bucket as u64 * self.rows_per_bucket + 1;
        (first, first + self.rows_per_bucket - 1)
    }

    /// The range of a row, which counts from 1.
    pub fn bucket_of(&self, row: u64) -> usize {
        bucket_of(row, self.rows_per_bucket)
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
        slots.resize_with(index(self.rows_per_bucket), || None);
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

fn bucket_of(row: u64, rows_per_bucket: u64) -> usize {
    index(row.saturating_sub(1) / rows_per_bucket)
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
