//! Corruptions, planted in a real target by SQL, each in a submission of its own: each is found by the check that is meant
//! for it, and by no other. Shares no code with `src/verify`.

use std::collections::{BTreeMap, BTreeSet};

use rogo_migrate::{domain::SubmissionIds, sample::LMS_INSTANCE};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::{by_attempt, verification, verify};
use crate::{
    readback::Target,
    support::app::{Sample, TestApp},
};

/// One change to one submission, or to two.
#[derive(Clone)]
struct Plant {
    name: String,
    /// `{sub}`, `{launch}`, `{attempt}`, `{other}` (the submission of another, untouched attempt) are filled in.
    sql: String,
    /// Checks that must find it.
    found_by: Vec<&'static str>,
    /// Checks that may find it too, because they compare the same value.
    also: Vec<&'static str>,
    /// Condition on `assignment_submissions s` for the submission to plant it in.
    fits: &'static str,
    /// Of a change that is found in the other submission too: condition on `s` and the other one, `o`.
    pair: Option<&'static str>,
}

const ANY: &str = "not exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)
    and exists (select from submission_section_marks m where m.submission_id = s.id)
    and (select count(*) from submission_files f where f.submission_id = s.id and f.submission_file_type = 'submission') >= 2";
const MALPRACTICE: &str = "exists (select from malpractice_enforcements e where e.submission_id = s.id)
    and exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)";
/// Malpractice whose rule gave way to another one: what is found is the grade's alone.
const MALPRACTICE_GRADE: &str = "exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)
    and not exists (select from malpractice_enforcements e where e.submission_id = s.id)";
/// An assessment of exactly the name that exercise and version give, beside a longer name that begins and ends so too.
const EXACT_NAME: &str =
    "exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is null
    and g.assessment_id like 'assessment-5EX91-%')";

/// A learner whose names and address are not blank, and have letters.
const PLAIN_NAMES: &str = "upper(s.full_name) <> s.full_name and s.first_name <> '' and s.email <> ''
    and not exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)";
const POSITIVE_MARK: &str = "exists (select from submission_section_marks m where m.submission_id = s.id and m.marks_awarded > 0)
    and not exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)";

/// Table, key, and for each column: an expression for another value, the checks that find it, those that may.
type Columns = &'static [(&'static str, &'static str, &'static str, &'static str)];

/// What names a code or a name beside the grade's assessment.
const BESIDE_ASSESSMENT: &str = "launch_session_course session_record_course submission_course marks_sections grade_final file_names file_blob_names file_types";
const RECEIPT: &str = "receipt_unchanged";
const TEXT: &str = "coalesce({c}, '') || 'x'";
const MICROSECOND: &str = "{c} + interval '1 microsecond'";
const CENT: &str = "{c} + 0.01";
const NEXT: &str = "{c} + 1";

