//! The documents of a run: their types, and their names in the run's folder.

pub mod names;
mod course;
mod decided;
mod left;
mod plan;
mod prediction;
mod summary;
mod verdict;
mod verification;
mod work;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use course::{Course, ResultFile, ShardCourse, Slice, SlowRow, StageCourse, WaitCourse, WorkerCourse};
pub use decided::{Acceptance, Decided, Purged, RolledBack};
pub use left::{Lost, Missing};
pub use plan::WarehouseRows;
pub(super) use plan::parse;
pub use prediction::{
    Came, Check, CheckResult, Compared, ComparedDuration, Counted, Difference, FilesOfRow, NotInInput,
    NotPredictable, PredictedDuration, PredictedFiles, PredictedOutcomes, PredictedShard, PredictedSource,
    Prediction, Quantities, ToMend, Took,
};
pub use summary::{ReleaseLines, RunResult, StageLatency, Summary, Warning, WarningCode};
pub use verdict::{Ending, Stopped, Verdict};
pub use verification::{Verification, VerifiedContent, VerifiedFiles, VerifyCheck, VerifyResult};
pub use work::{Answers, Breaker, Commits, Limit, LimitCode, Work};

use crate::domain::{AttemptId, Books, InputDigest, ShardIndex, TableExtent, TargetIdentity};
use crate::ids::{Epoch, PlanId, RunName, TraceParent, WriterId};

/// The version of rules.md that this program follows; a plan of another version is refused.
pub const RULES_VERSION: u32 = 1;

/// The version of the run store's documents; a plan of another version is refused.
pub const FORMAT: u32 = 2;

/// `plan.json`: written last and create-only; with it the plan exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Names the run's lock, its queues and its facts files.
    pub id: PlanId,
    /// The run's name.
    pub run: RunName,
    /// When it was made (UTC).
    pub created_at: DateTime<Utc>,
    /// Version of the program that made it; recorded, not compared.
    pub program_version: String,
    /// [`RULES_VERSION`].
    pub rules_version: u32,
    /// `submission_files.csv`.
    pub submissions: InputDigest,
    /// `attempt_number_mapping.csv`.
    pub mapping: InputDigest,
    /// Rows in the plan: the denominator.
    pub rows: u64,
    /// Rows left out by `--limit` or `--attempts`.
    pub rows_left_out: u64,
    /// Shards, one entry each, in order.
    pub shards: Vec<ShardPlan>,
    /// Name of the target database.
    pub database: String,
    /// Identity of the target database, by which a copy of it is detected.
    pub identity: TargetIdentity,
    /// Target container, as `az://…` or `file://…`.
    pub target: String,
    /// Warehouse, as [`crate::ports::Warehouse::description`] names it.
    pub warehouse: String,
    /// How much the warehouse held when the plan was made; finalize compares it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warehouse_extent: Vec<TableExtent>,
    /// Rows of its tables then; absent in plans of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse_rows: Option<WarehouseRows>,
    /// Whether the shards read facts files instead of the warehouse.
    pub facts_files: bool,
    /// An attempt that had a report when the plan was made, if the warehouse is asked during the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<AttemptId>,
    /// An attempt that had a score then; none if no sampled row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored: Option<AttemptId>,
    /// The settings that change outcomes, by name, so that a difference can be named.
    /// Values are plain text without secrets.
    pub settings: std::collections::BTreeMap<String, String>,
    /// `--limit`/`--attempts` as given, part of what must not change.
    pub trial: Option<String>,
    /// `--after`: the runs whose books the rows are compared with, as given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<RunName>,
    /// Attempts of those runs that no row of the input names. They count as rows, numbered behind the input's.
    #[serde(default)]
    pub withdrawn: u64,
    /// `--exclude`, pinned: how many ids, and their digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// The files of `--attempts`, `--exclude` and `--expect`, so that no result takes the place of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_read: Vec<String>,
    /// The span below which every process of the run is traced: the caller's, else the plan's; recorded, not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
    /// The epoch of the chart whose Job made it; absent without the chart, and in plans of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

impl Plan {
    /// The highest number of a row: the input's rows, then the attempts that it no longer names.
    pub fn last_row(&self) -> u64 {
        self.submissions.rows + self.withdrawn
    }

    /// The shard of this index; `None` if the plan has fewer.
    pub fn shard(&self, index: ShardIndex) -> Option<&ShardPlan> {
        self.shards.get(index.place())
    }

    /// Whether a Job of the chart made it, as far as it says so.
    pub fn is_of_chart(&self) -> bool {
        self.epoch.is_some()
    }
}

/// One shard of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Rows in its queue.
    pub rows: u64,
    /// SHA-256 of its queue file, hex.
    pub queue_sha256: String,
    /// SHA-256 of its facts file, hex, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_sha256: Option<String>,
}

