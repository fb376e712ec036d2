//! Patience in a pod: the one pod of plan or finalize waits for what may pass, so that it does not use up its Job's
//! retries.

use std::time::Duration;

use crate::{
    exit::{Exit, Stop},
    ports::{Backoff, Patience, pause},
    settings::Settings,
};

/// Runs a step that may be repeated: in a pod again and again while it fails for what may pass by itself, until
/// give-up-after since it failed first. Elsewhere a person decides.
pub async fn patiently<T>(settings: &Settings, step: impl AsyncFn() -> Result<T, Stop>) -> Result<T, Stop> {
    patiently_beyond(settings, || 0, step).await
}

/// As [`patiently`], for a step that goes on where it failed: a try counts as the first to fail if `done` has grown since the
/// last one. `done` counts what no try does again.
pub async fn patiently_beyond<T>(
    settings: &Settings,
    done: impl Fn() -> u64,
    step: impl AsyncFn() -> Result<T, Stop>,
) -> Result<T, Stop> {
    let limit = settings.pod.name.as_ref().map(|_| settings.work.give_up_after);
    retried(limit, done, step).await
}

/// Retries until `limit` has passed; `None`: never.
async fn retried<T>(
    limit: Option<Duration>,
    done: impl Fn() -> u64,
    step: impl AsyncFn() -> Result<T, Stop>,
) -> Result<T, Stop> {
    let mut patience = Patience::new(Backoff::PROCESS);
    let mut before = done();
    loop {
        let ended = step().await;
        let (limit, failed) = match (limit, ended) {
            (Some(limit), Err(failed)) if failed.exit == Exit::Temporary => (limit, failed),
            (_, ended) => return ended,
        };
        let now = done();
        if now > before {
            before = now;
            patience.answered();
        }
        let Some(wait) = patience.failed_within(limit) else { return Err(failed) };
        tracing::warn!(reason = %failed, pause_ms = wait.as_millis(), "the step is tried again");
        pause(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LIMIT: Duration = Duration::from_hours(2);
    const TRY: Duration = Duration::from_hours(3);

    /// How often a step of three hours is tried that fails each time, and in its first `lasting` tries does something that lasts.
    async fn tries(limit: Option<Duration>, lasting: u64) -> u64 {
        let (tries, done) = (Cell::new(0), Cell::new(0));
        let step = async || {
            tries.set(tries.get() + 1);
            pause(TRY).await;
            done.set(tries.get().min(lasting));
            Err::<(), _>(Stop::new(Exit::Temporary, "away"))
        };
        let failed = retried(limit, || done.get(), step).await.unwrap_err();
        assert_eq!(failed.exit, Exit::Temporary);
        tries.get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_went_on_since_it_failed_has_all_its_time_again_and_one_that_did_not_has_none_left() {
        assert_eq!(tries(Some(LIMIT), 0).await, 2, "the second try ends after the limit");
        assert_eq!(tries(Some(LIMIT), 1).await, 2, "the first failure begins the time in any case");
        assert_eq!(tries(Some(LIMIT), 4).await, 5, "each of the first four begins it anew");
        assert_eq!(tries(None, 4).await, 1, "outside of a pod a person decides");
    }
}
