//! `verification.json`: what a verification compared and what it found.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{AttemptId, Level},
    run::{PlanId, RunName, Summary},
};

/// `verification.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The result at this level.
    pub result: VerifyResult,
    /// The result in a sentence.
    pub verdict: String,
    /// How much was read.
    pub level: Level,
    /// The run's name.
    pub run: RunName,
    /// The plan's id.
    pub plan: PlanId,
    /// When it began (UTC).
    pub began_at: DateTime<Utc>,
    /// When it ended (UTC).
    pub at: DateTime<Utc>,
    /// Rows of the plan.
    pub rows: u64,
    /// Rows whose outcome was compared with the target.
    pub rows_compared: u64,
    /// Of them migrated.
    pub migrated: u64,
    /// Of them failed.
    pub failed: u64,
    /// Of them skipped.
    pub skipped: u64,
    /// Differences that still stood when they were looked at again, accepted ones left out.
    pub differences: u64,
    /// Attempts and rows that they concern.
    pub rows_different: u64,
    /// The first of them, a sentence each: attempt, check, what differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Differences that were gone at the second look.
    pub passed: u64,
    /// Differences that a person has accepted.
    pub accepted: u64,
    /// How long after it was found each difference was looked at again, in milliseconds.
    pub recheck_ms: u64,
    /// What is to be known beside the checks: an INCOMPLETE run, ids that the run does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The files, from level blobs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<VerifiedFiles>,
    /// Every check of this level.
    pub checks: Vec<VerifyCheck>,
    /// Ids of `--attempts` that the run does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_attempts: Vec<AttemptId>,
    /// Whether neither the reader's database role nor its storage credential, or its user of a folder, may write what it
    /// compares (tables, blobs, outcomes), and its verify store is not the run store.
    pub independent: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_independent: Vec<String>,
    /// Database role that read the target.
    pub role: String,
    /// Database and host that were read.
    pub database: String,
    /// Machine that verified.
    pub host: String,
    /// Version of the program that verified.
    pub program_version: String,
    /// SHA-256 of the program that verified, hex; empty if it could not be read.
    pub program_sha256: String,
    /// Location of each result.
    pub results: Vec<String>,
}

impl Verification {
    /// Whether it compared exactly the rows of these results. It did not if it was about some attempts only, if the results
    /// changed since, as a rollback of some attempts changes them, or if a row was lost or moved since it began, as lost rows are
    /// moved again with the same counts.
    pub fn covers(&self, summary: &Summary) -> bool {
        let books = &summary.books;
        // A lost row keeps the outcome that was recorded for it, and verify compares that.
        let lost = summary.lost.rows;
        // One that found every row in its place is from before a result in which rows are lost.
        let precedes_the_loss =
            lost > 0 && self.result != VerifyResult::Differences && self.began_at <= summary.at;
        !precedes_the_loss
            && self.plan == summary.plan
            && summary.newest_outcome_at.is_none_or(|newest| newest < self.began_at)
            && self.rows_compared == books.rows() + lost
            && self.migrated == books.migrated + lost
            && self.failed == books.rows_failed()
            && self.skipped == books.rows_skipped()
    }

    /// The verdict on these results: one about other rows says so in front.
    pub fn verdict_on(&self, summary: &Summary) -> String {
        if self.covers(summary) {
            return self.verdict.clone();
        }
        format!("Verified before the results last changed, or only in part: {}", self.verdict)
    }

    /// The same beside the results as far as there are any.
    pub fn verdict_beside(&self, summary: Option<&Summary>) -> String {
        summary.map_or_else(|| self.verdict.clone(), |summary| self.verdict_on(summary))
    }
}

/// What was seen of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFiles {
    /// Files that rows of verified submissions name.
    pub named: u64,
    /// Blobs that were listed below the prefixes of the run's writers.
    pub blobs: u64,
    /// Requests that listed them.
    pub target_requests: u64,
    /// Requests that listed the sources, or looked at files of them.
    pub source_requests: u64,
    /// What was read, at level content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<VerifiedContent>,
}

/// Whose bytes were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedContent {
    /// Number of this part, from 1, and of how many (`--content N/T`); absent if all files were in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<(u32, u32)>,
    /// Parts of that division that are verified, this one included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts_verified: Vec<u32>,
    /// Files in question.
    pub files: u64,
    /// Of them those whose bytes passed through the program, and so were proven, when they were copied.
    pub proven_when_copied: u64,
    /// Files whose bytes were read.
    pub read: u64,
    /// Of the files read those whose bytes were compared with those of their source, or with a line of the manifest.
    #[serde(default)]
    pub compared: u64,
    /// Of the files read those whose bytes were compared with a digest that the run recorded.
    #[serde(default)]
    pub with_receipts: u64,
    /// Their bytes, read from the target; from the source as many again.
    pub bytes: u64,
    /// Whether the files were compared with a manifest in place of their source.
    pub by_manifest: bool,
}

/// Result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyResult {
    /// Every check was possible, and nothing differs.
    #[serde(rename = "VERIFIED")]
    Verified,
    /// The same, and every byte of every file was compared with its source.
    #[serde(rename = "VERIFIED TO THE BYTE")]
    ToTheByte,
    /// Nothing differs, as far as checks were possible.
    #[serde(rename = "VERIFIED IN PART")]
    InPart,
    /// At least one check found a difference.
    #[serde(rename = "DIFFERENCES")]
    Differences,
}

impl fmt::Display for VerifyResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "VERIFIED",
            Self::ToTheByte => "VERIFIED TO THE BYTE",
            Self::InPart => "VERIFIED IN PART",
            Self::Differences => "DIFFERENCES",
        })
    }
}

/// What one check did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyCheck {
    /// Its stable name.
    pub name: String,
    /// What was compared, for people.
    pub what: String,
    /// What it was compared with.
    pub with: String,
    /// Rows, or files, in which it compared something.
    pub compared: u64,
    /// Differences that stand.
    pub different: u64,
    /// Of them in rows that were written again after the run's commit: `--accept` may list their attempts.
    #[serde(default)]
    pub changed_after: u64,
    /// Why it could not compare everything, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_possible: Option<String>,
    /// Rows in which it could not.
    #[serde(default)]
    pub rows_not_possible: u64,
    /// Rows, or files, in which it had nothing to compare with, as an MD5 that no one keeps; the remarks say why.
    #[serde(default)]
    pub nothing_to_compare_with: u64,
}
