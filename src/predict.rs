//! `plan --predict`: what the run is going to do, as far as it can be known before the first copy. The same `gather` and
//! `decide` as the run over every queue, and a look at every source file; nothing is written but temporary files.
//!
//! ```text
//! queues ─► gather ─► decide ─┬─► outcomes, transformations
//!                             ├─► rows of the migration ──────────────┐ (on disk, by row)
//!                             └─► files ─┐ (on disk, by name)         ▼
//! sources ─► listing or HEAD ────────────┴─► size or defect ─► outcomes, bytes, shards, controls
//! ```

mod ask;
mod checks;
mod controls;
mod decided;
mod duration;
mod files;
mod look;
mod mend;
mod missing;
mod probe;
mod quantities;
mod seen;
mod settle;
mod tables;
mod transformations;

use std::time::Instant;

use chrono::Utc;

pub use checks::{Checked, checks, of_plan};
pub use look::Sampled;
pub use probe::{probe, widths};
pub use quantities::Measured;
pub use seen::Seen;
pub use tables::Drafted;

use self::{
    ask::Reading, decided::Decided, files::FileSpool, missing::not_in_input, settle::settle, tables::Tables,
};
use crate::{
    exit::Stop,
    inputs::Inputs,
    ports::{Source, TargetReader, Warehouse},
    rules::RuleConfig,
    run::{NotPredictable, Plan, Prediction, RunStore, source_files::Listing},
    settings::Settings,
};

/// What a prediction reads.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The plan whose rows are predicted.
    pub plan: &'a Plan,
    /// Where its queues and facts files lie.
    pub queues: &'a RunStore,
    /// Where the run's writers are registered, if it has begun.
    pub store: &'a RunStore,
    /// The rules' configuration.
    pub rules: &'a RuleConfig,
    /// The submissions and mapping CSVs.
    pub inputs: &'a Inputs,
    /// Source of the reports and scores.
    pub warehouse: &'a dyn Warehouse,
    /// Where files are read.
    pub source: &'a dyn Source,
    /// The application's tables; only read.
    pub target: &'a dyn TargetReader,
    /// The plan's listing of the sources, if this process made the plan and listed them.
    pub listing: Option<&'a Listing>,
}

/// A prediction, and the tables beside it.
pub struct Predicted {
    /// The document, without checks, quantities and duration.
    pub prediction: Prediction,
    /// `transformations.csv`, `controls.csv`, `not_in_input.csv`, drafted.
    pub tables: Drafted,
    /// Some of the files, from all over the rows, for [`probe()`].
    pub sample: Vec<Sampled>,
    /// What was seen of the services meanwhile, for the duration.
    pub seen: Seen,
}

/// Decides every row of the plan, looks at every file, and compares the input with what exists.
pub async fn predict(subject: Subject<'_>) -> Result<Predicted, Stop> {
    let Subject { plan, .. } = subject;
    let mut tables = Tables::create()?;
    let catalogue = subject.target.catalogue().await?;
    let mut decided = Decided::new(plan, &catalogue)?;
    let mut files = FileSpool::new(plan.submissions.rows, subject.listing)?;
    let reading = Reading::new(subject);
    let round_trip = seen::round_trip(subject.target).await?;
    let began = Instant::now();
    decided::decide_all(subject, &reading, catalogue.into(), &mut decided, &mut files).await?;
    let seen = Seen { rows: plan.rows, gathering: began.elapsed(), round_trip };
    decided.transformations.write(&mut tables)?;
    // What it has in memory goes to disk before the files are looked at.
    let decided = decided.finish()?;
    let named = missing::named(subject, &mut files).await?;
    let looked = look::look(subject, files, &mut tables).await?;
    let mut prediction = Prediction::new(&plan.run, Some(plan.id.clone()), Utc::now());
    prediction.rows = plan.rows;
    prediction.rows_left_out = plan.rows_left_out;
    prediction.not_in_input = not_in_input(subject, &named, &looked, &mut tables).await?;
    let settled = settle(decided, &looked)?;
    settled.controls.write(&mut tables)?;
    prediction.outcomes = settled.outcomes;
    prediction.files = settled.files;
    prediction.shards = settled.shards;
    prediction.not_predictable = NotPredictable::of(prediction.files.exact);
    Ok(Predicted { prediction, tables: tables.finish()?, sample: looked.sample, seen })
}

/// Fills in what follows from the rest: quantities, duration, checks of the sources, and what to mend.
pub fn complete(
    prediction: &mut Prediction,
    plan: &Plan,
    settings: &Settings,
    seen: Seen,
    measured: Option<Measured>,
) {
    let processes = settings.parallelism.min(settings.shards).max(1);
    prediction.duration = duration::duration(prediction, processes, &settings.work, seen, measured);
    prediction.quantities = quantities::quantities(prediction, plan, measured);
    prediction.checks.extend(mend::of_sources(&prediction.files.sources));
    mend(prediction);
}

/// Lists what to mend, the worst first.
pub fn mend(prediction: &mut Prediction) {
    prediction.to_mend = mend::to_mend(prediction);
}
