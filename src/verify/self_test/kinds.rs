//! The kinds of corruption that the self-test plants, each one statement or a few over the copies in `pg_temp`, with the
//! checks that should find it.

mod columns;
mod values;

use crate::{
    domain::{Level, form::AlteredColumn},
    verify::table::{Check, CheckId as C},
};

/// A submission whose columns can all be changed: with marks, two files of the learner, and without malpractice.
const ANY: &str = "exists (select from submission_section_marks m where m.submission_id = s.id)
    and (select count(*) from submission_files f
        where f.submission_id = s.id and f.submission_file_type = 'submission' and f.upload_order in (1, 2)) = 2
    and not exists (select from malpractice_enforcements e where e.submission_id = s.id)";
/// A submission whose malpractice stands as a rule.
const MALPRACTICE: &str = "exists (select from malpractice_enforcements e where e.submission_id = s.id)";

/// What a corruption is found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// In one submission.
    One,
    /// In two submissions.
    Two,
    /// In none that the run knows.
    Nobody,
}

/// A kind of corruption.
#[derive(Debug, Clone)]
pub struct Kind {
    /// What is wrong, in words, or table and column.
    pub name: String,
    /// Tables that it changes.
    pub planted_in: String,
    /// Condition on the submission `s`, and on another one `o`, to plant it in.
    pub fits: &'static str,
    /// Statements that write in `pg_temp` only; `{s}`, `{o}`: ids of the submissions, `{l}`: launch id of the first,
    /// `{a}`: its attempt.
    pub sql: String,
    /// Checks that have to find it, but for the receipt.
    pub found_by: Vec<C>,
    /// Checks that may find it too, because they compare with the same value.
    pub may: &'static [C],
    /// What it is found in.
    pub whose: Whose,
}

impl Kind {
    /// Whether it writes one of these columns.
    pub fn changes_any_of<'c>(&self, mut columns: impl Iterator<Item = &'c AlteredColumn>) -> bool {
        columns.any(|column| self.sql.split(';').any(|statement| changes(statement.trim(), column)))
    }

    /// Every check that has to find it. A receipt is of the submission's own rows: it does not hold if one of them is changed
    /// or lost, whatever else is found. Rows that stand beside them, rules of malpractice and blobs do not enter.
    pub fn demands(&self) -> impl Iterator<Item = C> {
        let apart = [C::NothingSurplus, C::SubmissionSingle, C::EnforcementNewest];
        let is_of_rows = self.found_by.iter().any(|check| {
            let Check { id, level, .. } = check.check();
            *level == Level::Rows && !apart.contains(id)
        });
        self.found_by.iter().copied().chain(is_of_rows.then_some(C::ReceiptUnchanged))
    }
}

/// Whether the statement updates the column.
fn changes(statement: &str, column: &AlteredColumn) -> bool {
    let Some((table, rest)) = statement.strip_prefix("update pg_temp.").and_then(|rest| rest.split_once(' '))
    else {
        return false;
    };
    let Some((_, values)) = rest.split_once("set ") else { return false };
    let values = values.split_once(" where ").map_or(values, |(values, _)| values);
    let mut written = values.split(" = ").filter_map(|part| part.split_whitespace().last());
    written.any(|name| column.is(table, name))
}

/// All kinds, those of single columns first.
pub fn kinds() -> Vec<Kind> {
    let others = LOST.iter().chain(SURPLUS).chain(values::VALUES);
    let of = |(name, planted_in, fits, sql, found_by): &Line| Kind {
        name: (*name).to_owned(),
        planted_in: (*planted_in).to_owned(),
        fits,
        sql: (*sql).to_owned(),
        found_by: found_by.to_vec(),
        may: &[],
        whose: Whose::One,
    };
    let swapped =
        values::SWAPPED.iter().chain(values::EXCHANGED).map(|line| Kind { whose: Whose::Two, ..of(line) });
    let nobodys = NOBODYS.iter().map(|line| Kind { whose: Whose::Nobody, ..of(line) });
    columns::kinds().into_iter().chain(others.map(of)).chain(swapped).chain(nobodys).collect()
}