const TABLES: [(&str, &str, Columns); 8] = [
    (
        "lti_launch_sessions",
        "launch_id = '{launch}'",
        &[
            ("id", TEXT, "launch_session_present", ""),
            ("launch_id", TEXT, "launch_session_present", ""),
            ("consumer_key", TEXT, "launch_session_consumer", ""),
            ("user_id", TEXT, "launch_session_learner submission_ids", ""),
            ("user_email", TEXT, "launch_session_learner", ""),
            ("user_name", TEXT, "launch_session_learner", ""),
            ("course_name", TEXT, "launch_session_course", ""),
            ("return_url", TEXT, "launch_session_course", ""),
            ("context_id", TEXT, "launch_session_course submission_ids", ""),
            ("tool_consumer_instance_guid", TEXT, "launch_session_consumer", ""),
            ("custom_params", TEXT, "launch_session_course", ""),
            ("lti_message_type", TEXT, "launch_session_consumer", ""),
            ("context_type", TEXT, "launch_session_consumer", ""),
            ("context_title", TEXT, "launch_session_course", ""),
            ("roles", TEXT, "launch_session_consumer", ""),
            ("lis_person_name_given", TEXT, "launch_session_learner", ""),
            ("lis_person_name_family", TEXT, "launch_session_learner", ""),
            ("lis_person_name_full", TEXT, "launch_session_learner", ""),
            ("lis_person_contact_email_primary", TEXT, "launch_session_learner", ""),
            ("tool_consumer_instance_name", TEXT, "launch_session_consumer", ""),
            ("custom_action", TEXT, "launch_session_consumer", ""),
            ("assignment_title", TEXT, "launch_session_consumer", ""),
            ("custom_instruction_set", TEXT, "launch_session_consumer", ""),
            ("custom_assessment_code", TEXT, "launch_session_course", ""),
            ("expires_at", MICROSECOND, "launch_session_expiry", ""),
        ],
    ),
    (
        "lti_session_records",
        "launch_id = '{launch}'",
        &[
            ("launch_id", TEXT, "session_record_present", ""),
            ("lms_user_id", TEXT, "session_record_learner submission_ids", ""),
            ("consumer_name", TEXT, "session_record_consumer", ""),
            ("role", TEXT, "session_record_consumer", ""),
            ("first_name", TEXT, "session_record_learner", ""),
            ("last_name", TEXT, "session_record_learner", ""),
            ("full_name", TEXT, "session_record_learner", ""),
            ("email", TEXT, "session_record_learner", ""),
            ("custom_action", TEXT, "session_record_consumer", ""),
            ("custom_instruction_set", TEXT, "session_record_consumer", ""),
            ("custom_assessment_code", TEXT, "session_record_course", ""),
            ("context_type", TEXT, "session_record_consumer", ""),
            ("context_title", TEXT, "session_record_course", ""),
            ("resource_link_title", TEXT, "session_record_course", ""),
            ("context_id", TEXT, "session_record_course submission_ids", ""),
            ("consumer_key", TEXT, "session_record_consumer", ""),
            ("tool_consumer_instance_guid", TEXT, "session_record_consumer", ""),
            ("return_url", TEXT, "session_record_course", ""),
            ("has_file_submission", "'false'", "session_record_consumer", ""),
            ("session_expiry", MICROSECOND, "session_record_expiry", ""),
        ],
    ),
    (
        "assignment_submissions",
        "id = '{sub}'",
        &[
            (
                "lti_session_record_id",
                "(select lti_session_record_id from assignment_submissions where id = '{other}')",
                "submission_present",
                "",
            ),
            ("lti_launch_id", TEXT, "submission_present", ""),
            ("file_count", NEXT, "submission_file_count", ""),
            ("total_file_size", TEXT, "submission_file_size", ""),
            ("submitted_at", MICROSECOND, "submission_dates", ""),
            ("attempt_number", NEXT, "submission_attempt_number", ""),
            ("lms_user_id", TEXT, "submission_learner submission_ids", ""),
            ("consumer_name", TEXT, "submission_consumer", ""),
            ("role", TEXT, "submission_consumer", ""),
            ("first_name", TEXT, "submission_learner", ""),
            ("last_name", TEXT, "submission_learner", ""),
            ("full_name", TEXT, "submission_learner", ""),
            ("email", TEXT, "submission_learner", ""),
            ("custom_instruction_set", TEXT, "submission_consumer", ""),
            ("custom_assessment_code", TEXT, "submission_course", ""),
            ("custom_action", TEXT, "submission_consumer", ""),
            ("context_type", TEXT, "submission_consumer", ""),
            ("context_title", TEXT, "submission_course", ""),
            ("context_id", TEXT, "submission_course submission_ids", ""),
            ("created_at", MICROSECOND, "submission_dates", ""),
            ("updated_at", "{c} + interval '1 hour'", "submission_dates", ""),
        ],
    ),
    (
        "submission_files",
        "submission_id = '{sub}' and upload_order = 1",
        &[
            ("id", TEXT, "files_present nothing_surplus", ""),
            (
                "submission_id",
                "(select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1)",
                "files_present",
                "",
            ),
            ("file_name", TEXT, "file_names", ""),
            ("original_file_name", TEXT, "file_names", ""),
            ("file_size", "'99.9 MB'", "file_sizes", ""),
            ("file_type", TEXT, "file_types", ""),
            ("file_mime_type", TEXT, "file_types", ""),
            ("file_url", "{c} || '?'", "file_urls", ""),
            ("azure_blob_url", TEXT, "file_urls", ""),
            ("azure_container_name", TEXT, "file_urls", ""),
            ("azure_blob_name", TEXT, "file_urls file_blob_names", ""),
            ("upload_order", "99", "files_present", ""),
            ("uploaded_at", MICROSECOND, "file_dates", ""),
            ("submission_file_type", "'feedback'", "file_types", ""),
            ("uploaded_by", TEXT, "file_uploader", ""),
            ("turnitin_status", TEXT, "file_types", ""),
        ],
    ),
    (
        "submission_marking_assignments",
        "submission_id = '{sub}'",
        &[
            ("id", TEXT, "marking_assignment_present nothing_surplus", ""),
            (
                "submission_id",
                "(select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1)",
                "marking_assignment_present",
                "",
            ),
            ("marking_status", "'waiting'", "marking_assignment_released", ""),
            ("status_updated_at", MICROSECOND, "marking_assignment_dates", ""),
            ("created_at", MICROSECOND, "marking_assignment_dates", ""),
            ("updated_at", MICROSECOND, "marking_assignment_dates", ""),
        ],
    ),
    (
        "submission_section_marks",
        "id = (select min(id) from submission_section_marks where submission_id = '{sub}')",
        &[
            ("id", TEXT, "marks_present marks_sections nothing_surplus", ""),
            (
                "submission_id",
                "(select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1)",
                "marks_present",
                "",
            ),
            (
                "section_id",
                "(select s.id from assessment_sections s where s.id not in (select section_id from submission_section_marks where submission_id = '{sub}') limit 1)",
                "marks_sections",
                "",
            ),
            ("marks_awarded", CENT, "marks_values", ""),
            ("feedback", TEXT, "marks_comments", ""),
        ],
    ),
    (
        "submission_grades",
        "submission_id = '{sub}'",
        &[
            ("id", TEXT, "grade_present", ""),
            (
                "submission_id",
                "(select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1)",
                "grade_present",
                "",
            ),
            (
                "assessment_id",
                "(select a.id from assessments a where left(a.code, 2) <> (select left(o.code, 2) from assessments o where o.id = submission_grades.assessment_id) limit 1)",
                "grade_assessment",
                BESIDE_ASSESSMENT,
            ),
            ("total_marks_awarded", CENT, "grade_marks", ""),
            ("total_marks_possible", CENT, "grade_marks", ""),
            ("percentage_score", CENT, "grade_percentage", ""),
            ("final_grade", TEXT, "grade_final", ""),
            ("overall_summary", TEXT, "grade_summary", ""),
            ("malpractice_level_id", "(select id from malpractice_levels limit 1)", "malpractice_notes", ""),
            ("malpractice_notes", "'Malpractice'", "malpractice_notes", ""),
            ("is_complete", "false", "grade_complete", ""),
            ("completed_at", MICROSECOND, "grade_complete", ""),
        ],
    ),
    (
        "malpractice_enforcements",
        "submission_id = '{sub}'",
        &[
            ("lms_user_id", TEXT, "enforcement_newest nothing_surplus", ""),
            ("custom_assessment_code", TEXT, "enforcement_newest nothing_surplus", ""),
            ("context_id", TEXT, "enforcement_newest nothing_surplus", ""),
            ("context_title", TEXT, "enforcement_newest", ""),
            (
                "submission_id",
                "(select o.id from assignment_submissions o order by o.created_at limit 1)",
                "enforcement_newest",
                "",
            ),
            (
                "malpractice_level_id",
                "(select l.id from malpractice_levels l where l.id <> malpractice_level_id limit 1)",
                "enforcement_newest",
                "",
            ),
            ("attempt_number", NEXT, "enforcement_newest", ""),
            ("enforced_max_attempts", "coalesce({c}, 0) + 1", "enforcement_newest", ""),
            (
                "rule_applied_by",
                "(select id from users u where u.id <> rule_applied_by limit 1)",
                "enforcement_newest",
                "",
            ),
            ("id", TEXT, "enforcement_newest", ""),
        ],
    ),
];

