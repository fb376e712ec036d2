//! What finalize publishes beside the merged rows: `summary.json` and the page, before the sweep and again after it.

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Shared};

use super::next;
use crate::{
    commands::{
        json::json,
        limited::{Limited, limited, stages},
        predicted, report,
    },
    exit::{End, Exit, Stop},
    finalize::{PublishSummary, books::Totals},
    ports::{Fault, FaultKind},
    run::{Missing, Plan, RunStore, Summary, Warning, WarningCode, names, results},
    settings::Settings,
    watch::rerun,
};

/// Results that were published, and what is left to do.
pub(in crate::commands) struct Published {
    pub(in crate::commands) summary: Summary,
    /// 69: rows are missing or lost.
    incomplete: Option<Stop>,
    /// The command that merges once more.
    finalize: String,
    /// Why the sweep failed, if it did.
    unswept: Option<String>,
}

impl Published {
    /// How the process ends: 69 if rows are missing or lost, else as [`Self::swept`] says.
    pub(super) fn end(mut self) -> Result<End, Stop> {
        self.incomplete().map_or_else(|| self.swept(), Err)
    }

    /// 69 if rows are missing or lost; it also says that orphans may be left.
    pub(in crate::commands) fn incomplete(&mut self) -> Option<Stop> {
        let incomplete = self.incomplete.take()?;
        let Some(fault) = &self.unswept else { return Some(incomplete) };
        let message = format!(
            "{incomplete}\nblobs that killed processes left could not be removed either: {fault}; the next merge tries again"
        );
        Some(incomplete.saying(message))
    }

    /// 75 if orphans may be left.
    pub(in crate::commands) fn swept(&self) -> Result<End, Stop> {
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

/// Publishes the summary and the page of one merge.
pub(super) struct Publisher<'a> {
    pub settings: &'a Settings,
    pub store: &'a RunStore,
    pub plan: &'a Plan,
    /// Whether the warehouse stood still; it is asked once.
    pub warnings: Shared<BoxFuture<'a, Vec<Warning>>>,
}

#[async_trait]
impl PublishSummary for Publisher<'_> {
    type Published = Published;

    async fn publish(&self, totals: &Totals) -> Result<Published, Stop> {
        let Self { settings, store, plan, .. } = *self;
        let mut summary = self.summary(totals).await?;
        let next::Next { incomplete, command, finalize, release } = next::next(settings, store, plan, totals);
        summary.warnings.extend(unswept(totals, &finalize));
        (summary.next_command, summary.release) = (command, release);
        let text = json("summary", &summary)?;
        let (file, out) = (names::SUMMARY, Some(settings.out.as_path()));
        results::publish_document(Some(store), out, file, &text, "application/json").await?;
        report::publish(settings, store, plan, &summary, &totals.course).await?;
        Ok(Published { summary, incomplete, finalize, unswept: totals.unswept.clone() })
    }
}

impl Publisher<'_> {
    /// The summary without the lines to type next.
    async fn summary(&self, totals: &Totals) -> Result<Summary, Stop> {
        let Self { settings, store, plan, .. } = *self;
        // Measured to the last outcome, so that running finalize again reports the same duration.
        let ended = totals.last_outcome_at.unwrap_or(plan.created_at);
        let took = (ended - plan.created_at).to_std().unwrap_or_default();
        let books = totals.books.clone();
        let at = totals.balanced_at;
        let mut summary = Summary::balance(&plan.run, &plan.id, totals.rows, books, missing(totals), at)
            .lost(totals.lost.clone())
            .took(took);
        summary.rows_left_out = totals.rows_left_out;
        summary.writers_merged = Some(totals.writers);
        summary.newest_outcome_at = totals.last_outcome_at;
        summary.receipts = Some(totals.receipts.clone());
        summary.sweeping = totals.sweeping;
        summary.orphans_removed = totals.orphans.blobs;
        summary.orphans_kept.clone_from(&totals.kept.named);
        let Limited { limits, commits, warnings: of_shards } = limited(store, plan, &totals.beats).await?;
        (summary.limits, summary.commits) = (limits, commits);
        let (planned, compared) = (plan.warnings().into_iter(), self.warnings.clone().await);
        let of_merge = kept(settings, totals).into_iter().chain(not_compared(totals));
        summary.warnings = planned.chain(compared).chain(of_shards).chain(of_merge).collect();
        summary.prediction = predicted::compared(store, plan, totals, ended).await?;
        summary.stages = stages(&totals.books);
        summary.results = published(settings, store, totals);
        summary.shard_job = match &settings.pod.shard_job {
            Some(job) => Some(job.clone()),
            // A merge by hand holds what that finalizer's did; a result that cannot be read is replaced.
            None => job_before(store, plan).await?,
        };
        Ok(summary)
    }
}

fn missing(totals: &Totals) -> Missing {
    let mut missing = Missing::default();
    for shard in &totals.missing {
        missing.rows += shard.rows;
        missing.ranges.extend(&shard.ranges);
        missing.shards.push(shard.shard);
    }
    missing.ranges.sort_unstable();
    missing
}

/// Where each result is.
fn published(settings: &Settings, store: &RunStore, totals: &Totals) -> Vec<String> {
    let lost = (totals.lost.rows > 0).then_some(names::LOST);
    let to_another = (totals.lost.of_another_run > 0).then_some(names::LOST_TO_ANOTHER);
    let files = [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES, names::SUMMARY, names::REPORT];
    let files = files.map(Some).into_iter().chain([lost, to_another]).flatten();
    files.map(|file| next::location(settings, store, file)).collect()
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

/// The warning about orphans that may be left; this line tries to remove them again.
fn unswept(totals: &Totals, finalize: &str) -> Option<Warning> {
    let fault = totals.unswept.as_ref()?;
    let detail = format!(
        "blobs that killed processes left could not be removed: {fault}; the results are valid; to try again: {finalize}"
    );
    Some(Warning { code: WarningCode::SweepFailed, detail })
}

/// The warning about a prediction that cannot be read.
fn not_compared(totals: &Totals) -> Option<Warning> {
    let fault = totals.unread_prediction.as_ref()?;
    let detail = format!("the run was not compared with its prediction: {fault}");
    Some(Warning { code: WarningCode::PredictionNotCompared, detail })
}
