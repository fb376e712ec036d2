//! How a run ended in a few fields, for the receiver of `--notify`. No personal data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RunResult, Summary, WarningCode};
use crate::{
    exit::Stop,
    run::{PlanId, RunName},
};

/// What `--notify` sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Ending {
    /// The books were balanced.
    Verdict(Box<Verdict>),
    /// The process ended before that.
    Stopped(Stopped),
}

/// A run that stopped without a verdict. The words of its error stay in the log: they may name files and values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// `STOPPED`.
    pub result: &'static str,
    /// The run's name, if the settings could be read so far.
    pub run: Option<RunName>,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The exit code in words.
    pub meaning: &'static str,
    /// The service that caused it, if one did.
    pub service: Option<String>,
    /// The kind of its fault, as in the metric `rogo_migrate.retries`.
    pub error_type: Option<&'static str>,
    /// What to do.
    pub next: &'static str,
    /// When the process ended (UTC).
    pub at: DateTime<Utc>,
}

impl Stopped {
    /// How the process of this run stops now.
    pub fn of(run: Option<RunName>, stop: &Stop) -> Self {
        let cause = stop.cause();
        Self {
            result: "STOPPED",
            run,
            exit_code: stop.exit as u8,
            meaning: stop.exit.meaning(),
            service: cause.map(|(service, _)| service.to_string()),
            error_type: cause.map(|(_, kind)| kind.name()),
            next: stop.exit.advice(),
            at: Utc::now(),
        }
    }
}

/// The verdict of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// COMPLETE only if every row has an outcome.
    pub result: RunResult,
    /// The run's name.
    pub run: RunName,
    /// The plan's id.
    pub plan: PlanId,
    /// The exit code of the process that finalized.
    pub exit_code: u8,
    /// Rows of the plan.
    pub rows: u64,
    /// Rows that were migrated.
    pub migrated: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Rows without an outcome.
    pub missing: u64,
    /// Rows that were migrated and that the target no longer holds.
    pub lost: u64,
    /// Bytes of the files that were copied.
    pub bytes: u64,
    /// From the plan to the last outcome.
    pub duration_ms: u64,
    /// Digest over what became of every row, hex.
    pub receipts_root: Option<String>,
    /// Codes of the run's warnings.
    pub warnings: Vec<WarningCode>,
    /// When the books were balanced (UTC).
    pub at: DateTime<Utc>,
}

impl Verdict {
    /// The verdict of a summary and of the process that wrote it.
    pub fn of(summary: &Summary, exit_code: u8) -> Self {
        Self {
            result: summary.result,
            run: summary.run.clone(),
            plan: summary.plan.clone(),
            exit_code,
            rows: summary.rows,
            migrated: summary.books.migrated,
            failed: summary.books.rows_failed(),
            skipped: summary.books.rows_skipped(),
            missing: summary.missing.rows,
            lost: summary.lost.rows,
            bytes: summary.books.bytes,
            duration_ms: summary.duration_ms,
            receipts_root: summary.receipts.as_ref().map(|receipts| receipts.root.to_string()),
            warnings: summary.warnings.iter().map(|warning| warning.code).collect(),
            at: summary.at,
        }
    }
}
