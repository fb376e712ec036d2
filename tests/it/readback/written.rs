//! The seven tables that every migrated row is written to, every column of them, by the words of target.md.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    files::{File, size},
    grades,
    oracle::{Run, Submission},
    tables::{Cell, Row, Rows, text, trimmed},
};

/// Adds the submission's rows; the malpractice rule, which many submissions share, is not among them.
pub fn add(rows: &mut Rows, run: &Run, one: &Submission) {
    let mut put = |table: &'static str, n: usize, mut row: Row| {
        let id = one.id(table, n);
        row.insert("id", text(&*id));
        assert!(rows.entry(table).or_default().insert(id, row).is_none(), "{table} {n}: an id twice");
    };
    put("lti_launch_sessions", 1, launch_session(run, one));
    put("lti_session_records", 1, session_record(run, one));
    put("assignment_submissions", 1, submission(one));
    for file in &one.files {
        put("submission_files", file.order, submission_file(run, one, file));
    }
    put("submission_marking_assignments", 1, marking_assignment(one));
    for (n, (section, score)) in (1..).zip(&one.marks) {
        let row = BTreeMap::from([
            ("submission_id", submission_id(one)),
            ("section_id", text(&**section)),
            ("marker_id", Cell::Null),
            ("selected_option_id", Cell::Null),
            ("feedback", trimmed(&score["MarkerComment"])),
            ("marks_awarded", real(&score["Score"])),
            ("marking_criterias", Cell::Null),
            ("created_at", Cell::Now),
            ("updated_at", Cell::Now),
        ]);
        put("submission_section_marks", n, row);
    }
    put("submission_grades", 1, grade(one));
}

