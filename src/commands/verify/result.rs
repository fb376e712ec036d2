//! The result of the run that is verified. The chart's pods wait for it, for their Job is made with the run's other Jobs.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    commands::{await_plan::await_plan, finalize::standing_plan, patience::patiently},
    exit::{Exit, Stop},
    ports::{Backoff, Patience, pause},
    run::{Plan, RunResult, RunStore, Summary, names},
    settings::Settings,
};

const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
/// How often a pod says that it waits.
const SAYS_EVERY: Duration = Duration::from_mins(10);

/// Plan and result of the run; a run that is under way is not verified. In a pod the result has to be COMPLETE, and is
/// waited for: the Job's deadline is the limit.
pub(super) async fn result(settings: &Settings, store: &RunStore) -> Result<(Plan, Summary), Stop> {
    if settings.pod.name.is_none() {
        let plan = standing_plan(store).await?;
        let summary = of_plan(store, &plan).await?.ok_or_else(|| no_result(store, &plan))?;
        return Ok((plan, summary));
    }
    let plan = await_plan(settings, store).await?;
    let mut patience = Patience::new(LOOKS);
    let mut said: Option<Instant> = None;
    loop {
        // A rollback ends the wait.
        let summary = patiently(settings, async || {
            standing_plan(store).await?;
            of_plan(store, &plan).await
        });
        let why = match summary.await? {
            Some(summary) if summary.result == RunResult::Complete => return Ok((plan, summary)),
            Some(_) => "the run's result is INCOMPLETE; it is verified once it is COMPLETE",
            None => "the run has no result yet",
        };
        if said.is_none_or(|said| said.elapsed() >= SAYS_EVERY) {
            said = Some(Instant::now());
            tracing::info!(run = %store.run(), "waiting: {why}");
        }
        pause(patience.failed()).await;
    }
}

async fn of_plan(store: &RunStore, plan: &Plan) -> Result<Option<Summary>, Stop> {
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    Ok(summary.filter(|summary| summary.plan == plan.id))
}

fn no_result(store: &RunStore, plan: &Plan) -> Stop {
    let message = format!(
        "run {} has no result yet: its {} rows are being moved, or finalize was not run; verify it when `rogo-migrate \
         status` shows a result",
        store.run(),
        plan.rows
    );
    Stop::new(Exit::Temporary, message)
}
