//! Finalize: merges all outcomes, balances the books, publishes the results, sweeps orphans.
//!
//! It may be run again at any time and comes to the same results, byte for byte.

pub mod merge;
pub mod lost;
pub mod books;
pub mod sweep;
pub mod results;
pub mod fold;
mod own_row;
mod slices;

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Instant};

use async_trait::async_trait;
use chrono::Utc;
use encoding_rs::Encoding;
use futures_util::future::BoxFuture;

use crate::{
    domain::AttemptId,
    exit::{Moment, Stop},
    inputs::InputCell,
    ports::{Blobs, Fault, FaultKind},
    report::events::Events,
    run::{
        Decided, Lost, Plan, Prediction, RunStore, heartbeats,
        lock::{LockedRun, Quiet},
        orphans::{Kept, Orphans, Swept},
        purged,
    },
};
use books::Totals;
use lost::LostRows;
use merge::Merged;
use results::Drafts;

/// One record of the submissions CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// Number of the data row, from 1.
    pub number: u64,
    /// Its attempt, if the cell holds one.
    pub attempt: Option<AttemptId>,
    /// Its cells as they came, as many as the header has.
    pub cells: Vec<InputCell>,
}

/// The submissions CSV, read again from its beginning.
#[async_trait]
pub trait InputRows: Send {
    /// What `--encoding` names for inputs without a BOM.
    fn encoding(&self) -> Option<&'static Encoding>;

    /// The header's cells as they came.
    fn header(&self) -> &[String];

    /// The next data row; `None` after the last.
    async fn next(&mut self) -> Result<Option<InputRow>, Stop>;

    /// SHA-256 (hex) of all bytes of the input as it is stored; `None` before its end was reached.
    fn sha256(&self) -> Option<String>;
}

/// Opens the submissions CSV.
pub type OpenInput<'a> = dyn Fn() -> BoxFuture<'a, Result<Box<dyn InputRows>, Stop>> + Send + Sync + 'a;

/// What the finalizer works on.
pub struct FinalizeContext<'a> {
    /// The run, its lock and its database; already compared with the settings.
    pub run: LockedRun<'a>,
    /// Where migrated files are, for the sweep.
    pub files: &'a Arc<dyn Blobs>,
    /// The submissions CSV: failed rows are copied from it.
    pub open_input: &'a OpenInput<'a>,
    /// A local folder that gets a copy of the results.
    pub out: Option<&'a Path>,
    /// `--accept lost`: the decision that the target may lack what it lacks.
    pub accept: Option<Decided>,
    /// Where the merge tells how far it is.
    pub events: &'a Events,
}

/// Publishes the summary, and what is made of it.
#[async_trait]
pub trait PublishSummary: Sync {
    /// What the caller learns of it.
    type Published: Send;

    /// Publishes the summary of these totals in the place of an earlier one.
    async fn publish(&self, totals: &Totals) -> Result<Self::Published, Stop>;
}

/// A run whose results are published and whose orphans are removed.
pub struct Finalized<P> {
    /// What was found and done.
    pub totals: Totals,
    /// What was published last.
    pub published: P,
    /// The lock is held on: a rollback that waits for it finds all results.
    pub quiet: Quiet,
}

/// Merges, checks, publishes all results, then sweeps and publishes the summary once more: a process that is killed during
/// the sweep leaves a result. Rows without an outcome are no error of this function:
/// [`Totals::incomplete`] turns them into the way the process ends. Nor is a sweep that fails: the results stand.
/// Credentials that are refused meanwhile are being rotated: 75.
pub async fn finalize<P: PublishSummary>(
    context: &FinalizeContext<'_>,
    summary: &P,
) -> Result<Finalized<P::Published>, Stop> {
    let finalizing = async {
        let Merge { mut totals, mut quiet, lost } = merge(context).await?;
        quiet.still_held().await?;
        let mut published = summary.publish(&totals).await?;
        if totals.sweeping {
            sweep(context, &mut totals, &mut quiet, &lost).await;
            quiet.still_held().await?;
            published = summary.publish(&totals).await?;
        }
        Ok(Finalized { totals, published, quiet })
    };
    finalizing.await.map_err(|stop: Stop| stop.at(Moment::AfterPlan))
}