fn launch_session(run: &Run, one: &Submission) -> Row {
    let instruction_set = "AIS";
    BTreeMap::from([
        ("launch_id", text(one.launch_id())),
        ("consumer_key", text("a-consumer-key")),
        ("user_id", text(&*one.user_id)),
        ("user_email", text(one.cells["Learner Email"].trim())),
        ("user_name", text(one.full_name())),
        ("course_name", text(&*one.report["Exercise"])),
        ("return_url", return_url(one)),
        ("resource_link_id", Cell::Null),
        ("context_id", text(&*one.context_id)),
        ("tool_consumer_instance_guid", text(run.lms_instance)),
        ("custom_params", text(format!(r#"{{"cis":"{instruction_set}","cas":"{}"}}"#, one.assessment_code))),
        ("lti_message_type", text("basic-lti-launch-request")),
        ("context_type", text("CourseSection")),
        ("context_title", text(&*one.context_title)),
        ("roles", text("Learner")),
        ("lis_person_name_given", text(one.cells["First Name"].trim())),
        ("lis_person_name_family", text(one.cells["Surname"].trim())),
        ("lis_person_name_full", text(one.full_name())),
        ("lis_person_contact_email_primary", text(one.cells["Learner Email"].trim())),
        ("tool_consumer_instance_name", text("Example LMS")),
        ("custom_action", text("exercise_attempt")),
        ("assignment_title", text("Submission Area")),
        ("custom_instruction_set", text(instruction_set)),
        ("custom_assessment_code", text(&*one.assessment_code)),
        ("created_at", Cell::Now),
        ("expires_at", end_of_2099()),
    ])
}

fn session_record(run: &Run, one: &Submission) -> Row {
    BTreeMap::from([
        ("launch_id", text(one.launch_id())),
        ("lms_user_id", text(&*one.user_id)),
        ("consumer_name", text("Example LMS")),
        ("role", text("Learner")),
        ("first_name", text(one.cells["First Name"].trim())),
        ("last_name", text(one.cells["Surname"].trim())),
        ("full_name", text(one.full_name())),
        ("email", text(one.cells["Learner Email"].trim())),
        ("custom_action", text("exercise_attempt")),
        ("custom_instruction_set", text("AIS")),
        ("custom_assessment_code", text(&*one.assessment_code)),
        ("context_type", text("CourseSection")),
        ("context_title", text(&*one.context_title)),
        ("resource_link_id", Cell::Null),
        ("resource_link_title", text(&*one.context_title)),
        ("context_id", text(&*one.context_id)),
        ("consumer_key", text("a-consumer-key")),
        ("tool_consumer_instance_guid", text(run.lms_instance)),
        ("return_url", return_url(one)),
        ("has_file_submission", text("true")),
        ("session_expiry", end_of_2099()),
        ("created_at", Cell::Now),
    ])
}

fn submission(one: &Submission) -> Row {
    BTreeMap::from([
        ("lti_session_record_id", text(one.id("lti_session_records", 1))),
        ("lti_launch_id", text(one.launch_id())),
        ("file_count", Cell::Int(i64::try_from(one.files.len()).unwrap())),
        ("total_file_size", text(size(one.files.iter().map(|file| file.bytes.len()).sum()))),
        ("submitted_at", Cell::At(one.submitted)),
        ("attempt_number", Cell::Int(one.attempt_number)),
        ("lms_user_id", text(&*one.user_id)),
        ("consumer_name", text("Example LMS")),
        ("role", text("Learner")),
        ("first_name", text(one.cells["First Name"].trim())),
        ("last_name", text(one.cells["Surname"].trim())),
        ("full_name", text(one.full_name())),
        ("email", text(one.cells["Learner Email"].trim())),
        ("custom_instruction_set", text("AIS")),
        ("custom_assessment_code", text(&*one.assessment_code)),
        ("custom_action", text("exercise_attempt")),
        ("context_type", text("CourseSection")),
        ("context_title", text(&*one.context_title)),
        ("context_id", text(&*one.context_id)),
        ("created_at", Cell::At(one.inserted)),
        ("updated_at", Cell::At(one.modified)),
    ])
}

fn submission_file(run: &Run, one: &Submission, file: &File) -> Row {
    let blob = file.blob_name(one.attempt, run.writer);
    let url = Cell::Url(format!("{}/{blob}", run.target));
    let user = match one.cells["Rogo User ID"].trim() {
        "" => one.cells["Learner Email"].trim(),
        id => id,
    };
    let (kind, uploaded_by, turnitin) = if file.is_learners {
        ("submission", text(user), "complete")
    } else {
        ("feedback", Cell::Null, "pending")
    };
    BTreeMap::from([
        ("submission_id", submission_id(one)),
        ("file_name", text(&*file.name)),
        ("original_file_name", text(&*file.name)),
        ("file_size", text(size(file.bytes.len()))),
        ("file_type", text(file.extension())),
        ("file_mime_type", text(file.mime_type())),
        ("file_url", url.clone()),
        ("azure_blob_url", url),
        ("azure_container_name", text(run.container)),
        ("azure_blob_name", text(blob)),
        ("upload_order", Cell::Int(i64::try_from(file.order).unwrap())),
        ("uploaded_at", Cell::At(one.submitted)),
        ("turnitin_submission_id", Cell::Null),
        ("turnitin_status", text(turnitin)),
        ("turnitin_similarity_score", Cell::Null),
        ("turnitin_processed_at", Cell::Null),
        ("turnitin_error_message", Cell::Null),
        ("turnitin_pdf_id", Cell::Null),
        ("turnitin_pdf_status", text("pending")),
        ("turnitin_pdf_url", Cell::Null),
        ("turnitin_report_url", Cell::Null),
        ("turnitin_pdf_generated_at", Cell::Null),
        ("submission_file_type", text(kind)),
        ("uploaded_by", uploaded_by),
    ])
}

fn marking_assignment(one: &Submission) -> Row {
    BTreeMap::from([
        ("submission_id", submission_id(one)),
        ("assigned_marker_id", Cell::Null),
        ("marking_status", text("released")),
        ("assigned_at", Cell::Now),
        ("status_updated_at", Cell::At(one.submitted)),
        ("status_updated_by", Cell::Null),
        ("notes", Cell::Null),
        ("hold_reason", Cell::Null),
        ("priority", Cell::Int(0)),
        ("due_date", Cell::Null),
        ("created_at", Cell::At(one.inserted)),
        ("updated_at", Cell::At(one.inserted)),
    ])
}

fn grade(one: &Submission) -> Row {
    let grade = one.report["Grade"].trim();
    let marks = match one.report["MarksAchieved"].trim() {
        "" => &one.report["MarksAwarded"],
        achieved => achieved,
    };
    let (final_grade, level_id, notes) = match &one.level {
        Some((id, _)) => (text("Refer"), text(&**id), text(grade)),
        None => (text(grades::final_grade(grade, &one.assessment_code)), Cell::Null, Cell::Null),
    };
    BTreeMap::from([
        ("submission_id", submission_id(one)),
        ("assessment_id", text(&*one.assessment_id)),
        ("marker_id", Cell::Null),
        ("total_marks_awarded", real(marks)),
        ("total_marks_possible", real(&one.report["MarksAvailable"])),
        ("percentage_score", real(&one.report["GradePercent"])),
        ("final_grade", final_grade),
        ("overall_summary", trimmed(&one.report["MarkerNotes"])),
        ("skip_reason_id", Cell::Null),
        ("skipped_reason", Cell::Null),
        ("malpractice_level_id", level_id),
        ("malpractice_notes", notes),
        ("word_count", Cell::Null),
        ("is_complete", Cell::Bool(true)),
        ("completed_at", Cell::At(one.submitted)),
        ("created_at", Cell::Now),
        ("updated_at", Cell::Now),
    ])
}

fn submission_id(one: &Submission) -> Cell {
    text(one.id("assignment_submissions", 1))
}

fn return_url(one: &Submission) -> Cell {
    text(format!("https://lms.example.org/course/{}", one.report["TISectionId"].trim()))
}

fn real(number: &str) -> Cell {
    Cell::Real(number.trim().parse().unwrap())
}

fn end_of_2099() -> Cell {
    Cell::At("2099-12-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap())
}
