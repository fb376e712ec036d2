//! The result of the run that is verified. The chart's pods wait for it, for their Job is made with the run's other Jobs.

use std::time::Duration;

use crate::{
    commands::{await_plan::await_plan, connect, finalize::standing_plan, patience::patiently},
    domain::{Level, ShardIndex, shard_list},
    exit::{Exit, Stop},
    ports::{Backoff, Fault, Patience, pause},
    report::WaitTeller,
    run::{Plan, RunResult, RunStore, Standing, Summary, decisions, writers},
    settings::{Settings, VerifySettings},
    watch::rerun,
};

const LOOKS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));

/// The plan of the run, which is waited for in a pod.
pub(super) async fn plan(settings: &Settings, store: &RunStore) -> Result<Plan, Stop> {
    if settings.pod.name.is_some() { await_plan(settings, store).await } else { standing_plan(store).await }
}

/// The result that is verified.
pub(super) struct Awaited<'a> {
    pub(super) settings: &'a Settings,
    pub(super) verify: &'a VerifySettings,
    pub(super) store: &'a RunStore,
    pub(super) plan: &'a Plan,
}

/// A result that stands.
pub(super) struct Found {
    pub(super) summary: Summary,
    /// Which outcomes it counts.
    pub(super) standing: Standing,
}

/// Why there is no result to verify yet.
enum NotYet {
    Unmade,
    /// Rows have been moved since.
    Unmerged(String),
    /// Something that says itself what to do.
    Unready(String),
}

impl Awaited<'_> {
    /// Looks once, and waits in a pod until the result stands: the Job's deadline is the limit.
    pub(super) async fn wait(&self) -> Result<(), Stop> {
        if self.settings.pod.name.is_none() {
            return self.result().await.map(drop);
        }
        let mut patience = Patience::new(LOOKS);
        let mut teller = WaitTeller::default();
        while let Err(not_yet) = patiently(self.settings, async || self.look().await).await? {
            let why = not_yet.why();
            teller.tell(|| format!("waiting for the result of run {}: {why}", self.store.run()));
            pause(patience.failed()).await;
        }
        Ok(())
    }

    /// The result as it stands now.
    pub(super) async fn result(&self) -> Result<Found, Stop> {
        self.look().await?.map_err(|not_yet| self.stop(&not_yet))
    }

    /// Looks for the result. A run that is under way is not verified, nor one whose newest rows are in no result, or one that was
    /// rolled back. In a pod the result has to be COMPLETE.
    async fn look(&self) -> Result<Result<Found, NotYet>, Stop> {
        let Self { store, plan, .. } = *self;
        standing_plan(store).await?;
        let Some(summary) = connect::result_of(store, plan).await? else { return Ok(Err(NotYet::Unmade)) };
        if let Some(why) = unmerged(store, &summary).await? {
            return Ok(Err(NotYet::Unmerged(why)));
        }
        if let Some(why) = self.unready(&summary).await? {
            return Ok(Err(NotYet::Unready(why)));
        }
        // Read after the summary: a merge writes it before.
        let standing = Standing::read(store, plan).await?;
        if standing.is_of(&summary) {
            return Ok(Ok(Found { summary, standing }));
        }
        let why = "its results are being made again, or a process that did that was stopped before it had written all of them; \
                   wait until it ends, or run finalize again; then verify the run";
        Ok(Err(NotYet::Unready(why.to_owned())))
    }

    /// Why the result cannot be verified, if something has to be done first.
    async fn unready(&self, summary: &Summary) -> Result<Option<String>, Fault> {
        if self.settings.pod.name.is_some() && summary.result != RunResult::Complete {
            let why = "the run's result is INCOMPLETE; it is verified once it is COMPLETE";
            return Ok(Some(why.to_owned()));
        }
        if let Some(why) = not_awaited(self.settings, summary).or_else(|| self.swept_first(summary)) {
            return Ok(Some(why));
        }
        let since = decisions::rolled_back_since(self.store, summary.at).await?;
        Ok(since.map(|at| {
            format!(
                "attempts were rolled back at {}, and its results do not say so yet; run finalize, then verify the run",
                at.format("%F %H:%M UTC")
            )
        }))
    }

    /// Blobs that a finalizer has yet to remove, or could not remove, are no difference between the target and the run. Rows do
    /// not depend on them, and the next merge makes the same result.
    fn swept_first(&self, summary: &Summary) -> Option<String> {
        let level = self.verify.level;
        if level < Level::Blobs {
            return None;
        }
        if let Some(warning) = summary.sweep_failed() {
            let why = &warning.detail;
            return Some(format!(
                "level {level} can be verified when this is mended, and level rows before: {why}"
            ));
        }
        summary.sweeping.then(|| {
            format!(
                "its finalizer is removing blobs that killed processes left; if none is at work any more, run finalize again ({} \
                 names the line)",
                self.status()
            )
        })
    }

    /// The line that shows the run.
    fn status(&self) -> String {
        rerun::status(&self.settings.run, &self.settings.into())
    }

    fn stop(&self, not_yet: &NotYet) -> Stop {
        let (settings, status) = (self.settings, self.status());
        let message = match not_yet {
            NotYet::Unmade => format!(
                "run {} has no result yet: its {} rows are being moved, or finalize was not run; verify it when {status} shows a \
                 result",
                settings.run, self.plan.rows
            ),
            NotYet::Unmerged(why) => format!(
                "run {}: {why}; wait until they end, or merge what they did: {status} says which; then verify it",
                settings.run
            ),
            NotYet::Unready(why) => format!("run {}: {why}", settings.run),
        };
        Stop::new(Exit::Temporary, message)
    }
}

impl NotYet {
    fn why(&self) -> &str {
        match self {
            Self::Unmade => "the run has no result yet",
            Self::Unmerged(why) | Self::Unready(why) => why,
        }
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
