//! Where a run stands: read from the run store, and from its Jobs where there is a cluster.

mod judge;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

pub use judge::{Verdict, judge};

use super::results::SUMMARY;
use crate::{
    domain::{DoneMarker, Heartbeat, Plan, Refusal, ShardIndex},
    ports::{Fault, RunJobs},
    report::summary::Summary,
    run_store::{RunStore, names},
};

/// Documents that are read at a time.
const READS: usize = 16;

/// Everything that a verdict is made of.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The run's name.
    pub run: String,
    /// Where plan and results are kept.
    pub run_store: String,
    /// The plan.
    pub plan: Option<Plan>,
    /// Refusals by epoch.
    pub refusals: BTreeMap<String, Refusal>,
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

/// Looks at a run again and again; done markers never change, so each is read once.
pub struct Watcher {
    store: RunStore,
    place: String,
    done: BTreeMap<ShardIndex, DoneMarker>,
}

impl Watcher {
    /// Of the run of `store`; `place` is what people call the run store.
    pub fn new(store: RunStore, place: &str) -> Self {
        Self { store, place: place.to_owned(), done: BTreeMap::new() }
    }

    /// Looks now. `jobs` is what the cluster says.
    pub async fn look(&mut self, jobs: Option<RunJobs>) -> Result<Facts, Fault> {
        let mut facts = Facts {
            run: self.store.run().to_owned(),
            run_store: self.place.clone(),
            rolled_back: self.store.exists(names::ROLLED_BACK).await?,
            plan: self.store.plan().await?,
            jobs,
            ..Facts::default()
        };
        if facts.plan.is_some() {
            self.read_done().await?;
            facts.done = self.done.clone();
            facts.beats = self.beats().await?;
            facts.summary = self.store.read(&names::result(SUMMARY)).await?;
        }
        facts.refusals = self.refusals().await?;
        facts.at = Utc::now();
        Ok(facts)
    }

    async fn read_done(&mut self) -> Result<(), Fault> {
        let names = self.store.list("done/").await?;
        let shards =
            names.iter().filter_map(|name| shard_of(name.strip_prefix("done/")?.strip_suffix(".json")?));
        let unread: Vec<ShardIndex> = shards.filter(|shard| !self.done.contains_key(shard)).collect();
        let store = &self.store;
        let markers: Vec<Option<DoneMarker>> = stream::iter(unread)
            .map(|shard| async move { store.done(shard).await })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        self.done.extend(markers.into_iter().flatten().map(|marker| (marker.shard, marker)));
        Ok(())
    }

    /// The newest heartbeat of each shard that is not done, whatever its epoch.
    async fn beats(&self) -> Result<BTreeMap<ShardIndex, Heartbeat>, Fault> {
        let names = self.store.list("heartbeats/").await?;
        let of_undone = |name: &&String| {
            let file = name.rsplit('/').next().unwrap_or_default();
            let shard = file.split_once('-').and_then(|(shard, _)| shard_of(shard));
            shard.is_some_and(|shard| !self.done.contains_key(&shard))
        };
        let store = &self.store;
        let beats: Vec<Option<Heartbeat>> = stream::iter(names.iter().filter(of_undone))
            .map(|name| async move { store.read(name).await })
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

    async fn refusals(&self) -> Result<BTreeMap<String, Refusal>, Fault> {
        let mut refusals = BTreeMap::new();
        for name in self.store.list("refused/").await? {
            let epoch = name.strip_prefix("refused/").and_then(|name| name.strip_suffix(".json"));
            if let (Some(epoch), Some(refusal)) = (epoch, self.store.read(&name).await?) {
                refusals.insert(epoch.to_owned(), refusal);
            }
        }
        Ok(refusals)
    }
}

fn shard_of(digits: &str) -> Option<ShardIndex> {
    digits.parse().ok().map(ShardIndex)
}
