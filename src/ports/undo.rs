//! Removing submissions from the target: which rows each has, which rows refer to it, and its removal in one transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Fault, TargetReader};
use crate::{domain::SubmissionIds, ids::WriterId};

/// The seven tables that hold a submission's own rows, in the order in which they are removed.
pub const OWN_TABLES: [&str; 7] = [
    "submission_grades",
    "submission_section_marks",
    "submission_marking_assignments",
    "submission_files",
    "assignment_submissions",
    "lti_session_records",
    "lti_launch_sessions",
];

/// A stored row, and the transaction that wrote its present version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRow {
    /// One of [`OWN_TABLES`].
    pub table: &'static str,
    /// Its primary key.
    pub id: String,
    /// `xmin`: equal for two rows that one transaction wrote.
    pub transaction: i64,
    /// `age(xmin)`: the greater it is, the earlier the row was written.
    pub age: i32,
}

/// Rows of another table that refer by a foreign key to a row of the submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangingRows {
    /// Table of these rows.
    pub table: String,
    /// The foreign key's name.
    pub constraint: String,
    /// Number of these rows.
    pub rows: u64,
}

/// A row of `malpractice_enforcements` of the submission's learner, assessment and context, or one that names the
/// submission.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingRule {
    /// Its primary key.
    pub id: String,
    /// The submission that it names.
    pub submission_id: Option<String>,
    /// `lti_launch_id` of that submission.
    pub launch_id: Option<String>,
    /// `azure_blob_name` of that submission's files.
    pub blob_names: Vec<String>,
    /// The whole row, by column.
    pub image: Value,
    /// As [`WrittenRow::transaction`].
    pub transaction: i64,
    /// As [`WrittenRow::age`].
    pub age: i32,
}

/// Another migrated submission with malpractice, of the same learner, assessment and context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherMalpractice {
    /// Its `assignment_submissions.id`.
    pub id: String,
    /// Its launch id.
    pub launch_id: String,
    /// `created_at`: the date of its rule.
    pub created_at: Option<DateTime<Utc>>,
}

/// The values from which a submission's malpractice rule was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMalpractice {
    /// Lms user, assessment code, context: the key of its rules.
    pub key: [String; 3],
    /// `submission_grades.malpractice_level_id`.
    pub level_id: String,
    /// `assignment_submissions.attempt_number`.
    pub attempt_number: Option<i32>,
    /// `submission_grades.created_at`: when the submission was written.
    pub written_at: Option<DateTime<Utc>>,
}

/// The rows that the target holds of one submission, and those that refer to them.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenSubmission {
    /// The ids that this program derives from the attempt.
    pub ids: SubmissionIds,
    /// Its rows in [`OWN_TABLES`], including those that the application added.
    pub rows: Vec<WrittenRow>,
    /// `file_count`; `None` if the submission's own row is absent.
    pub file_count: Option<u32>,
    /// `azure_blob_name` of its files.
    pub blob_names: Vec<String>,
    /// Whether a marker is assigned.
    pub has_marker: bool,
    /// Its malpractice, if its grade names a level.
    pub malpractice: Option<StoredMalpractice>,
    /// Rows of other tables that refer to it.
    pub hanging: Vec<HangingRows>,
    /// Malpractice rules that it may have changed.
    pub rules: Vec<StandingRule>,
    /// Other submissions that share the key of these rules, so that a rule may be theirs.
    pub others: Vec<OtherMalpractice>,
}

impl WrittenSubmission {
    /// A submission of which the target holds no row.
    pub fn nothing(ids: SubmissionIds) -> Self {
        Self {
            ids,
            rows: Vec::new(),
            file_count: None,
            blob_names: Vec::new(),
            has_marker: false,
            malpractice: None,
            hanging: Vec::new(),
            rules: Vec::new(),
            others: Vec::new(),
        }
    }
}

/// What happens to a malpractice rule when its submission is removed.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleUndo {
    /// The row was there before the run: it becomes what it was.
    Restore {
        /// Its primary key.
        id: String,
        /// The row as it was, by column.
        image: Value,
    },
    /// The run added the row.
    Delete {
        /// Its primary key.
        id: String,
    },
}

/// Whether the removal took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// The caller's decision was not to remove.
    Left,
    /// All its rows are gone.
    Removed,
    /// A foreign key refuses the removal: rows of the application refer to the submission. Holds the constraint's name.
    Refused(String),
}

/// Decides inside the transaction what is done to the rules that name the submission; `None` leaves all as it is.
pub type Decide<'d> = dyn Fn(&WrittenSubmission) -> Option<Vec<RuleUndo>> + Sync + 'd;

/// The application's tables, from which a run's submissions are removed.
#[async_trait]
pub trait TargetUndo: TargetReader {
    /// What a removal needs and this server lacks, one sentence each: sessions of its own, a server that can be written,
    /// rights on the eight tables and on those that refer to them.
    async fn removable(&self) -> Result<Vec<String>, Fault>;

    /// Foreign-key columns without an index, for which each removal reads a whole table: one sentence each, with the
    /// statement that adds the index.
    async fn slow_keys(&self) -> Result<Vec<String>, Fault>;

    /// Hands over, in batches, id and `azure_blob_name` of every file row whose blob one of these writers uploaded.
    async fn files_of(
        &self,
        writers: &[WriterId],
        each: &mut (dyn FnMut(Vec<(String, String)>) + Send),
    ) -> Result<(), Fault>;

    /// `created_at` of each of these submissions that the target holds.
    async fn created(&self, ids: &[String]) -> Result<Vec<(String, DateTime<Utc>)>, Fault>;

    /// Reads the rows of each of these submissions (at most 1,000), in their order.
    async fn examine(&self, submissions: &[SubmissionIds]) -> Result<Vec<WrittenSubmission>, Fault>;

    /// Removes a submission in one transaction, if `decide` says so of the rows read in it. If another transaction changes
    /// it meanwhile, nothing is done: [`crate::ports::FaultKind::Unavailable`], to be tried again.
    async fn remove(&self, submission: &WrittenSubmission, decide: &Decide<'_>) -> Result<Removal, Fault>;
}
