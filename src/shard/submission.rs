//! One submission: its files copied, its rows committed, its outcome settled.

mod beside;
mod blame;
mod recover;

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use crate::{
    domain::{FailCode, Failure, Fate, Migrated, Migration, Note, PlannedFile, Receipt, Skip, SkipCode},
    ports::{Committed, CopiedFile, CopiedMigration, Fault, FaultKind, HeldSubmission, Permit, Service},
    report::events::{Event, StageTimes, Wait, Way, now, since},
    rules,
};

use super::{
    Shard, WorkerServices,
    copy::Uploads,
    in_flight::Place,
    pace::{Trouble, may_pass},
};

pub use beside::LastCommit;
pub use recover::recover;

use beside::{naming, takes_others};
use blame::{blame_commit, blame_file};
use recover::compare;

/// A statement that several rows share is tried so often; then each of them has its own. So a row that makes every
/// statement fail fails no other for long, and only its own failures are counted against it.
const TRIES_IN_COMPANY: u32 = 2;

/// Copies and commits, and writes to `times` how long that took. `copying`, by which the row is copied, is given back when
/// its files are. An `Err` leaves the row without an outcome: the process is ending.
pub async fn migrate(
    shard: &Shard,
    services: &WorkerServices,
    migration: &Migration,
    copying: Option<Permit>,
    times: &mut StageTimes,
) -> Result<Fate, Trouble> {
    let names = migration
        .files
        .iter()
        .map(|file| rules::blob_name::blob_name(migration.attempt, file, &shard.writer))
        .collect();
    let uploads = services.copier.begin(names);
    let began = now();
    let copied = copy(shard, services, migration).await;
    drop(copying);
    let took = since(began);
    times.copy = Some(took);
    match copied {
        Ok(copied) => {
            let began = now();
            let mut fate = commit(shard, services, &copied, uploads).await?;
            let committing = since(began);
            times.commit = Some(committing);
            if let Fate::Migrated(migrated) = &mut fate {
                (migrated.copy_ms, migrated.commit_ms) = (milliseconds(took), milliseconds(committing));
            }
            Ok(fate)
        }
        Err((file, Trouble::Row(fault))) => {
            undo(shard, uploads).await;
            blame_file(shard, &fault, file).map(Fate::from)
        }
        Err((_, ending)) => {
            shard.left_blobs();
            Err(ending)
        }
    }
}

/// Copies all files of a submission at once. Returns when all have settled, so that nothing is written
/// after an undo; an error names the first file that failed.
async fn copy<'migration>(
    shard: &Shard,
    services: &WorkerServices,
    migration: &'migration Migration,
) -> Result<CopiedMigration<'migration>, (&'migration PlannedFile, Trouble)> {
    let copying = CopiedMigration::copy(migration, |file| copy_file(shard, services, migration, file));
    copying.await.map_err(|mut failed| {
        // A reason to end the process takes precedence over the failure of one file.
        let worst = failed.iter().position(|(_, trouble)| !matches!(trouble, Trouble::Row(_)));
        failed.swap_remove(worst.unwrap_or(0))
    })
}

async fn copy_file(
    shard: &Shard,
    services: &WorkerServices,
    migration: &Migration,
    file: &PlannedFile,
) -> Result<CopiedFile, Trouble> {
    let name = &rules::blob_name::blob_name(migration.attempt, file, &shard.writer);
    let metadata = rules::blob_name::metadata(migration.attempt, file.kind, shard.store.run(), &shard.writer);
    let began = now();
    let copied = shard
        .pace
        .steady_examined(
            &[Service::SourceBlobs, Service::TargetBlobs],
            || try_copy(shard, services, file, name, metadata.clone()),
            |fault| {
                // A put without an answer may still take effect after an undo.
                let refused = fault.status.is_some_and(|status| (400..500).contains(&status));
                if fault.service == Service::TargetBlobs && !refused {
                    shard.left_blobs();
                }
            },
            |service, question| services.copier.ask(service, question, file),
        )
        .await?;
    shard.events.tell(Event::FileCopied { bytes: copied.size_bytes, took: since(began) });
    Ok(copied)
}

/// One try: by the storage service if it may be able to, else streamed. Each way has places of its own.
async fn try_copy(
    shard: &Shard,
    services: &WorkerServices,
    file: &PlannedFile,
    name: &str,
    metadata: Vec<(String, String)>,
) -> Result<CopiedFile, Fault> {
    let mut way = services.copier.way(file);
    loop {
        let place = place(shard, way).await;
        let copied = services.copier.copy(way, file, name, metadata.clone()).await;
        if copied.as_ref().is_err_and(|fault| matches!(fault.kind, FaultKind::Throttled(_))) {
            shard.in_flight.throttled(way);
        }
        let bytes = copied.as_ref().ok().and_then(Option::as_ref).map(|copied| copied.size_bytes);
        if let Some(gain) = shard.in_flight.copied(way, place, bytes) {
            shard.events.tell(Event::Raised(gain));
        }
        match copied? {
            Some(copied) => return Ok(copied),
            None => way = Way::Streamed,
        }
    }
}

/// A place among the copies in flight. A wait is told if the limit cannot rise.
async fn place(shard: &Shard, way: Way) -> Place {
    let places = shard.in_flight.of(way);
    if places.is_capped() {
        shard.events.waited(Wait::Place, places.place()).await
    } else if places.is_held_by_memory() {
        shard.events.waited(Wait::Memory, places.place()).await
    } else {
        places.place().await
    }
}

