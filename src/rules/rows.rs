//! Every value of all eight tables that one submission becomes: what commit sends by column name, and what a
//! receipt is a digest of. `verify` does not use it: it must not share its mistakes.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::size::megabytes;
use crate::domain::{CopiedFile, FileKind, Malpractice, Migration, PlannedFile, SectionMark};

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

/// A time as the target holds it: whole microseconds, the rest cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

/// `expires_at` and `session_expiry`.
const NEVER: &str = "2099-12-31T00:00:00Z";

/// Declares the row of a table: each field is the column of its name.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident of $table:literal { $($column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[expect(missing_docs, reason = "a field is the column of its name")]
        pub struct $name<'m> { $(pub $column: $type,)* }

        impl $name<'_> {
            /// Name of the target table.
            pub const TABLE: &'static str = $table;
            /// The columns that a run writes; the others keep their defaults.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),*];
        }
    };
}

row! {
    /// The launch session, whose unique launch id guards the submission.
    LaunchSession of "lti_launch_sessions" {
        id: String,
        launch_id: String,
        consumer_key: &'m str,
        user_id: &'m str,
        user_email: &'m str,
        user_name: &'m str,
        course_name: &'m str,
        return_url: &'m str,
        context_id: &'m str,
        tool_consumer_instance_guid: &'m str,
        custom_params: String,
        lti_message_type: &'m str,
        context_type: &'m str,
        context_title: &'m str,
        roles: &'m str,
        lis_person_name_given: &'m str,
        lis_person_name_family: &'m str,
        lis_person_name_full: &'m str,
        lis_person_contact_email_primary: &'m str,
        tool_consumer_instance_name: &'m str,
        custom_action: &'m str,
        assignment_title: &'m str,
        custom_instruction_set: &'m str,
        custom_assessment_code: &'m str,
        expires_at: &'m str,
    }
}

row! {
    /// Row of the LTI session record.
    SessionRecord of "lti_session_records" {
        id: String,
        launch_id: String,
        lms_user_id: &'m str,
        consumer_name: &'m str,
        role: &'m str,
        first_name: &'m str,
        last_name: &'m str,
        full_name: &'m str,
        email: &'m str,
        custom_action: &'m str,
        custom_instruction_set: &'m str,
        custom_assessment_code: &'m str,
        context_type: &'m str,
        context_title: &'m str,
        resource_link_title: &'m str,
        context_id: &'m str,
        consumer_key: &'m str,
        tool_consumer_instance_guid: &'m str,
        return_url: &'m str,
        has_file_submission: &'m str,
        session_expiry: &'m str,
    }
}

row! {
    /// Row of the submission itself.
    Submission of "assignment_submissions" {
        id: String,
        lti_session_record_id: String,
        lti_launch_id: String,
        file_count: usize,
        total_file_size: String,
        submitted_at: Moment,
        attempt_number: i32,
        lms_user_id: &'m str,
        consumer_name: &'m str,
        role: &'m str,
        first_name: &'m str,
        last_name: &'m str,
        full_name: &'m str,
        email: &'m str,
        custom_instruction_set: &'m str,
        custom_assessment_code: &'m str,
        custom_action: &'m str,
        context_type: &'m str,
        context_title: &'m str,
        context_id: &'m str,
        created_at: Moment,
        updated_at: Moment,
    }
}

row! {
    /// Row of one copied file.
    File of "submission_files" {
        id: String,
        submission_id: String,
        file_name: &'m str,
        original_file_name: &'m str,
        file_size: String,
        file_type: &'m str,
        file_mime_type: &'m str,
        file_url: &'m str,
        azure_blob_url: &'m str,
        azure_container_name: &'m str,
        azure_blob_name: &'m str,
        upload_order: i32,
        uploaded_at: Moment,
        submission_file_type: &'m str,
        uploaded_by: Option<&'m str>,
        turnitin_status: Turnitin,
    }
}

/// `turnitin_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Turnitin {
    /// A learner's file.
    #[serde(rename = "complete")]
    Complete,
    /// A marker's file: the column keeps its default.
    #[serde(rename = "")]
    ColumnDefault,
}

