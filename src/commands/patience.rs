//! Patience in a pod: the one pod of plan or finalize waits for what may pass, so that it does not use up its Job's
//! retries.

use std::time::Duration;

use crate::{
    exit::{Exit, Stop},
    ports::{Backoff, Blobs, FaultKind, Patience, pause},
    settings::Settings,
};

/// How long a plan waits for roles that were assigned just now.
const ROLES_ARRIVE_WITHIN: Duration = Duration::from_mins(10);
const ROLES_POLL: Backoff = Backoff::steady(Duration::from_secs(10));

/// Waits until our Microsoft Entra identity may read these places: a role that was assigned just now takes minutes to
/// arrive. Any other fault, and a role that does not arrive, is left to the step that needs the place.
pub async fn roles_arrive(places: &[&dyn Blobs]) {
    let mut patience = Patience::new(ROLES_POLL);
    for place in places {
        while let Err(fault) = place.answers().await
            && fault.kind == FaultKind::NoRole
            && let Some(wait) = patience.failed_within(ROLES_ARRIVE_WITHIN)
        {
            tracing::warn!(fault = %fault.chain(), pause_s = wait.as_secs(), "waiting for the role to arrive");
            pause(wait).await;
        }
    }
}

/// Runs a step that may be repeated: in a pod again and again while it fails for what may pass by itself, until
/// give-up-after since it failed first. Elsewhere a person decides.
pub async fn patiently<T>(settings: &Settings, step: impl AsyncFn() -> Result<T, Stop>) -> Result<T, Stop> {
    let mut patience = Patience::new(Backoff::PROCESS);
    loop {
        let failed = match step().await {
            Err(failed) if failed.exit == Exit::Temporary && settings.pod.name.is_some() => failed,
            ended => return ended,
        };
        let Some(wait) = patience.failed_within(settings.work.give_up_after) else { return Err(failed) };
        tracing::warn!(reason = %failed, pause_ms = wait.as_millis(), "the step is tried again");
        pause(wait).await;
    }
}