async fn commit(
    shard: &Shard,
    services: &WorkerServices,
    copied: &CopiedMigration<'_>,
    uploads: Uploads,
) -> Result<Fate, Trouble> {
    let migration = copied.migration();
    let (answer, answer_lost) = send(shard, services, copied).await;
    let held = match answer {
        Ok(Committed::Inserted { notes, receipt }) => {
            shard.last_commit.note(copied);
            let notes = migration.notes.iter().cloned().chain(notes).collect();
            return Ok(Fate::Migrated(migrated(copied, notes, receipt)));
        }
        Ok(Committed::Altered(columns)) => {
            if !answer_lost {
                undo(shard, uploads).await;
            }
            return Ok(altered(&columns).into());
        }
        Ok(Committed::Held(held)) => held,
        Err(Trouble::Row(fault)) => {
            if !answer_lost {
                undo(shard, uploads).await;
            }
            return blame_commit(shard, &fault).map(Fate::from);
        }
        Err(ending) => {
            shard.left_blobs();
            return Err(ending);
        }
    };
    let mut notes = notes_with_enforcement(migration, &held);
    if held.blob_names.iter().any(|name| uploads.names().contains(name)) {
        let receipt = compare(shard, services, copied, &mut notes).await?;
        return Ok(Fate::Migrated(migrated(copied, notes, receipt)));
    }
    if !answer_lost {
        undo(shard, uploads).await;
    }
    if held.submission_id.is_none() {
        return Ok(rules::lone_launch_session(&held.launch_id).into());
    }
    if shard.pace.steady(&[Service::RunStore], || shard.writers.wrote(&held)).await? {
        // A twin was faster: its outcome stands before this one.
        let receipt = compare(shard, services, copied, &mut notes).await?;
        return Ok(Fate::Migrated(Migrated { recovered: true, ..migrated(copied, notes, receipt) }));
    }
    let detail = format!("the target holds launch id {}", held.launch_id);
    Ok(Skip { code: SkipCode::AlreadyMigrated, detail }.into())
}

/// Sends the rows until the database answers or refuses them. Tells besides whether the answer to a try was lost.
async fn send(
    shard: &Shard,
    services: &WorkerServices,
    copied: &CopiedMigration<'_>,
) -> (Result<Committed, Trouble>, bool) {
    let (answer_lost, failures) = (AtomicBool::new(false), AtomicU32::new(0));
    let waits = &AtomicBool::new(false);
    let mut refused = None;
    let watch = |fault: &Fault| {
        refused = fault.code.clone().filter(|_| !fault.before_asking);
        failures.fetch_add(1, Ordering::Relaxed);
        if fault.kind == FaultKind::AnswerLost {
            // The statement's effect is unknown: from now on only the sweep may delete these blobs.
            answer_lost.store(true, Ordering::Relaxed);
            shard.left_blobs();
        }
    };
    let send = || {
        let may_share = failures.load(Ordering::Relaxed) < TRIES_IN_COMPANY;
        let target = &services.target;
        let committing = if may_share { target.commit(copied) } else { target.commit_alone(copied) };
        let asking = shard.events.asked(Service::Database, committing);
        async move {
            asking.await.inspect_err(|fault| {
                // A neighbour in a shared statement may have met it.
                waits.fetch_or(!may_share && may_pass(fault), Ordering::Relaxed);
            })
        }
    };
    let ask = |_, question| takes_others(shard, services, copied, question, waits.load(Ordering::Relaxed));
    let answer = shard.pace.steady_examined(&[Service::Database], send, watch, ask).await;
    let attempt = copied.migration().attempt;
    let answer = answer.map_err(|trouble| naming(trouble, attempt, refused.as_deref()));
    (answer, answer_lost.into_inner())
}

fn notes_with_enforcement(migration: &Migration, held: &HeldSubmission) -> Vec<Note> {
    let kept = (migration.malpractice.is_some() && held.foreign_enforcement).then(Note::enforcement_kept);
    migration.notes.iter().cloned().chain(kept).collect()
}

fn altered(columns: &[String]) -> Failure {
    let message = if columns.is_empty() {
        "the target stored other values than were sent, though not when they were sent again to be compared; nothing was \
         committed"
            .to_owned()
    } else {
        format!(
            "the target stored other values than were sent: {}; nothing was committed",
            columns.join(", ")
        )
    };
    Failure { code: FailCode::TargetAltered, message }
}

fn migrated(copied: &CopiedMigration<'_>, notes: Vec<Note>, receipt: Receipt) -> Migrated {
    let (migration, files) = (copied.migration(), copied.files());
    Migrated {
        launch_id: migration.ids.launch_id(),
        submission_id: migration.ids.row("assignment_submissions", 1),
        session_record_id: migration.ids.row("lti_session_records", 1),
        user_id: migration.lms_user_id.clone(),
        context_id: migration.context_id.clone(),
        files: u32::try_from(files.len()).unwrap_or(u32::MAX),
        marks: u16::try_from(migration.section_marks.len()).ok(),
        bytes: files.iter().map(|file| file.size_bytes).sum(),
        length_only: u32::try_from(files.iter().filter(|file| !file.md5_proven).count()).unwrap_or(u32::MAX),
        notes,
        receipt: Some(Box::new(receipt)),
        file_receipts: files.iter().map(CopiedFile::receipt).collect(),
        ..Migrated::default()
    }
}

/// Rounded down, as outcomes tell it; `u64::MAX` for what is longer.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Removes the blobs of a row that certainly failed.
async fn undo(shard: &Shard, uploads: Uploads) {
    if let Err(fault) = uploads.undo().await {
        tracing::warn!(fault = %fault.chain(), "blobs of a failed row stay until finalize sweeps them");
        shard.left_blobs();
    }
}