row! {
    /// Row that assigns the submission to a marker.
    MarkingAssignment of "submission_marking_assignments" {
        id: String,
        submission_id: String,
        marking_status: &'m str,
        status_updated_at: Moment,
        created_at: Moment,
        updated_at: Moment,
    }
}

row! {
    /// The mark of one section.
    Mark of "submission_section_marks" {
        id: String,
        submission_id: String,
        section_id: &'m str,
        marks_awarded: &'m str,
        feedback: Option<&'m str>,
    }
}

row! {
    /// Row of the final grade.
    GradeRow of "submission_grades" {
        id: String,
        submission_id: String,
        assessment_id: &'m str,
        total_marks_awarded: &'m str,
        total_marks_possible: &'m str,
        percentage_score: &'m str,
        final_grade: &'m str,
        overall_summary: Option<&'m str>,
        malpractice_level_id: Option<&'m str>,
        malpractice_notes: Option<&'m str>,
        is_complete: bool,
        completed_at: Moment,
    }
}

row! {
    /// The enforcement of a malpractice rule, as a new row would hold it.
    EnforcementRow of "malpractice_enforcements" {
        id: &'m str,
        lms_user_id: &'m str,
        custom_assessment_code: &'m str,
        context_id: &'m str,
        context_title: &'m str,
        malpractice_level_id: &'m str,
        submission_id: String,
        attempt_number: i32,
        enforced_max_attempts: Option<i32>,
        rule_applied_by: &'m str,
    }
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

/// `custom_params`, as the application writes it.
#[derive(Serialize)]
struct CustomParams<'m> {
    cis: &'m str,
    cas: &'m str,
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
        marking_assignment: MarkingAssignment {
            id: migration.ids.row(MarkingAssignment::TABLE, 1),
            submission_id: submission_id(migration),
            marking_status: "released",
            status_updated_at: Moment(migration.submitted_at),
            created_at: Moment(migration.date_inserted),
            updated_at: Moment(migration.date_inserted),
        },
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

fn submission_id(migration: &Migration) -> String {
    migration.ids.row(Submission::TABLE, 1)
}

fn launch_session<'m>(migration: &'m Migration, run: &'m RunValues) -> LaunchSession<'m> {
    let params = CustomParams { cis: &run.instruction_set, cas: &migration.assessment_code };
    LaunchSession {
        id: migration.ids.row(LaunchSession::TABLE, 1),
        launch_id: migration.ids.launch_id(),
        consumer_key: &run.consumer_key,
        user_id: &migration.lms_user_id,
        user_email: &migration.email,
        user_name: &migration.full_name,
        course_name: &migration.course_name,
        return_url: &migration.return_url,
        context_id: &migration.context_id,
        tool_consumer_instance_guid: &run.lms_instance,
        // Two texts: they cannot fail to become JSON.
        custom_params: serde_json::to_string(&params).unwrap_or_default(),
        lti_message_type: "basic-lti-launch-request",
        context_type: "CourseSection",
        context_title: &migration.context_title,
        roles: "Learner",
        lis_person_name_given: &migration.first_name,
        lis_person_name_family: &migration.last_name,
        lis_person_name_full: &migration.full_name,
        lis_person_contact_email_primary: &migration.email,
        tool_consumer_instance_name: &run.lms_name,
        custom_action: "exercise_attempt",
        assignment_title: &run.assignment_title,
        custom_instruction_set: &run.instruction_set,
        custom_assessment_code: &migration.assessment_code,
        expires_at: NEVER,
    }
}

fn session_record<'m>(migration: &'m Migration, run: &'m RunValues) -> SessionRecord<'m> {
    SessionRecord {
        id: migration.ids.row(SessionRecord::TABLE, 1),
        launch_id: migration.ids.launch_id(),
        lms_user_id: &migration.lms_user_id,
        consumer_name: &run.lms_name,
        role: "Learner",
        first_name: &migration.first_name,
        last_name: &migration.last_name,
        full_name: &migration.full_name,
        email: &migration.email,
        custom_action: "exercise_attempt",
        custom_instruction_set: &run.instruction_set,
        custom_assessment_code: &migration.assessment_code,
        context_type: "CourseSection",
        context_title: &migration.context_title,
        resource_link_title: &migration.context_title,
        context_id: &migration.context_id,
        consumer_key: &run.consumer_key,
        tool_consumer_instance_guid: &run.lms_instance,
        return_url: &migration.return_url,
        has_file_submission: "true",
        session_expiry: NEVER,
    }
}

fn submission<'m>(migration: &'m Migration, run: &'m RunValues, copied: &[CopiedFile]) -> Submission<'m> {
    Submission {
        id: submission_id(migration),
        lti_session_record_id: migration.ids.row(SessionRecord::TABLE, 1),
        lti_launch_id: migration.ids.launch_id(),
        file_count: copied.len(),
        total_file_size: megabytes(copied.iter().map(|file| file.size_bytes).sum()),
        submitted_at: Moment(migration.submitted_at),
        attempt_number: migration.attempt_number,
        lms_user_id: &migration.lms_user_id,
        consumer_name: &run.lms_name,
        role: "Learner",
        first_name: &migration.first_name,
        last_name: &migration.last_name,
        full_name: &migration.full_name,
        email: &migration.email,
        custom_instruction_set: &run.instruction_set,
        custom_assessment_code: &migration.assessment_code,
        custom_action: "exercise_attempt",
        context_type: "CourseSection",
        context_title: &migration.context_title,
        context_id: &migration.context_id,
        created_at: Moment(migration.date_inserted),
        updated_at: Moment(migration.date_modified),
    }
}

fn file<'m>(
    migration: &'m Migration,
    run: &'m RunValues,
    n: usize,
    planned: &'m PlannedFile,
    copied: &'m CopiedFile,
) -> File<'m> {
    let (submission_file_type, turnitin_status) = match planned.kind {
        FileKind::Learner => ("submission", Turnitin::Complete),
        FileKind::Marker => ("feedback", Turnitin::ColumnDefault),
    };
    File {
        id: migration.ids.row(File::TABLE, n),
        submission_id: submission_id(migration),
        file_name: &planned.name,
        original_file_name: &planned.name,
        file_size: megabytes(copied.size_bytes),
        file_type: &planned.file_type,
        file_mime_type: planned.file_mime_type,
        file_url: &copied.url,
        azure_blob_url: &copied.url,
        azure_container_name: &run.container,
        azure_blob_name: &copied.blob_name,
        upload_order: planned.upload_order,
        uploaded_at: Moment(migration.submitted_at),
        submission_file_type,
        uploaded_by: planned.uploaded_by.as_deref(),
        turnitin_status,
    }
}

