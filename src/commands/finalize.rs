//! `finalize`: merges what the shards recorded; by hand at once, in a cluster after the shard Job.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use encoding_rs::Encoding;
use futures_util::FutureExt;

use crate::{
    adapters::kubernetes::ClusterJob,
    exit::{End, Exit, Moment, Stop},
    finalize::{FinalizeContext, InputRow, InputRows, books::Totals},
    inputs::{CsvReader, SubmissionColumns},
    ports::TargetReader,
    run::{
        Missing, Plan, RunStore, Summary, Warning,
        lock::LockedRun,
        names,
        pins::{Present, differences},
        results,
    },
    settings::Settings,
    telemetry::{self, Step, step},
    watch::{
        rerun::{self, Rerun},
        wait::{self, JobWait, WaitEnd},
    },
};

use super::{
    await_plan::await_plan,
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
    let plan = match &settings.pod.shard_job {
        Some(job) => await_shards(settings, &store, job).await?,
        None => patiently(settings, async || standing_plan(&store).await).await?,
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
    step(Step::Finalize, plan.traceparent.as_ref(), merging).await.map_err(|stop| stop.at(Moment::AfterPlan))
}

/// Brings the results of a run up to date of which some attempts were rolled back. Prints nothing.
pub(super) async fn merge_after_rollback(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
) -> Result<End, Stop> {
    Box::pin(merge_and_tell(settings, store, plan, After::Rollback)).await
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
) -> Result<End, Stop> {
    connect::not_ended(store).await?;
    let accept = settings.accept_lost.then(|| decided(settings, "finalize --accept lost")).transpose()?;
    let files = connect::target_blobs(settings)?;
    let target =
        connect::database(settings, 2, &format!("{}/finalize/{}", settings.run, std::process::id()))?;
    let database = target.identity().await?;
    unchanged(&differences(plan, &Present::of(settings, &plan.id, database, &files.location())))?;
    if matches!(after, After::Shards(_)) {
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
        },
        files: &files,
        open_input: &|| {
            let inputs = inputs.clone();
            async move {
                let (reader, columns) = inputs.submissions().await?;
                let encoding = inputs.encoding;
                Ok(Box::new(Submissions { reader, columns, encoding, ended: false }) as Box<dyn InputRows>)
            }
            .boxed()
        },
        out: Some(&settings.out),
        accept,
        events: &telemetry::events(),
    };
    let comparing = async { Ok(frozen::warnings(settings, plan).await) };
    let (totals, warnings) = tokio::try_join!(crate::finalize::finalize(&context), comparing)?;
    target.close().await;
    tell(settings, store, plan, &totals, warnings, after).await
}

/// Publishes `summary.json`, prints the grid, and says how the process ends.
async fn tell(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    totals: &Totals,
    warnings: Vec<Warning>,
    after: After<'_>,
) -> Result<End, Stop> {
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
    summary.newest_outcome_at = totals.last_outcome_at;
    summary.receipts = Some(totals.receipts.clone());
    summary.orphans_removed = totals.orphans.blobs;
    let Limited { limits, commits, warnings: of_shards } = limited(store, plan).await?;
    (summary.limits, summary.commits) = (limits, commits);
    summary.warnings = warnings.into_iter().chain(of_shards).collect();
    summary.prediction = predicted::compared(store, plan, &totals.books, ended).await?;
    summary.stages = stages(&totals.books);
    let files = [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES, names::SUMMARY, names::REPORT];
    let lost = (totals.lost.rows > 0).then_some(names::LOST);
    summary.results = files.into_iter().chain(lost).map(|file| location(settings, store, file)).collect();
    let flags = rerun::away_from_inputs(plan, &settings.out);
    let rerun = Rerun::of(settings.pod.release.as_ref(), &settings.run_store.to_string(), &flags);
    let redo = rerun.redo(store.run(), &totals.lost.shards);
    let rerun = rerun.command(store.run(), &totals.incomplete_shards());
    let incomplete = totals.incomplete(store, &rerun, &redo);
    summary.next_command = match incomplete {
        Some(_) if totals.lost.rows > 0 => redo,
        Some(_) => rerun,
        None => next_command(settings, plan, totals),
    };
    let text = json("summary", &summary)?;
    results::publish_document(Some(store), Some(&settings.out), names::SUMMARY, &text, "application/json")
        .await?;
    report::publish(settings, store, plan, &summary, &totals.course).await?;
    if let After::Shards(teller) = after {
        summary.print();
        teller.note(&summary);
    }
    end(&summary, incomplete, totals.unswept.as_deref())
}

/// How the process ends: 69 if rows are missing or lost, 75 if orphans may be left.
fn end(summary: &Summary, incomplete: Option<Stop>, unswept: Option<&str>) -> Result<End, Stop> {
    match (incomplete, unswept) {
        (Some(incomplete), _) => Err(incomplete),
        (None, Some(fault)) => {
            let message = format!(
                "{}; the results stand, but blobs that killed processes left could not be removed: {fault}; run finalize \
                 again",
                summary.in_a_line()
            );
            Err(Stop::new(Exit::Temporary, message))
        }
        (None, None) => Ok(End::done(summary.in_a_line())),
    }
}

/// Where a person finds a result: a pod's own folder is gone with the pod.
fn location(settings: &Settings, store: &RunStore, file: &str) -> String {
    match settings.pod.name {
        Some(_) => store.describe(&names::result(file)),
        None => settings.out.join(file).display().to_string(),
    }
}

/// The next command if every row has an outcome: fetch the results if they are in the run store only, then run the
/// failed rows.
fn next_command(settings: &Settings, plan: &Plan, totals: &Totals) -> String {
    let (fetch, failed) = match settings.pod.name {
        Some(_) => (rerun::fetch(plan, &settings.run_store.to_string()), PathBuf::from(names::FAILED)),
        None => (String::new(), settings.out.join(names::FAILED)),
    };
    let mut steps = vec![fetch];
    if totals.books.rows_failed() > 0 {
        // The failure CSV is a valid input.
        steps.push(format!(
            "when the causes are mended: rogo-migrate run --run <another name> --submissions {} --out <another folder>",
            failed.display()
        ));
    }
    steps.retain(|step| !step.is_empty());
    steps.join("; ")
}

/// The submissions CSV, read again for its failed rows.
struct Submissions {
    reader: CsvReader,
    columns: SubmissionColumns,
    encoding: Option<&'static Encoding>,
    ended: bool,
}

#[async_trait]
impl InputRows for Submissions {
    fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }

    fn header(&self) -> &[String] {
        self.reader.header()
    }

    async fn next(&mut self) -> Result<Option<InputRow>, Stop> {
        let Some(record) = self.reader.next().await? else {
            self.ended = true;
            return Ok(None);
        };
        let attempt = self.columns.attempt_id(record).parse().ok();
        let cells = record.to_cells();
        Ok(Some(InputRow { number: self.reader.rows(), attempt, cells }))
    }

    fn sha256(&self) -> Option<String> {
        self.ended.then(|| self.reader.digest().sha256)
    }
}