/// What is merged and published, but for the summary.
struct Merge {
    totals: Totals,
    quiet: Quiet,
    /// Rows whose blobs the sweep leaves alone.
    lost: BTreeSet<AttemptId>,
}

async fn sweep(
    context: &FinalizeContext<'_>,
    totals: &mut Totals,
    quiet: &mut Quiet,
    lost: &BTreeSet<AttemptId>,
) {
    let began = Instant::now();
    match sweep::remove(quiet, &context.run, context.files, lost).await {
        Ok(Swept { removed, kept }) => (totals.orphans, totals.kept) = (removed, kept),
        Err(fault) => {
            let fault = fault.chain();
            tracing::warn!(fault, "blobs that killed processes left could not be removed; the results stand");
            totals.unswept = Some(fault);
        }
    }
    totals.sweeping = false;
    totals.elapsed += began.elapsed();
}

async fn merge(context: &FinalizeContext<'_>) -> Result<Merge, Stop> {
    let began = Instant::now();
    let LockedRun { store, plan, target, .. } = context.run;

    // First of all: from here on no process that was cut off from the cluster, but not from the
    // database, can change what is counted and swept below.
    let mut quiet = Quiet::begin(&context.run).await?;

    let writers = quiet.retired();
    let mut merged = Merged::gather(store, plan).await?;
    let missing = books::missing(store, plan, &merged).await?;
    let mut lost = LostRows::begin(store, plan, context.accept.clone()).await?;
    merged.lose(lost.look_up(store, plan, &merged, target).await?);
    let input = (context.open_input)().await?;
    let purged = purged::attempts(store).await?;
    let (prediction, unread_prediction) = predicted(store, plan).await?;
    let named = prediction.as_ref().map(|prediction| prediction.outcomes.example_rows()).unwrap_or_default();
    let mut drafts = Drafts::write(plan, &merged, &mut lost, input, &purged, &named, context.events).await?;
    // That each process lived, and when it waited.
    let beats = heartbeats::all(store, plan).await?;
    for beat in &beats {
        drafts.fold.process(beat.shard, &beat.waits);
    }
    let pinned = drafts.pinned()?;
    let recorded_by = lost.recorded_by(store, plan).await?;
    // Rows that were accepted now are lost no more.
    let shards = if drafts.rows_lost > 0 { recorded_by.shards.iter().copied().collect() } else { Vec::new() };
    let lost_rows = Lost { rows: drafts.rows_lost, of_another_run: drafts.rows_of_another_run, shards };
    books::balance(plan, &drafts.books, &missing, lost_rows.rows)?;

    quiet.still_held().await?;
    quiet.unclean_too(store, &recorded_by).await?;
    lost.record(store).await?;
    let balanced_at = Utc::now();
    merged.standing().publish(store, plan, &drafts.receipts, balanced_at).await?;
    drafts.publish(store, context.out).await?;
    let totals = Totals {
        rows: plan.rows,
        rows_left_out: plan.rows_left_out,
        books: drafts.books,
        last_outcome_at: drafts.last_outcome_at,
        prediction,
        unread_prediction,
        examples: drafts.examples,
        receipts: drafts.receipts,
        course: Box::new(drafts.fold.finish(pinned)),
        missing,
        lost: lost_rows,
        sweeping: !quiet.unclean().is_empty(),
        orphans: Orphans::default(),
        kept: Kept::default(),
        writers,
        beats,
        unswept: None,
        balanced_at,
        elapsed: began.elapsed(),
    };
    Ok(Merge { totals, quiet, lost: lost.attempts().clone() })
}

/// What was predicted of the plan, or why that cannot be read: no result depends on it.
async fn predicted(store: &RunStore, plan: &Plan) -> Result<(Option<Prediction>, Option<String>), Fault> {
    match Prediction::read(store, plan).await {
        Ok(prediction) => Ok((prediction, None)),
        Err(fault) if fault.kind == FaultKind::Corrupt => {
            let fault = fault.chain();
            tracing::warn!(fault, "the prediction cannot be read: the run is not compared with it");
            Ok((None, Some(fault)))
        }
        Err(fault) => Err(fault),
    }
}
