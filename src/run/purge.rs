//! Purge: deletes from a run's folder what holds personal data, and leaves a document that says so.
//!
//! A whole purge keeps only the documents that are known to hold none ([`STAYS`]): a kind of document that is new goes
//! until it is listed. A purge of some attempts blanks their rows in queues and facts files, which get digests of their
//! own, and takes their lines out of the results.

mod attempts;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::Deserialize;

use super::{
    Decided, Purged, RunStore, Summary,
    clocks::{is_ahead, may_be_at_work},
    decisions,
    enforcements::id_of,
    names, planning, purged, verifying,
};
use crate::ports::{Fault, FaultKind};

pub use attempts::{blank_but_id, is_only_id, purge_attempts};

/// Documents and folders without names, addresses, file names, or what else learners are known by; of the results those of
/// [`names::WITHOUT_PERSONAL_DATA`], [`SUMS_THAT_STAY`], and manifests.
const STAYS: [&str; 19] = [
    names::PLAN,
    names::ROLLED_BACK,
    names::ROLLED_BACK_ATTEMPTS,
    names::ACCEPTED,
    names::DECISIONS,
    names::DECIDED,
    names::PURGED,
    names::PURGED_ATTEMPTS,
    names::ABSENT,
    names::PREDICTION,
    names::TELEMETRY,
    names::SEGMENTS,
    names::DONE,
    names::PLANNING,
    "refused/",
    "writers/",
    "retired/",
    names::HEARTBEATS,
    names::VERIFIED_PARTS,
];
/// Results that stay beside [`names::WITHOUT_PERSONAL_DATA`]: sums, and what the rules make of values of the warehouse.
const SUMS_THAT_STAY: [&str; 3] = [names::CONTROLS, names::CONTROLS_SQL, names::TRANSFORMATIONS];
/// Times that the folder is looked at again after a deletion, for what a process wrote meanwhile.
const LOOKS: usize = 3;

/// What no longer works after a whole purge.
pub const NO_LONGER: [&str; 5] = [
    "resume, shard and finalize: the queues are gone, so no row of this run is moved or merged again",
    "run --after this run: start the later run without it",
    "rollback cannot give malpractice rules back what they were before the run; it removes everything else",
    "explain --attempt shows no input row, unless the inputs are still where they were",
    "the failure CSVs are gone from the run store: copies in --out folders and elsewhere are yours to delete",
];

/// What would go, by folder or file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Documents and bytes of each.
    pub groups: BTreeMap<String, (u64, u64)>,
    /// Every document that goes, relative to the run's folder.
    names: Vec<String>,
}

impl Found {
    /// Number of documents.
    pub fn documents(&self) -> u64 {
        self.names.len() as u64
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.groups.values().map(|(_, bytes)| bytes).sum()
    }
}

/// What a whole purge deletes.
pub async fn find(store: &RunStore) -> Result<Found, Fault> {
    let folder = store.path("");
    let mut found = Found::default();
    let mut all = store.blobs().list(&folder);
    while let Some(info) = all.try_next().await? {
        let name = info.name.strip_prefix(&folder).unwrap_or(&info.name);
        if stays(name) {
            continue;
        }
        let group =
            name.split_once('/').map_or(name, |(first, _)| if first == "results" { name } else { first });
        let (documents, bytes) = found.groups.entry(group.to_owned()).or_default();
        *documents += 1;
        *bytes += info.size_bytes;
        found.names.push(name.to_owned());
    }
    Ok(found)
}

fn stays(name: &str) -> bool {
    if let Some(file) = name.strip_prefix(&names::result("")) {
        // A manifest names files by row and place, and proves them when the source is gone.
        return names::WITHOUT_PERSONAL_DATA.contains(&file)
            || SUMS_THAT_STAY.contains(&file)
            || names::is_manifest(file);
    }
    STAYS.iter().any(|stays| if stays.ends_with('/') { name.starts_with(stays) } else { name == *stays })
}

/// Deletes it, also what was found in a verify store that lies elsewhere. What says so is written first: a purge that is
/// killed is continued by running it again.
pub async fn purge(
    store: &RunStore,
    decided: &Decided,
    found: Found,
    elsewhere: Option<(&RunStore, Found)>,
) -> Result<Purged, Fault> {
    let both = || [Some(&found), elsewhere.as_ref().map(|(_, found)| found)].into_iter().flatten();
    let (documents, bytes) =
        (both().map(Found::documents).sum::<u64>(), both().map(Found::bytes).sum::<u64>());
    let earlier = purged::whole(store).await?;
    let purged = Purged {
        decided: decided.clone(),
        documents: documents + earlier.as_ref().map_or(0, |earlier| earlier.documents),
        bytes: bytes + earlier.as_ref().map_or(0, |earlier| earlier.bytes),
        attempts: None,
        rewritten: BTreeMap::new(),
        images: found
            .names
            .iter()
            .filter_map(|name| id_of(name))
            .chain(earlier.into_iter().flat_map(|earlier| earlier.images))
            .collect(),
        no_longer: NO_LONGER.map(str::to_owned).to_vec(),
    };
    store.replace(names::PURGED, &purged).await?;
    delete(store, found).await?;
    if let Some((verify_store, found)) = elsewhere {
        delete(verify_store, found).await?;
    }
    decisions::log(store, decided).await?;
    Ok(purged)
}

