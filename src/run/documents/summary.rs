//! `summary.json`: the books of a run, balanced.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    left::{Lost, Missing},
    prediction::Compared,
    work::{Commits, Limit},
};
use crate::{
    domain::Books,
    run::{PlanId, RunName, receipts::Receipts},
};

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// COMPLETE only when every row has an outcome.
    pub result: RunResult,
    /// The run's name.
    pub run: RunName,
    /// The plan's id.
    pub plan: PlanId,
    /// Rows of the plan: the denominator.
    pub rows: u64,
    /// Rows that `--limit` or `--attempts` left out of the plan.
    pub rows_left_out: u64,
    /// Rows by outcome and code, files, bytes.
    pub books: Books,
    /// Rows without an outcome.
    pub missing: Missing,
    /// Rows that were migrated, and that the target no longer holds: `lost.csv` names them.
    #[serde(default)]
    pub lost: Lost,
    /// What does not change the books, but the person who answers for the run should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// One digest over what became of every row; absent only in summaries of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Receipts>,
    /// Comparison with what `plan --predict` said of this plan, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Compared>,
    /// Whether blobs of killed processes were still to be removed: the finalizer publishes the summary again when they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sweeping: bool,
    /// Blobs of killed processes that were removed.
    pub orphans_removed: u64,
    /// Blobs of killed processes that an immutability policy keeps: the first hundred, without the files' own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans_kept: Vec<String>,
    /// From the plan to the last outcome.
    pub duration_ms: u64,
    /// Rows per second over that time.
    pub rows_per_second: f64,
    /// Stages, slowest first, if they were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageLatency>,
    /// Statements that committed submissions, and how many each carried; all 0 if no process tells. A process that was
    /// killed tells of its last minute only.
    #[serde(default)]
    pub commits: Commits,
    /// What limited the speed, the most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Location of each result.
    pub results: Vec<String>,
    /// The command to run next.
    pub next_command: String,
    /// Lines of the Helm release whose finalizer wrote the summary; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseLines>,
    /// The Job whose shards that finalizer waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_job: Option<String>,
    /// Number of writers that were registered, and retired, when the outcomes were merged: those beyond came after it. Absent in
    /// summaries of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers_merged: Option<usize>,
    /// When the newest outcome was recorded (UTC): a verification that began before it has not seen every row as it is now.
    /// Absent in summaries of earlier programs, and if no row has an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_outcome_at: Option<DateTime<Utc>>,
    /// When the books were balanced (UTC).
    pub at: DateTime<Utc>,
}

/// What is typed for a run of the chart, each a line of Helm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLines {
    /// Moves the failed rows in a run of another name.
    pub failed_rows: String,
    /// Makes the Job that verifies.
    pub verify: String,
    /// Verifies once more.
    pub verify_again: String,
}

/// A warning over the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Its stable code.
    pub code: WarningCode,
    /// What was seen, and what to do.
    pub detail: String,
}

/// Stable code of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The warehouse changed between the plan and the end of the run.
    SourceNotFrozen,
    /// It is unknown whether the warehouse changed: it could not be asked.
    SourceNotCompared,
    /// The warehouse holds reports and not one score.
    NoScores,
    /// A process broke a promise that it checks of itself: a bug.
    InvariantViolated,
    /// Blobs that no row names could not be removed: an immutability policy or a legal hold keeps them.
    OrphansKept,
    /// Blobs of killed processes may be left: the sweep failed, or would not delete.
    SweepFailed,
    /// The run was not compared with its prediction, which cannot be read.
    PredictionNotCompared,
    /// The circuit breaker of a shard opened when all rows that were left were under way: they were settled.
    BreakerOpened,
}

impl WarningCode {
    /// As it stands in `summary.json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::SourceNotFrozen => "source_not_frozen",
            Self::SourceNotCompared => "source_not_compared",
            Self::NoScores => "no_scores",
            Self::InvariantViolated => "invariant_violated",
            Self::OrphansKept => "orphans_kept",
            Self::SweepFailed => "sweep_failed",
            Self::PredictionNotCompared => "prediction_not_compared",
            Self::BreakerOpened => "breaker_opened",
        }
    }
}

/// Whether the books balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunResult {
    /// Every row has an outcome.
    Complete,
    /// Some rows have no outcome.
    Incomplete,
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "COMPLETE",
            Self::Incomplete => "INCOMPLETE",
        })
    }
}

/// How long a stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageLatency {
    /// gather, decide, copy, commit or record.
    pub stage: String,
    /// Rows that passed it.
    pub rows: u64,
    /// Time of all rows together.
    pub total_ms: u64,
    /// Duration of the slowest row.
    pub longest_ms: u64,
}

impl Summary {
    /// Whether blobs of killed processes may be left in the target container: they are being removed, the finalizer was killed
    /// meanwhile, or it could not remove them.
    pub fn is_unswept(&self) -> bool {
        self.sweeping || self.sweep_failed().is_some()
    }

    /// The warning that it could not remove them.
    pub fn sweep_failed(&self) -> Option<&Warning> {
        self.warnings.iter().find(|warning| warning.code == WarningCode::SweepFailed)
    }

    /// Balances the books: COMPLETE only if the outcomes are as many as the rows and none is missing.
    pub fn balance(
        run: &RunName,
        plan: &PlanId,
        rows: u64,
        books: Books,
        missing: Missing,
        at: DateTime<Utc>,
    ) -> Self {
        let balanced = books.rows() == rows && missing.rows == 0;
        Self {
            result: if balanced { RunResult::Complete } else { RunResult::Incomplete },
            run: run.clone(),
            plan: plan.clone(),
            rows,
            rows_left_out: 0,
            books,
            missing,
            lost: Lost::default(),
            warnings: Vec::new(),
            receipts: None,
            prediction: None,
            sweeping: false,
            orphans_removed: 0,
            orphans_kept: Vec::new(),
            duration_ms: 0,
            rows_per_second: 0.0,
            stages: Vec::new(),
            commits: Commits::default(),
            limits: Vec::new(),
            results: Vec::new(),
            next_command: String::new(),
            release: None,
            shard_job: None,
            writers_merged: None,
            newest_outcome_at: None,
            at,
        }
    }

    /// Counts lost rows: with one of them the run is INCOMPLETE.
    #[must_use]
    pub fn lost(mut self, lost: Lost) -> Self {
        if lost.rows > 0 {
            self.result = RunResult::Incomplete;
        }
        self.lost = lost;
        self
    }

    /// Sets the duration, and the rate that follows from it.
    #[must_use]
    pub fn took(mut self, duration: Duration) -> Self {
        self.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.rows_per_second = rate(self.books.rows(), duration);
        self
    }
}

/// Rows per second.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 rows a rate may be off in its last digit")]
fn rate(rows: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { rows as f64 / seconds } else { 0.0 }
}
