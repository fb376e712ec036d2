//! What each column of the tables with one row for each submission has to hold: a line for each, but for the id of
//! submissions and marking assignments, by which alone they are looked up. Such a row with another id is not found, and its
//! table lacks a row.

use std::borrow::Cow;

use chrono::NaiveDate;

use super::Beside;
use crate::{
    ports::Table,
    verify::{
        findings::{Lack, Want},
        table::CheckId,
    },
};

fn lms_user<'a>(beside: &Beside<'a>) -> Want<'a> {
    beside.report(|report| Want::Text(format!("{}::{}", beside.settings.lms_instance, report.user).into()))
}

fn context<'a>(beside: &Beside<'a>) -> Want<'a> {
    beside.report(|report| Want::Text(format!("{}::{}", beside.settings.lms_instance, report.section).into()))
}

/// Course Title, else Exercise as it stands.
fn context_title<'a>(beside: &Beside<'a>) -> Want<'a> {
    match &beside.expected.person {
        None => Want::Unknown(Lack::Inputs),
        Some(person) if person.course_title.is_empty() => {
            beside.report(|report| Want::text(&report.exercise))
        }
        Some(person) => Want::text(&person.course_title),
    }
}

fn return_url<'a>(beside: &Beside<'a>) -> Want<'a> {
    beside.report(|report| Want::Text(format!("{}/{}", beside.settings.return_url, report.section).into()))
}

fn code<'a>(beside: &Beside<'a>) -> Want<'a> {
    beside.code.map_or_else(Want::Unknown, Want::text)
}

fn custom_params<'a>(beside: &Beside<'a>) -> Want<'a> {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let params =
        |code| format!("{{\"cis\":{},\"cas\":{}}}", json(&beside.settings.instruction_set), json(code));
    beside.code.map_or_else(Want::Unknown, |code| Want::Text(params(code).into()))
}

fn final_grade<'a>(beside: &Beside<'a>) -> Want<'a> {
    match (&beside.expected.report, beside.code) {
        (Ok(report), Ok(code)) => Want::text(report.grade.final_grade(code)),
        (Err(lack), _) => Want::Unknown(*lack),
        (Ok(_), Err(lack)) => Want::Unknown(lack),
    }
}

/// One column: its check, and what it has to hold.
pub struct ColumnRule {
    /// Column of the table.
    pub column: &'static str,
    /// The check that compares it.
    pub check: CheckId,
    /// What it has to hold, beside the row's other values.
    pub want: for<'a> fn(&Beside<'a>) -> Want<'a>,
}

const fn rule(column: &'static str, check: CheckId, want: for<'a> fn(&Beside<'a>) -> Want<'a>) -> ColumnRule {
    ColumnRule { column, check, want }
}

fn fixed<'a>(text: &'static str) -> Want<'a> {
    Want::Text(Cow::Borrowed(text))
}

/// When sessions expire: 2099-12-31 UTC.
fn never<'a>() -> Want<'a> {
    let day = NaiveDate::from_ymd_opt(2099, 12, 31).unwrap_or_default();
    Want::Time(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

/// The columns of `lti_launch_sessions`.
pub const LAUNCH_SESSION: &[ColumnRule] = &[
    rule("id", CheckId::LaunchSessionPresent, |b| b.derived(Table::LaunchSessions)),
    rule("launch_id", CheckId::LaunchSessionPresent, |b| Want::text(&b.expected.launch_id)),
    rule("user_id", CheckId::LaunchSessionLearner, lms_user),
    rule("user_email", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.email)),
    rule("user_name", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.full_name)),
    rule("lis_person_name_given", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.first_name)),
    rule("lis_person_name_family", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.last_name)),
    rule("lis_person_name_full", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.full_name)),
    rule("lis_person_contact_email_primary", CheckId::LaunchSessionLearner, |b| b.person(|p| &p.email)),
    rule("course_name", CheckId::LaunchSessionCourse, |b| b.report(|r| Want::text(&r.exercise))),
    rule("return_url", CheckId::LaunchSessionCourse, return_url),
    rule("context_id", CheckId::LaunchSessionCourse, context),
    rule("context_title", CheckId::LaunchSessionCourse, context_title),
    rule("custom_params", CheckId::LaunchSessionCourse, custom_params),
    rule("custom_assessment_code", CheckId::LaunchSessionCourse, code),
    rule("consumer_key", CheckId::LaunchSessionConsumer, |b| Want::text(&b.settings.consumer_key)),
    rule("tool_consumer_instance_guid", CheckId::LaunchSessionConsumer, |b| {
        Want::text(&b.settings.lms_instance)
    }),
    rule("tool_consumer_instance_name", CheckId::LaunchSessionConsumer, |b| Want::text(&b.settings.lms_name)),
    rule("lti_message_type", CheckId::LaunchSessionConsumer, |_| fixed("basic-lti-launch-request")),
    rule("context_type", CheckId::LaunchSessionConsumer, |_| fixed("CourseSection")),
    rule("roles", CheckId::LaunchSessionConsumer, |_| fixed("Learner")),
    rule("custom_action", CheckId::LaunchSessionConsumer, |_| fixed("exercise_attempt")),
    rule("assignment_title", CheckId::LaunchSessionConsumer, |b| Want::text(&b.settings.assignment_title)),
    rule("custom_instruction_set", CheckId::LaunchSessionConsumer, |b| {
        Want::text(&b.settings.instruction_set)
    }),
    rule("expires_at", CheckId::LaunchSessionExpiry, |_| never()),
];

