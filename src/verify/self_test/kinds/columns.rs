//! Another value in each column that a migration writes.

use super::{ANY, C, Kind, MALPRACTICE, Whose};
use crate::ports::Table;

const TEXT: &str = "coalesce({c}, '') || '~'";
const MICROSECOND: &str = "{c} + interval '1 microsecond'";
const CENT: &str = "{c} + 0.01";
const NEXT: &str = "coalesce({c}, 0) + 1";

/// Columns, their other value, the checks that have to find it.
type Columns = &'static [(&'static str, &'static str, &'static [C])];

const LAUNCH_SESSION: Columns = &[
    ("id", TEXT, &[C::LaunchSessionPresent]),
    ("launch_id", TEXT, &[C::LaunchSessionPresent]),
    ("user_id", TEXT, &[C::LaunchSessionLearner, C::SubmissionIds]),
    (
        "user_email user_name lis_person_name_given lis_person_name_family lis_person_name_full \
         lis_person_contact_email_primary",
        TEXT,
        &[C::LaunchSessionLearner],
    ),
    ("context_id", TEXT, &[C::LaunchSessionCourse, C::SubmissionIds]),
    (
        "course_name return_url context_title custom_params custom_assessment_code",
        TEXT,
        &[C::LaunchSessionCourse],
    ),
    (
        "consumer_key tool_consumer_instance_guid tool_consumer_instance_name lti_message_type context_type roles \
         custom_action assignment_title custom_instruction_set",
        TEXT,
        &[C::LaunchSessionConsumer],
    ),
    ("expires_at", MICROSECOND, &[C::LaunchSessionExpiry]),
];

const SESSION_RECORD: Columns = &[
    ("id", TEXT, &[C::SessionRecordPresent]),
    ("launch_id", TEXT, &[C::SessionRecordPresent]),
    ("lms_user_id", TEXT, &[C::SessionRecordLearner, C::SubmissionIds]),
    ("first_name last_name full_name email", TEXT, &[C::SessionRecordLearner]),
    ("context_id", TEXT, &[C::SessionRecordCourse, C::SubmissionIds]),
    ("custom_assessment_code context_title resource_link_title return_url", TEXT, &[C::SessionRecordCourse]),
    (
        "consumer_name role custom_action custom_instruction_set context_type consumer_key \
         tool_consumer_instance_guid",
        TEXT,
        &[C::SessionRecordConsumer],
    ),
    ("has_file_submission", "'false'", &[C::SessionRecordConsumer]),
    ("session_expiry", MICROSECOND, &[C::SessionRecordExpiry]),
];

const SUBMISSION: Columns = &[
    ("id", TEXT, &[C::SubmissionPresent, C::SubmissionSingle]),
    ("lti_session_record_id", TEXT, &[C::SubmissionPresent]),
    ("lti_launch_id", TEXT, &[C::SubmissionPresent]),
    ("file_count", NEXT, &[C::SubmissionFileCount]),
    ("total_file_size", TEXT, &[C::SubmissionFileSize]),
    ("attempt_number", NEXT, &[C::SubmissionAttemptNumber]),
    ("lms_user_id", TEXT, &[C::SubmissionLearner, C::SubmissionIds]),
    ("first_name last_name full_name email", TEXT, &[C::SubmissionLearner]),
    ("consumer_name role custom_instruction_set custom_action context_type", TEXT, &[C::SubmissionConsumer]),
    ("context_id", TEXT, &[C::SubmissionCourse, C::SubmissionIds]),
    ("custom_assessment_code context_title", TEXT, &[C::SubmissionCourse]),
    ("submitted_at created_at updated_at", MICROSECOND, &[C::SubmissionDates]),
];

const FILE: Columns = &[
    ("id", TEXT, &[C::FilesPresent, C::NothingSurplus]),
    ("submission_id", "'nobody'", &[C::FilesPresent]),
    ("file_name original_file_name", TEXT, &[C::FileNames]),
    ("file_type file_mime_type turnitin_status", TEXT, &[C::FileTypes]),
    ("submission_file_type", "'feedback'", &[C::FileTypes]),
    ("file_size", "'99.9 MB'", &[C::FileSizes]),
    ("file_url azure_blob_url azure_container_name", TEXT, &[C::FileUrls]),
    ("azure_blob_name", TEXT, &[C::FileBlobNames, C::FileUrls]),
    ("upload_order", NEXT, &[C::FilesPresent]),
    ("uploaded_by", TEXT, &[C::FileUploader]),
    ("uploaded_at", MICROSECOND, &[C::FileDates]),
];

const ASSIGNMENT: Columns = &[
    ("id", TEXT, &[C::MarkingAssignmentPresent, C::NothingSurplus]),
    ("submission_id", "'nobody'", &[C::MarkingAssignmentPresent]),
    ("marking_status", "'waiting'", &[C::MarkingAssignmentReleased]),
    ("status_updated_at created_at updated_at", MICROSECOND, &[C::MarkingAssignmentDates]),
];

