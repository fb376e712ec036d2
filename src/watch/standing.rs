//! Where a run stands: read from the run store, and from its Jobs where there is a cluster.

mod judge;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

pub use judge::{Verdict, judge};

use crate::{
    domain::ShardIndex,
    ports::{Fault, RunJobs},
    run::{
        DoneMarker, DoneMarkers, Epoch, Heartbeat, Plan, PlanId, Refusal, RunName, RunStore, Summary, names,
    },
};

/// Documents that are read at a time.
const READS: usize = 16;

/// Everything that a verdict is made of.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The run's name.
    pub run: RunName,
    /// Where plan and results are kept.
    pub run_store: String,
    /// The plan.
    pub plan: Option<Plan>,
    /// Refusals by epoch.
    pub refusals: BTreeMap<Epoch, Refusal>,
    /// Whether a rollback began.
    pub rolled_back: bool,
    /// The last finalizer's books.
    pub summary: Option<Summary>,
    /// Done markers.
    pub done: BTreeMap<ShardIndex, DoneMarker>,
    /// The newest heartbeat of each shard that is not done.
    pub beats: BTreeMap<ShardIndex, Heartbeat>,
    /// The run's Jobs.
    pub jobs: Option<RunJobs>,
    /// Now (UTC).
    pub at: DateTime<Utc>,
}

/// Looks at a run again and again.
pub struct Watcher {
    store: RunStore,
    place: String,
    markers: DoneMarkers,
}

impl Watcher {
    /// Of the run of `store`; `place` is what people call the run store.
    pub fn new(store: RunStore, place: &str) -> Self {
        Self { markers: DoneMarkers::new(store.clone()), store, place: place.to_owned() }
    }

    /// Looks now. `jobs` is what the cluster says.
    pub async fn look(&mut self, jobs: Option<RunJobs>) -> Result<Facts, Fault> {
        let mut facts = Facts {
            run: self.store.run().clone(),
            run_store: self.place.clone(),
            rolled_back: self.store.exists(names::ROLLED_BACK).await?,
            plan: self.store.plan().await?,
            jobs,
            ..Facts::default()
        };
        if let Some(plan) = &facts.plan {
            facts.done = self.markers.look(plan).await?.clone();
            facts.beats = self.beats(&plan.id, &facts.done).await?;
            facts.summary = self.store.read(&names::result(names::SUMMARY)).await?;
        }
        facts.refusals = self.refusals().await?;
        facts.at = Utc::now();
        Ok(facts)
    }

    /// The newest heartbeat of each shard that is not done, whatever its epoch.
    async fn beats(
        &self,
        plan: &PlanId,
        done: &BTreeMap<ShardIndex, DoneMarker>,
    ) -> Result<BTreeMap<ShardIndex, Heartbeat>, Fault> {
        let names = self.store.list("heartbeats/").await?;
        let of_undone = |name: &&String| {
            let file = name.rsplit('/').next().unwrap_or_default();
            let shard = file.split_once('-').and_then(|(shard, _)| shard_of(shard));
            shard.is_some_and(|shard| !done.contains_key(&shard))
        };
        let store = &self.store;
        let beats: Vec<Option<Heartbeat>> = stream::iter(names.iter().filter(of_undone))
            .map(|name| async move { store.heartbeat(plan, name).await })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        let mut newest: BTreeMap<ShardIndex, Heartbeat> = BTreeMap::new();
        for beat in beats.into_iter().flatten() {
            let known = newest.entry(beat.shard).or_insert_with(|| beat.clone());
            if known.at < beat.at {
                *known = beat;
            }
        }
        Ok(newest)
    }

    async fn refusals(&self) -> Result<BTreeMap<Epoch, Refusal>, Fault> {
        let mut refusals = BTreeMap::new();
        for name in self.store.list("refused/").await? {
            let epoch =
                name.strip_prefix("refused/").and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if let (Some(epoch), Some(refusal)) = (epoch, self.store.read(&name).await?) {
                refusals.insert(epoch, refusal);
            }
        }
        Ok(refusals)
    }
}

fn shard_of(digits: &str) -> Option<ShardIndex> {
    digits.parse().ok().map(ShardIndex)
}
