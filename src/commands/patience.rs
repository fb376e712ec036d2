//! Patience in a pod: the one pod of plan or finalize waits for what may pass, so that it does not use up its Job's
//! retries.

use crate::{
    exit::{Exit, Stop},
    ports::{Backoff, Patience, pause},
    settings::Settings,
};

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