async fn delete(store: &RunStore, found: Found) -> Result<(), Fault> {
    let mut names = found.names;
    for _ in 0..LOOKS {
        if names.is_empty() {
            break;
        }
        store.delete(&names).await?;
        names = find(store).await?.names;
    }
    Ok(())
}

/// What is under way in the run's folder, in a sentence; `None` if no process writes heartbeats.
pub async fn under_way(store: &RunStore, now: DateTime<Utc>) -> Result<Option<String>, Fault> {
    /// The time in a heartbeat; the rest is not needed.
    #[derive(Deserialize)]
    struct Beat {
        at: DateTime<Utc>,
    }
    if let Some(beat) = verifying::may_be_under_way(store).await? {
        let of = format!("the heartbeat of part {} on {}", beat.shard, beat.host);
        let what = format!(
            "run {} is being verified: purge it when verify has ended, or ten minutes after its last heartbeat{}",
            store.run(),
            if_ahead(&of, beat.at, now)
        );
        return Ok(Some(what));
    }
    if purged::whole(store).await?.is_some() {
        // Its queues are gone: a process that begins on it beats once, and is refused.
        return Ok(None);
    }
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    let ended_at = summary.map(|summary| summary.at);
    for name in store.list(names::HEARTBEATS).await? {
        let beat = match store.read::<Beat>(&name).await {
            // It says nothing that can be read.
            Err(fault) if fault.kind == FaultKind::Corrupt => continue,
            beat => beat?,
        };
        let is_young =
            |beat: &Beat| may_be_at_work(beat.at, now) && ended_at.is_none_or(|ended| ended < beat.at);
        if let Some(Beat { at }) = beat.filter(is_young) {
            let what = format!(
                "run {} is under way: a process of it wrote its heartbeat at {} and the run has no result since; purge it when \
                 it has ended, or ten minutes after the last heartbeat{}",
                store.run(),
                at.format("%H:%M:%S UTC"),
                if_ahead(&name, at, now)
            );
            return Ok(Some(what));
        }
    }
    // The last heartbeat of the process that made a plan stays beside the plan.
    if store.exists(names::PLAN).await? {
        return Ok(None);
    }
    let planning = planning::under_way(store, now).await?;
    Ok(planning.map(|planning| {
        format!("run {} is under way: {planning}; purge it when the plan is made, or has failed", store.run())
    }))
}

/// What else to do about a heartbeat of a clock that is ahead; empty if it is not.
fn if_ahead(heartbeat: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if !is_ahead(at, now) {
        return String::new();
    }
    format!(
        "; {heartbeat} is {} min ahead of this machine's clock: one of the two is wrong; set this one right, or delete that \
         heartbeat if its process is gone",
        (at - now).num_minutes()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_hold_no_personal_data_goes() {
        let all = "plan.json prediction.json telemetry.json rolled-back.json purged.json decisions.jsonl
            decisions/x.json accepted/x.json purged/x.json segments/0/a-1.jsonl done/0.json
            heartbeats/0/0-a.json planning/0.json refused/0.json retired/a rolled-back/x.json
            results/migrated.csv results/skipped.csv results/notes.csv results/lost.csv
            results/rolled_back.csv results/summary.json results/report.html results/verification.json
            results/controls.csv results/controls.sql results/transformations.csv writers/a.json
            results/manifest.csv results/manifest-2-of-14.csv results/manifest-unproven.csv
            results/manifest-unproven-2-of-14.csv verify/content/14/2.json";
        for name in all.split_whitespace() {
            assert!(stays(name), "{name}");
        }
        for name in [
            "queues/p/0",
            "facts/p/0",
            "enforcements/x.json",
            "results/submissions_failed_migration.csv",
            "results/verification_failures.csv",
            "results/not_in_input.csv",
            "results/anything_new.csv",
            "results/manifest-of-names.csv",
            "plan.json.bak",
            "prediction.json.bak",
            "results/plan.json",
            "new.json",
            "new/0",
            "verifying/a/parts/1.json",
        ] {
            assert!(!stays(name), "{name}");
        }
    }
}
