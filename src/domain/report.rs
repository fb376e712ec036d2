//! What the warehouse holds for one attempt: reports and scores, values as they arrived.

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::AttemptId;

/// The warehouse table of reports.
pub const REPORT_TABLE: &str = "Rogo_AssessmentReport";
/// The warehouse table of scores.
pub const SCORE_TABLE: &str = "Rogo_AssessmentReportScores";

/// The columns of a report, beside AttemptId, in the order of [`Report`].
pub const REPORT_COLUMNS: [&str; 12] = [
    "TIUserId",
    "TISectionId",
    "Exercise",
    "MarksAchieved",
    "MarksAwarded",
    "MarksAvailable",
    "GradePercent",
    "Grade",
    "MarkerNotes",
    "ResultsApproved",
    "DateInserted",
    "DateModified",
];

/// The columns of a score beside AttemptId, in the order of [`Score`].
pub const SCORE_COLUMNS: [&str; 3] = ["ScoreLabelCorrected", "Score", "MarkerComment"];

/// One cell of the warehouse, before the rules ask for a number or a date.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL null, or an absent column.
    #[default]
    Null,
    /// Text; a decimal arrives as its exact text.
    Text(String),
    /// Any integer or float column.
    Number(f64),
    /// datetime, datetime2: no offset, in the warehouse's time zone.
    Local(NaiveDateTime),
    /// A datetimeoffset, with its own offset.
    Instant(DateTime<FixedOffset>),
    /// The value of a bit column.
    Bool(bool),
    /// What the driver could not turn into any of these (for example a lone surrogate); says why.
    Invalid(String),
}

impl Value {
    /// Length of its text, bytes; 0 for what is no text.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Invalid(text) => text.len(),
            Self::Null | Self::Number(_) | Self::Local(_) | Self::Instant(_) | Self::Bool(_) => 0,
        }
    }
}

/// One row of `dbo.Rogo_AssessmentReport`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// TIUserId: the learner in the LMS, a guid.
    pub ti_user_id: Value,
    /// TISectionId: the course section in the LMS, a guid.
    pub ti_section_id: Value,
    /// Exercise, e.g. `5HR03 PQ Attempt 2`.
    pub exercise: Value,
    /// MarksAchieved; `Null` if the column is absent.
    pub marks_achieved: Value,
    /// MarksAwarded; `Null` if the column is absent.
    pub marks_awarded: Value,
    /// The column MarksAvailable.
    pub marks_available: Value,
    /// The column GradePercent.
    pub grade_percent: Value,
    /// The column Grade.
    pub grade: Value,
    /// The column MarkerNotes.
    pub marker_notes: Value,
    /// ResultsApproved: a date.
    pub results_approved: Value,
    /// The column DateInserted: a date.
    pub date_inserted: Value,
    /// The column DateModified: a date.
    pub date_modified: Value,
}

impl Report {
    /// All values, in the order of [`REPORT_COLUMNS`].
    pub fn values(&self) -> [&Value; 12] {
        let Self {
            ti_user_id,
            ti_section_id,
            exercise,
            marks_achieved,
            marks_awarded,
            marks_available,
            grade_percent,
            grade,
            marker_notes,
            results_approved,
            date_inserted,
            date_modified,
        } = self;
        [
            ti_user_id,
            ti_section_id,
            exercise,
            marks_achieved,
            marks_awarded,
            marks_available,
            grade_percent,
            grade,
            marker_notes,
            results_approved,
            date_inserted,
            date_modified,
        ]
    }
}

/// One row of `dbo.Rogo_AssessmentReportScores`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// ScoreLabelCorrected: names a section.
    pub label: Value,
    /// The column Score of the scores table.
    pub score: Value,
    /// The column MarkerComment of the scores table.
    pub marker_comment: Value,
}

impl Score {
    /// All values, in the order of [`SCORE_COLUMNS`].
    pub fn values(&self) -> [&Value; 3] {
        let Self { label, score, marker_comment } = self;
        [label, score, marker_comment]
    }
}

/// Everything the warehouse holds for one attempt, in the order in which it arrived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// All reports, equal copies included.
    pub reports: Vec<Report>,
    /// All scores, equal copies included.
    pub scores: Vec<Score>,
}

impl Facts {
    /// The length of all texts, bytes.
    pub fn size_bytes(&self) -> usize {
        let reports = self.reports.iter().flat_map(Report::values);
        reports.chain(self.scores.iter().flat_map(Score::values)).map(Value::text_bytes).sum()
    }
}

/// One row of either table, as a full scan yields it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "rows live in batches that are handed on at once; a box each would cost more"
)]
pub enum FactRow {
    /// A report of the attempt.
    Report(AttemptId, Report),
    /// A score of the attempt.
    Score(AttemptId, Score),
}

impl FactRow {
    /// The length of its texts, bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Report(_, report) => report.values().into_iter().map(Value::text_bytes).sum(),
            Self::Score(_, score) => score.values().into_iter().map(Value::text_bytes).sum(),
        }
    }
}

/// One line of a facts file: an attempt of the shard's queue and what the warehouse holds for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptFacts {
    /// Attempt to which the facts belong.
    pub attempt: AttemptId,
    /// Report and scores of the attempt.
    pub facts: Facts,
}
