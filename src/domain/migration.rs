//! Every value that a migrated row becomes, decided before the first byte is copied.

use chrono::{DateTime, Utc};
use url::Url;

use super::{AttemptId, Decimal, Digest, FileReceipt, ListedFile, Note, SubmissionIds};

/// One submission as it will stand in the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// Attempt from which all row ids are derived.
    pub attempt: AttemptId,
    /// The launch session stands already, left alone by a lost submission of this run: the rest is written beside it.
    pub takes_over_session: bool,
    /// Identifiers of every row to be written.
    pub ids: SubmissionIds,
    /// `<lms instance>::<TIUserId>`.
    pub lms_user_id: String,
    /// `<lms instance>::<TISectionId>`.
    pub context_id: String,
    /// Title of the LTI context, the course.
    pub context_title: String,
    /// URL to which the LTI session returns.
    pub return_url: String,
    /// Exercise of the report, untrimmed.
    pub course_name: String,
    /// "First Name", blank as ''.
    pub first_name: String,
    /// "Surname", blank as ''.
    pub last_name: String,
    /// Value of `full_name`.
    pub full_name: String,
    /// Learner Email, trimmed.
    pub email: String,
    /// `assessments.id`.
    pub assessment_id: String,
    /// `assessments.code`.
    pub assessment_code: String,
    /// Attempt number, from "Submission".
    pub attempt_number: i32,
    /// ResultsApproved, else `DateInserted`.
    pub submitted_at: DateTime<Utc>,
    /// `DateInserted`.
    pub date_inserted: DateTime<Utc>,
    /// `DateModified`, else `DateInserted`.
    pub date_modified: DateTime<Utc>,
    /// Files in upload order (learner files first); never empty.
    pub files: Vec<PlannedFile>,
    /// Section marks in the order of the assessment's sections.
    pub section_marks: Vec<SectionMark>,
    /// Result to be stored in `submission_grades`.
    pub grade: Grade,
    /// Set only if the grade names a malpractice level.
    pub malpractice: Option<Malpractice>,
    /// Notes known before the copy.
    pub notes: Vec<Note>,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// The learner's submission.
    Learner,
    /// The marker's feedback.
    Marker,
}

impl FileKind {
    /// Every kind, for iteration.
    pub const ALL: [Self; 2] = [Self::Learner, Self::Marker];

    /// The folder of the target container in which files of this kind lie.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Learner => "LTI_Uploads",
            Self::Marker => "Marker_files",
        }
    }
}

/// One file to be copied, before it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Whether the learner or the marker wrote it.
    pub kind: FileKind,
    /// 1… over both kinds.
    pub upload_order: i32,
    /// Where its bytes are.
    pub source: Url,
    /// `file_name` and `original_file_name`.
    pub name: String,
    /// Lower-case text after the last dot, else empty.
    pub file_type: String,
    /// What the application stores for the extension.
    pub file_mime_type: &'static str,
    /// The blob's content type.
    pub content_type: String,
    /// `uploaded_by`; null for marker files.
    pub uploaded_by: Option<String>,
    /// What a listing told the plan of it.
    pub listed: Option<Box<ListedFile>>,
}

/// A file that was copied to the target container. The commit consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedFile {
    /// The name of the blob.
    pub blob_name: String,
    /// Its URL, without query.
    pub url: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Whether its bytes were proven by MD5, not by length alone.
    pub md5_proven: bool,
    /// MD5 of its bytes if they passed through this program, else the one that its source or the target stores.
    pub md5: Option<[u8; 16]>,
    /// SHA-256 of its bytes if they passed through this program.
    pub sha256: Option<Digest>,
}

impl CopiedFile {
    /// What is proven of it.
    pub fn receipt(&self) -> FileReceipt {
        FileReceipt::new(self.size_bytes, self.md5, self.sha256)
    }
}

/// One row of `submission_section_marks`.
#[derive(Debug, Clone, PartialEq)]
pub struct SectionMark {
    /// `assessment_sections.id`.
    pub section_id: String,
    /// Score of the warehouse, exact.
    pub marks_awarded: Decimal,
    /// `MarkerComment` trimmed, else null.
    pub feedback: Option<String>,
}

/// The row of `submission_grades`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grade {
    /// `MarksAchieved`, else `MarksAwarded`.
    pub total_marks_awarded: Decimal,
    /// `MarksAvailable`.
    pub total_marks_possible: Decimal,
    /// `GradePercent`.
    pub percentage_score: Decimal,
    /// By the rule of rules.md.
    pub final_grade: String,
    /// `MarkerNotes` trimmed, else null.
    pub overall_summary: Option<String>,
}

/// What a malpractice grade adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malpractice {
    /// `malpractice_levels.id`.
    pub level_id: String,
    /// The warehouse's grade text, trimmed.
    pub notes: String,
    /// Enforcement row id (derived from the key).
    pub enforcement_id: String,
    /// `enforced_max_attempts`.
    pub enforced_max_attempts: Option<i32>,
    /// `rule_applied_by`: users.id.
    pub rule_applied_by: String,
}