/// Columns that verify reads and no line of [`TABLES`] rewrites, each with the reason. Of no column, keys included, can it be
/// noticed that it was rewritten to the value that it had: a key that is the same names the same row, and the stored rows
/// are then those of the receipt.
const LEFT_OUT: [(&str, &str); 7] = [
    (
        "lti_launch_sessions.resource_link_id",
        "the run does not write it, and what others write there is no difference",
    ),
    ("lti_launch_sessions.created_at", "left to the database, whose time it is"),
    ("lti_session_records.id", "other rows refer to it: one of `others` takes them along"),
    (
        "lti_session_records.resource_link_id",
        "the run does not write it, and what others write there is no difference",
    ),
    ("lti_session_records.created_at", "left to the database, whose time it is"),
    ("assignment_submissions.id", "other rows refer to it: one of `others` rewrites it under them"),
    (
        "malpractice_enforcements.rule_applied_at",
        "left to the database, whose time it is; it counts where no submission dates the rule: one of `others`",
    ),
];

#[test]
fn every_column_that_verify_reads_is_rewritten_or_left_out_for_a_reason() {
    let rewritten = TABLES
        .iter()
        .flat_map(|(table, _, columns)| columns.iter().map(move |(column, ..)| format!("{table}.{column}")));
    let left_out = LEFT_OUT.iter().map(|(column, _)| (*column).to_owned());
    let mut named: Vec<String> = rewritten.chain(left_out).collect();
    let mut read: Vec<String> = rogo_migrate::ports::Table::ALL
        .iter()
        .flat_map(|table| table.columns().iter().map(|column| format!("{}.{column}", table.name())))
        .collect();
    named.sort();
    read.sort();
    assert_eq!(named, read);
}

impl Plant {
    /// A receipt is of the submission's own rows: it does not hold if one of them is changed or lost. Rows that stand
    /// beside them, and enforcements, do not enter.
    fn breaks_the_receipt(&self) -> bool {
        let apart = ["nothing_surplus", "submission_single", "enforcement_newest"];
        self.found_by.iter().any(|check| !apart.contains(check))
    }
}

/// A change for each written column of each table.
fn columns() -> Vec<Plant> {
    let plant =
        |table: &str,
         key: &str,
         (column, value, found_by, also): &(&str, &'static str, &'static str, &'static str)| Plant {
            name: format!("{table}.{column}"),
            sql: format!("update {table} set {column} = {} where {key}", value.replace("{c}", column)),
            found_by: found_by.split_whitespace().collect(),
            also: also.split_whitespace().collect(),
            fits: if table == "malpractice_enforcements" { MALPRACTICE } else { ANY },
            pair: None,
        };
    TABLES
        .iter()
        .flat_map(|(table, key, columns)| columns.iter().map(move |column| plant(table, key, column)))
        .collect()
}

