//! The frozen plan of a run, as `plan.json` holds it, and the other small documents of a run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AttemptId, Books, ShardIndex};

/// The version of rules.md that this program follows; a plan of another version is refused.
pub const RULES_VERSION: u32 = 1;

/// `plan.json`: written last and create-only; with it the plan exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// 12 hex; the queues are `queues/<plan id>/<shard>`, facts `facts/<plan id>/<shard>`.
    pub id: String,
    /// The run's name.
    pub run: String,
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
    /// Database name, target container and warehouse, without secrets.
    pub database: String,
    /// Where the files go.
    pub target: String,
    /// Where the facts come from.
    pub warehouse: String,
    /// Whether facts files stand for the warehouse.
    pub facts_files: bool,
    /// An attempt that had a report when the plan was made, where the warehouse is asked during the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<AttemptId>,
    /// The settings that change outcomes, by name, so that a difference can be named.
    /// Values are plain text without secrets.
    pub settings: std::collections::BTreeMap<String, String>,
    /// `--limit`/`--attempts` as given, part of what must not change.
    pub trial: Option<String>,
}

/// What pins one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDigest {
    /// Where it was read, without a query string.
    pub location: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its data rows.
    pub rows: u64,
}

/// One shard of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Rows in its queue.
    pub rows: u64,
    /// SHA-256 of its queue file, hex.
    pub queue_sha256: String,
    /// SHA-256 of its facts file, hex, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_sha256: Option<String>,
}

/// `refused/<epoch>.json`: why a plan could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What happened, where, and what to do.
    pub reasons: Vec<String>,
    /// The exit code of the plan that refused.
    pub exit_code: u8,
    /// When.
    pub at: DateTime<Utc>,
}

/// `writers/<writer>.json`: a process that may upload and commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterRecord {
    /// 12 hex.
    pub id: String,
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
    /// The shard.
    pub shard: ShardIndex,
    /// The writer that wrote it.
    pub writer: String,
    /// The shard's counts.
    pub books: Books,
    /// When (UTC).
    pub at: DateTime<Utc>,
}

/// `heartbeats/<epoch>/<shard>-<writer>.json`: overwritten while a process works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The shard.
    pub shard: ShardIndex,
    /// The writer.
    pub writer: String,
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// Counts of the shard so far, earlier processes included.
    pub books: Books,
    /// Rows of the shard.
    pub rows: u64,
    /// Rows per second now.
    pub rows_per_second: f64,
    /// `running`, `throttled: …`, `waiting: …`.
    pub state: String,
}
