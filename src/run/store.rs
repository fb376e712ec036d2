//! The documents of a run and where they lie in the run store: where plan, shards and finalize meet.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::ShardIndex,
    exit::{Exit, Stop},
    ports::{BlobReader, Blobs, Fault, FaultKind, PutOptions, Service, gently},
    run::{
        DoneMarker, Epoch, Heartbeat, Plan, PlanHeartbeat, PlanId, Refusal, RunName, WriterRecord, names,
        parse, planning,
    },
};

const JSON: &str = "application/json";
/// Documents that are read at a time.
const READS: usize = 16;

/// Says which runs there are, behind the word that one is not there; empty if there is none.
pub fn named_instead(others: &[RunName]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = others.iter().map(RunName::as_str).collect();
    format!("; runs that have one there: {} (--run)", names.join(", "))
}

fn unwritable(name: &str, error: serde_json::Error) -> Fault {
    Fault::caused(Service::RunStore, FaultKind::Misconfigured, format!("{name} cannot be written"), error)
}

/// One run's folder: `<run store>/<run>/`.
#[derive(Clone)]
pub struct RunStore {
    blobs: Arc<dyn Blobs>,
    run: RunName,
}

impl RunStore {
    /// The folder of `run` in the store.
    pub fn new(blobs: Arc<dyn Blobs>, run: &RunName) -> Self {
        Self { blobs, run: run.clone() }
    }

    /// The run's name.
    pub fn run(&self) -> &RunName {
        &self.run
    }