/// Rows that are lost, doubled or surplus, and values that look right beside each other.
fn others() -> Vec<Plant> {
    let of = |name: &str, fits: &'static str, sql: &str, found_by: &'static str, also: &'static str| Plant {
        name: name.to_owned(),
        sql: sql.to_owned(),
        found_by: found_by.split_whitespace().collect(),
        also: also.split_whitespace().collect(),
        fits,
        pair: None,
    };
    vec![
        of("a lost submission", ANY, "delete from assignment_submissions where id = '{sub}'",
            "submission_present files_present learner_file_present marking_assignment_present marks_present grade_present", ""),
        of("a lost launch session", ANY, "delete from lti_launch_sessions where launch_id = '{launch}'", "launch_session_present", ""),
        of("a lost session record", ANY, "update assignment_submissions set lti_session_record_id = null where id = '{sub}'; delete from lti_session_records where launch_id = '{launch}'",
            "session_record_present submission_present", ""),
        of("lti_session_records.id", ANY, "update assignment_submissions set lti_session_record_id = null where id = '{sub}'; update lti_session_records set id = id || 'x' where launch_id = '{launch}';
            update assignment_submissions set lti_session_record_id = (select id from lti_session_records where launch_id = '{launch}') where id = '{sub}'",
            "session_record_present submission_present", ""),
        of("a lost file", ANY, "delete from submission_files where submission_id = '{sub}' and upload_order = 2", "files_present", ""),
        of("all files lost", ANY, "delete from submission_files where submission_id = '{sub}'", "files_present learner_file_present", ""),
        of("a lost marking assignment", ANY, "delete from submission_marking_assignments where submission_id = '{sub}'", "marking_assignment_present", ""),
        of("a lost mark", ANY, "delete from submission_section_marks where id = (select min(id) from submission_section_marks where submission_id = '{sub}')",
            "marks_present marks_sections", ""),
        of("a lost grade", ANY, "delete from submission_grades where submission_id = '{sub}'", "grade_present", ""),
        of("another level of malpractice", MALPRACTICE_GRADE,
            "update submission_grades set malpractice_level_id = (select l.id from malpractice_levels l where l.id <> malpractice_level_id limit 1) where submission_id = '{sub}'",
            "malpractice_notes", ""),
        of("an assessment of the same unit in another version", ANY,
            "update submission_grades set assessment_id = (select a.id from assessments a join assessments own on own.id = submission_grades.assessment_id
                where split_part(a.code, '-', 1) = split_part(own.code, '-', 1) and a.id <> own.id limit 1) where submission_id = '{sub}'",
            "grade_assessment", BESIDE_ASSESSMENT),
        of("an assessment of a longer name", EXACT_NAME,
            "update submission_grades set assessment_id = replace(assessment_id, '-5EX91-', '-5EX91X-') where submission_id = '{sub}'", "grade_assessment", BESIDE_ASSESSMENT),
        // Its files and the rest still name the old id.
        of("assignment_submissions.id", ANY, "set local session_replication_role = replica; update assignment_submissions set id = id || 'x' where id = '{sub}'",
            "submission_present submission_single", ""),
        of("all marks lost", ANY, "delete from submission_section_marks where submission_id = '{sub}'", "marks_present marks_sections", ""),
        of("a text in upper case", PLAIN_NAMES, "update assignment_submissions set full_name = upper(full_name) where id = '{sub}'", "submission_learner", ""),
        of("a text with a space behind it", PLAIN_NAMES, "update assignment_submissions set first_name = first_name || ' ' where id = '{sub}'", "submission_learner", ""),
        of("a text that was emptied", PLAIN_NAMES, "update assignment_submissions set email = '' where id = '{sub}'", "submission_learner", ""),
        of("a null in the place of a text", ANY, "update lti_launch_sessions set user_name = null where launch_id = '{launch}'", "launch_session_learner", ""),
        of("a mark of another sign", POSITIVE_MARK, "update submission_section_marks set marks_awarded = -marks_awarded where submission_id = '{sub}' and marks_awarded > 0", "marks_values", ""),
        of("a mark that was lost", ANY, "update submission_section_marks set marks_awarded = null where submission_id = '{sub}'", "marks_values", ""),
        of("marks awarded above those possible", ANY, "update submission_grades set total_marks_awarded = total_marks_possible + 1 where submission_id = '{sub}'", "grade_marks", ""),
        of("a date an hour later", ANY, "update assignment_submissions set submitted_at = submitted_at + interval '1 hour' where id = '{sub}'", "submission_dates", ""),
        of("all dates an hour earlier", ANY, "update assignment_submissions set submitted_at = submitted_at - interval '1 hour', created_at = created_at - interval '1 hour',
                updated_at = updated_at - interval '1 hour' where id = '{sub}';
            update submission_files set uploaded_at = uploaded_at - interval '1 hour' where submission_id = '{sub}';
            update submission_marking_assignments set status_updated_at = status_updated_at - interval '1 hour', created_at = created_at - interval '1 hour',
                updated_at = updated_at - interval '1 hour' where submission_id = '{sub}';
            update submission_grades set completed_at = completed_at - interval '1 hour' where submission_id = '{sub}'",
            "submission_dates file_dates marking_assignment_dates grade_complete", ""),
        of("a date without its time zone's day", ANY, "update submission_grades set completed_at = completed_at - interval '1 day' where submission_id = '{sub}'", "grade_complete", ""),
        of("an expiry that is infinite", ANY, "update lti_session_records set session_expiry = 'infinity' where launch_id = '{launch}'", "session_record_expiry", ""),
        of("the enforcement of an older attempt", MALPRACTICE, "update malpractice_enforcements set submission_id = (select o.id from assignment_submissions o
                where o.created_at < (select own.created_at from assignment_submissions own where own.id = '{sub}') and o.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$'
                and not exists (select from submission_grades g where g.submission_id = o.id and g.malpractice_level_id is not null)
                order by o.created_at desc limit 1) where submission_id = '{sub}'",
            "enforcement_newest", ""),
        of("a lost enforcement", MALPRACTICE, "delete from malpractice_enforcements where submission_id = '{sub}'", "enforcement_newest", ""),
        of("a doubled submission", ANY, "insert into assignment_submissions (lti_launch_id) values ('{launch}')", "submission_single", ""),
        of("a second submission of the attempt", ANY, "insert into assignment_submissions (lti_launch_id) values ('rogo_{attempt}_1733011200000k3x9q0z7a')", "submission_single", ""),
        of("a second launch session of the attempt", ANY, "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('rogo_{attempt}_copy', 'k', now())", "nothing_surplus", ""),
        of("a second session record of the attempt", ANY, "insert into lti_session_records (launch_id, session_expiry) values ('rogo_{attempt}_copy', now())", "nothing_surplus", ""),
        of("a doubled file", ANY, "insert into submission_files (submission_id, file_name, original_file_name, file_url) values ('{sub}', 'a', 'a', 'a')", "nothing_surplus", ""),
        of("a doubled marking assignment", ANY, "insert into submission_marking_assignments (submission_id) values ('{sub}')", "nothing_surplus", ""),
        of("a doubled mark", ANY, "insert into submission_section_marks (submission_id, section_id) select submission_id, section_id from submission_section_marks where submission_id = '{sub}' limit 1", "nothing_surplus", ""),
        of("an enforcement without malpractice", ANY, "insert into malpractice_enforcements (lms_user_id, custom_assessment_code, malpractice_level_id, submission_id, rule_applied_by)
            select lms_user_id, 'nothing', (select id from malpractice_levels limit 1), id, (select id from users limit 1) from assignment_submissions where id = '{sub}'", "nothing_surplus", ""),
        of("a gap in the order", ANY, "update submission_files set upload_order = upload_order + 1 where submission_id = '{sub}' and upload_order >= 2", "files_present", ""),
        of("files in each other's place", ANY, "update submission_files set upload_order = 3 - upload_order where submission_id = '{sub}' and upload_order in (1, 2)", "files_present", ""),
        of("a text cut short", "s.context_title like '%_____%' and not exists (select from submission_grades g where g.submission_id = s.id and g.malpractice_level_id is not null)",
            "update assignment_submissions set context_title = left(context_title, -1) where id = '{sub}'", "submission_course", ""),
        of("files that are all the marker's", ANY, "update submission_files set submission_file_type = 'feedback' where submission_id = '{sub}'", "file_types learner_file_present", ""),
        of("a blob of an unknown writer", ANY, "update submission_files set azure_blob_name = 'LTI_Uploads/ffffffffffff/' || split_part(azure_blob_name, '/', 3) where submission_id = '{sub}' and upload_order = 1",
            "file_blob_names file_urls", ""),
        of("one learner's ids without their instance", ANY, "update lti_launch_sessions set user_id = 'x' || user_id where launch_id = '{launch}'; update lti_session_records set lms_user_id = 'x' || lms_user_id where launch_id = '{launch}';
            update assignment_submissions set lms_user_id = 'x' || lms_user_id where id = '{sub}'", "launch_session_learner session_record_learner submission_learner submission_ids", ""),
        of("an instance without an id, everywhere", ANY, "update lti_launch_sessions set user_id = split_part(user_id, '::', 1) || '::' where launch_id = '{launch}';
            update lti_session_records set lms_user_id = split_part(lms_user_id, '::', 1) || '::' where launch_id = '{launch}';
            update assignment_submissions set lms_user_id = split_part(lms_user_id, '::', 1) || '::' where id = '{sub}'",
            "launch_session_learner session_record_learner submission_learner submission_ids", ""),
        of("a context with a second \"::\", everywhere", ANY, "update lti_launch_sessions set context_id = context_id || '::1' where launch_id = '{launch}';
            update lti_session_records set context_id = context_id || '::1' where launch_id = '{launch}'; update assignment_submissions set context_id = context_id || '::1' where id = '{sub}'",
            "launch_session_course session_record_course submission_course submission_ids", ""),
        of("the enforcement of no attempt", MALPRACTICE, "update malpractice_enforcements set submission_id = null, rule_applied_at = '2001-01-01' where submission_id = '{sub}'", "enforcement_newest", ""),
        of("the limit of another level", "exists (select from malpractice_enforcements e where e.submission_id = s.id and e.enforced_max_attempts is not null)",
            "update malpractice_enforcements set enforced_max_attempts = null where submission_id = '{sub}'", "enforcement_newest", ""),
    ]
}

