-- One submission, all or nothing: every row depends on the launch session's, which is inserted only
-- where no row with its launch id stands. The conflict has no target on purpose: with one, two
-- connections that insert the same ids at once may meet on the primary key first and fail there.
with launch as (
    insert into lti_launch_sessions (
        id, launch_id, consumer_key, user_id, user_email, user_name, course_name, return_url, context_id,
        tool_consumer_instance_guid, custom_params, lti_message_type, context_type, context_title, roles,
        lis_person_name_given, lis_person_name_family, lis_person_name_full,
        lis_person_contact_email_primary, tool_consumer_instance_name, custom_action, assignment_title,
        custom_instruction_set, custom_assessment_code, expires_at
    )
    values (
        $1, $2, $3, $4, $5, $6, $7, $8, $9,
        $10, $11, 'basic-lti-launch-request', 'CourseSection', $12, 'Learner',
        $13, $14, $6,
        $5, $15, 'exercise_attempt', $16,
        $17, $18, '2099-12-31 00:00:00+00'
    )
    on conflict do nothing
    returning launch_id
), session as (
    insert into lti_session_records (
        id, launch_id, lms_user_id, consumer_name, role, first_name, last_name, full_name, email,
        custom_action, custom_instruction_set, custom_assessment_code, context_type, context_title,
        resource_link_title, context_id, consumer_key, tool_consumer_instance_guid, return_url,
        has_file_submission, session_expiry
    )
    select
        $19, launch_id, $4, $15, 'Learner', $13, $14, $6, $5,
        'exercise_attempt', $17, $18, 'CourseSection', $12,
        $12, $9, $3, $10, $8,
        'true', '2099-12-31 00:00:00+00'
    from launch
), submission as (
    insert into assignment_submissions (
        id, lti_session_record_id, lti_launch_id, file_count, total_file_size, submitted_at,
        attempt_number, lms_user_id, consumer_name, role, first_name, last_name, full_name, email,
        custom_instruction_set, custom_assessment_code, custom_action, context_type, context_title,
        context_id, created_at, updated_at
    )
    select
        $20, $19, launch_id, $21, $22, $23,
        $24, $4, $15, 'Learner', $13, $14, $6, $5,
        $17, $18, 'exercise_attempt', 'CourseSection', $12,
        $9, $25, $26
    from launch
), file as (
    select *
    from launch, unnest(
        $27::text[], $28::boolean[], $29::text[], $30::text[], $31::text[], $32::text[], $33::text[],
        $34::text[], $35::integer[], $36::text[]
    ) as file (id, is_learners, name, size, type, mime_type, url, blob_name, upload_order, uploaded_by)
), learner_files as (
    insert into submission_files (
        id, submission_id, file_name, original_file_name, file_size, file_type, file_mime_type, file_url,
        azure_blob_url, azure_container_name, azure_blob_name, upload_order, uploaded_at,
        submission_file_type, uploaded_by, turnitin_status
    )
    select
        id, $20, name, name, size, type, mime_type, url,
        url, $37, blob_name, upload_order, $23,
        'submission', uploaded_by, 'complete'
    from file where is_learners
), marker_files as ( -- their turnitin_status keeps the column's default
    insert into submission_files (
        id, submission_id, file_name, original_file_name, file_size, file_type, file_mime_type, file_url,
        azure_blob_url, azure_container_name, azure_blob_name, upload_order, uploaded_at,
        submission_file_type, uploaded_by
    )
    select
        id, $20, name, name, size, type, mime_type, url,
        url, $37, blob_name, upload_order, $23,
        'feedback', uploaded_by
    from file where not is_learners
), marking as (
    insert into submission_marking_assignments (
        id, submission_id, marking_status, status_updated_at, created_at, updated_at
    )
    select $38, $20, 'released', $23, $25, $25 from launch
), section_marks as (
    insert into submission_section_marks (id, submission_id, section_id, marks_awarded, feedback)
    select mark.id, $20, mark.section_id, mark.marks_awarded::numeric, mark.feedback
    from launch, unnest($39::text[], $40::text[], $41::text[], $42::text[])
        as mark (id, section_id, marks_awarded, feedback)
), grade as (
    insert into submission_grades (
        id, submission_id, assessment_id, total_marks_awarded, total_marks_possible, percentage_score,
        final_grade, overall_summary, malpractice_level_id, malpractice_notes, is_complete, completed_at
    )
    select
        $43, $20, $44, $45::text::numeric, $46::text::numeric, $47::text::numeric,
        $48, $49, $50, $51, true, $23
    from launch
), enforcement_added as ( -- $52: the id of a new enforcement row, else null
    insert into malpractice_enforcements (
        id, lms_user_id, custom_assessment_code, context_id, context_title, malpractice_level_id,
        submission_id, attempt_number, enforced_max_attempts, rule_applied_by
    )
    select
        $52, $4, $18, $9, $12, $50,
        $20, $24, $53, $54
    from launch where $52 is not null
), enforcement_changed as ( -- $55: the id of an older row that gives way, else null
    update malpractice_enforcements
    set malpractice_level_id = $50, context_title = $12, submission_id = $20, attempt_number = $24,
        enforced_max_attempts = $53, rule_applied_by = $54, updated_at = now()
    from launch
    where malpractice_enforcements.id = $55
)
select count(*) from launch
