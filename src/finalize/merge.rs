//! Merge: every outcome of every shard in the input's order, one per row.

use std::sync::Arc;

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use crate::{
    domain::{Fate, Outcome, ShardIndex},
    exit::Stop,
    ports::{Fault, on_thread},
    run::{Plan, RowSet, RunStore, Standing, outcomes::Outcomes},
};

/// Ranges of rows in memory: the one that is merged, and the next one, which a thread reads meanwhile.
const RANGES_HELD: usize = 2;

/// All outcomes of a run, and which of their rows are lost.
pub struct Merged {
    all: Arc<Outcomes>,
    standing: Arc<Standing>,
}

impl Merged {
    /// Reads every segment of the run.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Stop> {
        let all = Outcomes::gather(store, plan).await?;
        let standing = Standing::without(RowSet::new(plan.last_row()));
        Ok(Self { all: Arc::new(all), standing: Arc::new(standing) })
    }

    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.all.contains(row)
    }

    /// How many rows have an outcome in the shard's segments.
    pub fn recorded(&self, shard: ShardIndex) -> u64 {
        self.all.recorded(shard)
    }

    /// Sets the migrated rows that the target lacks: of their outcomes the newest one counts, whatever it is.
    pub fn lose(&mut self, rows: RowSet) {
        self.standing = Arc::new(Standing::without(rows));
    }

    /// Which outcomes count.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whether the outcome is of a migrated row that the target lacks, with no later one.
    pub fn is_lost(&self, outcome: &Outcome) -> bool {
        matches!(outcome.fate, Fate::Migrated(_)) && self.standing.lacks(outcome.row)
    }

    /// The outcomes that stand, by row number, each with its shard. May be asked for again.
    pub fn outcomes(&self) -> BoxStream<'static, Result<(ShardIndex, Outcome), Stop>> {
        let (all, standing) = (Arc::clone(&self.all), Arc::clone(&self.standing));
        stream::iter(0..all.buckets())
            .map(move |bucket| {
                let (all, standing) = (Arc::clone(&all), Arc::clone(&standing));
                on_thread(move || all.of(bucket, |earlier, later| standing.of(earlier, later)))
            })
            .buffered(RANGES_HELD)
            .map_ok(|range| stream::iter(range.into_iter().flatten().map(Ok::<_, Fault>)))
            .try_flatten()
            .map_err(Stop::from)
            .boxed()
    }
}