/// The columns of `lti_session_records`.
pub const SESSION_RECORD: &[ColumnRule] = &[
    rule("id", CheckId::SessionRecordPresent, |b| b.derived(Table::SessionRecords)),
    rule("launch_id", CheckId::SessionRecordPresent, |b| Want::text(&b.expected.launch_id)),
    rule("lms_user_id", CheckId::SessionRecordLearner, lms_user),
    rule("first_name", CheckId::SessionRecordLearner, |b| b.person(|p| &p.first_name)),
    rule("last_name", CheckId::SessionRecordLearner, |b| b.person(|p| &p.last_name)),
    rule("full_name", CheckId::SessionRecordLearner, |b| b.person(|p| &p.full_name)),
    rule("email", CheckId::SessionRecordLearner, |b| b.person(|p| &p.email)),
    rule("custom_assessment_code", CheckId::SessionRecordCourse, code),
    rule("context_title", CheckId::SessionRecordCourse, context_title),
    rule("resource_link_title", CheckId::SessionRecordCourse, context_title),
    rule("context_id", CheckId::SessionRecordCourse, context),
    rule("return_url", CheckId::SessionRecordCourse, return_url),
    rule("consumer_name", CheckId::SessionRecordConsumer, |b| Want::text(&b.settings.lms_name)),
    rule("role", CheckId::SessionRecordConsumer, |_| fixed("Learner")),
    rule("custom_action", CheckId::SessionRecordConsumer, |_| fixed("exercise_attempt")),
    rule("custom_instruction_set", CheckId::SessionRecordConsumer, |b| {
        Want::text(&b.settings.instruction_set)
    }),
    rule("context_type", CheckId::SessionRecordConsumer, |_| fixed("CourseSection")),
    rule("consumer_key", CheckId::SessionRecordConsumer, |b| Want::text(&b.settings.consumer_key)),
    rule("tool_consumer_instance_guid", CheckId::SessionRecordConsumer, |b| {
        Want::text(&b.settings.lms_instance)
    }),
    rule("has_file_submission", CheckId::SessionRecordConsumer, |_| fixed("true")),
    rule("session_expiry", CheckId::SessionRecordExpiry, |_| never()),
];