/// A plan is being made (`planning/<epoch>.json`): replaced every 10 s, so that shards wait for it however long it takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanHeartbeat {
    /// Time of writing (UTC).
    pub at: DateTime<Utc>,
    /// When the process began to make the plan (UTC); `None` in documents of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// What takes long at the moment, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
}

/// `refused/<epoch>.json`: why a plan could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What happened, where, and what to do.
    pub reasons: Vec<String>,
    /// The exit code of the plan that refused.
    pub exit_code: u8,
    /// Time of the event (UTC).
    pub at: DateTime<Utc>,
}

/// `writers/<writer>.json`: a process that may upload and commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterRecord {
    /// Its id, which is in its file's name too.
    pub id: WriterId,
    /// The shard it works on.
    pub shard: ShardIndex,
    /// Its start (UTC).
    pub started_at: DateTime<Utc>,
    /// Host name, for people.
    pub host: String,
}

/// `done/<shard>.json`: every row of the shard has an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneMarker {
    /// Shard that the document belongs to.
    pub shard: ShardIndex,
    /// Id of the plan that the shard belongs to.
    pub plan: PlanId,
    /// The writer that wrote it.
    pub writer: WriterId,
    /// The shard's counts.
    pub books: Books,
    /// Time of writing (UTC).
    pub at: DateTime<Utc>,
    /// What the time of its last process went into; empty in markers of earlier programs.
    #[serde(default)]
    pub work: Work,
    /// How often that process broke a promise of the run, by the promise's id: a bug.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub violations: std::collections::BTreeMap<String, u64>,
    /// What opened the circuit breaker of that process, if it opened when all rows that were left were under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_opened: Option<String>,
}

/// `heartbeats/<epoch>/<shard>-<writer>.json`: overwritten while a process works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Shard that the document belongs to.
    pub shard: ShardIndex,
    /// Id of the plan that the shard belongs to.
    pub plan: PlanId,
    /// Process that wrote the document.
    pub writer: WriterId,
    /// Time of writing (UTC).
    pub at: DateTime<Utc>,
    /// Counts of the shard so far, earlier processes included.
    pub books: Books,
    /// Rows of the shard.
    pub rows: u64,
    /// Rows per second now.
    pub rows_per_second: f64,
    /// What the process is doing: `running`, `throttled: …`, `waiting: …`, `stopping: …`.
    pub state: State,
    /// What the time of the process went into in the last minute; in the heartbeat of a process that ended, from its
    /// beginning.
    #[serde(default)]
    pub work: Work,
    /// How often the process broke a promise of the run so far, by the promise's id: a bug.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub violations: std::collections::BTreeMap<String, u64>,
    /// When the process did not run freely and why, oldest first; of two processes' states each tells its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waited>,
}

/// A time in which a process waited or was throttled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// When it was seen first (UTC).
    pub from: DateTime<Utc>,
    /// When it was seen last (UTC), to the second.
    pub to: DateTime<Utc>,
    /// `throttled: …` or `waiting: …`.
    pub state: State,
}

/// What the process is doing, and why it waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum State {
    /// Rows are being moved.
    #[default]
    Running,
    /// A service throttles, for example `503 from target blobs`.
    Throttled(String),
    /// Waiting for the named service or process.
    Waiting(String),
    /// Rows are being moved, more slowly than they could be, to spare the target.
    Slowed(String),
    /// No new row is begun; the rows under way are finished.
    Stopping(String),
    /// The last word of a process that ended in order before its shard was done, for example `stopped at 204 of 1,250 rows`.
    Stopped(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Throttled(why) => write!(f, "throttled: {why}"),
            Self::Waiting(why) => write!(f, "waiting: {why}"),
            Self::Slowed(why) => write!(f, "slowed: {why}"),
            Self::Stopping(why) => write!(f, "stopping: {why}"),
            Self::Stopped(at) => f.write_str(at),
        }
    }
}

impl From<State> for String {
    fn from(state: State) -> Self {
        state.to_string()
    }
}

impl From<String> for State {
    /// The reverse of `Display`; text of another version is read as `Waiting`.
    fn from(text: String) -> Self {
        match text.split_once(": ") {
            Some(("throttled", why)) => Self::Throttled(why.to_owned()),
            Some(("waiting", why)) => Self::Waiting(why.to_owned()),
            Some(("slowed", why)) => Self::Slowed(why.to_owned()),
            Some(("stopping", why)) => Self::Stopping(why.to_owned()),
            None if text == "running" => Self::Running,
            None if text.starts_with("stopped ") => Self::Stopped(text),
            _ => Self::Waiting(text),
        }
    }
}
