//! `telemetry.json`: how a run went, folded from its outcomes. Its size is bounded for any number of rows, and it holds no
//! personal data: rows by number only. The report is made from it, so that the segments need not be read again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{domain::ShardIndex, run::PlanId};

/// `telemetry.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// [`Course::FORMAT`].
    pub format: u32,
    /// The plan's id.
    pub plan: PlanId,
    /// Length of a slice of time, in seconds.
    pub slice_s: u64,
    /// Slices in which something happened, ascending; from the first to the last there are at most 600.
    pub slices: Vec<Slice>,
    /// Why processes waited, the longest first; at most 50.
    pub waits: Vec<WaitCourse>,
    /// How long each stage took.
    pub stages: Vec<StageCourse>,
    /// Every shard of the plan, by index.
    pub shards: Vec<ShardCourse>,
    /// Workers by their number in their process; numbers beyond 256 count as 256.
    pub workers: Vec<WorkerCourse>,
    /// The slowest rows, slowest first; at most 100.
    pub slowest: Vec<SlowRow>,
    /// The first rows of each code (of outcomes and notes), at most 20.
    pub examples: BTreeMap<String, Vec<u64>>,
    /// The result files, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ResultFile>,
    /// Settings of the process that finalized, without secrets, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Course {
    /// [`Course::format`] of this program.
    pub const FORMAT: u32 = 1;
}

/// What pins a result file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Name of the file in `results/`.
    pub file: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// What happened in a slice of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Its beginning, in seconds since 1970 (UTC); a multiple of its length.
    pub from_s: i64,
    /// Rows that were migrated.
    pub migrated: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Bytes of the migrated rows' files.
    pub bytes: u64,
    /// Time of all processes together in which a service throttled them.
    pub throttled_ms: u64,
    /// Time of all processes together in which they waited for a service.
    pub waiting_ms: u64,
}

/// One reason for which processes waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitCourse {
    /// `throttled: …` or `waiting: …`.
    pub state: String,
    /// Time of all processes together.
    pub milliseconds: u64,
    /// How many times.
    pub times: u64,
    /// When it began first (UTC).
    pub from: DateTime<Utc>,
    /// When it ended last (UTC).
    pub to: DateTime<Utc>,
}

/// Durations of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCourse {
    /// `gather` (of the row's chunk), `copy`, `commit`, or `row` for all of it after gathering.
    pub stage: String,
    /// Milliseconds (the upper end of a class of two significant digits) and rows, ascending.
    pub counts: Vec<(u64, u64)>,
    /// Duration of the slowest row in milliseconds.
    pub longest_ms: u64,
}

/// How one shard went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardCourse {
    /// Rows of its queue.
    pub rows: u64,
    /// Rows that were migrated.
    pub migrated: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Rows that the target lost.
    #[serde(default)]
    pub lost: u64,
    /// Bytes of the migrated rows' files.
    pub bytes: u64,
    /// Its first outcome (UTC).
    pub first: Option<DateTime<Utc>>,
    /// Its last outcome (UTC).
    pub last: Option<DateTime<Utc>>,
    /// Duration of its slowest row.
    pub longest_ms: u64,
    /// Processes that wrote a heartbeat.
    #[serde(default)]
    pub processes: u64,
}

impl ShardCourse {
    /// Rows with an outcome that stands.
    pub fn done(&self) -> u64 {
        self.migrated + self.failed + self.skipped
    }

    /// From its first outcome to its last, in milliseconds.
    pub fn took_ms(&self) -> u64 {
        let took = self.first.zip(self.last).map(|(first, last)| (last - first).num_milliseconds());
        took.and_then(|took| u64::try_from(took).ok()).unwrap_or_default()
    }
}

/// How one worker of each process went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCourse {
    /// Its number in its process, from 1.
    pub worker: usize,
    /// Rows that it settled.
    pub rows: u64,
    /// Bytes of the migrated rows' files.
    pub bytes: u64,
    /// Time of its rows together, of which several were under way at a time.
    pub busy_ms: u64,
}

/// One of the slowest rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRow {
    /// Number of the CSV's data row, from 1.
    pub row: u64,
    /// Shard that the row belongs to.
    pub shard: ShardIndex,
    /// The worker's number in its process.
    pub worker: usize,
    /// `migrated`, or the code with which it failed or was skipped.
    pub outcome: String,
    /// From its first stage after gathering to its last.
    pub milliseconds: u64,
    /// Of it its files.
    pub copy_ms: u64,
    /// Of it its commit.
    pub commit_ms: u64,
    /// Files that were copied.
    pub files: u32,
    /// Total size of these files.
    pub bytes: u64,
}