/// Values of two learners, each in the place of the other's: name, condition on both, statement, check.
const SWAPPED: [(&str, &str, &str, &str); 13] = [
    (
        "marks of two learners swapped",
        "exists (select from submission_section_marks a join submission_section_marks b on b.section_id = a.section_id
            and b.marks_awarded <> a.marks_awarded where a.submission_id = s.id and b.submission_id = o.id)",
        "update submission_section_marks m set marks_awarded = b.marks_awarded from submission_section_marks b
         where b.section_id = m.section_id and b.submission_id <> m.submission_id
         and m.submission_id in ('{sub}', '{other}') and b.submission_id in ('{sub}', '{other}')",
        "marks_values",
    ),
    (
        "total marks of two learners swapped",
        "(select total_marks_awarded from submission_grades where submission_id = s.id)
            <> (select total_marks_awarded from submission_grades where submission_id = o.id)",
        "update submission_grades g set total_marks_awarded = b.total_marks_awarded from submission_grades b
         where b.submission_id <> g.submission_id and g.submission_id in ('{sub}', '{other}') and b.submission_id in ('{sub}', '{other}')",
        "grade_marks",
    ),
    (
        "names of two learners swapped",
        "s.full_name <> o.full_name",
        "update assignment_submissions g set full_name = b.full_name from assignment_submissions b
         where b.id <> g.id and g.id in ('{sub}', '{other}') and b.id in ('{sub}', '{other}')",
        "submission_learner",
    ),
    (
        "blobs of two learners swapped",
        "true",
        "update submission_files g set azure_blob_name = b.azure_blob_name, file_url = b.file_url, azure_blob_url = b.azure_blob_url
         from submission_files b where b.submission_id <> g.submission_id and g.upload_order = 1 and b.upload_order = 1
         and g.submission_id in ('{sub}', '{other}') and b.submission_id in ('{sub}', '{other}')",
        "file_blob_names",
    ),
    (
        "launch sessions of two submissions exchanged",
        "true",
        "create temporary table two as select id, launch_id from lti_launch_sessions
            where launch_id in (select lti_launch_id from assignment_submissions where id in ('{sub}', '{other}'));
         update lti_launch_sessions set launch_id = 'x' || launch_id where id in (select id from two);
         update lti_launch_sessions g set launch_id = two.launch_id from two where g.id in (select id from two) and g.id <> two.id;
         drop table two",
        "launch_session_present",
    ),
    (
        "session records of two submissions exchanged",
        "true",
        "create temporary table two as select id, launch_id from lti_session_records
            where launch_id in (select lti_launch_id from assignment_submissions where id in ('{sub}', '{other}'));
         update lti_session_records set launch_id = 'x' || launch_id where id in (select id from two);
         update lti_session_records g set launch_id = two.launch_id from two where g.id in (select id from two) and g.id <> two.id;
         drop table two",
        "session_record_present",
    ),
    (
        "launch ids of two submissions exchanged",
        "true",
        "update assignment_submissions g set lti_launch_id = b.lti_launch_id from assignment_submissions b
         where b.id <> g.id and g.id in ('{sub}', '{other}') and b.id in ('{sub}', '{other}')",
        "submission_present submission_single",
    ),
    (
        "two submissions under each other's session record",
        "true",
        "update assignment_submissions g set lti_session_record_id = b.lti_session_record_id from assignment_submissions b
         where b.id <> g.id and g.id in ('{sub}', '{other}') and b.id in ('{sub}', '{other}')",
        "submission_present",
    ),
    (
        "files of two submissions exchanged",
        "true",
        "update submission_files set submission_id = case submission_id when '{sub}' then '{other}' else '{sub}' end
         where submission_id in ('{sub}', '{other}')",
        "files_present",
    ),
    (
        "marking assignments of two submissions exchanged",
        "true",
        "update submission_marking_assignments set submission_id = case submission_id when '{sub}' then '{other}' else '{sub}' end
         where submission_id in ('{sub}', '{other}')",
        "marking_assignment_present",
    ),
    (
        "section marks of two submissions exchanged",
        "true",
        "update submission_section_marks set submission_id = case submission_id when '{sub}' then '{other}' else '{sub}' end
         where submission_id in ('{sub}', '{other}')",
        "marks_present",
    ),
    (
        "grades of two submissions exchanged",
        "(select final_grade from submission_grades where submission_id = s.id)
            <> (select final_grade from submission_grades where submission_id = o.id)",
        "create temporary table two as select id, submission_id from submission_grades where submission_id in ('{sub}', '{other}');
         update submission_grades set submission_id = null where id in (select id from two);
         update submission_grades g set submission_id = two.submission_id from two where g.id in (select id from two) and g.id <> two.id;
         drop table two",
        "grade_present",
    ),
    (
        "enforcements of two submissions exchanged",
        "",
        "update malpractice_enforcements set submission_id = case submission_id when '{sub}' then '{other}' else '{sub}' end
         where submission_id in ('{sub}', '{other}')",
        "enforcement_newest",
    ),
];

