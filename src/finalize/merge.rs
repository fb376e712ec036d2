//! Merge: every outcome of every shard in the input's order, one per row, in bounded memory.
//!
//! The row numbers are dense, so nothing is compared: outcomes are dealt into at most [`BUCKETS`] buckets on the local
//! disk by ranges of rows, in the order in which they come; then one range at a time is held in memory, each row in its
//! slot.

use futures_util::TryStreamExt;

use crate::{
    domain::{Fate, Outcome, ShardIndex, newest, stands},
    exit::{Exit, Stop},
    run::{
        Plan, RowSet, RunStore,
        lines::{Buckets, SpooledBuckets},
        segments::segments,
    },
};

/// Ranges of rows, of which one is held in memory at a time.
const BUCKETS: u64 = 256;
/// A range is at least so many rows, so that small runs have few.
const LEAST_ROWS: u64 = 8_192;

/// All outcomes of a run, on the local disk.
pub struct Merged {
    rows_per_bucket: u64,
    buckets: SpooledBuckets,
    seen: RowSet,
    recorded: Vec<u64>,
    lost: RowSet,
}

impl Merged {
    /// Reads every segment of the run. Needs about a kilobyte of local disk per outcome.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Stop> {
        let rows = plan.submissions.rows;
        let rows_per_bucket = rows.div_ceil(BUCKETS).max(LEAST_ROWS);
        let mut buckets = Buckets::new(index(rows.div_ceil(rows_per_bucket)))?;
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
                // Rows count from 1.
                buckets.push(index((row - 1) / rows_per_bucket), &(segment.shard, &outcome))?;
            }
        }
        let lost = RowSet::new(rows);
        Ok(Self { rows_per_bucket, buckets: buckets.finish()?, seen, recorded, lost })
    }

    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.seen.contains(row)
    }

    /// How many rows have an outcome in the shard's segments.
    pub fn recorded(&self, shard: ShardIndex) -> u64 {
        self.recorded.get(index(u64::from(shard.0))).copied().unwrap_or_default()
    }

    /// Sets the migrated rows that the target lacks: of their outcomes the newest one counts, whatever it is.
    pub fn lose(&mut self, rows: RowSet) {
        self.lost = rows;
    }

    /// Whether the outcome is of a migrated row that the target lacks, with no later one.
    pub fn is_lost(&self, outcome: &Outcome) -> bool {
        matches!(outcome.fate, Fate::Migrated(_)) && self.lost.contains(outcome.row)
    }

    /// The outcomes that stand, by row number, each with its shard. May be asked for again.
    pub fn outcomes(&self) -> impl Iterator<Item = Result<(ShardIndex, Outcome), Stop>> + Send {
        (0..self.buckets.len()).flat_map(|bucket| {
            let (outcomes, fault) = match self.standing(bucket) {
                Ok(outcomes) => (outcomes, None),
                Err(stop) => (Vec::new(), Some(Err(stop))),
            };
            outcomes.into_iter().flatten().map(Ok).chain(fault)
        })
    }

    /// The outcome that stands of each row of the bucket, each in its slot.
    fn standing(&self, bucket: usize) -> Result<Vec<Option<(ShardIndex, Outcome)>>, Stop> {
        let first = bucket as u64 * self.rows_per_bucket;
        let mut slots = Vec::new();
        slots.resize_with(index(self.rows_per_bucket), || None);
        let mut is_dealt_right = true;
        self.buckets.read(bucket, |(shard, outcome): (ShardIndex, Outcome)| {
            let place = outcome.row.checked_sub(first + 1).map_or(usize::MAX, index);
            let Some(slot) = slots.get_mut(place) else {
                is_dealt_right = false;
                return Ok(());
            };
            let standing = match slot.take() {
                Some((_, earlier)) if self.lost.contains(outcome.row) => newest(earlier, outcome),
                Some((_, earlier)) => stands(earlier, outcome),
                None => outcome,
            };
            *slot = Some((shard, standing));
            Ok(())
        })?;
        if is_dealt_right {
            return Ok(slots);
        }
        Err(Stop::new(Exit::Temporary, "a file of the merge changed on the local disk; run again"))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
