//! Roles of our Microsoft Entra identity that were assigned just now: they take minutes to arrive.

use std::time::Duration;

use crate::ports::{Backoff, Blobs, Fault, FaultKind, Patience, pause};

/// How long a plan waits for them.
const ARRIVE_WITHIN: Duration = Duration::from_mins(10);
const POLL: Backoff = Backoff::steady(Duration::from_secs(10));

/// Waits until the identity may read these places. Any other fault, and a role that does not arrive, is left to the step
/// that needs the place.
pub async fn roles_arrive(places: &[&dyn Blobs]) {
    let mut arriving = Arriving::default();
    for place in places {
        while let Err(fault) = place.answers().await
            && arriving.awaits(&fault).await
        {}
    }
}

/// The patience with all places of one plan.
#[derive(Debug)]
pub struct Arriving(Patience);

impl Default for Arriving {
    fn default() -> Self {
        Self(Patience::new(POLL))
    }
}

impl Arriving {
    /// Pauses if this may be a role that is on its way; `false` if asking once more is no use.
    pub async fn awaits(&mut self, fault: &Fault) -> bool {
        if fault.kind != FaultKind::NoRole {
            return false;
        }
        let Some(wait) = self.0.failed_within(ARRIVE_WITHIN) else { return false };
        tracing::warn!(fault = %fault.chain(), pause_s = wait.as_secs(), "waiting for the role to arrive");
        pause(wait).await;
        true
    }
}
