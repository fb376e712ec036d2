//! The documents of a run and where they lie in the run store: where plan, shards and finalize meet.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{DoneMarker, Heartbeat, Plan, PlanHeartbeat, Refusal, ShardIndex, WriterRecord},
    ports::{BlobReader, Blobs, Fault, FaultKind, PutOptions, Service},
};

const JSON: &str = "application/json";

/// One run's folder: `<run store>/<run>/`.
#[derive(Clone)]
pub struct RunStore {
    blobs: Arc<dyn Blobs>,
    run: String,
}

/// Where each document lies, relative to the run's folder.
pub mod names {
    use crate::domain::ShardIndex;

    /// The frozen plan.
    pub const PLAN: &str = "plan.json";
    /// Written by rollback before it removes anything.
    pub const ROLLED_BACK: &str = "rolled-back.json";

    /// The shard's rows, newest first, a JSON line each ([`crate::domain::QueuedRow`]).
    pub fn queue(plan: &str, shard: ShardIndex) -> String {
        format!("queues/{plan}/{shard}")
    }

    /// The shard's facts in the order of its queue, a JSON line each ([`crate::domain::AttemptFacts`]).
    pub fn facts(plan: &str, shard: ShardIndex) -> String {
        format!("facts/{plan}/{shard}")
    }

    /// Outcomes, a JSON line each ([`crate::domain::Outcome`]).
    pub fn segment(shard: ShardIndex, writer: &str, sequence: u64) -> String {
        format!("segments/{shard}/{writer}-{sequence:08}.jsonl")
    }

    /// Prefix of the shard's segments.
    pub fn segments(shard: ShardIndex) -> String {
        format!("segments/{shard}/")
    }

    /// Every row of the shard has an outcome.
    pub fn done(shard: ShardIndex) -> String {
        format!("done/{shard}.json")
    }

    /// The plan of this epoch is being made.
    pub fn planning(epoch: &str) -> String {
        format!("planning/{epoch}.json")
    }

    /// Why the plan of this epoch was refused.
    pub fn refused(epoch: &str) -> String {
        format!("refused/{epoch}.json")
    }

    /// A process that may upload and commit.
    pub fn writer(id: &str) -> String {
        format!("writers/{id}.json")
    }

    /// It ended in order: it left no orphans.
    pub fn clean(id: &str) -> String {
        format!("writers/{id}.clean")
    }

    /// It may do neither again.
    pub fn retired(id: &str) -> String {
        format!("retired/{id}")
    }

    /// A sign of life.
    pub fn heartbeat(epoch: &str, shard: ShardIndex, writer: &str) -> String {
        format!("heartbeats/{epoch}/{shard}-{writer}.json")
    }

    /// Prefix of an epoch's heartbeats.
    pub fn heartbeats(epoch: &str) -> String {
        format!("heartbeats/{epoch}/")
    }

    /// The image of an enforcement row that this run did not write, before it is changed.
    pub fn enforcement_image(id: &str) -> String {
        format!("enforcements/{id}.json")
    }

    /// A result of the run.
    pub fn result(file: &str) -> String {
        format!("results/{file}")
    }
}

impl RunStore {
    /// The folder of `run` in the store.
    pub fn new(blobs: Arc<dyn Blobs>, run: &str) -> Self {
        Self { blobs, run: run.to_owned() }
    }

    /// The run's name.
    pub fn run(&self) -> &str {
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

    /// The plan, if there is one.
    pub async fn plan(&self) -> Result<Option<Plan>, Fault> {
        self.read(names::PLAN).await
    }

    /// The refusal of `epoch`, if there is one.
    pub async fn refusal(&self, epoch: &str) -> Result<Option<Refusal>, Fault> {
        self.read(&names::refused(epoch)).await
    }

    /// The last sign of life of the plan of `epoch`, if there was one.
    pub async fn planning(&self, epoch: &str) -> Result<Option<PlanHeartbeat>, Fault> {
        self.read(&names::planning(epoch)).await
    }

    /// The shard's done marker, if it stands.
    pub async fn done(&self, shard: ShardIndex) -> Result<Option<DoneMarker>, Fault> {
        self.read(&names::done(shard)).await
    }

    /// Every process that ever registered, by id.
    pub async fn writers(&self) -> Result<Vec<WriterRecord>, Fault> {
        let mut writers = Vec::new();
        for name in self.list("writers/").await? {
            if name.strip_suffix(".json").is_some()
                && let Some(record) = self.read::<WriterRecord>(&name).await?
            {
                writers.push(record);
            }
        }
        Ok(writers)
    }

    /// Every heartbeat of `epoch`.
    pub async fn heartbeats(&self, epoch: &str) -> Result<Vec<Heartbeat>, Fault> {
        let mut beats = Vec::new();
        for name in self.list(&names::heartbeats(epoch)).await? {
            beats.extend(self.read::<Heartbeat>(&name).await?);
        }
        Ok(beats)
    }

    /// Whether a document is there.
    pub async fn exists(&self, name: &str) -> Result<bool, Fault> {
        Ok(self.blobs.head(&self.path(name)).await?.is_some())
    }

    /// Reads a document whole; `None` where there is none.
    pub async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        let Some(reader) = self.open(name).await? else { return Ok(None) };
        let bytes = reader
            .body
            .try_fold(Vec::new(), |mut all, part| async move {
                all.extend_from_slice(&part);
                Ok(all)
            })
            .await?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let what = format!(
                "{} cannot be read: it was changed, or another version wrote it",
                self.describe(name)
            );
            Fault::caused(Service::RunStore, FaultKind::Corrupt, what, error)
        })
    }

    /// Reads a document as a stream; `None` where there is none.
    pub async fn open(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        self.blobs.get(&self.path(name)).await
    }

    /// Writes a document that must not be there yet; [`FaultKind::Exists`] where it is.
    pub async fn create(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, &PutOptions::create(JSON)).await
    }

    /// Writes a document in the place of an earlier one.
    pub async fn replace(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        self.put(name, document, &PutOptions::replace(JSON)).await
    }

    async fn put(&self, name: &str, document: &impl Serialize, options: &PutOptions) -> Result<(), Fault> {
        let bytes = serde_json::to_vec_pretty(document).map_err(|error| {
            Fault::caused(
                Service::RunStore,
                FaultKind::Misconfigured,
                format!("{name} cannot be written"),
                error,
            )
        })?;
        self.blobs.put(&self.path(name), Bytes::from(bytes), options).await?;
        Ok(())
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

    /// Deletes documents.
    pub async fn delete(&self, names: &[String]) -> Result<(), Fault> {
        let paths: Vec<String> = names.iter().map(|name| self.path(name)).collect();
        self.blobs.delete_many(&paths).await
    }
}