/// The columns of `assignment_submissions`, but for those about its files.
pub const SUBMISSION: &[ColumnRule] = &[
    rule("lti_session_record_id", CheckId::SubmissionPresent, |b| b.derived(Table::SessionRecords)),
    rule("lti_launch_id", CheckId::SubmissionPresent, |b| Want::text(&b.expected.launch_id)),
    rule("lms_user_id", CheckId::SubmissionLearner, lms_user),
    rule("first_name", CheckId::SubmissionLearner, |b| b.person(|p| &p.first_name)),
    rule("last_name", CheckId::SubmissionLearner, |b| b.person(|p| &p.last_name)),
    rule("full_name", CheckId::SubmissionLearner, |b| b.person(|p| &p.full_name)),
    rule("email", CheckId::SubmissionLearner, |b| b.person(|p| &p.email)),
    rule("custom_assessment_code", CheckId::SubmissionCourse, code),
    rule("context_title", CheckId::SubmissionCourse, context_title),
    rule("context_id", CheckId::SubmissionCourse, context),
    rule("consumer_name", CheckId::SubmissionConsumer, |b| Want::text(&b.settings.lms_name)),
    rule("role", CheckId::SubmissionConsumer, |_| fixed("Learner")),
    rule("custom_instruction_set", CheckId::SubmissionConsumer, |b| Want::text(&b.settings.instruction_set)),
    rule("custom_action", CheckId::SubmissionConsumer, |_| fixed("exercise_attempt")),
    rule("context_type", CheckId::SubmissionConsumer, |_| fixed("CourseSection")),
    rule("attempt_number", CheckId::SubmissionAttemptNumber, |b| {
        b.expected.attempt_number.map_or(Want::Unknown(Lack::Inputs), |number| Want::Int(number.into()))
    }),
    rule("submitted_at", CheckId::SubmissionDates, |b| b.time(|r| r.approved)),
    rule("created_at", CheckId::SubmissionDates, |b| b.time(|r| r.inserted)),
    rule("updated_at", CheckId::SubmissionDates, |b| b.time(|r| r.modified)),
];

/// The columns of `submission_marking_assignments`.
pub const ASSIGNMENT: &[ColumnRule] = &[
    rule("submission_id", CheckId::MarkingAssignmentPresent, |b| b.derived(Table::Submissions)),
    rule("marking_status", CheckId::MarkingAssignmentReleased, |_| fixed("released")),
    rule("status_updated_at", CheckId::MarkingAssignmentDates, |b| b.time(|r| r.approved)),
    rule("created_at", CheckId::MarkingAssignmentDates, |b| b.time(|r| r.inserted)),
    rule("updated_at", CheckId::MarkingAssignmentDates, |b| b.time(|r| r.inserted)),
];

/// The columns of `submission_grades`, but for assessment and malpractice level.
pub const GRADE: &[ColumnRule] = &[
    rule("id", CheckId::GradePresent, |b| b.derived(Table::Grades)),
    rule("submission_id", CheckId::GradePresent, |b| b.derived(Table::Submissions)),
    rule("total_marks_awarded", CheckId::GradeMarks, |b| b.grade("total_marks_awarded", |r| &r.awarded)),
    rule("total_marks_possible", CheckId::GradeMarks, |b| b.grade("total_marks_possible", |r| &r.available)),
    rule("percentage_score", CheckId::GradePercentage, |b| b.grade("percentage_score", |r| &r.percent)),
    rule("final_grade", CheckId::GradeFinal, final_grade),
    rule("overall_summary", CheckId::GradeSummary, |b| b.report(|r| Want::optional(r.notes.as_deref()))),
    rule("malpractice_notes", CheckId::MalpracticeNotes, |b| {
        b.report(|r| Want::optional(r.grade.malpractice.as_ref().map(|_| r.grade.text.as_str())))
    }),
    rule("is_complete", CheckId::GradeComplete, |_| Want::True),
    rule("completed_at", CheckId::GradeComplete, |b| b.time(|r| r.approved)),
];

/// The tables with one row for each submission: their rules, and the check that says whether the row stands.
pub const SINGLE_ROWS: [(Table, &[ColumnRule], CheckId); 5] = [
    (Table::LaunchSessions, LAUNCH_SESSION, CheckId::LaunchSessionPresent),
    (Table::SessionRecords, SESSION_RECORD, CheckId::SessionRecordPresent),
    (Table::Submissions, SUBMISSION, CheckId::SubmissionPresent),
    (Table::Assignments, ASSIGNMENT, CheckId::MarkingAssignmentPresent),
    (Table::Grades, GRADE, CheckId::GradePresent),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_about_a_column_that_is_read() {
        for (table, rules, _) in SINGLE_ROWS {
            for rule in rules {
                assert!(table.place(rule.column).is_some(), "{}.{}", table.name(), rule.column);
            }
        }
    }
}
