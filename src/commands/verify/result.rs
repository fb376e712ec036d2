//! The result of the run that is verified. The chart's pods wait for it, for their Job is made with the run's other Jobs.

use std::time::Duration;

use crate::{
    commands::{await_plan::await_plan, connect, finalize::standing_plan, patience::patiently},
    domain::{Level, ShardIndex, shard_list},
    exit::{Exit, Stop},
    ports::{Backoff, Fault, Patience, pause},
    report::WaitTeller,
    run::{Plan, RunResult, RunStore, Summary, writers},
    settings::Settings,
    watch::rerun,
};

const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));

/// Plan and result of the run; a run that is under way is not verified, nor one whose newest rows are in no result. In a
/// pod the result has to be COMPLETE, and is waited for: the Job's deadline is the limit.
pub(super) async fn result(
    settings: &Settings,
    level: Level,
    store: &RunStore,
) -> Result<(Plan, Summary), Stop> {
    if settings.pod.name.is_none() {
        let plan = standing_plan(store).await?;
        let summary = connect::result_of(store, &plan).await?.ok_or_else(|| no_result(settings, &plan))?;
        if let Some(why) = unmerged(store, &summary).await? {
            return Err(under_way(settings, &why));
        }
        return Ok((plan, summary));
    }
    let plan = await_plan(settings, store).await?;
    let mut patience = Patience::new(LOOKS);
    let mut teller = WaitTeller::default();
    loop {
        // A rollback ends the wait.
        let looking = patiently(settings, async || {
            standing_plan(store).await?;
            let Some(summary) = connect::result_of(store, &plan).await? else { return Ok(None) };
            let unmerged = unmerged(store, &summary).await?;
            Ok(Some((summary, unmerged)))
        });
        let why = match looking.await? {
            None => "the run has no result yet".to_owned(),
            Some((_, Some(why))) => why,
            Some((summary, None)) if summary.result == RunResult::Complete => {
                match not_awaited(settings, &summary).or_else(|| swept_first(level, &summary)) {
                    None => return Ok((plan, summary)),
                    Some(why) => why,
                }
            }
            Some((_, None)) => {
                "the run's result is INCOMPLETE; it is verified once it is COMPLETE".to_owned()
            }
        };
        teller.tell(|| format!("waiting for the result of run {}: {why}", store.run()));
        pause(patience.failed()).await;
    }
}

/// Why a result is not the one that this pod waits for: its Job was made together with one that moves lost rows again,
/// which need not have begun.
fn not_awaited(settings: &Settings, summary: &Summary) -> Option<String> {
    let job = settings.pod.shard_job.as_ref().filter(|job| summary.shard_job.as_ref() != Some(job))?;
    Some(format!(
        "Job {job} moves lost rows again, and the result is from before; it is verified once the finalizer of that Job has \
         ended (to verify the result of another finalizer: shards.redo blank again)"
    ))
}

/// Blobs that are about to be removed are no difference between the target and the run.
fn swept_first(level: Level, summary: &Summary) -> Option<String> {
    (summary.sweeping && level >= Level::Blobs).then(|| {
        "its finalizer is removing blobs that killed processes left; if none is at work any more, run finalize again"
            .to_owned()
    })
}

/// What is in no result yet.
async fn unmerged(store: &RunStore, result: &Summary) -> Result<Option<String>, Fault> {
    let writers = writers::unmerged(store, result).await?;
    let shards: Vec<ShardIndex> = writers.iter().map(|writer| writer.shard).collect();
    let newest = writers.iter().max_by_key(|writer| writer.sign_at);
    Ok(newest.map(|newest| {
        format!(
            "rows of shard(s) {} have been moved since the last result, and are not merged yet (the newest word of such a \
             process is of {}, from {})",
            shard_list(&shards),
            newest.sign_at.format("%F %T UTC"),
            newest.host
        )
    }))
}

fn under_way(settings: &Settings, why: &str) -> Stop {
    let message = format!(
        "run {}: {why}; wait until they end, or merge what they did: {} says which; then verify it",
        settings.run,
        status(settings)
    );
    Stop::new(Exit::Temporary, message)
}

fn no_result(settings: &Settings, plan: &Plan) -> Stop {
    let message = format!(
        "run {} has no result yet: its {} rows are being moved, or finalize was not run; verify it when {} shows a result",
        settings.run,
        plan.rows,
        status(settings)
    );
    Stop::new(Exit::Temporary, message)
}

/// The line that says how far the run is.
fn status(settings: &Settings) -> String {
    rerun::status(&settings.run, &settings.into())
}
