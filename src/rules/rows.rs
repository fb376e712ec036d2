//! Every value of all eight tables that one submission becomes: what commit sends by column name, and what a
//! receipt is a digest of. `verify` does not use it: it must not share its mistakes.

mod columns;
mod held;
mod make;

use serde::Serialize;

pub use columns::*;

use crate::domain::{
    CopiedFile, Migration,
    form::{ENFORCEMENT, Layout, RowForm, TABLES},
};
use columns::Row;
use make::{
    enforcement, file, grade, launch_session, marking_assignment, section_mark, session_record, submission,
};

/// Values that every submission of a run shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunValues {
    /// `consumer_key`.
    pub consumer_key: String,
    /// The LMS instance's guid.
    pub lms_instance: String,
    /// The LMS instance's name.
    pub lms_name: String,
    /// `custom_instruction_set`.
    pub instruction_set: String,
    /// `assignment_title`.
    pub assignment_title: String,
    /// `azure_container_name`.
    pub container: String,
}

/// All rows of a submission. Serialized, each field is a table and its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubmissionRows<'m> {
    /// Row of `lti_launch_sessions`.
    #[serde(rename = "lti_launch_sessions")]
    pub launch_session: LaunchSession<'m>,
    /// Row of `lti_session_records`.
    #[serde(rename = "lti_session_records")]
    pub session_record: SessionRecord<'m>,
    /// Row of `assignment_submissions`.
    #[serde(rename = "assignment_submissions")]
    pub submission: Submission<'m>,
    /// Its files, by upload order.
    #[serde(rename = "submission_files")]
    pub files: Vec<File<'m>>,
    /// Row of `submission_marking_assignments`.
    #[serde(rename = "submission_marking_assignments")]
    pub marking_assignment: MarkingAssignment<'m>,
    /// Rows of `submission_section_marks`.
    #[serde(rename = "submission_section_marks")]
    pub section_marks: Vec<Mark<'m>>,
    /// Row of `submission_grades`.
    #[serde(rename = "submission_grades")]
    pub grade: GradeRow<'m>,
    /// Set only for malpractice. Whether it is written depends on the row that already exists under its key.
    #[serde(rename = "malpractice_enforcements", skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<EnforcementRow<'m>>,
}

/// Every value that the submission becomes. `copied` are its files in the order of [`Migration::files`], one each.
pub fn rows<'m>(
    migration: &'m Migration,
    run: &'m RunValues,
    copied: &'m [CopiedFile],
) -> SubmissionRows<'m> {
    SubmissionRows {
        launch_session: launch_session(migration, run),
        session_record: session_record(migration, run),
        submission: submission(migration, run, copied),
        files: migration
            .files
            .iter()
            .zip(copied)
            .enumerate()
            .map(|(n, (planned, copied))| file(migration, run, n + 1, planned, copied))
            .collect(),
        marking_assignment: marking_assignment(migration),
        section_marks: migration
            .section_marks
            .iter()
            .enumerate()
            .map(|(n, mark)| section_mark(migration, n + 1, mark))
            .collect(),
        grade: grade(migration),
        enforcement: migration.malpractice.as_ref().map(|rule| enforcement(migration, rule)),
    }
}

impl SubmissionRows<'_> {
    /// The rows of the seven tables in canonical form ([`crate::domain::form`]).
    pub fn forms(&self, layout: &Layout) -> Vec<RowForm> {
        let form = |table, row: &dyn Row| RowForm::new(layout, table, |column| row.value(column));
        let [launch_session, session_record, submission, files, marking_assignment, section_marks, grade] =
            &TABLES;
        let mut forms = vec![
            form(launch_session, &self.launch_session),
            form(session_record, &self.session_record),
            form(submission, &self.submission),
            form(marking_assignment, &self.marking_assignment),
            form(grade, &self.grade),
        ];
        forms.extend(self.files.iter().map(|file| form(files, file)));
        forms.extend(self.section_marks.iter().map(|mark| form(section_marks, mark)));
        forms
    }

    /// The enforcement row in canonical form, if there is one.
    pub fn enforcement_form(&self, layout: &Layout) -> Option<RowForm> {
        let row = self.enforcement.as_ref()?;
        Some(RowForm::new(layout, &ENFORCEMENT, |column| row.value(column)))
    }
}
