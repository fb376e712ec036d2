//! A row's outcome as segments hold it, and the books that must balance.

mod read;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AttemptId, FailCode, Failure, FileReceipt, Note, Receipt, Skip, SkipCode, SourceDigest};

/// One line of a segment: the outcome of one row. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Number of the CSV's data row, from 1.
    pub row: u64,
    /// The attempt, if the cell holds one.
    pub attempt: Option<AttemptId>,
    /// When it was decided (UTC).
    pub at: DateTime<Utc>,
    /// The worker's number in its process, from 1.
    pub worker: usize,
    /// From its first stage to its last, in milliseconds.
    pub milliseconds: u64,
    /// How long the facts of its chunk took, in milliseconds, before its first stage; 0 if that is not known. Times do not
    /// enter the receipts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gather_ms: u64,
    /// Digest of what it was decided from; absent only in segments of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceDigest>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fate {
    /// The target holds the submission.
    Migrated(Migrated),
    /// It was left, in order.
    Skipped {
        /// Stable code, written to `skipped.csv`.
        code: SkipCode,
        /// Why the row is skipped, in a sentence.
        detail: String,
    },
    /// It was left; someone has to look.
    Failed {
        /// Stable code, the first word of the Error column.
        code: FailCode,
        /// Why the row fails, in a sentence, without personal data.
        message: String,
    },
}

impl Fate {
    /// The kind and the code in a word each; a migrated row has no code.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Migrated(_) => ("migrated", ""),
            Self::Skipped { code, .. } => ("skipped", code.code()),
            Self::Failed { code, .. } => ("failed", code.code()),
        }
    }
}

/// The identifiers and figures of a migrated row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrated {
    /// `launch_id`.
    pub launch_id: String,
    /// `assignment_submissions.id`.
    pub submission_id: String,
    /// `lti_session_records.id`.
    pub session_record_id: String,
    /// `lms_user_id` of the submission.
    pub user_id: String,
    /// `context_id` of the submission.
    pub context_id: String,
    /// Number of files that were copied.
    pub files: u32,
    /// Number of section marks that were written; absent in segments of earlier programs, and if the row was recovered
    /// and can no longer be decided. Enters no receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<u16>,
    /// Total size of the copied files.
    pub bytes: u64,
    /// Files whose bytes were proven by length only: server-side copies without a stored MD5 or in blocks, and files found
    /// after a crash, whose MD5 is what the blob stores.
    #[serde(default)]
    pub length_only: u32,
    /// How long its files took, in milliseconds.
    #[serde(default)]
    pub copy_ms: u64,
    /// How long its commit took, in milliseconds.
    #[serde(default)]
    pub commit_ms: u64,
    /// Found in the target after a crash, not written by the process that says so.
    #[serde(default)]
    pub recovered: bool,
    /// Receipt of the stored rows; absent only in segments of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Box<Receipt>>,
    /// Its files in upload order, and what is proven of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_receipts: Vec<FileReceipt>,
    /// Notes on the migrated row, for `notes.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl From<Skip> for Fate {
    fn from(skip: Skip) -> Self {
        Self::Skipped { code: skip.code, detail: skip.detail }
    }
}

impl From<Failure> for Fate {
    fn from(failure: Failure) -> Self {
        Self::Failed { code: failure.code, message: failure.message }
    }
}

/// Counts of outcomes: rows = migrated + failed + skipped + missing, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Number of rows that were migrated.
    pub migrated: u64,
    /// Rows failed, by code.
    pub failed: BTreeMap<FailCode, u64>,
    /// Rows skipped, by code.
    pub skipped: BTreeMap<SkipCode, u64>,
    /// Notes on migrated rows, by code.
    pub notes: BTreeMap<super::NoteCode, u64>,
    /// Number of files that were copied.
    pub files: u64,
    /// Total size of the copied files.
    pub bytes: u64,
    /// What the copies took.
    #[serde(default)]
    pub copy: Latency,
    /// What the commits took.
    #[serde(default)]
    pub commit: Latency,
}

