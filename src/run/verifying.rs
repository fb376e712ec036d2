//! The state of a verification, in the verify store: what several processes share, and what a killed one is resumed
//! from.
//!
//! ```text
//! verifying/<id>/subject.json      what is verified; its digest is the id
//!                shared.json       what the first process reads for all, with its files below shared/
//!                parts/<n>.json    what was found in one partition of the rows: create-only
//!                beats/<process>   heartbeats
//!                ended/<part>      parts that ended while partitions of others were open
//!                left.json         when a process ended by a fault that another try does not mend
//!                merging.json      the process that merges
//!                merged.json       it is over: the results stand
//! ```
//!
//! All but the parts are hints or may be written twice with the same content. A part that is lost is compared again.

mod documents;
mod others;
mod partitions;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

use self::documents::{Merged, Merging, Signed};
pub use self::{
    documents::{Subject, UnderWay, VerifyBeat},
    others::Open,
    partitions::partitions,
};
use super::{
    RunStore, WriterId,
    clocks::{is_beating, may_be_at_work},
    names,
};
use crate::ports::{Fault, FaultKind};

/// What was found when a process joined.
#[derive(Debug, Default)]
pub struct Joined {
    /// What became of states of other verifications, in sentences.
    pub discarded: Vec<String>,
    /// Whether this Job's verification is over: its results stand.
    pub is_over: bool,
}

/// Which process merges the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This process is to merge.
    Ours,
    /// A process of another part, which is at work.
    Theirs(String),
}

/// The state of one verification.
#[derive(Clone)]
pub struct Verifying {
    store: RunStore,
    subject: Subject,
    folder: String,
    process: WriterId,
    shard: String,
}

impl Verifying {
    /// Joins the verification of `subject`, or begins it. `shard` names this process's part, as `0/4`.
    pub async fn join(store: RunStore, subject: Subject, shard: String) -> Result<(Self, Joined), Fault> {
        let folder = format!("{}{}/", names::VERIFYING, subject.id());
        let this = Self { store, subject, folder, process: WriterId::fresh(), shard };
        let mut joined = Joined { discarded: this.discard_others().await?, is_over: false };
        if this.is_merged().await? {
            joined.is_over = !this.subject.job.is_empty();
            if !joined.is_over {
                this.clear().await?;
            }
        }
        if !joined.is_over {
            this.create("subject.json", &this.subject).await?;
            this.part_goes_on().await?;
        }
        Ok((this, joined))
    }

    /// The partitions that are compared.
    pub async fn parts(&self) -> Result<BTreeSet<usize>, Fault> {
        Ok(parts_of(&self.store.list(&self.path("parts/")).await?))
    }

    /// Writes what was found in a partition, unless another process has.
    pub async fn write_part(&self, part: usize, found: &impl Serialize) -> Result<(), Fault> {
        self.create(&part_name(part), found).await
    }

    /// What was found in a partition; `None` if it is gone.
    pub async fn part<T: DeserializeOwned>(&self, part: usize) -> Result<Option<T>, Fault> {
        self.store.read(&self.path(&part_name(part))).await
    }

    /// What the first process has read for all.
    pub async fn shared<T: DeserializeOwned>(&self) -> Result<Option<T>, Fault> {
        self.store.read(&self.path("shared.json")).await
    }

    /// Says what this process has read for all, unless another one has.
    pub async fn share(&self, shared: &impl Serialize) -> Result<(), Fault> {
        self.create("shared.json", shared).await
    }

    /// Name, in the verify store, of a file that this process reads for all.
    pub fn shared_name(&self, file: &str) -> String {
        self.path(&format!("shared/{}/{file}", self.process))
    }

    /// What is verified, and how.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The store that holds the state.
    pub fn store(&self) -> &RunStore {
        &self.store
    }

    /// Writes this process's heartbeat.
    pub async fn beat(&self, beat: &VerifyBeat) -> Result<(), Fault> {
        let shard = self.shard.replace('/', "-of-");
        self.store.replace(&self.path(&format!("beats/{shard}-{}.json", self.process)), beat).await
    }

    /// Removes this process's heartbeat.
    pub async fn leave(&self) -> Result<(), Fault> {
        let of_ours = format!("-{}.json", self.process);
        let beats = self.store.list(&self.path("beats/")).await?;
        let ours: Vec<String> = beats.into_iter().filter(|name| name.ends_with(&of_ours)).collect();
        if ours.is_empty() { Ok(()) } else { self.store.delete(&ours).await }
    }

    /// Removes this process's heartbeat, of a process that ends by a fault: when it did so stays known.
    pub async fn leave_undone(&self) -> Result<(), Fault> {
        self.store.replace(&self.path("left.json"), &Signed { at: Utc::now() }).await?;
        self.leave().await
    }

    /// Whether a process of the part `shard` (as `0/4`) writes heartbeats.
    pub async fn is_at_work(&self, shard: &str) -> Result<bool, Fault> {
        let of_shard = self.path(&format!("beats/{}-", shard.replace('/', "-of-")));
        Ok(!beats(&self.store, &self.store.list(&of_shard).await?, is_beating).await?.is_empty())
    }

    /// Claims the merge. A process without heartbeats has lost its claim, and likewise an earlier one of our own
    /// part.
    pub async fn claim(&self) -> Result<Claim, Fault> {
        let name = self.path("merging.json");
        let merging = Merging { shard: self.shard.clone(), process: self.process.clone(), at: Utc::now() };
        match self.store.create(&name, &merging).await {
            Err(fault) if fault.kind == FaultKind::Exists => {}
            made => return made.map(|()| Claim::Ours),
        }
        let theirs: Option<Merging> = self.store.read(&name).await?;
        if let Some(theirs) = theirs.filter(|theirs| theirs.shard != self.shard)
            && (is_beating(theirs.at, Utc::now()) || self.lives(&theirs).await?)
        {
            return Ok(Claim::Theirs(theirs.shard));
        }
        self.store.replace(&name, &merging).await?;
        Ok(Claim::Ours)
    }

