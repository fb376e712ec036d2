//! What people decided about a run, and what it concerned.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{domain::AttemptId, run::PlanId};

/// What a person decided, a line of `decisions.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Time of the decision (UTC).
    pub at: DateTime<Utc>,
    /// User and host, as far as they are known.
    pub by: String,
    /// `--reason`.
    pub reason: String,
    /// What was decided: the command and its option.
    pub decision: String,
    /// How many attempts it concerns; 0 if that was not known, or it is about something else.
    pub attempts: u64,
}

/// `accepted/<id>.json`: lost rows that stay away from the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Who decided, when and why.
    pub decided: Decided,
    /// The attempts, ascending.
    pub attempts: Vec<AttemptId>,
}

/// `rolled-back.json`, or `rolled-back/<id>.json` for some attempts: what a rollback writes before it removes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// Plan of the run.
    pub plan: PlanId,
    /// Who decided, when and why.
    pub decided: Decided,
    /// The attempts, ascending; `None` for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptId>>,
}

/// `purged.json`, or `purged/<id>.json` for some attempts: what a purge writes before it deletes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Who decided, when and why.
    pub decided: Decided,
    /// Documents that were deleted or rewritten.
    pub documents: u64,
    /// Bytes of those that were deleted.
    pub bytes: u64,
    /// The attempts, ascending; `None` for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptId>>,
    /// SHA-256 (hex) of each queue and facts file that was rewritten, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rewritten: BTreeMap<String, String>,
    /// Ids of the malpractice rules whose images went: that the run changed them is still known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What no longer works, in sentences.
    pub no_longer: Vec<String>,
}
