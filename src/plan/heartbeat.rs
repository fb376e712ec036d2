//! The planning process's heartbeat: shards wait as long as it is fresh, even if the warehouse is read for hours.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    exit::Stop,
    ports::every,
    run::{Epoch, PlanHeartbeat, RunStore, names},
};

const EVERY: Duration = Duration::from_secs(10);
/// How long the end of a process may take for its heartbeat: with the rest of a stop less than a pod is given.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(5);

/// What a plan is doing, for its heartbeats. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Option<String>>>);

impl Progress {
    /// From now on the heartbeats say this.
    pub fn doing(&self, what: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }

    /// From now on they say nothing more.
    pub fn done(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn now(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes a plan, and writes `planning/<epoch>.json` every 10 s meanwhile. If no plan was made, the heartbeat is deleted, so that
/// other commands need not wait until it is old; beside a plan no command asks for it.
pub async fn beating<T>(
    store: &RunStore,
    epoch: &Epoch,
    progress: &Progress,
    making: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let beats = Beats::begin(store, epoch, progress);
    let made = AssertUnwindSafe(making).catch_unwind().await;
    // A run store that does not answer must not keep the process.
    if !matches!(made, Ok(Ok(_))) && timeout(WITHDRAWN_WITHIN, beats.withdraw()).await.is_err() {
        tracing::debug!("the run store does not answer: the heartbeat stays");
    }
    made.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The heartbeats of a process. On a task of their own: the plan computes for seconds without a pause.
struct Beats {
    store: RunStore,
    epoch: Epoch,
    began_at: DateTime<Utc>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Beats {
    /// Writes the first heartbeat at once, then one at each interval.
    fn begin(store: &RunStore, epoch: &Epoch, progress: &Progress) -> Self {
        let (began_at, stop) = (Utc::now(), CancellationToken::new());
        let (documents, name, progress) = (store.clone(), names::planning(epoch), progress.clone());
        let stopped = stop.clone();
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = every(EVERY);
            while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
                let heartbeat =
                    PlanHeartbeat { at: Utc::now(), began_at: Some(began_at), doing: progress.now() };
                if let Err(fault) = documents.replace(&name, &heartbeat).await {
                    tracing::debug!(fault = %fault.chain(), "no heartbeat this time");
                }
            }
        }));
        Self { store: store.clone(), epoch: epoch.clone(), began_at, stop, task }
    }

    /// Ends them, and deletes the last one unless another process of the epoch has written one since.
    async fn withdraw(self) {
        self.stop.cancel();
        // A heartbeat that is being written is waited for: it would come after the deletion.
        if self.task.await.is_err() {
            return;
        }
        let deleted = async {
            match self.store.planning(&self.epoch).await? {
                Some(beat) if beat.began_at == Some(self.began_at) => {
                    self.store.delete(&[names::planning(&self.epoch)]).await
                }
                _ => Ok(()),
            }
        };
        if let Err(fault) = deleted.await {
            tracing::debug!(fault = %fault.chain(), "the heartbeat stays");
        }
    }
}
