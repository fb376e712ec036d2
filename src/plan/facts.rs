//! One pass over the warehouse, split so that each shard finds the facts of its own rows in the order of its queue, in
//! bounded memory: rows are dealt into buckets of neighbouring places, and one bucket at a time is put in order.

mod bucket;

use std::{collections::HashSet, sync::Arc};

use self::bucket::{Bucket, Of};
use super::draft::Draft;
use crate::{
    domain::{AttemptId, FactRow, REPORT_TABLE, SCORE_TABLE, ShardIndex},
    ports::{Fault, FaultKind, Service, Warehouse, WarehouseShape},
    run::{
        WarehouseRows, facts,
        lines::{Buckets, Line, SpooledBuckets},
    },
};

/// Places of one shard's queue in a bucket.
const BUCKET_PLACES: u64 = 4_096;

/// The facts of all rows that need some, on disk.
pub struct FactSpool {
    dealing: Dealing,
    /// What [`Bucket`] reads.
    buckets: SpooledBuckets,
    /// Whether there is a report of any of the sampled attempts.
    pub sample_is_reported: bool,
    /// Rows that the scan read.
    pub rows_read: WarehouseRows,
}

/// Which bucket holds what of which row.
#[derive(Clone, Copy)]
pub struct Dealing {
    shards: u32,
    buckets_per_shard: u64,
}

impl FactSpool {
    /// Scans the warehouse, whose shape was told before, keeps what the draft's rows need, and looks for reports of the `sampled` attempts.
    pub async fn scan(
        warehouse: &dyn Warehouse,
        shape: &WarehouseShape,
        draft: &Draft,
        shards: u32,
        sampled: &HashSet<AttemptId>,
    ) -> Result<Self, Fault> {
        let dealing = Dealing::of(draft, shards);
        let mut buckets = Buckets::new(dealing.buckets())?;
        let mut sample_is_reported = false;
        let mut rows_read = WarehouseRows::default();
        // The rows of an attempt often follow each other.
        let mut last: Option<(AttemptId, Option<u64>)> = None;
        warehouse
            .scan(&mut |rows| {
                for row in rows {
                    let attempt = match &row {
                        FactRow::Report(attempt, _) => {
                            rows_read.reports += 1;
                            sample_is_reported |= sampled.contains(attempt);
                            *attempt
                        }
                        FactRow::Score(attempt, _) => {
                            rows_read.scores += 1;
                            *attempt
                        }
                    };
                    let place = match last {
                        Some((same, place)) if same == attempt => place,
                        _ => draft.place_of_facts(attempt),
                    };
                    last = Some((attempt, place));
                    if let Some(place) = place {
                        bucket::push(&mut buckets, dealing.bucket_of(place), &row)?;
                    }
                }
                Ok(())
            })
            .await?;
        prove_whole(shape, rows_read)?;
        Ok(Self { dealing, buckets: buckets.finish()?, sample_is_reported, rows_read })
    }

    /// The lines of the facts file of `shard`: one for each row of its queue that wants facts.
    pub fn of_shard(
        self: Arc<Self>,
        draft: Arc<Draft>,
        shard: ShardIndex,
    ) -> impl Iterator<Item = Result<Line, Fault>> + Send + 'static {
        let mut open = None;
        let mut rows = Bucket::default();
        let queue = draft.queue(shard, self.dealing.shards);
        (0_u64..).zip(queue).filter_map(move |(place, index)| {
            let attempt = draft.facts_wanted(index)?;
            let bucket = self.dealing.bucket(shard, place);
            if open != Some(bucket) {
                // Two of them need not fit into memory.
                rows = Bucket::default();
                match Bucket::read(&self.buckets, bucket) {
                    Ok(read) => rows = read,
                    Err(fault) => return Some(Err(fault)),
                }
                open = Some(bucket);
            }
            Some(Ok(facts::line(attempt, rows.texts(attempt, Of::Report), rows.texts(attempt, Of::Score))))
        })
    }
}

impl Dealing {
    /// Of the rows of a plan.
    pub fn of(draft: &Draft, shards: u32) -> Self {
        let places = draft.len().div_ceil(u64::from(shards.max(1)));
        Self { shards, buckets_per_shard: places.div_ceil(BUCKET_PLACES).max(1) }
    }

    /// The number of buckets.
    pub fn buckets(self) -> usize {
        usize::try_from(self.buckets_per_shard * u64::from(self.shards.max(1))).unwrap_or_default()
    }

    /// The place in its shard's queue of the row at `place` of the reversed queue.
    pub fn place_in_shard(self, place: u64) -> u64 {
        place / u64::from(self.shards.max(1))
    }

    /// Of the row at `place` of the reversed queue.
    pub fn bucket_of(self, place: u64) -> usize {
        self.bucket(crate::domain::shard_of(place, self.shards), self.place_in_shard(place))
    }

    /// Of the row at `place` of the shard's queue.
    pub fn bucket(self, shard: ShardIndex, place: u64) -> usize {
        let bucket = u64::from(shard.0) * self.buckets_per_shard + place / BUCKET_PLACES;
        usize::try_from(bucket).unwrap_or(usize::MAX)
    }
}

/// Checks that no table has lost rows since the warehouse was counted: it is empty for a while when it is loaded again.
fn prove_whole(shape: &WarehouseShape, read: WarehouseRows) -> Result<(), Fault> {
    let Some((reports, scores)) = shape.rows else { return Ok(()) };
    let tables = [(REPORT_TABLE, reports, read.reports), (SCORE_TABLE, scores, read.scores)];
    match tables.into_iter().find(|(_, counted, read)| read < counted) {
        None => Ok(()),
        Some((table, counted, read)) => Err(Fault::new(
            Service::Warehouse,
            FaultKind::Unavailable,
            format!(
                "dbo.{table} had {counted} rows at the start of the plan and {read} when they were read: it is being \
                 loaded, or was emptied"
            ),
        )),
    }
}