const MARK: Columns = &[
    ("id", TEXT, &[C::MarksPresent, C::MarksSections, C::NothingSurplus]),
    ("submission_id", "'nobody'", &[C::MarksPresent]),
    ("section_id", TEXT, &[C::MarksSections]),
    ("marks_awarded", CENT, &[C::MarksValues]),
    ("feedback", TEXT, &[C::MarksComments]),
];

const GRADE: Columns = &[
    ("id", TEXT, &[C::GradePresent]),
    ("submission_id", "'nobody'", &[C::GradePresent]),
    // Of another level, under which grades have other names.
    (
        "assessment_id",
        "(select a.id from assessments a where left(a.code, 1)
          <> (select left(b.code, 1) from assessments b where b.id = submission_grades.assessment_id) limit 1)",
        &[C::GradeAssessment],
    ),
    ("total_marks_awarded total_marks_possible", CENT, &[C::GradeMarks]),
    ("percentage_score", CENT, &[C::GradePercentage]),
    ("final_grade", TEXT, &[C::GradeFinal]),
    ("overall_summary", TEXT, &[C::GradeSummary]),
    ("malpractice_level_id", "(select id from malpractice_levels limit 1)", &[C::MalpracticeNotes]),
    ("malpractice_notes", TEXT, &[C::MalpracticeNotes]),
    ("is_complete", "not {c}", &[C::GradeComplete]),
    ("completed_at", MICROSECOND, &[C::GradeComplete]),
];

const ENFORCEMENT: Columns = &[
    ("lms_user_id custom_assessment_code context_id", TEXT, &[C::EnforcementNewest, C::NothingSurplus]),
    ("id context_title rule_applied_by", TEXT, &[C::EnforcementNewest]),
    // A submission that is not there dates a rule by its application, as one of the live application may be.
    (
        "submission_id",
        "(select o.id from assignment_submissions o where o.created_at
          < (select s.created_at from assignment_submissions s where s.id = '{s}') order by o.created_at limit 1)",
        &[C::EnforcementNewest],
    ),
    (
        "malpractice_level_id",
        "(select l.id from malpractice_levels l where l.id <> malpractice_level_id limit 1)",
        &[C::EnforcementNewest],
    ),
    ("attempt_number enforced_max_attempts", NEXT, &[C::EnforcementNewest]),
];

/// The tables: which row of a submission is changed, and the columns.
const TABLES: [(Table, &str, Columns); 8] = [
    (Table::LaunchSessions, "launch_id = '{l}'", LAUNCH_SESSION),
    (Table::SessionRecords, "launch_id = '{l}'", SESSION_RECORD),
    (Table::Submissions, "id = '{s}'", SUBMISSION),
    (Table::Files, "submission_id = '{s}' and upload_order = 1", FILE),
    (Table::Assignments, "submission_id = '{s}'", ASSIGNMENT),
    (Table::Marks, "id = (select min(id) from submission_section_marks where submission_id = '{s}')", MARK),
    (Table::Grades, "submission_id = '{s}'", GRADE),
    (Table::Enforcements, "submission_id = '{s}'", ENFORCEMENT),
];

/// Everything that names a code or a name beside the grade's assessment.
const BESIDE_ASSESSMENT: &[C] = &[
    C::LaunchSessionCourse,
    C::SessionRecordCourse,
    C::SubmissionCourse,
    C::MarksSections,
    C::GradeFinal,
    C::FileNames,
    C::FileBlobNames,
    C::FileTypes,
];

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (table, row, columns) in TABLES {
        for (names, value, found_by) in columns {
            for column in names.split_whitespace() {
                let table_name = table.name();
                kinds.push(Kind {
                    name: format!("{table_name}.{column}"),
                    planted_in: table_name.to_owned(),
                    fits: if table == Table::Enforcements { MALPRACTICE } else { ANY },
                    sql: format!(
                        "update pg_temp.{table_name} set {column} = {} where {row}",
                        value.replace("{c}", column)
                    ),
                    found_by: found_by.to_vec(),
                    may: if column == "assessment_id" { BESIDE_ASSESSMENT } else { &[] },
                    whose: Whose::One,
                });
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::rows::SINGLE_ROWS;

    #[test]
    fn a_kind_changes_every_written_column_of_every_table() {
        let kinds = kinds();
        let has = |table: Table, column: &str| {
            let name = format!("{}.{column}", table.name());
            assert!(kinds.iter().any(|kind| kind.name == name), "{name}: no kind");
        };
        for (table, rules, _) in SINGLE_ROWS {
            for rule in rules {
                has(table, rule.column);
            }
        }
        // Rows are looked up by their ids; and what is about the files.
        has(Table::Assignments, "id");
        for column in ["id", "file_count", "total_file_size"] {
            has(Table::Submissions, column);
        }
        for table in [Table::Files, Table::Marks, Table::Grades, Table::Enforcements] {
            // When a rule was applied is the run's own clock, which nothing can be compared with.
            let compared = table.columns().iter().filter(|column| **column != "rule_applied_at");
            for column in compared {
                has(table, column);
            }
        }
    }
}
