//! The planning process's heartbeat: shards wait as long as it is fresh, even if the warehouse is read for hours.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    ports::every,
    run::{Epoch, PlanHeartbeat, RunStore, names},
};

const EVERY: Duration = Duration::from_secs(10);

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

/// Writes `planning/<epoch>.json` every 10 s, until it is dropped. On a task of its own: the plan computes for seconds
/// without a pause.
#[must_use]
pub struct Beating(#[expect(dead_code, reason = "it is dropped with this value")] AbortOnDropHandle<()>);

impl Beating {
    /// Writes the first heartbeat at once, then one at each interval.
    pub fn begin(store: &RunStore, epoch: &Epoch, progress: &Progress) -> Self {
        let (store, name, progress) = (store.clone(), names::planning(epoch), progress.clone());
        let began_at = Some(Utc::now());
        Self(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = every(EVERY);
            loop {
                ticks.tick().await;
                let heartbeat = PlanHeartbeat { at: Utc::now(), began_at, doing: progress.now() };
                if let Err(fault) = store.replace(&name, &heartbeat).await {
                    tracing::debug!(fault = %fault.chain(), "no heartbeat this time");
                }
            }
        })))
    }
}
