//! Writers: which processes wrote for this run.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use chrono::Utc;

use crate::{
    domain::{ShardIndex, WriterRecord},
    ports::{Fault, FaultKind, HeldSubmission},
    run_store::{RunStore, names},
};

/// A fresh writer id: 12 hex, unique to the process that uploads.
pub fn fresh() -> String {
    let mut hex = uuid::Uuid::new_v4().simple().to_string();
    hex.truncate(12);
    hex
}

/// The writer in a blob's name `<folder>/<writer>/…`.
pub fn of_blob(name: &str) -> Option<&str> {
    name.split('/').nth(1)
}

/// Registers a writer. To be called while the process holds the run's shared lock, before its first upload.
pub async fn register(store: &RunStore, id: &str, shard: ShardIndex, host: &str) -> Result<(), Fault> {
    let record = WriterRecord { id: id.to_owned(), shard, started_at: Utc::now(), host: host.to_owned() };
    match store.create(&names::writer(id), &record).await {
        // Nobody else has this id: the answer to an earlier request was lost.
        Err(Fault { kind: FaultKind::Exists, .. }) | Ok(()) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The writers registered in a run's store, asked for once each.
pub struct Writers {
    store: RunStore,
    registered: Mutex<BTreeSet<String>>,
}

impl Writers {
    /// Of the run of `store`.
    pub fn new(store: RunStore) -> Self {
        Self { store, registered: Mutex::default() }
    }

    /// Whether this run wrote the submission: its files name a writer that is registered in this run's store.
    pub async fn wrote(&self, held: &HeldSubmission) -> Result<bool, Fault> {
        for id in held.blob_names.iter().filter_map(|name| of_blob(name)) {
            if self.is_registered(id).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_registered(&self, id: &str) -> Result<bool, Fault> {
        if self.registered.lock().unwrap_or_else(PoisonError::into_inner).contains(id) {
            return Ok(true);
        }
        let is_writer = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_writer || !self.store.exists(&names::writer(id)).await? {
            return Ok(false);
        }
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Ok(true)
    }
}