fn swapped() -> impl Iterator<Item = Plant> {
    SWAPPED.into_iter().map(|(name, pair, sql, found_by)| Plant {
        name: name.to_owned(),
        sql: sql.to_owned(),
        found_by: found_by.split_whitespace().collect(),
        also: Vec::new(),
        // Of two rules the condition is that both stand.
        fits: if pair.is_empty() { MALPRACTICE } else { ANY },
        pair: Some(if pair.is_empty() { "true" } else { pair }),
    })
}

/// Found about rows that are no submission of the run.
const OF_NOBODY: &str = "nothing_surplus";
/// A row that names no submission of the run, and a blob that the run wrote.
const NOBODYS: (&str, &str) = (
    "a foreign row with a blob of this run",
    "insert into submission_files (submission_id, file_name, original_file_name, file_url, azure_blob_name)
        select (select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1), 'a', 'a', 'a', azure_blob_name
        from submission_files where azure_blob_name like 'LTI_Uploads/%' limit 1",
);
const OF_FAILED: &str = "failed_absent";

/// Every change to a submission of the run.
fn plants() -> impl Iterator<Item = Plant> {
    others().into_iter().chain(columns()).chain(swapped())
}

/// Every change that the test of this file plants in rows, with the checks that have to find it.
pub(super) fn planted() -> impl Iterator<Item = (String, Vec<&'static str>)> {
    let of_plant = |plant: Plant| {
        let receipt = plant.breaks_the_receipt().then_some(RECEIPT);
        (plant.name, plant.found_by.into_iter().chain(receipt).collect())
    };
    plants().map(of_plant).chain([(NOBODYS.0.to_owned(), vec![OF_NOBODY])])
}

/// The checks without which the test of this file fails.
pub(super) fn demanded() -> BTreeSet<&'static str> {
    plants().flat_map(|plant| plant.found_by).chain([OF_NOBODY, OF_FAILED, RECEIPT]).collect()
}

struct Submission {
    attempt: String,
    launch: String,
    id: String,
}