/// How long a stage took, over the rows that passed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Rows that passed it.
    pub rows: u64,
    /// All of them together, in milliseconds.
    pub total_ms: u64,
    /// The slowest, in milliseconds.
    pub longest_ms: u64,
}

impl Latency {
    fn count(&mut self, ms: u64) {
        self.add(Self { rows: 1, total_ms: ms, longest_ms: ms });
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.total_ms += other.total_ms;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

impl Books {
    /// Counts one more outcome.
    pub fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Migrated(migrated) => {
                self.migrated += 1;
                self.files += u64::from(migrated.files);
                self.bytes += migrated.bytes;
                if !migrated.recovered {
                    self.copy.count(migrated.copy_ms);
                    self.commit.count(migrated.commit_ms);
                }
                for note in &migrated.notes {
                    *self.notes.entry(note.code).or_default() += 1;
                }
            }
            Fate::Failed { code, .. } => *self.failed.entry(*code).or_default() += 1,
            Fate::Skipped { code, .. } => *self.skipped.entry(*code).or_default() += 1,
        }
    }

    /// Rows with an outcome.
    pub fn rows(&self) -> u64 {
        self.migrated + self.rows_failed() + self.rows_skipped()
    }

    /// Rows failed, with any code.
    pub fn rows_failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Rows that passed the rules and failed in copy or at commit.
    pub fn rows_failed_after_rules(&self) -> u64 {
        self.failed.iter().filter(|(code, _)| code.reached_copy()).map(|(_, rows)| rows).sum()
    }

    /// Rows skipped, with any code.
    pub fn rows_skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Adds another shard's counts.
    pub fn add(&mut self, other: &Self) {
        self.migrated += other.migrated;
        self.files += other.files;
        self.bytes += other.bytes;
        self.copy.add(other.copy);
        self.commit.add(other.commit);
        for (code, count) in &other.failed {
            *self.failed.entry(*code).or_default() += count;
        }
        for (code, count) in &other.skipped {
            *self.skipped.entry(*code).or_default() += count;
        }
        for (code, count) in &other.notes {
            *self.notes.entry(*code).or_default() += count;
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which of two outcomes of one row counts: `migrated` before all others, of two of them the one that was not
/// recovered, else the newest.
pub fn stands(earlier: Outcome, other: Outcome) -> Outcome {
    let rank = |outcome: &Outcome| {
        let certainty = match &outcome.fate {
            Fate::Migrated(migrated) if !migrated.recovered => 2,
            Fate::Migrated(_) => 1,
            Fate::Skipped { .. } | Fate::Failed { .. } => 0,
        };
        (certainty, outcome.at)
    };
    if rank(&other) > rank(&earlier) { other } else { earlier }
}

/// Which of two outcomes of a row stands if the target lacks what was migrated.
pub fn newest(earlier: Outcome, other: Outcome) -> Outcome {
    if other.at > earlier.at { other } else { earlier }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_migrated_outcomes_the_one_that_was_not_recovered_stands() {
        let outcome = |second, recovered| Outcome {
            row: 1,
            attempt: None,
            at: DateTime::from_timestamp(second, 0).unwrap(),
            worker: 1,
            milliseconds: 0,
            gather_ms: 0,
            source: None,
            fate: Fate::Migrated(Migrated { recovered, ..Migrated::default() }),
        };
        for (recovered, sent) in [(1, 2), (2, 1)] {
            let (recovered, sent) = (outcome(recovered, true), outcome(sent, false));
            assert_eq!(stands(recovered.clone(), sent.clone()), sent);
            assert_eq!(stands(sent.clone(), recovered), sent);
        }
        assert_eq!(stands(outcome(1, true), outcome(2, true)), outcome(2, true));
    }
}