    /// The store itself, for streams. Names in it begin with [`Self::path`].
    pub fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.blobs
    }

    /// The full name of a document of this run.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.run)
    }

    /// Where a document lies, for people.
    pub fn describe(&self, name: &str) -> String {
        format!("{}/{}", self.blobs.location().trim_end_matches('/'), self.path(name))
    }

    /// The plan, if there is one. [`FaultKind::Misconfigured`] if its documents have another format.
    pub async fn plan(&self) -> Result<Option<Plan>, Fault> {
        let Some(bytes) = self.bytes(names::PLAN).await? else { return Ok(None) };
        let instead = "and its run cannot be continued; start a run with another name (--run)";
        Plan::read(&self.describe(names::PLAN), &bytes, instead).map(Some)
    }

    /// The plan; `None` if there is none and no process makes one. While one is being made the command ends with 75.
    pub async fn plan_unless_in_making(&self) -> Result<Option<Plan>, Stop> {
        if let Some(plan) = self.plan().await? {
            return Ok(Some(plan));
        }
        let Some(planning) = planning::under_way(self, Utc::now()).await? else { return Ok(None) };
        // It may have ended between the two looks.
        if let Some(plan) = self.plan().await? {
            return Ok(Some(plan));
        }
        let what = format!(
            "there is no plan at {} yet: {planning}; run this command again when the plan stands",
            self.describe(names::PLAN)
        );
        Err(Stop::new(Exit::Temporary, what))
    }

    /// The plan. Without one the command is refused with 78, or ends with 75 while one is being made; `why` says what it
    /// means for the command that there is none.
    pub async fn plan_or(&self, why: &str) -> Result<Plan, Stop> {
        if let Some(plan) = self.plan_unless_in_making().await? {
            return Ok(plan);
        }
        let instead = named_instead(&self.other_runs().await.unwrap_or_default());
        let what = format!("there is no plan at {}: {why}{instead}", self.describe(names::PLAN));
        Err(Stop::new(Exit::Configuration, what))
    }

    /// The refusal of `epoch`, if there is one.
    pub async fn refusal(&self, epoch: &Epoch) -> Result<Option<Refusal>, Fault> {
        self.read(&names::refused(epoch)).await
    }

    /// The last heartbeat of the planning process of `epoch`, if there is one.
    pub async fn planning(&self, epoch: &Epoch) -> Result<Option<PlanHeartbeat>, Fault> {
        self.read(&names::planning(epoch)).await
    }

    /// The shard's done marker, if it exists. [`FaultKind::Corrupt`] if it belongs to another plan.
    pub async fn done(&self, plan: &PlanId, shard: ShardIndex) -> Result<Option<DoneMarker>, Fault> {
        let name = names::done(shard);
        let Some(marker) = self.read::<DoneMarker>(&name).await? else { return Ok(None) };
        if marker.plan == *plan && marker.shard == shard {
            return Ok(Some(marker));
        }
        Err(self.foreign(&name, &marker.plan, plan))
    }

    /// Every process that ever registered, by id.
    pub async fn writers(&self) -> Result<Vec<WriterRecord>, Fault> {
        let names =
            self.list("writers/").await?.into_iter().filter(|name| name.strip_suffix(".json").is_some());
        let records = stream::iter(names).map(|name| async move { self.read::<WriterRecord>(&name).await });
        records.buffered(READS).try_filter_map(|record| async { Ok(record) }).try_collect().await
    }

    /// Every heartbeat of the plan in `epoch`.
    pub async fn heartbeats(&self, plan: &PlanId, epoch: &Epoch) -> Result<Vec<Heartbeat>, Fault> {
        let mut beats = Vec::new();
        for name in self.list(&names::heartbeats(epoch)).await? {
            beats.extend(self.heartbeat(plan, &name).await?);
        }
        Ok(beats)
    }

    /// The heartbeat of this name; `None` if there is none, or if it is of another plan.
    pub async fn heartbeat(&self, plan: &PlanId, name: &str) -> Result<Option<Heartbeat>, Fault> {
        let beat = self.read::<Heartbeat>(name).await?;
        Ok(beat.filter(|beat| {
            let is_own = beat.plan == *plan;
            if !is_own {
                tracing::debug!(name, plan = %beat.plan, "this heartbeat is of another plan and is ignored");
            }
            is_own
        }))
    }

    /// The run's folder holds a document that belongs to another plan.
    pub(super) fn foreign(&self, name: &str, theirs: &PlanId, ours: &PlanId) -> Fault {
        let what = format!(
            "{} is of plan {theirs}, and this run's plan is {ours}: it was copied from another run; start this run under another name (--run)",
            self.describe(name)
        );
        Fault::new(Service::RunStore, FaultKind::Corrupt, what)
    }

    /// Whether a document is there.
    pub async fn exists(&self, name: &str) -> Result<bool, Fault> {
        Ok(self.blobs.head(&self.path(name)).await?.is_some())
    }

    /// Reads a document whole; `None` if there is none.
    pub async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        let Some(bytes) = self.bytes(name).await? else { return Ok(None) };
        parse(&self.describe(name), &bytes).map(Some)
    }

    /// The bytes of a document; `None` if there is none.
    pub async fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let Some(reader) = self.open(name).await? else { return Ok(None) };
        let whole = reader.body.try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        });
        whole.await.map(Some)
    }

    /// Reads a document as a stream; `None` if there is none.
    pub async fn open(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        self.blobs.get(&self.path(name)).await
    }

    /// Writes a document that must not be there yet; [`FaultKind::Exists`] if it is.
    pub async fn create(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, serde_json::to_vec_pretty, &PutOptions::create(JSON)).await
    }

    /// Writes a document in the place of an earlier one.
    pub async fn replace(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, serde_json::to_vec_pretty, &PutOptions::replace(JSON)).await
    }

    /// As [`Self::create`], in one line: for a document with a number for each row.
    pub async fn create_in_a_line(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, serde_json::to_vec, &PutOptions::create(JSON)).await
    }

    /// As [`Self::replace`], in one line.
    pub async fn replace_in_a_line(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, serde_json::to_vec, &PutOptions::replace(JSON)).await
    }

    async fn put<D: Serialize>(
        &self,
        name: &str,
        document: &D,
        write: impl FnOnce(&D) -> serde_json::Result<Vec<u8>>,
        options: &PutOptions,
    ) -> Result<(), Fault> {
        let bytes = write(document).map_err(|error| unwritable(name, error))?;
        self.send(name, bytes, options).await
    }

    async fn send(&self, name: &str, bytes: Vec<u8>, options: &PutOptions) -> Result<(), Fault> {
        let (path, bytes) = (self.path(name), Bytes::from(bytes));
        let mut sent = 0;
        let stored = gently(|| {
            sent += 1;
            self.blobs.put(&path, bytes.clone(), options)
        });
        match stored.await {
            // The connection broke before the answer: what stands there may be what this process sent.
            Err(fault) if fault.kind == FaultKind::Exists && sent > 1 => {
                let stands = self.bytes(name).await?;
                if stands.is_some_and(|stands| stands == bytes) { Ok(()) } else { Err(fault) }
            }
            stored => stored.map(drop),
        }
    }

    /// Names (relative to the run's folder) of the documents whose names begin with `prefix`.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let folder = self.path("");
        self.blobs
            .list(&self.path(prefix))
            .map_ok(|info| info.name.strip_prefix(&folder).unwrap_or(&info.name).to_owned())
            .try_collect()
            .await
    }

    /// The other runs that have a plan in this run store, by name.
    pub async fn other_runs(&self) -> Result<Vec<RunName>, Fault> {
        let folders = self.blobs.folders().await?;
        let others = folders.iter().filter_map(|name| name.parse().ok()).filter(|run| *run != self.run);
        stream::iter(others)
            .map(|run| async {
                let is_planned = Self::new(self.blobs.clone(), &run).exists(names::PLAN).await?;
                Ok(is_planned.then_some(run))
            })
            .buffered(READS)
            .try_filter_map(|planned| async { Ok(planned) })
            .try_collect()
            .await
    }

    /// Deletes the documents; one that is absent is no error.
    pub async fn delete(&self, names: &[String]) -> Result<(), Fault> {
        let paths: Vec<String> = names.iter().map(|name| self.path(name)).collect();
        self.blobs.delete_many(&paths).await
    }
}

/// The done markers of a run. They never change, so each is read only once.
pub struct DoneMarkers {
    store: RunStore,
    known: BTreeMap<ShardIndex, DoneMarker>,
}

impl DoneMarkers {
    /// An empty cache.
    pub fn new(store: RunStore) -> Self {
        Self { store, known: BTreeMap::new() }
    }

    /// The done markers that exist now.
    pub async fn look(&mut self, plan: &Plan) -> Result<&BTreeMap<ShardIndex, DoneMarker>, Fault> {
        let names = self.store.list(names::DONE).await?;
        let shards = names.iter().filter_map(|name| {
            let shard = name.strip_prefix(names::DONE)?.strip_suffix(".json")?.parse().ok()?;
            (usize::try_from(shard).ok()? < plan.shards.len()).then_some(ShardIndex(shard))
        });
        let unread: Vec<ShardIndex> = shards.filter(|shard| !self.known.contains_key(shard)).collect();
        let store = &self.store;
        let read: Vec<Option<DoneMarker>> = stream::iter(unread)
            .map(|shard| async move { store.done(&plan.id, shard).await })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
        self.known.extend(read.into_iter().flatten().map(|marker| (marker.shard, marker)));
        Ok(&self.known)
    }
}