    /// Whether the results stand: another process merged since this one joined.
    pub async fn is_merged(&self) -> Result<bool, Fault> {
        Ok(self.store.read::<Merged>(&self.path("merged.json")).await?.is_some())
    }

    /// Says that the results stand, and removes the state; nothing if another process did so: without a claim to merge,
    /// the state is of a newer verification.
    pub async fn merged(&self) -> Result<(), Fault> {
        if !self.store.exists(&self.path("merging.json")).await? {
            return Ok(());
        }
        self.store.replace(&self.path("merged.json"), &Merged { at: Utc::now() }).await?;
        self.remove(|name| !name.ends_with("/merged.json") && !name.ends_with("/subject.json")).await?;
        self.discard_superseded().await
    }

    /// The youngest beat of any process of another part, or of the one that merges.
    async fn lives(&self, theirs: &Merging) -> Result<bool, Fault> {
        let shard = theirs.shard.replace('/', "-of-");
        let name = self.path(&format!("beats/{shard}-{}.json", theirs.process));
        Ok(self.store.read::<VerifyBeat>(&name).await?.is_some_and(|beat| is_beating(beat.at, Utc::now())))
    }

    /// Removes the state of an earlier verification of the same subject, and last what says that it is over.
    async fn clear(&self) -> Result<(), Fault> {
        self.remove(|name| !name.ends_with("/merged.json")).await?;
        self.remove(|name| name.ends_with("/merged.json")).await
    }

    async fn remove(&self, which: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let mut documents = self.store.list(&self.folder).await?;
        documents.retain(|name| which(name));
        if documents.is_empty() { Ok(()) } else { self.store.delete(&documents).await }
    }

    /// Writes a document unless it is there.
    async fn create(&self, name: &str, document: &impl Serialize) -> Result<(), Fault> {
        match self.store.create_in_a_line(&self.path(name), document).await {
            Err(fault) if fault.kind == FaultKind::Exists => Ok(()),
            made => made,
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}

/// The verifications of the run that are not over, and of which something is compared or a process is at work.
pub async fn under_way(store: &RunStore) -> Result<Vec<UnderWay>, Fault> {
    let mut all = Vec::new();
    for (folder, documents) in folders(store).await? {
        if documents.contains(&format!("{folder}merged.json")) {
            continue;
        }
        let Some(subject) = store.read::<Subject>(&format!("{folder}subject.json")).await? else { continue };
        let ranges = partitions(subject.rows);
        let parts = parts_of(&documents);
        let beats = beats(store, &documents, is_beating).await?;
        if parts.is_empty() && beats.is_empty() {
            continue;
        }
        let signed_at = if beats.is_empty() { signed_at(store, &documents).await? } else { None };
        let rows_written = parts.into_iter().map(|part| ranges.rows(part)).sum();
        all.push(UnderWay { subject, rows_written, beats, signed_at });
    }
    Ok(all)
}

/// The newest time that a process wrote into a state, however old it is.
async fn signed_at(store: &RunStore, documents: &[String]) -> Result<Option<DateTime<Utc>>, Fault> {
    let mut newest = None;
    let is_sign = |name: &&String| {
        ["/beats/", "/ended/", "/merging.json", "/left.json"].iter().any(|of| name.contains(of))
    };
    for name in documents.iter().filter(is_sign) {
        newest = newest.max(store.read::<Signed>(name).await?.map(|signed| signed.at));
    }
    Ok(newest)
}

/// A heartbeat of a process that may still work on one of the run's verifications, so that nothing that it reads may be deleted.
pub async fn may_be_under_way(store: &RunStore) -> Result<Option<VerifyBeat>, Fault> {
    Ok(beats(store, &store.list(names::VERIFYING).await?, may_be_at_work).await?.pop())
}

/// The folder of each state, with its documents.
async fn folders(store: &RunStore) -> Result<Vec<(String, Vec<String>)>, Fault> {
    let mut folders: Vec<(String, Vec<String>)> = Vec::new();
    for name in store.list(names::VERIFYING).await? {
        let id = name.strip_prefix(names::VERIFYING).and_then(|name| name.split('/').next());
        let folder = format!("{}{}/", names::VERIFYING, id.unwrap_or_default());
        match folders.iter_mut().find(|(known, _)| *known == folder) {
            Some((_, documents)) => documents.push(name),
            None => folders.push((folder, vec![name])),
        }
    }
    Ok(folders)
}

/// The beats that are young in this way.
async fn beats(
    store: &RunStore,
    documents: &[String],
    is_young: fn(DateTime<Utc>, DateTime<Utc>) -> bool,
) -> Result<Vec<VerifyBeat>, Fault> {
    let mut beats = Vec::new();
    for name in documents.iter().filter(|name| name.contains("/beats/")) {
        beats.extend(store.read::<VerifyBeat>(name).await?.filter(|beat| is_young(beat.at, Utc::now())));
    }
    Ok(beats)
}

fn part_name(part: usize) -> String {
    format!("parts/{part:05}.json")
}

fn parts_of(documents: &[String]) -> BTreeSet<usize> {
    let part = |name: &String| name.rsplit_once("/parts/")?.1.strip_suffix(".json")?.parse().ok();
    documents.iter().filter_map(part).collect()
}
