//! The rows of all eight tables: a field is the column of its name, in its own type.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::held::WillHold;
use crate::domain::{Decimal, form::StoredValue};

/// A time as the target holds it: whole microseconds, the rest cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

/// A mark in decimal digits: the column rounds it to its own type, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact<'m>(pub &'m Decimal);

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// A row of any table.
pub(super) trait Row {
    /// What the column of this name will hold; null for a column that a run does not write.
    fn value(&self, column: &str) -> StoredValue<'_>;
}

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

        impl Row for $name<'_> {
            fn value(&self, column: &str) -> StoredValue<'_> {
                match column {
                    $(stringify!($column) => self.$column.will_hold(),)*
                    _ => StoredValue::Null,
                }
            }
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
        expires_at: Moment,
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
        session_expiry: Moment,
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
        marks_awarded: Exact<'m>,
        feedback: Option<&'m str>,
    }
}

row! {
    /// Row of the final grade.
    GradeRow of "submission_grades" {
        id: String,
        submission_id: String,
        assessment_id: &'m str,
        total_marks_awarded: Exact<'m>,
        total_marks_possible: Exact<'m>,
        percentage_score: Exact<'m>,
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
