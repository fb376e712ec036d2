//! The state of a run, from its run store, and from its Jobs if there is a cluster.

mod judge;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

pub use judge::{Verdict, judge, look_before_redo, redo_of};

use crate::{
    domain::{Books, ShardIndex},
    ports::{Fault, FaultKind, RunJobs},
    run::{
        DoneMarker, DoneMarkers, Epoch, Heartbeat, Plan, Refusal, RunName, RunStore, Summary, Verification,
        clocks::{is_beating, newness},
        names,
        planning::{self, Planning},
        segments,
        verifying::{self, UnderWay},
        writers::{self, Unmerged},
    },
    watch::rerun::Whereabouts,
};

/// Documents that are read at a time.
const READS: usize = 16;

/// Everything that a verdict is made of.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The run's name.
    pub run: RunName,
    /// Where plan and results are kept.
    pub whereabouts: Whereabouts,
    /// The plan; `None` before it is made.
    pub plan: Option<Plan>,
    /// The plans that are being made, by epoch; empty if there is a plan.
    pub planning: BTreeMap<Epoch, Planning>,
    /// Refusals by epoch.
    pub refusals: BTreeMap<Epoch, Refusal>,
    /// Whether a rollback began.
    pub rolled_back: bool,
    /// The last finalizer's books.
    pub summary: Option<Summary>,
    /// Processes that registered after that result; empty without one.
    pub unmerged: Vec<Unmerged>,
    /// Done markers by shard.
    pub done: BTreeMap<ShardIndex, DoneMarker>,
    /// The newest heartbeat of each shard that is not done, with the largest counts of all its heartbeats.
    pub beats: BTreeMap<ShardIndex, Heartbeat>,
    /// Counts from the segments of shards whose heartbeat is old or absent.
    pub recorded: BTreeMap<ShardIndex, Books>,
    /// Whether a process of the chart ever wrote a heartbeat for a shard that is not done; before the first such heartbeat
    /// whether the chart made the plan.
    pub is_of_chart: bool,
    /// The run's Jobs; `None` if the cluster was not asked or has none.
    pub jobs: Option<RunJobs>,
    /// Where Jobs of this run were looked for, if there are none; `None` too if the cluster gave no answer, or a person says that
    /// there is no cluster.
    pub no_jobs_in: Option<Searched>,
    /// The result of the last verification of this plan.
    pub verification: Option<Verification>,
    /// Verifications that are not over.
    pub verifying: Vec<UnderWay>,
    /// Other runs in the run store, if this one has no plan.
    pub other_runs: Vec<RunName>,
    /// Time of the look (UTC).
    pub at: DateTime<Utc>,
}

/// Where Jobs of a run were looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Searched {
    /// The namespace that a person named (`ROGO_NAMESPACE`).
    Chosen(String),
    /// The namespace of the context.
    OfContext(String),
    /// Nowhere: this machine knows no cluster.
    Nowhere,
}

impl Facts {
    /// The newest epoch of the run's Jobs, if there are Jobs.
    fn epoch(&self) -> Option<&Epoch> {
        self.jobs.as_ref()?.epoch.as_ref()
    }

    /// The plan that is being made: with Jobs one of their epoch only.
    pub fn planning(&self) -> Option<&Planning> {
        match self.epoch() {
            Some(epoch) => self.planning.get(epoch),
            None => self.planning.values().max_by_key(|planning| planning.at),
        }
    }
}

/// Looks at a run again and again.
pub struct Watcher {
    store: RunStore,
    verify_store: RunStore,
    whereabouts: Whereabouts,
    markers: DoneMarkers,
    /// How many segments each shard had, and what they held: they never change.
    segments: BTreeMap<ShardIndex, (usize, Books)>,
}

impl Watcher {
    /// Watches the run of `store`, whose verifications are in `verify_store`; `whereabouts` names both in messages.
    pub fn new(store: RunStore, verify_store: RunStore, whereabouts: Whereabouts) -> Self {
        let markers = DoneMarkers::new(store.clone());
        Self { store, verify_store, whereabouts, markers, segments: BTreeMap::new() }
    }

