//! What a run needs of the target's tables: every column that it reads or writes, with the right it
//! needs there. Other columns are the application's own business.

use Type::{Bool, Enum, Int, Real, Text, Time};

/// What a column must be able to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Real,
    Bool,
    Time,
    /// One of the application's enums, with these labels among its own.
    Enum(&'static [&'static str]),
}

/// One table of the target.
pub(super) struct Table {
    pub name: &'static str,
    /// Rights that a run needs: some of `select`, `insert`, `update`.
    pub rights: &'static [&'static str],
    /// Columns that a run reads or writes.
    pub columns: &'static [(&'static str, Type)],
    /// The column whose unique key prevents a second row.
    pub unique: Option<&'static str>,
}

impl Type {
    /// The type's name in a schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Text => "text",
            Int => "integer",
            Real => "real",
            Bool => "boolean",
            Time => "timestamp with time zone",
            Enum(_) => "an enum",
        }
    }

    /// Whether a column of this type (`format_type` without a length) can be used.
    pub(super) fn accepts(self, actual: &str) -> bool {
        match self {
            Text => matches!(actual, "text" | "character varying"),
            Int => matches!(actual, "integer" | "bigint"),
            Real => matches!(actual, "real" | "double precision" | "numeric"),
            Bool => actual == "boolean",
            Time => actual == "timestamp with time zone",
            // An enum's labels are compared, not its name.
            Enum(_) => true,
        }
    }
}

/// The twelve tables that the program reads or writes.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "users",
        rights: &["select"],
        columns: &[("id", Text), ("username", Text), ("role", Enum(&["admin"])), ("created_at", Time)],
        unique: None,
    },
    Table {
        name: "assessments",
        rights: &["select"],
        columns: &[("id", Text), ("name", Text), ("code", Text)],
        unique: None,
    },
    Table {
        name: "assessment_sections",
        rights: &["select"],
        columns: &[("id", Text), ("assessment_id", Text), ("question_text", Text), ("order", Int)],
        unique: None,
    },
    Table {
        name: "malpractice_levels",
        rights: &["select"],
        columns: &[("id", Text), ("level_text", Text), ("sort_order", Int), ("is_active", Text)],
        unique: None,
    },
    Table {
        name: "lti_launch_sessions",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("launch_id", Text),
            ("consumer_key", Text),
            ("user_id", Text),
            ("user_email", Text),
            ("user_name", Text),
            ("course_name", Text),
            ("return_url", Text),
            ("context_id", Text),
            ("tool_consumer_instance_guid", Text),
            ("custom_params", Text),
            ("lti_message_type", Text),
            ("context_type", Text),
            ("context_title", Text),
            ("roles", Text),
            ("lis_person_name_given", Text),
            ("lis_person_name_family", Text),
            ("lis_person_name_full", Text),
            ("lis_person_contact_email_primary", Text),
            ("tool_consumer_instance_name", Text),
            ("custom_action", Text),
            ("assignment_title", Text),
            ("custom_instruction_set", Text),
            ("custom_assessment_code", Text),
            ("expires_at", Time),
        ],
        unique: Some("launch_id"),
    },
    Table {
        name: "lti_session_records",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("launch_id", Text),
            ("lms_user_id", Text),
            ("consumer_name", Text),
            ("role", Text),
            ("first_name", Text),
            ("last_name", Text),
            ("full_name", Text),
            ("email", Text),
            ("custom_action", Text),
            ("custom_instruction_set", Text),
            ("custom_assessment_code", Text),
            ("context_type", Text),
            ("context_title", Text),
            ("resource_link_title", Text),
            ("context_id", Text),
            ("consumer_key", Text),
            ("tool_consumer_instance_guid", Text),
            ("return_url", Text),
            ("has_file_submission", Text),
            ("session_expiry", Time),
        ],
        unique: Some("launch_id"),
    },
    Table {
        name: "assignment_submissions",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("lti_session_record_id", Text),
            ("lti_launch_id", Text),
            ("file_count", Int),
            ("total_file_size", Text),
            ("submitted_at", Time),
            ("attempt_number", Int),
            ("lms_user_id", Text),
            ("consumer_name", Text),
            ("role", Text),
            ("first_name", Text),
            ("last_name", Text),
            ("full_name", Text),
            ("email", Text),
            ("custom_instruction_set", Text),
            ("custom_assessment_code", Text),
            ("custom_action", Text),
            ("context_type", Text),
            ("context_title", Text),
            ("context_id", Text),
            ("created_at", Time),
            ("updated_at", Time),
        ],
        unique: None,
    },
    Table {
        name: "submission_files",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("submission_id", Text),
            ("file_name", Text),
            ("original_file_name", Text),
            ("file_size", Text),
            ("file_type", Text),
            ("file_mime_type", Text),
            ("file_url", Text),
            ("azure_blob_url", Text),
            ("azure_container_name", Text),
            ("azure_blob_name", Text),
            ("upload_order", Int),
            ("uploaded_at", Time),
            ("turnitin_status", Text),
            ("submission_file_type", Enum(&["submission", "feedback"])),
            ("uploaded_by", Text),
        ],
        unique: None,
    },
    Table {
        name: "submission_marking_assignments",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("submission_id", Text),
            ("marking_status", Enum(&["released"])),
            ("status_updated_at", Time),
            ("created_at", Time),
            ("updated_at", Time),
        ],
        unique: None,
    },
    Table {
        name: "submission_section_marks",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("submission_id", Text),
            ("section_id", Text),
            ("marks_awarded", Real),
            ("feedback", Text),
        ],
        unique: None,
    },
    Table {
        name: "submission_grades",
        rights: &["select", "insert"],
        columns: &[
            ("id", Text),
            ("submission_id", Text),
            ("assessment_id", Text),
            ("total_marks_awarded", Real),
            ("total_marks_possible", Real),
            ("percentage_score", Real),
            ("final_grade", Text),
            ("overall_summary", Text),
            ("malpractice_level_id", Text),
            ("malpractice_notes", Text),
            ("is_complete", Bool),
            ("completed_at", Time),
        ],
        unique: Some("submission_id"),
    },
    Table {
        name: "malpractice_enforcements",
        rights: &["select", "insert", "update"],
        columns: &[
            ("id", Text),
            ("lms_user_id", Text),
            ("custom_assessment_code", Text),
            ("context_id", Text),
            ("context_title", Text),
            ("malpractice_level_id", Text),
            ("submission_id", Text),
            ("attempt_number", Int),
            ("enforced_max_attempts", Int),
            ("rule_applied_by", Text),
            ("rule_applied_at", Time),
            ("updated_at", Time),
        ],
        unique: None,
    },
];