/// The submissions of the run that fit.
async fn submissions(app: &TestApp<'_>, fits: &str) -> Vec<Submission> {
    let sql = format!(
        "select split_part(s.lti_launch_id, '_', 2), s.lti_launch_id, s.id from assignment_submissions s
         where exists (select from submission_files f where f.submission_id = s.id and f.azure_blob_name ~ '/[0-9a-f]{{12}}/')
         and s.lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{{32}}$' and {fits} order by s.id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(app.database.pool()).await.unwrap();
    rows.iter().map(|row| Submission { attempt: row.get(0), launch: row.get(1), id: row.get(2) }).collect()
}

/// Ids of two of these submissions that fit together.
async fn pair(app: &TestApp<'_>, condition: &str, among: &[Submission]) -> (String, String) {
    let sql = format!(
        "select s.id, o.id from assignment_submissions s join assignment_submissions o on o.id <> s.id
         where s.id = any($1) and o.id = any($1) and {condition} limit 1"
    );
    let ids: Vec<&str> = among.iter().map(|one| one.id.as_str()).collect();
    sqlx::query_as(AssertSqlSafe(sql)).bind(ids).fetch_one(app.database.pool()).await.unwrap()
}

/// The submission to plant it in, and another one that is untouched, if one fits.
async fn place(
    app: &TestApp<'_>,
    plant: &Plant,
    taken: &BTreeSet<String>,
) -> (Submission, Option<Submission>) {
    let mut fitting = submissions(app, plant.fits).await;
    fitting.retain(|one| !taken.contains(&one.id));
    if let Some(condition) = plant.pair {
        let (one, other) = pair(app, condition, &fitting).await;
        let mut of = |id: &str| fitting.remove(fitting.iter().position(|known| known.id == id).unwrap());
        return (of(&one), Some(of(&other)));
    }
    assert!(!fitting.is_empty(), "{}: no submission is left for it", plant.name);
    let one = fitting.remove(0);
    (one, fitting.pop())
}

/// A sample in folders, and the program's environment for it.
pub async fn in_folders(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::new(sample).await;
    Target::folder(&mut app);
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", format!("file://{}", sample.path("warehouse").display()));
    app
}

#[tokio::test]
async fn every_planted_corruption_is_found_by_the_check_that_is_meant_for_it_and_by_no_other() {
    // As many as hold malpractice for each change to a rule.
    let sample = Sample::in_folder(1_600, 7, |options| options.file_bytes = "10-3000".parse().unwrap()).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let index = |table| format!("create index on {table} (submission_id);");
    let tables = ["submission_files", "submission_section_marks", "malpractice_enforcements"];
    app.database.run(&tables.map(index).concat()).await;
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut planted: BTreeMap<String, Plant> = BTreeMap::new();
    // Whatever fits few submissions comes first.
    let mut plants: Vec<Plant> = plants().collect();
    plants.sort_by_key(|plant| (plant.fits == ANY, plant.pair.is_none()));
    for plant in plants {
        let (one, other) = place(&app, &plant, &taken).await;
        let mut sql = plant
            .sql
            .replace("{sub}", &one.id)
            .replace("{launch}", &one.launch)
            .replace("{attempt}", &one.attempt);
        if sql.contains("{other}") {
            sql = sql.replace("{other}", &other.as_ref().expect("one that is untouched").id);
        }
        let changed = app.database.pool().execute(AssertSqlSafe(sql.clone())).await;
        let changed = changed.unwrap_or_else(|error| panic!("{}: {sql}: {error}", plant.name));
        assert!(changed.rows_affected() > 0, "{}: changes nothing", plant.name);
        let found_too = other.filter(|_| plant.pair.is_some());
        for one in [one].into_iter().chain(found_too) {
            taken.insert(one.id);
            assert!(planted.insert(one.attempt, plant.clone()).is_none(), "an attempt twice");
        }
    }
    assert!(planted.len() >= 130, "{} kinds", planted.len());
    app.database.run(NOBODYS.1).await;
    let failed = failed_attempts(&app);
    plant_failed(&app, &failed).await;

    verify(&app, &["--show-values"]).await.expect(1);
    let found = by_attempt(&app);
    let mut wrong = Vec::new();
    for (attempt, plant) in &planted {
        let checks = found.get(attempt).cloned().unwrap_or_default();
        let receipt = plant.breaks_the_receipt().then_some(RECEIPT);
        let must: BTreeSet<String> =
            plant.found_by.iter().copied().chain(receipt).map(str::to_owned).collect();
        let may: BTreeSet<String> =
            plant.also.iter().map(|check| (*check).to_owned()).chain(must.clone()).collect();
        if !must.is_subset(&checks) || !checks.is_subset(&may) {
            wrong
                .push(format!("{} (attempt {attempt}): found by {checks:?}, should be {must:?}", plant.name));
        }
    }
    for (attempt, checks) in found.iter().filter(|(attempt, _)| !planted.contains_key(*attempt)) {
        let expected = match attempt.as_str() {
            "" => OF_NOBODY,
            attempt if failed.contains(&attempt.to_owned()) => OF_FAILED,
            _ => "",
        };
        if !checks.iter().eq([expected]) {
            wrong.push(format!("nothing was planted in attempt {attempt:?}: {checks:?}"));
        }
    }
    let named = failed.iter().all(|attempt| found.contains_key(attempt));
    assert!(found.contains_key("") && named, "surplus rows without outcome");
    let result = verification(&app);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), planted.len(), wrong.join("\n"));
    // What cannot be planted in the target's tables is planted in run store and warehouse by another test.
    let elsewhere = [
        "outcome_ids",
        "report_present",
        "files_count_note",
        "skipped_claims",
        "source_unchanged",
        "run_receipt",
    ];
    let silent =
        |check: &&Value| check["different"] == 0 && !elsewhere.iter().any(|name| check["name"] == *name);
    let checks = result["checks"].as_array().unwrap();
    let silent: Vec<_> = checks.iter().filter(silent).map(|check| &check["name"]).collect();
    assert!(silent.is_empty(), "no corruption is found by {silent:?}");
}

/// Attempts of rows that failed.
fn failed_attempts(app: &TestApp<'_>) -> [String; 8] {
    let failed = app.failed_in(".");
    let of = |code: &str| failed.iter().find(|(_, own)| own == code).unwrap().0.trim().to_owned();
    let codes = [
        "file_missing",
        "mapping_missing",
        "report_missing",
        "score_incomplete",
        "grade_missed",
        "exercise_invalid",
        "assessment_missing",
        "unit_version_missing",
    ];
    codes.map(of)
}

