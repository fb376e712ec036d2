//! `finalize`: merges what the shards recorded; by hand at once, in a cluster after the shard Job.

mod next;
mod submissions;

use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt;

use crate::{
    adapters::kubernetes::ClusterJob,
    exit::{End, Exit, Moment, Stop},
    finalize::{FinalizeContext, InputRows, books::Totals},
    ports::{Fault, FaultKind, TargetReader},
    run::{
        Missing, Plan, RunStore, Summary, Warning, WarningCode,
        lock::LockedRun,
        names,
        pins::{Loss, Present, differences},
        results,
    },
    settings::Settings,
    telemetry::{self, Step, step},
    watch::{
        rerun,
        wait::{self, JobWait, WaitEnd},
    },
};

use self::submissions::Submissions;
use super::{
    await_plan::await_plan,
    beside::{ByHand, warn_of_jobs},
    compare::unchanged,
    connect,
    decided::decided,
    frozen,
    json::json,
    limited::{Limited, limited, stages},
    notify::Teller,
    own_inputs,
    patience::patiently,
    predicted, report,
};

/// How long finalize waits for the last process to let go of the run's lock: longer than a database
/// needs to notice that a machine has vanished.
pub(super) const WAIT_FOR_LOCK: Duration = Duration::from_mins(5);

/// Merges, writes the results and prints the summary; 69 where rows are without an outcome. In a cluster it
/// waits for the shard Job first.
pub async fn run(settings: &Settings, teller: &Teller) -> Result<End, Stop> {
    own_inputs::refuse(settings)?;
    let store = connect::run_store(settings)?;
    let plan = if let Some(job) = &settings.pod.shard_job {
        await_shards(settings, &store, job).await?
    } else {
        let standing = patiently(settings, async || standing_plan(&store).await);
        tokio::join!(standing, warn_of_jobs(settings, ByHand::Merges)).0?
    };
    patiently(settings, async || merge(settings, &store, &plan, teller).await).await
}

pub(super) async fn standing_plan(store: &RunStore) -> Result<Plan, Stop> {
    connect::not_rolled_back(store).await?;
    store.plan_or("run `rogo-migrate plan` first").await
}

/// Waits for the plan, then until the shard Job has done what it could.
async fn await_shards(settings: &Settings, store: &RunStore, job: &str) -> Result<Plan, Stop> {
    let plan = await_plan(settings, store).await?;
    let namespace = settings.pod.namespace.as_deref().unwrap_or("default");
    let waited = step(
        Step::AwaitShards,
        plan.traceparent.as_ref(),
        wait::wait(
            &JobWait {
                store,
                plan: &plan,
                epoch: &settings.epoch,
                jobs: &ClusterJob::new(namespace, job),
                job,
                namespace,
                release: settings.pod.release.as_ref(),
                redo: settings.redo_lost,
                wait_plan: settings.wait_plan,
                give_up_after: settings.work.give_up_after,
                began_at: Utc::now(),
            },
            &mut |warning| tracing::warn!("{warning}"),
        ),
    )
    .await?;
    match waited {
        WaitEnd::AllDone => tracing::info!("every shard is done"),
        WaitEnd::JobComplete => tracing::info!(job, "the Job is complete"),
        WaitEnd::JobFailed(words) => tracing::warn!(job, words, "the Job failed: what it recorded is merged"),
        WaitEnd::JobGone => tracing::warn!(job, "there is no such Job: what was recorded is merged"),
    }
    Ok(plan)
}

/// Merges a plan whose shards have ended. `run` calls it last. The plan was let in, so credentials that are refused
/// now are being rotated: 75.
pub async fn merge(settings: &Settings, store: &RunStore, plan: &Plan, teller: &Teller) -> Result<End, Stop> {
    // On the heap: the commands that end with it would be too large for the stack.
    let merging = Box::pin(merge_and_tell(settings, store, plan, After::Shards(teller)));
    let published = step(Step::Finalize, plan.traceparent.as_ref(), merging).await;
    published.and_then(Published::end).map_err(|stop| stop.at(Moment::AfterPlan))
}

/// Brings the results of a run up to date of which some attempts were rolled back. Prints nothing.
pub(super) async fn merge_after_rollback(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
) -> Result<Published, Stop> {
    let merging = Box::pin(merge_and_tell(settings, store, plan, After::Rollback));
    merging.await.map_err(|stop| stop.at(Moment::AfterPlan))
}

/// Results that were published, and what is left to do.
pub(super) struct Published {
    pub(super) summary: Summary,
    /// 69: rows are missing or lost.
    pub(super) incomplete: Option<Stop>,
    /// The command that merges once more.
    finalize: String,
    /// Why the sweep failed, if it did.
    unswept: Option<String>,
}

impl Published {
    /// How the process ends: 69 if rows are missing or lost, else as [`Self::swept`] says.
    fn end(mut self) -> Result<End, Stop> {
        self.incomplete.take().map_or_else(|| self.swept(), Err)
    }

    /// 75 if orphans may be left.
    pub(super) fn swept(&self) -> Result<End, Stop> {
        let line = self.summary.in_a_line();
        let Some(fault) = &self.unswept else { return Ok(End::done(line)) };
        let message = format!(
            "{line}; the results stand, but blobs that killed processes left could not be removed: {fault}; to try again: \
             {}",
            self.finalize
        );
        Err(Stop::new(Exit::Temporary, message))
    }
}

/// What a merge follows.
#[derive(Clone, Copy)]
enum After<'a> {
    /// The end of a run, which the teller tells.
    Shards(&'a Teller),
    /// It has checked the session, and its role may have no right to insert.
    Rollback,
}