type Line = (&'static str, &'static str, &'static str, &'static str, &'static [C]);

const LOST: &[Line] = &[
    (
        "a lost launch session",
        "lti_launch_sessions",
        ANY,
        "delete from pg_temp.lti_launch_sessions where launch_id = '{l}'",
        &[C::LaunchSessionPresent],
    ),
    (
        "a lost session record",
        "lti_session_records",
        ANY,
        "delete from pg_temp.lti_session_records where launch_id = '{l}'",
        &[C::SessionRecordPresent],
    ),
    (
        "a lost submission",
        "assignment_submissions",
        ANY,
        "delete from pg_temp.assignment_submissions where id = '{s}'",
        &[C::SubmissionPresent],
    ),
    (
        "a lost file",
        "submission_files",
        ANY,
        "delete from pg_temp.submission_files where submission_id = '{s}' and upload_order = 2",
        &[C::FilesPresent],
    ),
    (
        "all files lost",
        "submission_files",
        ANY,
        "delete from pg_temp.submission_files where submission_id = '{s}'",
        &[C::FilesPresent, C::LearnerFilePresent],
    ),
    (
        "a lost marking assignment",
        "submission_marking_assignments",
        ANY,
        "delete from pg_temp.submission_marking_assignments where submission_id = '{s}'",
        &[C::MarkingAssignmentPresent],
    ),
    (
        "a lost mark",
        "submission_section_marks",
        ANY,
        "delete from pg_temp.submission_section_marks
         where id = (select min(id) from submission_section_marks where submission_id = '{s}')",
        &[C::MarksPresent, C::MarksSections],
    ),
    (
        "all marks lost",
        "submission_section_marks",
        ANY,
        "delete from pg_temp.submission_section_marks where submission_id = '{s}'",
        &[C::MarksPresent, C::MarksSections],
    ),
    (
        "a lost grade",
        "submission_grades",
        ANY,
        "delete from pg_temp.submission_grades where submission_id = '{s}'",
        &[C::GradePresent],
    ),
    (
        "a lost enforcement",
        "malpractice_enforcements",
        MALPRACTICE,
        "delete from pg_temp.malpractice_enforcements where submission_id = '{s}'",
        &[C::EnforcementNewest],
    ),
];

const SURPLUS: &[Line] = &[
    ("a second launch session of the attempt", "lti_launch_sessions", ANY,
        "insert into pg_temp.lti_launch_sessions (id, launch_id, created_at) values ('self-test', 'rogo_{a}_other', now())",
        &[C::NothingSurplus]),
    ("a second session record of the attempt", "lti_session_records", ANY,
        "insert into pg_temp.lti_session_records (id, launch_id, created_at) values ('self-test', 'rogo_{a}_other', now())",
        &[C::NothingSurplus]),
    ("a doubled submission", "assignment_submissions", ANY,
        "insert into pg_temp.assignment_submissions (id, lti_launch_id) values ('self-test', '{l}')", &[C::SubmissionSingle]),
    ("a second submission of the attempt", "assignment_submissions", ANY,
        "insert into pg_temp.assignment_submissions (id, lti_launch_id) values ('self-test', 'rogo_{a}_other')",
        &[C::SubmissionSingle]),
    ("a doubled file", "submission_files", ANY,
        "insert into pg_temp.submission_files (id, submission_id, azure_blob_name) select 'self-test', submission_id,
         azure_blob_name from submission_files where submission_id = '{s}' and upload_order = 1", &[C::NothingSurplus]),
    ("a doubled marking assignment", "submission_marking_assignments", ANY,
        "insert into pg_temp.submission_marking_assignments (id, submission_id) values ('self-test', '{s}')",
        &[C::NothingSurplus]),
    ("a doubled mark", "submission_section_marks", ANY,
        "insert into pg_temp.submission_section_marks (id, submission_id, section_id, marks_awarded) select 'self-test',
         submission_id, section_id, marks_awarded from submission_section_marks where submission_id = '{s}' limit 1",
        &[C::NothingSurplus]),
    ("an enforcement without malpractice", "malpractice_enforcements", ANY,
        "insert into pg_temp.malpractice_enforcements (id, lms_user_id, custom_assessment_code, submission_id)
         select 'self-test', lms_user_id, 'none', id from assignment_submissions where id = '{s}'", &[C::NothingSurplus]),
];

const NOBODYS: &[Line] = &[(
    "a foreign row with a blob of this run",
    "submission_files",
    ANY,
    "insert into pg_temp.submission_files (id, submission_id, azure_blob_name) select 'self-test', 'nobody',
     azure_blob_name from submission_files where submission_id = '{s}' and upload_order = 1",
    &[C::NothingSurplus],
)];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_kind_that_writes_a_column_is_known_by_its_statements() {
        let of = |column: &str| {
            let column: AlteredColumn = column.parse().unwrap();
            let changing = kinds().into_iter().filter(|kind| kind.changes_any_of([&column].into_iter()));
            changing.map(|kind| kind.name).collect::<Vec<_>>()
        };
        let blobs = "submission_files.azure_blob_url";
        assert_eq!(of(blobs), [blobs, "blobs of two learners swapped"]);
        let status = "submission_marking_assignments.status_updated_at";
        assert_eq!(of(status), [status, "all dates an hour earlier"]);
        let email = of("assignment_submissions.email");
        assert_eq!(email, ["assignment_submissions.email", "a text that was emptied"]);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_writes_in_the_copies_only() {
        let kinds = kinds();
        let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!(names.len(), kinds.len());
        for kind in &kinds {
            for statement in kind.sql.split(';') {
                let is_of_copies = ["update", "delete from", "insert into"]
                    .iter()
                    .any(|verb| statement.trim().starts_with(&format!("{verb} pg_temp.")));
                assert!(is_of_copies, "{}: {statement}", kind.name);
            }
        }
    }
}
