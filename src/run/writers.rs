//! Writers: which processes wrote for this run.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::{
    domain::{FileKind, ShardIndex},
    ports::{Fault, FaultKind, HeldSubmission, Service},
    run::{PlanId, RunStore, State, Summary, WriterId, WriterRecord, clocks::is_at_work, names},
};

/// Retired marks being written, or processes being looked at, at a time.
const MARKS_AT_A_TIME: usize = 16;

/// The writer in a blob's name `<folder>/<writer>/…`.
pub fn of_blob(name: &str) -> Option<WriterId> {
    name.split('/').nth(1)?.parse().ok()
}

/// The writers that the files of a submission name.
pub fn of_submission(held: &HeldSubmission) -> BTreeSet<WriterId> {
    held.blob_names.iter().filter_map(|name| of_blob(name)).collect()
}

fn blob_prefixes(writer: &WriterId) -> [String; 2] {
    FileKind::ALL.map(|kind| format!("{}/{writer}/", kind.folder()))
}

/// Registers a writer. To be called while the process holds the run's shared lock, before its first upload.
pub async fn register(store: &RunStore, id: &WriterId, shard: ShardIndex, host: &str) -> Result<(), Fault> {
    let record = WriterRecord { id: id.clone(), shard, started_at: Utc::now(), host: host.to_owned() };
    match store.create(&names::writer(id), &record).await {
        // No other process has this id: the record exists because the answer to an earlier request was lost.
        Err(Fault { kind: FaultKind::Exists, .. }) | Ok(()) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Records that the process ended in order and left no blobs: the sweep need not list its names, and `status` and `verify`
/// need not wait for it.
pub async fn mark_clean(store: &RunStore, id: &WriterId) {
    if let Err(fault) = store.replace(&names::clean(id), &serde_json::json!({})).await {
        tracing::warn!(fault = %fault.chain(), "finalize will list this process's blobs, because it could not record that it left none");
    }
}

/// The writers registered in a run's store, asked for once each.
pub struct Writers {
    store: RunStore,
    registered: Mutex<BTreeSet<WriterId>>,
}

impl Writers {
    /// Of the run of `store`.
    pub fn new(store: RunStore) -> Self {
        Self { store, registered: Mutex::default() }
    }

    /// Whether this run wrote the submission: its files name a writer that is registered in this run's store.
    pub async fn wrote(&self, held: &HeldSubmission) -> Result<bool, Fault> {
        self.is_any_registered(&of_submission(held)).await
    }

    /// Whether this run has registered one of the writers.
    pub async fn is_any_registered(&self, ids: &BTreeSet<WriterId>) -> Result<bool, Fault> {
        for id in ids {
            if self.is_registered(id).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_registered(&self, id: &WriterId) -> Result<bool, Fault> {
        if self.registered.lock().unwrap_or_else(PoisonError::into_inner).contains(id) {
            return Ok(true);
        }
        if !self.store.exists(&names::writer(id)).await? {
            return Ok(false);
        }
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Ok(true)
    }
}

/// Ids of writers without a clean end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UncleanWriters(BTreeSet<WriterId>);

impl UncleanWriters {
    /// All of them, also those that ended in order.
    pub fn all(writers: &BTreeSet<WriterId>) -> Self {
        Self(writers.clone())
    }

    /// These are unclean too.
    pub fn extend(&mut self, writers: impl Iterator<Item = WriterId>) {
        self.0.extend(writers);
    }

    /// Whether there is none, and so nothing to sweep.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this writer is one of them.
    pub fn contains(&self, writer: &WriterId) -> bool {
        self.0.contains(writer)
    }

    /// Prefixes under which their blobs lie in the target container.
    pub fn blob_prefixes(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(blob_prefixes)
    }
}

/// Marks every registered writer as retired: with the lock held, none of them writes ever again.
/// Returns all of them, and those whose blobs have to be checked.
pub(super) async fn retire(store: &RunStore) -> Result<(BTreeSet<WriterId>, UncleanWriters), Fault> {
    /// Only the document's name counts; its content is for people.
    #[derive(Serialize)]
    struct Retired {
        by: &'static str,
    }
    let (registered, unclean) = registered(store).await?;
    let retired: HashSet<String> = store.list("retired/").await?.into_iter().collect();
    let due: Vec<String> =
        registered.iter().map(names::retired).filter(|mark| !retired.contains(mark)).collect();
    stream::iter(due.into_iter().map(Ok))
        .try_for_each_concurrent(MARKS_AT_A_TIME, |mark| async move {
            match store.create(&mark, &Retired { by: "the exclusive lock" }).await {
                Err(fault) if fault.kind != FaultKind::Exists => Err(fault),
                _ => Ok(()),
            }
        })
        .await?;
    Ok((registered, unclean))
}

/// A process that registered after the last merge: what it records is in no result yet.
#[derive(Debug, Clone)]
pub struct Unmerged {
    /// The shard it works on.
    pub shard: ShardIndex,
    /// Host name, for people.
    pub host: String,
    /// When it gave word of itself last (UTC): its start, or a heartbeat.
    pub sign_at: DateTime<Utc>,
    /// Whether it said that it ended.
    pub is_stopped: bool,
    /// Whether it recorded outcomes.
    pub has_recorded: bool,
}

impl Unmerged {
    /// Whether a result lacks something for it: one that recorded nothing and is silent found nothing to do, or was killed.
    fn matters(&self, now: DateTime<Utc>) -> bool {
        self.has_recorded || !self.is_stopped && is_at_work(self.sign_at, now)
    }
}

/// The processes whose work is not in this result. Writers are only ever added, and a merge counts them after it has retired
/// all: neither a merge that is under way nor one that failed is taken for its result. One that is not retired came after every
/// merge; among the others the youngest by their own clocks are taken.
pub async fn unmerged(store: &RunStore, result: &Summary) -> Result<Vec<Unmerged>, Fault> {
    let Some(merged) = result.writers_merged else { return Ok(Vec::new()) };
    let (registered, unclean) = registered(store).await?;
    let later = registered.len().saturating_sub(merged);
    if later == 0 {
        return Ok(Vec::new());
    }
    let retired: HashSet<String> = store.list("retired/").await?.into_iter().collect();
    let mut records = store.writers().await?;
    records.sort_by_key(|record| {
        (retired.contains(&names::retired(&record.id)), std::cmp::Reverse(record.started_at))
    });
    records.truncate(later);
    let beats = store.list(names::HEARTBEATS).await?;
    let found: Vec<Unmerged> = stream::iter(records)
        .map(|record| {
            let has_ended = !unclean.contains(&record.id);
            one_unmerged(store, &result.plan, record, has_ended, &beats)
        })
        .buffered(MARKS_AT_A_TIME)
        .try_collect()
        .await?;
    let now = Utc::now();
    Ok(found.into_iter().filter(|found| found.matters(now)).collect())
}

async fn one_unmerged(
    store: &RunStore,
    plan: &PlanId,
    record: WriterRecord,
    has_ended: bool,
    beats: &[String],
) -> Result<Unmerged, Fault> {
    let WriterRecord { id, shard, host, started_at } = record;
    let own = format!("/{shard}-{id}.json");
    let beat = match beats.iter().find(|name| name.ends_with(&own)) {
        Some(name) => store.heartbeat(plan, name).await?,
        None => None,
    };
    let segments = store.list(&format!("{}{id}-", names::segments(shard))).await?;
    Ok(Unmerged {
        shard,
        host,
        sign_at: beat.as_ref().map_or(started_at, |beat| beat.at.max(started_at)),
        is_stopped: has_ended || beat.is_some_and(|beat| matches!(beat.state, State::Stopped(_))),
        has_recorded: !segments.is_empty(),
    })
}

/// All registered writers, and those among them that did not end in order.
pub async fn registered(store: &RunStore) -> Result<(BTreeSet<WriterId>, UncleanWriters), Fault> {
    let mut all = BTreeSet::new();
    let mut clean = BTreeSet::new();
    for name in store.list("writers/").await? {
        let file = name.strip_prefix("writers/").unwrap_or(&name);
        let (id, set) = match file.rsplit_once('.') {
            Some((id, "json")) => (id.parse::<WriterId>(), &mut all),
            Some((id, "clean")) => (id.parse(), &mut clean),
            _ => (file.parse(), &mut all),
        };
        // The id becomes a prefix under which blobs are deleted: nothing but an id may pass.
        let id = id.map_err(|_| {
            let what = format!(
                "{} is no writer that this program registers. Nothing was deleted; find out what wrote it, and leave \
                 every other document of the run as it is",
                store.describe(&name)
            );
            Fault::new(Service::RunStore, FaultKind::Corrupt, what)
        })?;
        set.insert(id);
    }
    let unclean = UncleanWriters(all.difference(&clean).cloned().collect());
    Ok((all, unclean))
}