async fn merge_and_tell(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    after: After<'_>,
) -> Result<Published, Stop> {
    connect::not_ended(store).await?;
    let accept = settings.accept_lost.then(|| decided(settings, "finalize --accept lost")).transpose()?;
    let files = connect::target_blobs(settings)?;
    let target =
        connect::database(settings, 2, &format!("{}/finalize/{}", settings.run, std::process::id()))?;
    let database = target.identity().await?;
    let mut now = Present::of(settings, &plan.id, database, &files.location());
    // Who rolls back may have no warehouse.
    let follows_shards = matches!(after, After::Shards(_));
    now.warehouse = if follows_shards { connect::warehouse_address(settings) } else { None };
    unchanged(&differences(plan, &now))?;
    if follows_shards {
        unchanged(&target.session().await?)?;
    }
    let inputs = connect::inputs(settings)?;
    let context = FinalizeContext {
        run: LockedRun {
            store,
            plan,
            target: &target,
            fence: &connect::fence(settings, plan, &target, "finalize"),
            deadline: settings.work.give_up_after.min(WAIT_FOR_LOCK),
            loss: Loss::of(settings),
        },
        files: &files,
        open_input: &|| {
            let inputs = inputs.clone();
            async move { Ok(Box::new(Submissions::open(&inputs).await?) as Box<dyn InputRows>) }.boxed()
        },
        out: Some(&settings.out),
        accept,
        events: &telemetry::events(),
    };
    let comparing = async { Ok(frozen::warnings(settings, plan).await) };
    let ((totals, mut quiet), warnings) = tokio::try_join!(crate::finalize::finalize(&context), comparing)?;
    quiet.still_held().await?;
    let published = tell(settings, store, plan, &totals, warnings, after).await;
    quiet.end().await;
    target.close().await;
    published
}

/// Publishes `summary.json` and the page, and prints the grid.
async fn tell(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    totals: &Totals,
    warnings: Vec<Warning>,
    after: After<'_>,
) -> Result<Published, Stop> {
    let mut missing = Missing::default();
    for shard in &totals.missing {
        missing.rows += shard.rows;
        missing.ranges.extend(&shard.ranges);
        missing.shards.push(shard.shard);
    }
    missing.ranges.sort_unstable();
    // Measured to the last outcome, so that running finalize again reports the same duration.
    let ended = totals.last_outcome_at.unwrap_or(plan.created_at);
    let took = (ended - plan.created_at).to_std().unwrap_or_default();
    let books = totals.books.clone();
    let mut summary = Summary::balance(&plan.run, &plan.id, totals.rows, books, missing, Utc::now())
        .lost(totals.lost.clone())
        .took(took);
    summary.rows_left_out = totals.rows_left_out;
    summary.writers_merged = Some(totals.writers);
    summary.newest_outcome_at = totals.last_outcome_at;
    summary.receipts = Some(totals.receipts.clone());
    summary.orphans_removed = totals.orphans.blobs;
    summary.orphans_kept.clone_from(&totals.kept.named);
    let Limited { limits, commits, warnings: of_shards } = limited(store, plan, &totals.beats).await?;
    (summary.limits, summary.commits) = (limits, commits);
    let planned = plan.warnings().into_iter();
    summary.warnings = planned.chain(warnings).chain(of_shards).chain(kept(settings, totals)).collect();
    summary.prediction = predicted::compared(store, plan, &totals.books, ended).await?;
    summary.stages = stages(&totals.books);
    let files = [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES, names::SUMMARY, names::REPORT];
    let lost = (totals.lost.rows > 0).then_some(names::LOST);
    let to_another = (totals.lost.of_another_run > 0).then_some(names::LOST_TO_ANOTHER);
    summary.results = files
        .into_iter()
        .chain(lost)
        .chain(to_another)
        .map(|file| next::location(settings, store, file))
        .collect();
    let next::Next { incomplete, command, finalize, release } = next::next(settings, store, plan, totals);
    (summary.next_command, summary.release) = (command, release);
    summary.shard_job = match &settings.pod.shard_job {
        Some(job) => Some(job.clone()),
        // A merge by hand holds what that finalizer's did; a result that cannot be read is replaced.
        None => job_before(store, plan).await?,
    };
    let text = json("summary", &summary)?;
    results::publish_document(Some(store), Some(&settings.out), names::SUMMARY, &text, "application/json")
        .await?;
    report::publish(settings, store, plan, &summary, &totals.course).await?;
    if let After::Shards(teller) = after {
        summary.print();
        teller.note(&summary);
    }
    Ok(Published { summary, incomplete, finalize, unswept: totals.unswept.clone() })
}

/// The Job of the shards that the result before this one names; a result without a readable text names none.
async fn job_before(store: &RunStore, plan: &Plan) -> Result<Option<String>, Fault> {
    let before: Option<Summary> = match store.read(&names::result(names::SUMMARY)).await {
        Err(fault) if fault.kind == FaultKind::Corrupt => None,
        before => before?,
    };
    Ok(before.filter(|before| before.plan == plan.id).and_then(|before| before.shard_job))
}

/// The warning about orphans that cannot be removed.
fn kept(settings: &Settings, totals: &Totals) -> Option<Warning> {
    let fault = totals.kept.fault.as_ref()?;
    let detail = format!(
        "{} blobs of killed processes, which no row names, stay in the target container: {}; the results are valid; when \
         that has ended, `{}` removes them",
        totals.kept.blobs,
        fault.chain(),
        rerun::by_hand("orphans --delete --reason '<why>'", &settings.run, &settings.into())
    );
    Some(Warning { code: WarningCode::OrphansKept, detail })
}
