//! The outcomes of a run by row number, in bounded memory: dealt by ranges of rows into buckets on the local disk.

use futures_util::TryStreamExt;

use crate::{
    domain::{Outcome, stands},
    ports::{Fault, FaultKind, Service},
    run::{
        Plan, RowSet, RunStore,
        lines::{Buckets, SpooledBuckets},
        segments::segments,
    },
};

const BUCKETS: u64 = 256;
/// A range is at least so many rows, so that small runs have few.
const LEAST_ROWS: u64 = 4_096;

/// All outcomes of a run.
pub struct Outcomes {
    /// Rows of a bucket's range.
    pub rows_per_bucket: u64,
    /// Rows that have an outcome.
    pub rows: u64,
    buckets: SpooledBuckets,
}

impl Outcomes {
    /// Reads every segment of the run.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Fault> {
        let rows_per_bucket = plan.submissions.rows.div_ceil(BUCKETS).max(LEAST_ROWS);
        let count = plan.submissions.rows.div_ceil(rows_per_bucket).max(1);
        let mut buckets = Buckets::new(usize::try_from(count).unwrap_or(usize::MAX))?;
        let mut seen = RowSet::new(plan.submissions.rows);
        let mut found = segments(store, plan, None);
        while let Some(segment) = found.try_next().await? {
            for outcome in segment.outcomes() {
                let outcome = outcome?;
                seen.insert(outcome.row).map_err(|_| segment.foreign_row(outcome.row))?;
                buckets.push(bucket_of(outcome.row, rows_per_bucket), &outcome)?;
            }
        }
        Ok(Self { rows_per_bucket, rows: seen.len(), buckets: buckets.finish()? })
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

    /// The outcome that stands of each row of a range, each in its place: migrated before all others, else the newest.
    pub fn of(&self, bucket: usize) -> Result<Vec<Option<Outcome>>, Fault> {
        let (first, _) = self.range(bucket);
        let mut slots: Vec<Option<Outcome>> = Vec::new();
        slots.resize_with(usize::try_from(self.rows_per_bucket).unwrap_or_default(), || None);
        let mut is_dealt_right = true;
        self.buckets.read(bucket, |outcome: Outcome| {
            let place = outcome.row.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            match place.and_then(|place| slots.get_mut(place)) {
                None => is_dealt_right = false,
                Some(slot) => {
                    *slot = Some(match slot.take() {
                        Some(earlier) => stands(earlier, outcome),
                        None => outcome,
                    });
                }
            }
            Ok(())
        })?;
        if is_dealt_right {
            return Ok(slots);
        }
        let what = "a temporary file changed while it was read; run again";
        Err(Fault::new(Service::LocalDisk, FaultKind::Unavailable, what))
    }
}

/// The range of a row, which counts from 1.
pub fn bucket_of(row: u64, rows_per_bucket: u64) -> usize {
    usize::try_from(row.saturating_sub(1) / rows_per_bucket).unwrap_or(usize::MAX)
}
