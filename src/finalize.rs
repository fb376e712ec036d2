//! Finalize: merges all outcomes, balances the books, sweeps orphans, writes the results.
//!
//! It may be run again at any time and comes to the same results, byte for byte.

pub mod merge;
pub mod books;
pub mod sweep;
pub mod results;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use encoding_rs::Encoding;
use futures_util::future::BoxFuture;

use crate::{
    exit::Stop,
    ports::{Blobs, Fence, Target},
    run::{Plan, RunStore},
};
use books::Totals;
use merge::Merged;
use results::Drafts;

/// One record of the submissions CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// Number of the data row, from 1.
    pub number: u64,
    /// Its cells as they came, as many as the header has.
    pub cells: Vec<String>,
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
    /// The run.
    pub store: &'a RunStore,
    /// Its plan, already compared with the settings.
    pub plan: &'a Plan,
    /// Where migrated files are, for the sweep.
    pub files: &'a Arc<dyn Blobs>,
    /// Which of them are named, and whether this is the run's database.
    pub target: &'a dyn Target,
    /// The run's lock.
    pub fence: &'a dyn Fence,
    /// How long to wait for it.
    pub deadline: Duration,
    /// The submissions CSV: failed rows are copied from it.
    pub open_input: &'a OpenInput<'a>,
    /// A local folder that gets a copy of the results.
    pub out: Option<&'a Path>,
}

/// Merges, checks, sweeps and writes. Rows without an outcome are no error of this function:
/// [`Totals::incomplete`] turns them into the way the process ends.
pub async fn finalize(context: &FinalizeContext<'_>) -> Result<Totals, Stop> {
    let began = Instant::now();
    let FinalizeContext { store, plan, .. } = *context;

    let mut fence = sweep::take(context.fence, context.deadline).await?;
    // First of all: from here on no process that was cut off from the cluster, but not from the
    // database, can change what is counted and swept below.
    let writers = sweep::retire(store).await?;

    let mut merged = Merged::gather(store, plan).await?;
    let missing = books::missing(store, plan, &merged).await?;
    let input = (context.open_input)().await?;
    let drafts = Drafts::write(plan, &mut merged, input).await?;
    books::balance(plan, &drafts.books, &missing)?;

    // Against another database every blob would look like an orphan.
    sweep::same_database(context.target, &drafts.migrated_sample).await?;
    let orphans = sweep::remove(fence.as_mut(), context.files, context.target, &writers).await?;

    fence.still_held().await?;
    drafts.publish(store, context.out).await?;
    if missing.is_empty() {
        results::forget_rows(store).await?;
    }
    if let Err(fault) = fence.release().await {
        tracing::warn!(fault = fault.chain(), "the run's lock goes with its connection");
    }
    Ok(Totals {
        rows: plan.rows,
        rows_left_out: plan.rows_left_out,
        books: drafts.books,
        last_outcome_at: drafts.last_outcome_at,
        missing,
        orphans,
        elapsed: began.elapsed(),
    })
}
