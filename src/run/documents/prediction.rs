//! `prediction.json`: what a run is going to do, as far as it can be known, and the comparison with what it did.

mod compared;
mod examples;
mod outcomes;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use compared::{Compared, ComparedDuration, Difference, Took};
pub use examples::Came;
pub use outcomes::{Counted, NotPredictable, PredictedOutcomes};

use crate::{
    domain::ShardIndex,
    ports::Fault,
    run::{Plan, PlanId, RunName, RunStore, names},
};

/// `prediction.json`, and what `plan --predict --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Version of this document.
    pub format: u32,
    /// The run's name.
    pub run: RunName,
    /// The plan that was predicted; `None` if no plan could be made.
    pub plan: Option<PlanId>,
    /// When it was predicted (UTC).
    pub at: DateTime<Utc>,
    /// Version of the program that predicted.
    pub program_version: String,
    /// What to mend, the worst first; empty if nothing is.
    pub to_mend: Vec<ToMend>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Rows of the plan.
    pub rows: u64,
    /// Rows that `--limit`, `--attempts` or `--code` left out of the plan.
    pub rows_left_out: u64,
    /// Rows by predicted outcome.
    pub outcomes: PredictedOutcomes,
    /// Files and bytes to copy.
    pub files: PredictedFiles,
    /// Each shard's part, by index.
    pub shards: Vec<PredictedShard>,
    /// What exists and no row of the input names.
    pub not_in_input: NotInInput,
    /// What the run is going to ask of the services.
    pub quantities: Quantities,
    /// How long it is going to take, and how that is known.
    pub duration: PredictedDuration,
    /// Codes that only copying or committing can tell: rows with them were predicted as migrated.
    pub not_predictable: NotPredictable,
    /// The tables that were written beside this document.
    pub documents: Vec<String>,
}

/// Something that a person should mend before the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToMend {
    /// A check's name, or an outcome's code.
    pub what: String,
    /// What was found.
    pub says: String,
    /// What to do about it.
    pub remedy: String,
    /// How many rows, attempts or blobs it concerns; 0 if it is not about them.
    pub rows: u64,
    /// Attempt ids, or rows without one.
    pub examples: Vec<String>,
}

/// A named check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, for example `target_schema`.
    pub check: String,
    /// How it ended.
    pub result: CheckResult,
    /// What was found.
    pub says: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// As it should be.
    Pass,
    /// A run may begin, but a person should know.
    Warn,
    /// A run could not succeed.
    Fail,
}

/// Files and bytes that are going to be copied: of rows predicted as migrated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedFiles {
    /// Number of files, over all shards.
    pub files: u64,
    /// Length of all of them together.
    pub bytes: u64,
    /// Whether every file was looked at; else the bytes are estimated from a sample.
    pub exact: bool,
    /// The most of a single row: what a row that fails at the copy can take away from the sums. `None` in a prediction of
    /// an older program.
    #[serde(default)]
    pub largest_row: Option<FilesOfRow>,
    /// How each container was looked at.
    pub sources: Vec<PredictedSource>,
}

/// Files of one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesOfRow {
    /// The highest number of files of any row.
    pub files: u64,
    /// The highest total length of any row's files.
    pub bytes: u64,
}

/// One container of source files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedSource {
    /// Account and container, or `file://`.
    pub container: String,
    /// Files that rows name in it.
    pub files: u64,
    /// How they were looked at, and why so.
    pub way: String,
    /// Blobs that were listed.
    pub listed: u64,
    /// Files that were looked at one by one.
    pub looked_at: u64,
    /// Files that are not there, of those that were looked at.
    pub missing: u64,
    /// Files in the archive tier, likewise.
    pub archived: u64,
    /// Files that may not be read, likewise.
    pub forbidden: u64,
    /// Listed blobs that no row names; `None` if they are not known.
    pub not_named: Option<u64>,
}

/// One shard's part of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedShard {
    /// Index of the shard, as in the plan.
    pub shard: ShardIndex,
    /// Rows of its queue.
    pub rows: u64,
    /// Of them predicted as migrated.
    pub migrated: u64,
    /// Files to copy.
    pub files: u64,
    /// Bytes to copy.
    pub bytes: u64,
}

/// What exists and no row of the input names; `not_in_input.csv` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotInInput {
    /// Attempts of the mapping in the chosen unit versions.
    pub mapping_attempts: u64,
    /// Of them those that the warehouse has a report of; `None` if it could not list them.
    pub mapping_attempts_with_report: Option<u64>,
    /// Attempts that only the warehouse has: their unit version is not known; `None` if it could not list them.
    pub warehouse_attempts: Option<u64>,
    /// Source blobs below the rows' common prefixes; `None` if no container could be listed.
    pub blobs: Option<u64>,
    /// Attempts of the mapping in the chosen unit versions, named by a row or not.
    pub mapping_attempts_chosen: u64,
    /// Some of the attempts, lowest first.
    pub examples: Vec<String>,
    /// What could not be compared, and why.
    pub not_possible: Vec<String>,
}

/// What the run asks of the services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantities {
    /// Round trips to PostgreSQL.
    pub database_requests: u64,
    /// Batches to the warehouse during the run.
    pub warehouse_requests: u64,
    /// Requests to the sources.
    pub source_requests: u64,
    /// Requests to the target container.
    pub target_requests: u64,
    /// Bytes that leave the source account through this program; 0 if the service copies.
    pub egress_bytes: u64,
    /// Growth of the target database, estimated.
    pub database_bytes: u64,
    /// Duration times processes that work at a time, in hours, with two decimals.
    pub pod_hours: String,
    /// How these numbers came about.
    pub basis: String,
}

/// How long the run is going to take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedDuration {
    /// From the first process's start to the last outcome.
    pub milliseconds: u64,
    /// The least that it may be, as far as what it rests on is certain; 0 in a prediction of an older program.
    #[serde(default)]
    pub least_ms: u64,
    /// The most that it may be, likewise: services that vary, or are no faster for several processes than for one.
    #[serde(default)]
    pub most_ms: u64,
    /// Processes that work at a time.
    pub processes: u32,
    /// How the number came about.
    pub basis: String,
}

impl Prediction {
    /// [`Prediction::format`] of this program.
    pub const FORMAT: u32 = 1;

    /// What was predicted of this plan; `None` if nothing was.
    pub async fn read(store: &RunStore, plan: &Plan) -> Result<Option<Self>, Fault> {
        let prediction: Option<Self> = store.read(names::PREDICTION).await?;
        Ok(prediction.filter(|prediction| prediction.plan.as_ref() == Some(&plan.id)))
    }

    /// A prediction of nothing yet.
    pub fn new(run: &RunName, plan: Option<PlanId>, at: DateTime<Utc>) -> Self {
        Self {
            format: Self::FORMAT,
            run: run.clone(),
            plan,
            at,
            program_version: env!("CARGO_PKG_VERSION").into(),
            to_mend: Vec::new(),
            checks: Vec::new(),
            rows: 0,
            rows_left_out: 0,
            outcomes: PredictedOutcomes::default(),
            files: PredictedFiles::default(),
            shards: Vec::new(),
            not_in_input: NotInInput::default(),
            quantities: Quantities::default(),
            duration: PredictedDuration::default(),
            not_predictable: NotPredictable::default(),
            documents: Vec::new(),
        }
    }
}