fn section_mark<'m>(migration: &Migration, n: usize, mark: &'m SectionMark) -> Mark<'m> {
    Mark {
        id: migration.ids.row(Mark::TABLE, n),
        submission_id: submission_id(migration),
        section_id: &mark.section_id,
        marks_awarded: mark.marks_awarded.as_str(),
        feedback: mark.feedback.as_deref(),
    }
}

fn grade(migration: &Migration) -> GradeRow<'_> {
    let grade = &migration.grade;
    let rule = migration.malpractice.as_ref();
    GradeRow {
        id: migration.ids.row(GradeRow::TABLE, 1),
        submission_id: submission_id(migration),
        assessment_id: &migration.assessment_id,
        total_marks_awarded: grade.total_marks_awarded.as_str(),
        total_marks_possible: grade.total_marks_possible.as_str(),
        percentage_score: grade.percentage_score.as_str(),
        final_grade: &grade.final_grade,
        overall_summary: grade.overall_summary.as_deref(),
        malpractice_level_id: rule.map(|rule| &*rule.level_id),
        malpractice_notes: rule.map(|rule| &*rule.notes),
        is_complete: true,
        completed_at: Moment(migration.submitted_at),
    }
}

fn enforcement<'m>(migration: &'m Migration, rule: &'m Malpractice) -> EnforcementRow<'m> {
    EnforcementRow {
        id: &rule.enforcement_id,
        lms_user_id: &migration.lms_user_id,
        custom_assessment_code: &migration.assessment_code,
        context_id: &migration.context_id,
        context_title: &migration.context_title,
        malpractice_level_id: &rule.level_id,
        submission_id: submission_id(migration),
        attempt_number: migration.attempt_number,
        enforced_max_attempts: rule.enforced_max_attempts,
        rule_applied_by: &rule.rule_applied_by,
    }
}
