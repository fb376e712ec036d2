//! The documents of a verification's state.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Digest, Level},
    run::{PlanId, Verification, WriterId},
};

/// Digits of a state's name.
const ID_DIGITS: usize = 16;

/// What a verification is of. The state of another one is never taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Plan of the run.
    pub plan: PlanId,
    /// Root of its result's receipts, and which processes had recorded its outcomes: rows that were moved again may have the
    /// same receipts.
    pub result: String,
    /// Rows of the input.
    pub rows: u64,
    /// How much is read.
    pub level: Level,
    /// The part of the files whose bytes are read, as `2/7`; empty: all.
    pub content: String,
    /// What else says how it is compared: options, digests of files.
    pub settings: Vec<String>,
    /// What its processes cannot read, by name.
    #[serde(default)]
    pub lacks: Vec<String>,
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
            (self.lacks != other.lacks, "processes that could read more or less"),
            (self.program != other.program, "another program"),
        ];
        checks.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect()
    }

    /// Whether `other` is this verification by processes that can read more.
    pub fn lacks_more_than(&self, other: &Self) -> bool {
        self.differs_in_lacks_only(other) && other.lacks.iter().all(|lack| self.lacks.contains(lack))
    }

    fn differs_in_lacks_only(&self, other: &Self) -> bool {
        self.lacks != other.lacks && Self { lacks: other.lacks.clone(), ..self.clone() } == *other
    }

    /// Whether its processes and those of `other` have parts of one verification, although they may have met another result, or
    /// could read more or less.
    pub(super) fn has_parts_in(&self, other: &Self) -> bool {
        let (result, lacks) = (other.result.clone(), other.lacks.clone());
        Self { result, lacks, ..self.clone() } == *other
    }

    /// Why a state of `other` stays although no process of it shows life; `None` if it need not.
    pub(super) fn keeps(&self, other: &Self) -> Option<&'static str> {
        let is_of_a_job = !other.job.is_empty() && (self.job.is_empty() || self.job == other.job);
        if is_of_a_job && self.plan == other.plan {
            Some("it is kept for the pods of its Job")
        } else if self.differs_in_lacks_only(other) {
            Some("it is kept, and continues once the same can be read again")
        } else {
            None
        }
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
    /// When a process gave word of itself last, if none is at work.
    pub signed_at: Option<DateTime<Utc>>,
}

impl UnderWay {
    /// Whether no process has worked on it since this result: it was given up for the verification that made that. Of one without
    /// a sign that is not known.
    pub fn precedes(&self, result: &Verification) -> bool {
        self.beats.is_empty() && self.signed_at.is_some_and(|at| at < result.at)
    }
}

/// Any document of a process that holds its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signed {
    pub at: DateTime<Utc>,
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

/// A part has ended, although partitions of other parts are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub at: DateTime<Utc>,
}

/// A process may work on the state of another verification.
pub(super) const LIVES: &str = "a process may work on it (its last heartbeat is younger than 10 min, or of a clock that is \
                                ahead), and it is left alone";
/// No process may work on it any more.
pub(super) const DISCARDED: &str = "it is discarded";

/// What becomes of the state of another verification, for people.
pub(super) fn discarded(of: &Subject, differs: &[&str], parts: usize, end: &str) -> String {
    format!(
        "the state of a verification at level {} ({parts} partitions) is not taken up, because it is of {}: {end}",
        of.level,
        differs.join(" and ")
    )
}
