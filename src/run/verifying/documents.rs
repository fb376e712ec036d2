//! The documents of a verification's state.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Digest, Level},
    run::{PlanId, WriterId},
};

/// Digits of a state's name.
const ID_DIGITS: usize = 16;
/// What a verification is of. The state of another one is never taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Plan of the run.
    pub plan: PlanId,
    /// Root of its result's receipts, and when it was made: rows that were moved again may have the same receipts.
    pub result: String,
    /// Rows of the input.
    pub rows: u64,
    /// How much is read.
    pub level: Level,
    /// The part of the files whose bytes are read, as `2/7`; empty: all.
    pub content: String,
    /// What else says how it is compared: options, digests of files, what could not be read.
    pub settings: Vec<String>,
    /// SHA-256 of the program, hex.
    pub program: String,
    /// The Job whose pods share the state; empty outside of a cluster.
    pub job: String,
}

impl Subject {
    /// Names its state.
    pub(super) fn id(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut id = Digest::of(&json).to_string();
        id.truncate(ID_DIGITS);
        id
    }

    /// Why a state of `other` is not of this verification; empty if only its part of the files differs.
    pub(super) fn differs(&self, other: &Self) -> Vec<&'static str> {
        let job = (self.job != other.job).then_some("another Job");
        self.compares_otherwise(other).into_iter().chain(job).collect()
    }

    /// Why what was found under `other` says nothing of this verification; empty if only its part of the files or its Job
    /// differs.
    pub fn compares_otherwise(&self, other: &Self) -> Vec<&'static str> {
        let checks = [
            (self.plan != other.plan, "another plan"),
            (self.plan == other.plan && self.result != other.result, "another result"),
            (self.level != other.level, "another level"),
            (self.settings != other.settings, "other settings or inputs"),
            (self.program != other.program, "another program"),
        ];
        checks.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect()
    }
}

/// A process at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifyBeat {
    /// Its part of the partitions, as `0/4`.
    pub shard: String,
    /// Machine that it runs on.
    pub host: String,
    /// Time of writing (UTC).
    pub at: DateTime<Utc>,
    /// Rows that it compared.
    pub rows: u64,
    /// Of them rows in a partition that is not written yet.
    pub rows_unwritten: u64,
    /// Rows a second since it began.
    pub rows_per_second: f64,
    /// What it does.
    pub state: String,
}

/// A verification under way, as `status` sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderWay {
    /// What is verified.
    pub subject: Subject,
    /// Rows in partitions that are written.
    pub rows_written: u64,
    /// The processes at work.
    pub beats: Vec<VerifyBeat>,
}

/// The process that merges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merging {
    pub shard: String,
    pub process: WriterId,
    pub at: DateTime<Utc>,
}

/// The results stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merged {
    pub at: DateTime<Utc>,
}

/// What becomes of the state of another verification, for people.
pub(super) fn discarded(of: &Subject, differs: &[&str], parts: usize, lives: bool) -> String {
    let end = if lives {
        "a process may work on it (its last heartbeat is younger than 10 min, or of a clock that is ahead), and it is left alone"
    } else {
        "it is discarded"
    };
    format!(
        "the state of a verification at level {} ({parts} partitions) is not taken up, because it is of {}: {end}",
        of.level,
        differs.join(" and ")
    )
}