    /// Looks once. `jobs` is the answer of the cluster.
    pub async fn look(&mut self, jobs: Option<RunJobs>) -> Result<Facts, Fault> {
        let mut facts = Facts {
            run: self.store.run().clone(),
            whereabouts: self.whereabouts.clone(),
            rolled_back: self.store.exists(names::ROLLED_BACK).await?,
            plan: self.store.plan().await?,
            jobs,
            ..Facts::default()
        };
        if let Some(plan) = &facts.plan {
            facts.done = self.markers.look(plan).await?.clone();
            (facts.beats, facts.is_of_chart) = self.beats(plan, &facts.done).await?;
            facts.recorded = self.recorded(plan, &facts.done, &facts.beats).await?;
            facts.summary = self.store.read(&names::result(names::SUMMARY)).await?;
            if let Some(summary) = &facts.summary {
                if summary.plan == plan.id {
                    facts.unmerged = writers::unmerged(&self.store, summary).await?;
                }
                let result: Option<Verification> =
                    self.verify_store.read(&names::result(names::VERIFICATION)).await?;
                facts.verification = result.filter(|result| result.plan == plan.id);
                facts.verifying = verifying::under_way(&self.verify_store).await?;
                let result = facts.verification.as_ref();
                facts.verifying.retain(|under_way| {
                    under_way.subject.plan == plan.id
                        && !result.is_some_and(|result| under_way.precedes(result))
                });
            }
        }
        facts.refusals = self.refusals().await?;
        if facts.plan.is_none() {
            facts.planning = planning::by_epoch(&self.store, Utc::now()).await?;
        }
        if facts.plan.is_none() && facts.refusals.is_empty() {
            facts.other_runs = self.store.other_runs().await?;
        }
        facts.at = Utc::now();
        Ok(facts)
    }

    /// What the segments hold of the shards that no process gives word of. Each is read again only if it has more
    /// segments than before.
    async fn recorded(
        &mut self,
        plan: &Plan,
        done: &BTreeMap<ShardIndex, DoneMarker>,
        beats: &BTreeMap<ShardIndex, Heartbeat>,
    ) -> Result<BTreeMap<ShardIndex, Books>, Fault> {
        let now = Utc::now();
        let speaks = |shard: &ShardIndex| beats.get(shard).is_some_and(|beat| is_beating(beat.at, now));
        let silent = (0..).map(ShardIndex).take(plan.shards.len());
        let silent = silent.filter(|shard| !done.contains_key(shard) && !speaks(shard));
        let (store, known) = (&self.store, &self.segments);
        let read: Vec<Option<(ShardIndex, (usize, Books))>> = stream::iter(silent)
            .map(|shard| async move {
                let segments = store.list(&names::segments(shard)).await?.len();
                if segments == known.get(&shard).map_or(0, |(segments, _)| *segments) {
                    return Ok(None);
                }
                match segments::recorded(store, plan, shard).await {
                    Ok(recorded) => Ok(Some((shard, (segments, recorded.books)))),
                    // A damaged segment ends its own shard's process with a message; here the counts of the heartbeats
                    // are shown.
                    Err(fault) if fault.kind == FaultKind::Corrupt => Ok(None),
                    Err(fault) => Err(fault),
                }
            })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        self.segments.extend(read.into_iter().flatten());
        Ok(self.segments.iter().map(|(shard, (_, books))| (*shard, books.clone())).collect())
    }

    /// The newest heartbeat of each shard that is not done, whatever its epoch, and whether one is of the chart.
    async fn beats(
        &self,
        plan: &Plan,
        done: &BTreeMap<ShardIndex, DoneMarker>,
    ) -> Result<(BTreeMap<ShardIndex, Heartbeat>, bool), Fault> {
        let names = self.store.list(names::HEARTBEATS).await?;
        let of_undone = |name: &&String| {
            let file = name.rsplit('/').next().unwrap_or_default();
            let shard = file.split_once('-').and_then(|(shard, _)| shard_of(shard));
            shard.is_some_and(|shard| !done.contains_key(&shard))
        };
        let (store, names): (_, Vec<&String>) = (&self.store, names.iter().filter(of_undone).collect());
        let is_of_chart = match names.as_slice() {
            [] => plan.is_of_chart(),
            names => names.iter().any(|name| beats_in_the_chart(name)),
        };
        let beats: Vec<Option<Heartbeat>> = stream::iter(names)
            .map(|name| async move { store.heartbeat(&plan.id, name).await })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        let (mut newest, now): (BTreeMap<ShardIndex, Heartbeat>, _) = (BTreeMap::new(), Utc::now());
        for beat in beats.into_iter().flatten() {
            let known = newest.entry(beat.shard).or_insert_with(|| beat.clone());
            // A process that waits before its first row does not know yet what earlier ones did.
            let most =
                if known.books.rows() < beat.books.rows() { &beat.books } else { &known.books }.clone();
            if newness(known.at, now) < newness(beat.at, now) {
                *known = beat;
            }
            known.books = most;
        }
        Ok((newest, is_of_chart))
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

/// Whether the chart began the run: it made the plan, or one of its processes moved rows.
pub async fn is_of_chart(store: &RunStore, plan: &Plan) -> Result<bool, Fault> {
    Ok(plan.is_of_chart() || store.list(names::HEARTBEATS).await?.iter().any(|name| beats_in_the_chart(name)))
}

/// Whether the heartbeat of this name is of a process of the chart.
fn beats_in_the_chart(name: &str) -> bool {
    let epoch = name.split('/').nth(1).and_then(|epoch| epoch.parse::<Epoch>().ok());
    epoch.is_some_and(|epoch| !epoch.is_outside_the_chart())
}

fn shard_of(digits: &str) -> Option<ShardIndex> {
    digits.parse().ok().map(ShardIndex)
}
