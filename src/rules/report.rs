//! Reads the attempt's report: one, complete, and of values that the target can hold.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{
    dates::instant,
    message::{fail, list},
    numbers::number,
    values::{Defect, text, trimmed},
};
use crate::domain::{
    Decimal, FailCode, Failure, REPORT_TABLE, Report, Value,
    text::{equal_key, is_blank},
};

/// A report whose values can be stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SoundReport {
    /// `TIUserId`, trimmed.
    pub ti_user_id: String,
    /// Trimmed; without `::`.
    pub ti_section_id: String,
    /// Exercise, untrimmed, because `course_name` stores it so.
    pub exercise: String,
    /// `Grade`, trimmed.
    pub grade: String,
    pub total_marks_awarded: Decimal,
    pub marks_available: Decimal,
    pub grade_percent: Decimal,
    /// `MarkerNotes`, trimmed.
    pub marker_notes: Option<String>,
    pub results_approved: Option<DateTime<Utc>>,
    pub date_inserted: DateTime<Utc>,
    pub date_modified: Option<DateTime<Utc>>,
}

/// The one report of the attempt; copies that are equal but for blanks count once, as the least of their texts has it: not as the
/// server happens to send them.
pub(super) fn sound_report(reports: &[Report], zone: Tz) -> Result<SoundReport, Failure> {
    let Some(report) = reports.iter().min_by(|one, other| texts(one).cmp(&texts(other))) else {
        return Err(fail(FailCode::ReportMissing, format!("no row in {REPORT_TABLE}")));
    };
    if reports.iter().any(|other| !are_equal(other, report)) {
        let message = format!("{} rows in {REPORT_TABLE} that are not all equal", reports.len());
        return Err(fail(FailCode::ReportAmbiguous, message));
    }
    let report = read(report, zone)?;
    if report.ti_section_id.contains("::") {
        return Err(fail(FailCode::ContextIdInvalid, "TISectionId contains \"::\""));
    }
    Ok(report)
}

/// The values that are texts, as they came.
fn texts(report: &Report) -> [Option<&str>; 12] {
    report.values().map(|value| match value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

fn are_equal(one: &Report, other: &Report) -> bool {
    one.values().into_iter().zip(other.values()).all(|values| match values {
        (Value::Text(one), Value::Text(other)) => equal_key(one) == equal_key(other),
        (Value::Text(text), Value::Null) | (Value::Null, Value::Text(text)) => is_blank(text),
        (one, other) => one == other,
    })
}

fn read(report: &Report, zone: Tz) -> Result<SoundReport, Failure> {
    let mut columns = Columns::default();
    let ti_user_id = columns.required("TIUserId", trimmed(&report.ti_user_id));
    let ti_section_id = columns.required("TISectionId", trimmed(&report.ti_section_id));
    let exercise = columns.required("Exercise", text(&report.exercise));
    let grade = columns.required("Grade", trimmed(&report.grade));
    let (marks_column, marks) = marks(report);
    let total_marks_awarded = columns.required(marks_column, number(marks));
    let marks_available = columns.required("MarksAvailable", number(&report.marks_available));
    let grade_percent = columns.required("GradePercent", number(&report.grade_percent));
    let date_inserted = columns.required("DateInserted", instant(&report.date_inserted, zone));
    let marker_notes = columns.optional("MarkerNotes", trimmed(&report.marker_notes));
    let results_approved = columns.optional("ResultsApproved", instant(&report.results_approved, zone));
    let date_modified = columns.optional("DateModified", instant(&report.date_modified, zone));

    let sound = || {
        Some(SoundReport {
            ti_user_id: ti_user_id?,
            ti_section_id: ti_section_id?,
            exercise: exercise?.into_owned(),
            grade: grade?,
            total_marks_awarded: total_marks_awarded?,
            marks_available: marks_available?,
            grade_percent: grade_percent?,
            marker_notes: marker_notes?,
            results_approved: results_approved?,
            date_inserted: date_inserted?,
            date_modified: date_modified?,
        })
    };
    sound().ok_or_else(|| columns.failure())
}

/// MarksAchieved if it is not null (0 counts), else MarksAwarded; the column that is not used is not checked.
fn marks(report: &Report) -> (&'static str, &Value) {
    match (number(&report.marks_achieved), number(&report.marks_awarded)) {
        (Ok(None), Ok(None)) => ("MarksAchieved and MarksAwarded", &report.marks_awarded),
        (Ok(None), _) => ("MarksAwarded", &report.marks_awarded),
        _ => ("MarksAchieved", &report.marks_achieved),
    }
}

/// Defects of the report, by column.
#[derive(Default)]
struct Columns {
    missing: Vec<&'static str>,
    invalid: Vec<String>,
}

impl Columns {
    /// The value, or `None` with its column on record.
    fn required<T>(&mut self, column: &'static str, read: Result<Option<T>, Defect>) -> Option<T> {
        let value = self.optional(column, read)?;
        if value.is_none() {
            self.missing.push(column);
        }
        value
    }

    /// The value, which may be absent, or `None` with its column on record.
    #[expect(clippy::option_option, reason = "the outer one says whether the column is sound")]
    fn optional<T>(&mut self, column: &'static str, read: Result<Option<T>, Defect>) -> Option<Option<T>> {
        read.map_err(|defect| self.invalid.push(format!("{column} ({defect})"))).ok()
    }

    /// Missing values are reported before invalid ones.
    fn failure(&self) -> Failure {
        if self.missing.is_empty() {
            fail(FailCode::ReportInvalid, format!("in {REPORT_TABLE}: {}", list(&self.invalid)))
        } else {
            fail(FailCode::ReportIncomplete, format!("blank in {REPORT_TABLE}: {}", list(&self.missing)))
        }
    }
}
