-- The application's tables that a migration reads and writes, for tests and demonstrations.
-- The application owns the real ones; the migrator never changes them.

create type user_role as enum ('superadmin', 'admin', 'marker', 'tutor', 'iqa', 'student');
create type user_status as enum ('active', 'inactive', 'pending');
create type assessment_type as enum ('formative', 'summative', 'diagnostic', 'competency');
create type assessment_status as enum ('active', 'inactive', 'draft', 'archived');
create type submission_file_type as enum ('submission', 'feedback');
create type marking_status as enum
    ('waiting', 'being_marked', 'on_hold', 'approval_needed', 'marking_skipped', 'released');

create table users (
    id varchar primary key default gen_random_uuid(),
    username text not null unique,
    email text not null unique,
    password text not null,
    first_name text,
    last_name text,
    role user_role not null default 'student',
    status user_status not null default 'active',
    department text,
    profile_image_url text,
    last_login_at timestamp with time zone,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table assessments (
    id varchar primary key default gen_random_uuid(),
    course_node_id varchar,
    instruction_set_id varchar,
    assessment_id text not null unique
        default 'ASS_' || upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 8)),
    code text not null unique,
    name text not null,
    description text,
    type assessment_type not null default 'summative',
    status assessment_status not null default 'active',
    eligibility_prerequisites text[],
    total_marks integer not null default 0,
    is_active text not null default 'true',
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table assessment_sections (
    id varchar primary key default gen_random_uuid(),
    assessment_id varchar references assessments (id) on delete cascade,
    type text,
    question_text text,
    "order" integer not null,
    is_active text not null default 'true',
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table malpractice_levels (
    id varchar primary key default gen_random_uuid(),
    level_text text not null,
    description text,
    sort_order integer not null default 0,
    is_active text not null default 'true',
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table lti_launch_sessions (
    id varchar primary key default gen_random_uuid(),
    launch_id text not null unique,
    consumer_key text not null,
    user_id text,
    user_email text,
    user_name text,
    course_name text,
    return_url text,
    resource_link_id text,
    context_id text,
    tool_consumer_instance_guid text,
    custom_params text,
    lti_message_type text,
    context_type text,
    context_title text,
    roles text,
    lis_person_name_given text,
    lis_person_name_family text,
    lis_person_name_full text,
    lis_person_contact_email_primary text,
    tool_consumer_instance_name text,
    custom_action text,
    assignment_title text,
    custom_instruction_set text,
    custom_assessment_code text,
    created_at timestamp with time zone default now(),
    expires_at timestamp with time zone not null
);

create table lti_session_records (
    id varchar primary key default gen_random_uuid(),
    launch_id text not null unique,
    lms_user_id text,
    consumer_name text,
    role text,
    first_name text,
    last_name text,
    full_name text,
    email text,
    custom_action text,
    custom_instruction_set text,
    custom_assessment_code text,
    context_type text,
    context_title text,
    resource_link_id text,
    resource_link_title text,
    context_id text,
    consumer_key text,
    tool_consumer_instance_guid text,
    return_url text,
    has_file_submission text default 'false',
    session_expiry timestamp with time zone not null,
    created_at timestamp with time zone default now()
);

create table assignment_submissions (
    id varchar primary key default gen_random_uuid(),
    lti_session_record_id varchar references lti_session_records (id),
    lti_launch_id varchar not null,
    file_count integer not null default 0,
    total_file_size text,
    submitted_at timestamp with time zone default now(),
    attempt_number integer,
    lms_user_id text,
    consumer_name text,
    role text,
    first_name text,
    last_name text,
    full_name text,
    email text,
    custom_instruction_set text,
    custom_assessment_code text,
    custom_action text,
    context_type text,
    context_title text,
    context_id text,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);
create index on assignment_submissions (context_title);

create table submission_files (
    id varchar primary key default gen_random_uuid(),
    submission_id varchar references assignment_submissions (id) on delete cascade,
    file_name text not null,
    original_file_name text not null,
    file_size text,
    file_type text,
    file_mime_type text,
    file_url text not null,
    azure_blob_url text,
    azure_container_name text,
    azure_blob_name text,
    upload_order integer not null default 1,
    uploaded_at timestamp with time zone default now(),
    turnitin_submission_id text,
    turnitin_status text default 'pending',
    turnitin_similarity_score integer,
    turnitin_processed_at timestamp with time zone,
    turnitin_error_message text,
    turnitin_pdf_id text,
    turnitin_pdf_status text default 'pending',
    turnitin_pdf_url text,
    turnitin_report_url text,
    turnitin_pdf_generated_at timestamp with time zone,
    submission_file_type submission_file_type not null default 'submission',
    uploaded_by text
);

create table submission_marking_assignments (
    id varchar primary key default gen_random_uuid(),
    submission_id varchar references assignment_submissions (id) on delete cascade,
    assigned_marker_id varchar references users (id),
    marking_status marking_status not null default 'waiting',
    assigned_at timestamp with time zone default now(),
    status_updated_at timestamp with time zone default now(),
    status_updated_by varchar references users (id),
    notes text,
    hold_reason text,
    priority integer default 0,
    due_date timestamp with time zone,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table submission_section_marks (
    id varchar primary key default gen_random_uuid(),
    submission_id varchar references assignment_submissions (id) on delete cascade,
    section_id varchar references assessment_sections (id) on delete cascade,
    marker_id varchar references users (id),
    selected_option_id varchar,
    feedback text,
    marks_awarded real default 0,
    marking_criterias jsonb,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table submission_grades (
    id varchar primary key default gen_random_uuid(),
    submission_id varchar unique references assignment_submissions (id) on delete cascade,
    assessment_id varchar references assessments (id) on delete cascade,
    marker_id varchar references users (id),
    total_marks_awarded real default 0,
    total_marks_possible real default 0,
    percentage_score real default 0,
    final_grade text,
    overall_summary text,
    skip_reason_id varchar,
    skipped_reason text,
    malpractice_level_id varchar references malpractice_levels (id),
    malpractice_notes text,
    word_count integer,
    is_complete boolean default false,
    completed_at timestamp with time zone,
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);

create table malpractice_enforcements (
    id varchar primary key default gen_random_uuid(),
    lms_user_id text not null,
    custom_assessment_code text not null,
    context_id text,
    context_title text,
    malpractice_level_id varchar not null references malpractice_levels (id),
    submission_id varchar references assignment_submissions (id),
    attempt_number integer,
    enforced_max_attempts integer,
    rule_applied_by varchar not null references users (id),
    rule_applied_at timestamp with time zone default now(),
    created_at timestamp with time zone default now(),
    updated_at timestamp with time zone default now()
);
