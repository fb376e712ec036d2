//! What each row holds: the values of a migration, and the constants of the target's tables.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    EnforcementRow, Exact, File, GradeRow, LaunchSession, Mark, MarkingAssignment, Moment, RunValues,
    SessionRecord, Submission, Turnitin,
};
use crate::{
    domain::{CopiedFile, FileKind, Malpractice, Migration, PlannedFile, SectionMark},
    rules::size::megabytes,
};

/// `expires_at` and `session_expiry`: 2099-12-31.
const NEVER: DateTime<Utc> = match DateTime::from_timestamp(4_102_358_400, 0) {
    Some(never) => never,
    None => DateTime::UNIX_EPOCH,
};

/// `custom_params`, as the application writes it.
#[derive(Serialize)]
struct CustomParams<'m> {
    cis: &'m str,
    cas: &'m str,
}

fn submission_id(migration: &Migration) -> String {
    migration.ids.row(Submission::TABLE, 1)
}

pub(super) fn launch_session<'m>(migration: &'m Migration, run: &'m RunValues) -> LaunchSession<'m> {
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
        expires_at: Moment(NEVER),
    }
}

pub(super) fn session_record<'m>(migration: &'m Migration, run: &'m RunValues) -> SessionRecord<'m> {
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
        session_expiry: Moment(NEVER),
    }
}

pub(super) fn submission<'m>(
    migration: &'m Migration,
    run: &'m RunValues,
    copied: &[CopiedFile],
) -> Submission<'m> {
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

pub(super) fn file<'m>(
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

pub(super) fn section_mark<'m>(migration: &Migration, n: usize, mark: &'m SectionMark) -> Mark<'m> {
    Mark {
        id: migration.ids.row(Mark::TABLE, n),
        submission_id: submission_id(migration),
        section_id: &mark.section_id,
        marks_awarded: Exact(&mark.marks_awarded),
        feedback: mark.feedback.as_deref(),
    }
}

pub(super) fn grade(migration: &Migration) -> GradeRow<'_> {
    let grade = &migration.grade;
    let rule = migration.malpractice.as_ref();
    GradeRow {
        id: migration.ids.row(GradeRow::TABLE, 1),
        submission_id: submission_id(migration),
        assessment_id: &migration.assessment_id,
        total_marks_awarded: Exact(&grade.total_marks_awarded),
        total_marks_possible: Exact(&grade.total_marks_possible),
        percentage_score: Exact(&grade.percentage_score),
        final_grade: &grade.final_grade,
        overall_summary: grade.overall_summary.as_deref(),
        malpractice_level_id: rule.map(|rule| &*rule.level_id),
        malpractice_notes: rule.map(|rule| &*rule.notes),
        is_complete: true,
        completed_at: Moment(migration.submitted_at),
    }
}

pub(super) fn enforcement<'m>(migration: &'m Migration, rule: &'m Malpractice) -> EnforcementRow<'m> {
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

pub(super) fn marking_assignment(migration: &Migration) -> MarkingAssignment<'_> {
    MarkingAssignment {
        id: migration.ids.row(MarkingAssignment::TABLE, 1),
        submission_id: submission_id(migration),
        marking_status: "released",
        status_updated_at: Moment(migration.submitted_at),
        created_at: Moment(migration.date_inserted),
        updated_at: Moment(migration.date_inserted),
    }
}
