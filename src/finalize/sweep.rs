//! The sweep: blobs that killed processes left behind and no row of the target names.
//!
//! The sweep lists only the folders of this run's writers that have no clean mark. It deletes a blob only if its writer
//! is retired, while the run's lock is held, and if a migrated row of the run can be recognised, or none is recorded and the
//! database is the plan's beyond doubt.

use std::{collections::BTreeSet, pin::pin, sync::Arc};

use futures_util::TryStreamExt;

use crate::{
    domain::{AttemptId, attempt_of_blob},
    exit::Stop,
    ports::{BlobInfo, Blobs, Fault, FaultKind, Service},
    run::{
        Decided, decisions,
        lock::{Exclusive, LockedRun, Quiet},
        lost,
        orphans::{Orphans, Swept, orphans, remove_orphans, sweep_orphans},
        recognised::unrecognised,
        writers::{UncleanWriters, registered},
    },
};

/// Removes the orphans of retired writers, but for those that a policy of the container keeps. Blobs of lost rows stay: they may be
/// all that is left of a submission.
pub async fn remove(
    quiet: &mut Quiet,
    run: &LockedRun<'_>,
    files: &Arc<dyn Blobs>,
    lost: &BTreeSet<AttemptId>,
) -> Result<Swept, Fault> {
    let writers = quiet.unclean().clone();
    let takes = not_of(lost);
    refuse_unrecognised(run, files, &writers, &takes).await?;
    sweep_orphans(quiet, files, run.target, &writers, &takes).await
}

/// Refuses to delete anything while not one migrated row can be recognised. If there is nothing to delete, that is no question.
async fn refuse_unrecognised(
    run: &LockedRun<'_>,
    files: &Arc<dyn Blobs>,
    writers: &UncleanWriters,
    takes: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), Fault> {
    if writers.is_empty() {
        return Ok(());
    }
    let Some(why) = unrecognised(run.store, run.plan, run.target).await? else { return Ok(()) };
    let mut found = pin!(orphans(files, run.target, writers, takes));
    while let Some(batch) = found.try_next().await? {
        if !batch.is_empty() {
            return Err(Fault::new(Service::Database, FaultKind::Misconfigured, why));
        }
    }
    Ok(())
}

/// The command `orphans --delete`: the sweep by hand. The decision is recorded before anything is deleted.
pub async fn delete_orphans(
    run: &LockedRun<'_>,
    files: &Arc<dyn Blobs>,
    decided: &Decided,
) -> Result<Orphans, Stop> {
    let mut quiet = Quiet::begin(run).await?;
    let lost = lost_attempts(run).await?;
    let (writers, takes) = (quiet.unclean().clone(), not_of(&lost));
    refuse_unrecognised(run, files, &writers, &takes).await?;
    decisions::log(run.store, decided).await?;
    let removed = remove_orphans(&mut quiet, files, run.target, &writers, &takes).await?;
    quiet.end().await;
    Ok(removed)
}

/// The command `orphans`: hands every orphan to `each` and deletes nothing. Takes the lock, so that no listed file can
/// be about to be committed.
pub async fn list_orphans(
    run: &LockedRun<'_>,
    files: &Arc<dyn Blobs>,
    each: &mut (dyn FnMut(&BlobInfo) + Send),
) -> Result<Orphans, Stop> {
    let lock = Exclusive::take(run).await?;
    let (_, writers) = registered(run.store).await?;
    let lost = lost_attempts(run).await?;
    let mut listed = Orphans::default();
    {
        let takes = not_of(&lost);
        let mut found = pin!(orphans(files, run.target, &writers, &takes));
        while let Some(batch) = found.try_next().await? {
            batch.iter().for_each(&mut *each);
            listed.add(&batch);
        }
    }
    lock.release().await;
    Ok(listed)
}

async fn lost_attempts(run: &LockedRun<'_>) -> Result<BTreeSet<AttemptId>, Fault> {
    let lost = lost::recorded(run.store, run.plan, None, run.target).await?;
    let rows = lost.absent.into_iter().chain(lost.of_another_run);
    Ok(rows.filter_map(|row| row.attempt).collect())
}

/// Whether a blob is of none of these attempts.
fn not_of(attempts: &BTreeSet<AttemptId>) -> impl Fn(&str) -> bool + Sync {
    |name| attempt_of_blob(name).is_none_or(|attempt| !attempts.contains(&attempt))
}