/// What a run that lost count of a failed row may have left of it, in another way for each attempt.
async fn plant_failed(app: &TestApp<'_>, failed: &[String; 8]) {
    let ids = |attempt: &str| SubmissionIds::new(LMS_INSTANCE, attempt.parse().unwrap());
    let [whole, session, record, children, foreign, unnamed, file, alone] = failed;
    let live = "(select id from assignment_submissions where lti_launch_id not like 'rogo%' limit 1)";
    let ours =
        "(select azure_blob_name from submission_files where azure_blob_name like 'LTI_Uploads/%' limit 1)";
    let writer = "(select split_part(azure_blob_name, '/', 2) from submission_files where azure_blob_name like 'LTI_Uploads/%' limit 1)";
    let launch = |attempt: &str| ids(attempt).launch_id();
    let row = |attempt: &str, table: &str| ids(attempt).row(table, 1);
    let submission = |id: &str, launch: &str| {
        format!("insert into assignment_submissions (id, lti_launch_id) values ('{id}', '{launch}');")
    };
    let session_of = |launch: &str| {
        format!(
            "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('{launch}', 'k', now());"
        )
    };
    let file_of = |id: &str, submission: &str, blob: &str| {
        format!(
            "insert into submission_files (id, submission_id, file_name, original_file_name, file_url, azure_blob_name)
             values ({id}, {submission}, 'a', 'a', 'a', {blob});"
        )
    };
    let (own, any) = (row(whole, "assignment_submissions"), "gen_random_uuid()");
    let sql = [
        session_of(&launch(whole)),
        session_of(&launch(session)),
        session_of(&format!("rogo_{alone}_aa")),
        format!(
            "insert into lti_session_records (launch_id, session_expiry) values ('{}', now());",
            launch(record)
        ),
        // A submission by the attempt's own ids, with files of this run.
        submission(&own, &launch(whole)),
        file_of(&format!("'{}'", row(whole, "submission_files")), &format!("'{own}'"), ours),
        file_of(any, &format!("'{own}'"), ours),
        // Its rows beside another submission.
        format!(
            "insert into submission_grades (id, submission_id) values ('{}', null);
             insert into submission_marking_assignments (id, submission_id) values ('{}', {live});",
            row(children, "submission_grades"),
            row(children, "submission_marking_assignments")
        ),
        // Under launch ids that this program does not give: with a file of this run, without a file.
        submission("planted-1", &format!("rogo_{foreign}_aa")),
        file_of(any, "'planted-1'", ours),
        submission("planted-2", &format!("rogo_{unnamed}_1733011200000k3x9q0z7a")),
        // A blob of the attempt that this run's writer uploaded, beside another submission.
        file_of(any, live, &format!("'LTI_Uploads/' || {writer} || '/{file}_1_a.pdf'")),
    ];
    app.database.run(&sql.concat()).await;
}

#[tokio::test]
async fn a_failed_attempt_that_another_program_or_run_migrated_since_is_no_difference() {
    let sample = Sample::in_folder(300, 7, super::small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let failed = app.failed_in(".");
    let of = |code: &str| failed.iter().find(|(_, own)| own == code).unwrap().0.trim().to_owned();
    let (by_program, by_run) = (of("mapping_missing"), of("report_missing"));
    let ids = SubmissionIds::new(LMS_INSTANCE, by_run.parse().unwrap());
    let (launch, submission, file) =
        (ids.launch_id(), ids.row("assignment_submissions", 1), ids.row("submission_files", 1));
    app.database
        .run(&format!(
            "insert into lti_launch_sessions (launch_id, consumer_key, expires_at)
                 values ('rogo_{by_program}_1733011200000k3x9q0z7a', 'k', now()), ('{launch}', 'k', now());
             insert into lti_session_records (launch_id, session_expiry) values ('{launch}', now());
             insert into assignment_submissions (id, lti_launch_id)
                 values ('theirs', 'rogo_{by_program}_1733011200000k3x9q0z7a'), ('{submission}', '{launch}');
             insert into submission_marking_assignments (id, submission_id) values ('{}', '{submission}');
             insert into submission_files (id, submission_id, file_name, original_file_name, file_url, azure_blob_name)
                 values ('theirs', 'theirs', 'a', 'a', 'a', 'uploads/{by_program}/a'),
                     ('{file}', '{submission}', 'a', 'a', 'a', 'LTI_Uploads/ffffffffffff/{by_run}_1_a')",
            ids.row("submission_marking_assignments", 1)
        ))
        .await;
    let ended = verify(&app, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", app.result("verification_failures.csv"));

    // A file of this run in the other program's submission says whose it is.
    app.database
        .run(
            "update submission_files set azure_blob_name = (select azure_blob_name from submission_files
             where azure_blob_name like 'LTI_Uploads/%' and id <> 'theirs' and azure_blob_name not like '%ffffffffffff%' limit 1)
             where id = 'theirs'",
        )
        .await;
    verify(&app, &[]).await.expect(1);
    assert_eq!(super::failures(&app), [(by_program.clone(), OF_FAILED.to_owned())]);
    let list = app.out.path().join("list");
    std::fs::write(&list, format!("{by_program}\n")).unwrap();
    verify(&app, &["--attempts", list.to_str().unwrap()]).await.expect(1);
    assert_eq!(super::failures(&app), [(by_program, OF_FAILED.to_owned())]);
}
