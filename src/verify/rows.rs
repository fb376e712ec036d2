//! The stored rows of one submission, and what each of their columns has to hold: a line for each column.

mod columns;

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{
    expect::{Expected, Person, RunSettings, report::ExpectedReport},
    findings::{Findings, Lack, Place, Want},
};
use crate::{
    domain::{
        Decimal,
        form::{Layout, NumberType},
    },
    ports::{StoredRow, Table},
};
pub use columns::{ColumnRule, SINGLE_ROWS};

/// All rows of one submission, as they are stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredSubmission {
    /// The row of `lti_launch_sessions` with the derived id, else that with the derived launch id.
    pub launch_sessions: Vec<StoredRow>,
    /// The row of `lti_session_records` with the derived id, else that with the derived launch id.
    pub session_records: Vec<StoredRow>,
    /// The row of `assignment_submissions` with the derived id.
    pub submissions: Vec<StoredRow>,
    /// Rows of `submission_files` with derived ids, by `upload_order`'s place in the derivation.
    pub files: Vec<StoredRow>,
    /// Rows of `submission_marking_assignments`.
    pub assignments: Vec<StoredRow>,
    /// Rows of `submission_section_marks`.
    pub marks: Vec<StoredRow>,
    /// The row of `submission_grades` with the derived id, else the one that names the submission.
    pub grades: Vec<StoredRow>,
}

impl StoredSubmission {
    /// The rows of a table; none for the enforcements, which submissions share.
    pub fn rows(&self, table: Table) -> &[StoredRow] {
        match table {
            Table::LaunchSessions => &self.launch_sessions,
            Table::SessionRecords => &self.session_records,
            Table::Submissions => &self.submissions,
            Table::Files => &self.files,
            Table::Assignments => &self.assignments,
            Table::Marks => &self.marks,
            Table::Grades => &self.grades,
            Table::Enforcements => &[],
        }
    }

    /// The same, to be filled.
    pub fn rows_mut(&mut self, table: Table) -> Option<&mut Vec<StoredRow>> {
        match table {
            Table::LaunchSessions => Some(&mut self.launch_sessions),
            Table::SessionRecords => Some(&mut self.session_records),
            Table::Submissions => Some(&mut self.submissions),
            Table::Files => Some(&mut self.files),
            Table::Assignments => Some(&mut self.assignments),
            Table::Marks => Some(&mut self.marks),
            Table::Grades => Some(&mut self.grades),
            Table::Enforcements => None,
        }
    }

    /// A text of the submission's own row.
    pub fn submission_text(&self, column: &str) -> Option<&str> {
        self.submissions.first()?.text(Table::Submissions.place(column)?)
    }
}

/// What a column is compared with.
pub struct Beside<'a> {
    /// What is expected of the attempt.
    pub expected: &'a Expected,
    /// Values that all rows of the run share.
    pub settings: &'a RunSettings,
    /// The code of the stored grade's assessment; why it is not known.
    pub code: Result<&'a str, Lack>,
    /// Names the types of the columns of marks.
    pub layout: &'a Layout,
}

impl<'a> Beside<'a> {
    fn person(&self, want: fn(&'a Person) -> &'a str) -> Want<'a> {
        self.expected.person.as_ref().map_or(Want::Unknown(Lack::Inputs), |person| Want::text(want(person)))
    }

    fn report(&self, want: impl FnOnce(&'a ExpectedReport) -> Want<'a>) -> Want<'a> {
        match &self.expected.report {
            Ok(report) => want(report),
            Err(lack) => Want::Unknown(*lack),
        }
    }

    /// The number as the column stores it, if that is numeric; a float is rounded when it is compared.
    pub fn number(&self, table: Table, column: &str, number: &'a Decimal) -> Want<'a> {
        Want::Number(match self.layout.number_type(table.name(), column) {
            NumberType::Numeric(Some(scale)) => Cow::Owned(number.rounded(scale)),
            NumberType::Numeric(None) | NumberType::Real | NumberType::Double => Cow::Borrowed(number),
        })
    }

    fn grade(&self, column: &str, number: fn(&'a ExpectedReport) -> &'a Decimal) -> Want<'a> {
        self.report(|report| self.number(Table::Grades, column, number(report)))
    }

    fn time(&self, want: fn(&ExpectedReport) -> DateTime<Utc>) -> Want<'a> {
        self.report(|report| Want::Time(want(report)))
    }

    fn derived(&self, table: Table) -> Want<'a> {
        Want::Text(self.expected.ids.row(table.name(), 1).into())
    }
}

/// Compares every column of one row with its rule.
pub fn compare_columns(
    table: Table,
    rules: &[ColumnRule],
    row: &StoredRow,
    beside: &Beside<'_>,
    findings: &mut Findings,
) {
    for rule in rules {
        let Some(place) = table.place(rule.column) else { continue };
        let at = Place { table, column: rule.column, n: 0 };
        findings.value(rule.check, &at, (rule.want)(beside), row.at(place));
    }
}

/// Whether the transaction wrote after the other one. Their numbers go round: of two the newer is less than half the round ahead.
pub fn is_newer(one: u32, other: u32) -> bool {
    one != other && one.wrapping_sub(other) < u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_newer_than_another_although_their_numbers_go_round() {
        assert!(is_newer(8, 7) && is_newer(3, u32::MAX - 1));
        assert!(!is_newer(7, 7) && !is_newer(7, 8) && !is_newer(u32::MAX - 1, 3));
    }
}
