//! The planning process's heartbeat: shards wait as long as it is fresh, even if the warehouse is read for hours.

use std::time::Duration;

use chrono::Utc;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    ports::every,
    run::{Epoch, PlanHeartbeat, RunStore, names},
};

const EVERY: Duration = Duration::from_secs(10);

/// Writes `planning/<epoch>.json` every 10 s, until it is dropped. On a task of its own: the plan computes for seconds
/// without a pause.
#[must_use]
pub struct Beating(#[expect(dead_code, reason = "it is dropped with this value")] AbortOnDropHandle<()>);

impl Beating {
    /// Writes the first heartbeat at once, then one at each interval.
    pub fn begin(store: &RunStore, epoch: &Epoch) -> Self {
        let (store, name) = (store.clone(), names::planning(epoch));
        Self(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut ticks = every(EVERY);
            loop {
                ticks.tick().await;
                if let Err(fault) = store.replace(&name, &PlanHeartbeat { at: Utc::now() }).await {
                    tracing::debug!(fault = %fault.chain(), "no heartbeat this time");
                }
            }
        })))
    }
}
