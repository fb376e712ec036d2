//! The run's lock, held exclusively: what merges, deletes or rolls back takes [`Quiet`] by reference, so that it cannot
//! begin while a process of the run may still write, nor against another database.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Plan, RolledBack, RunStore, WriterId,
    lost::RecordedBy,
    names,
    pins::{self, Loss},
    writers::{self, UncleanWriters},
};
use crate::{
    exit::{Exit, Stop},
    ports::{ExclusiveFence, Fault, Fence, TargetReader},
};

/// The run whose lock is taken.
pub struct LockedRun<'a> {
    /// Store of the run to be locked.
    pub store: &'a RunStore,
    /// Plan whose database is checked.
    pub plan: &'a Plan,
    /// Database in which the lock is taken.
    pub target: &'a dyn TargetReader,
    /// Its exclusive side of the run's lock.
    pub fence: &'a dyn Fence,
    /// How long to wait for the processes that hold it.
    pub deadline: Duration,
    /// Whether the database may have lost most of the rows.
    pub loss: Loss,
}

/// The exclusive lock is held, the run was not rolled back, and the target is the run's database. Nothing is under way,
/// but a process that was cut off could begin again once the lock is let go.
pub struct Exclusive(Box<dyn ExclusiveFence>);

impl Exclusive {
    /// Waits for the lock, saying which processes hold it, then checks the run and the database.
    pub async fn take(run: &LockedRun<'_>) -> Result<Self, Stop> {
        let fence = Self::wait(run).await?;
        let refusal = match pins::rolled_back(run.store).await? {
            Some(refusal) => Some(refusal),
            // In another database no row names the run's blobs: all of them would look like orphans.
            None => pins::another_database(run.store, run.plan, run.target, run.loss).await?,
        };
        refused(refusal).map(|()| fence)
    }

    /// The same for a rollback, which goes on if the run was rolled back: its recorded rows may be gone then.
    pub async fn take_for_rollback(run: &LockedRun<'_>) -> Result<Self, Stop> {
        let fence = Self::wait(run).await?;
        match run.store.read::<RolledBack>(names::ROLLED_BACK).await? {
            Some(begun) if begun.plan != run.plan.id => {
                Err(run.store.foreign(names::ROLLED_BACK, &begun.plan, &run.plan.id).into())
            }
            Some(_) => Ok(fence),
            None => refused(pins::another_database(run.store, run.plan, run.target, run.loss).await?)
                .map(|()| fence),
        }
    }

    async fn wait(run: &LockedRun<'_>) -> Result<Self, Stop> {
        let mut waiting = |holders: &[String]| {
            tracing::warn!(
                holders = holders.join(", "),
                "waiting: processes of this run still hold its lock"
            );
        };
        Ok(Self(run.fence.exclusive(run.deadline, &mut waiting).await?))
    }

    /// Releases the lock. If that fails, PostgreSQL releases it when the connection ends.
    pub async fn release(self) {
        if let Err(fault) = self.0.release().await {
            tracing::warn!(
                fault = fault.chain(),
                "the run's lock was not released; it ends with its connection"
            );
        }
    }
}

fn refused(refusal: Option<String>) -> Result<(), Stop> {
    let Some(refusal) = refusal else { return Ok(()) };
    let message = format!("{refusal}; nothing was written or deleted");
    Err(Stop::new(Exit::Configuration, message))
}

/// As [`Exclusive`], and every writer that ever registered is retired: none of them writes ever again.
pub struct Quiet {
    lock: Exclusive,
    retired: BTreeSet<WriterId>,
    unclean: UncleanWriters,
}

impl Quiet {
    /// Takes the lock, then retires all writers. Marks are written only once the database is known to be the run's.
    pub async fn begin(run: &LockedRun<'_>) -> Result<Self, Stop> {
        let lock = Exclusive::take(run).await?;
        let (retired, unclean) = writers::retire(run.store).await?;
        Ok(Self { lock, retired, unclean })
    }

    /// The same for a rollback.
    pub async fn begin_rollback(run: &LockedRun<'_>) -> Result<Self, Stop> {
        let lock = Exclusive::take_for_rollback(run).await?;
        let (retired, unclean) = writers::retire(run.store).await?;
        Ok(Self { lock, retired, unclean })
    }

    /// Number of writers: all that ever registered are retired now.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }

    /// The writers that did not end in order; their blobs may be orphans.
    pub fn unclean(&self) -> &UncleanWriters {
        &self.unclean
    }

    /// The writers of lost rows that are accepted, or stay lost, no longer count as clean: the sweep under this
    /// lock looks for their blobs, as every later one does.
    pub async fn unclean_too(&mut self, store: &RunStore, recorded_by: &RecordedBy) -> Result<(), Fault> {
        recorded_by.writers_are_unclean(store).await?;
        // A process that registered since may still write.
        self.unclean.extend(recorded_by.writers().intersection(&self.retired).cloned());
        Ok(())
    }

    /// Asks the server whether the lock is still held; to be asked before anything is deleted or published.
    pub async fn still_held(&mut self) -> Result<(), Fault> {
        self.lock.0.still_held().await
    }

    /// Releases the lock. If that fails, PostgreSQL releases it when the connection ends.
    pub async fn end(self) {
        self.lock.release().await;
    }
}
