//! Writers: which processes wrote for this run.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use chrono::Utc;

use crate::{
    domain::{FileKind, ShardIndex},
    ports::{Fault, FaultKind, HeldSubmission},
    run::{RunStore, WriterId, WriterRecord, names},
};

/// The writer in a blob's name `<folder>/<writer>/…`.
pub fn of_blob(name: &str) -> Option<WriterId> {
    name.split('/').nth(1)?.parse().ok()
}

/// Under which names a writer's blobs lie in the target container.
pub fn blob_prefixes(writer: &WriterId) -> [String; 2] {
    FileKind::ALL.map(|kind| format!("{}/{writer}/", kind.folder()))
}

/// Registers a writer. To be called while the process holds the run's shared lock, before its first upload.
pub async fn register(store: &RunStore, id: &WriterId, shard: ShardIndex, host: &str) -> Result<(), Fault> {
    let record = WriterRecord { id: id.clone(), shard, started_at: Utc::now(), host: host.to_owned() };
    match store.create(&names::writer(id), &record).await {
        // Nobody else has this id: the answer to an earlier request was lost.
        Err(Fault { kind: FaultKind::Exists, .. }) | Ok(()) => Ok(()),
        Err(fault) => Err(fault),
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
        for id in held.blob_names.iter().filter_map(|name| of_blob(name)) {
            if self.is_registered(&id).await? {
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
