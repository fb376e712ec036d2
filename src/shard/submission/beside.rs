//! Whether the target takes other submissions while it refuses one. Without that no row is blamed for a refusal that is
//! temporary by its SQLSTATE.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    domain::AttemptId,
    exit::{Exit, Stop},
    ports::{CopiedMigration, Fault},
    shard::{Shard, WorkerServices, pace::Trouble},
};

/// A commit that was answered so long ago says how the target fares now.
const RECENT: Duration = Duration::from_secs(1);

/// When the newest commit of this process was answered.
#[derive(Debug, Default)]
pub struct LastCommit(Mutex<Option<Instant>>);

impl LastCommit {
    /// A submission was committed.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_recent(&self) -> bool {
        let newest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_some_and(|newest| newest.elapsed() < RECENT)
    }
}

/// `Ok` if another submission was committed just now, or if these rows would be under another attempt.
pub(super) async fn takes_others(
    shard: &Shard,
    services: &WorkerServices,
    copied: &CopiedMigration<'_>,
) -> Result<(), Fault> {
    if shard.last_commit.is_recent() {
        return Ok(());
    }
    services.target.rehearse(copied).await
}

/// The end of a process that gave up while the database refused this attempt with `code`. Whether all rows fail or this one
/// cannot be told, and so it is not blamed.
pub(super) fn naming(trouble: Trouble, attempt: AttemptId, code: Option<&str>) -> Trouble {
    match (trouble, code) {
        (Trouble::Process(stop), Some(code)) if stop.exit == Exit::Temporary => {
            let message = format!(
                "{}. The row that gave up was that of attempt {attempt} (SQLSTATE {code}): if the target takes all others, \
                 correct there what refuses it, or leave it out of a run of another name (--exclude)",
                stop.message
            );
            Trouble::Process(Stop::saying(stop, message))
        }
        (trouble, _) => trouble,
    }
}
