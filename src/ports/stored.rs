//! The rows of the target as they are stored, for `verify`: through this port nothing is written.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::domain::{
    Decimal,
    form::{AlteredColumn, Layout},
};

/// Declares the eight tables and the columns of each that are read.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $name:literal { $($column:ident)* })+) => {
        /// A table that a migration writes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Table { $($(#[$doc])* $table,)+ }

        impl Table {
            /// Every table, in the order in which they refer to each other.
            pub const ALL: &'static [Self] = &[$(Self::$table),+];

            /// Its name in the database.
            pub fn name(self) -> &'static str {
                match self { $(Self::$table => $name,)+ }
            }

            /// The columns that are read, in the order of a [`StoredRow`]'s cells.
            pub fn columns(self) -> &'static [&'static str] {
                match self { $(Self::$table => &[$(stringify!($column)),*],)+ }
            }
        }
    };
}

tables! {
    /// One row for each submission, found by its launch id.
    LaunchSessions = "lti_launch_sessions" {
        id launch_id consumer_key user_id user_email user_name course_name return_url resource_link_id context_id
        tool_consumer_instance_guid custom_params lti_message_type context_type context_title roles
        lis_person_name_given lis_person_name_family lis_person_name_full lis_person_contact_email_primary
        tool_consumer_instance_name custom_action assignment_title custom_instruction_set custom_assessment_code
        created_at expires_at
    }
    /// One row for each submission, found by its launch id.
    SessionRecords = "lti_session_records" {
        id launch_id lms_user_id consumer_name role first_name last_name full_name email custom_action
        custom_instruction_set custom_assessment_code context_type context_title resource_link_id
        resource_link_title context_id consumer_key tool_consumer_instance_guid return_url has_file_submission
        session_expiry created_at
    }
    /// The submissions themselves.
    Submissions = "assignment_submissions" {
        id lti_session_record_id lti_launch_id file_count total_file_size submitted_at attempt_number lms_user_id
        consumer_name role first_name last_name full_name email custom_instruction_set custom_assessment_code
        custom_action context_type context_title context_id created_at updated_at
    }
    /// The files of the submissions.
    Files = "submission_files" {
        id submission_id file_name original_file_name file_size file_type file_mime_type file_url azure_blob_url
        azure_container_name azure_blob_name upload_order uploaded_at submission_file_type uploaded_by
        turnitin_status
    }
    /// One row for each submission.
    Assignments = "submission_marking_assignments" {
        id submission_id marking_status status_updated_at created_at updated_at
    }
    /// The marks of sections.
    Marks = "submission_section_marks" { id submission_id section_id marks_awarded feedback }
    /// One row for each submission.
    Grades = "submission_grades" {
        id submission_id assessment_id total_marks_awarded total_marks_possible percentage_score final_grade
        overall_summary malpractice_level_id malpractice_notes is_complete completed_at
    }
    /// One row for each learner, assessment and context with malpractice.
    Enforcements = "malpractice_enforcements" {
        id lms_user_id custom_assessment_code context_id context_title malpractice_level_id submission_id
        attempt_number enforced_max_attempts rule_applied_by rule_applied_at
    }
}

impl Table {
    /// The place of a column among the cells; `None` for a column that is not read.
    pub fn place(self, column: &str) -> Option<usize> {
        self.columns().iter().position(|name| *name == column)
    }
}

/// One stored value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Cell {
    /// SQL null; also a time outside the years 1 to 9999.
    #[default]
    Null,
    /// Text of any type, and the label of an enum.
    Text(String),
    /// An integer of any width.
    Int(i64),
    /// A number of type real.
    Real(f32),
    /// A number of type double precision.
    Double(f64),
    /// A number of type numeric.
    Decimal(Decimal),
    /// True or false.
    Bool(bool),
    /// Instant, at microseconds.
    Time(DateTime<Utc>),
}

/// One stored row: a cell for each of [`Table::columns`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredRow {
    /// The cells in the order of [`Table::columns`].
    pub cells: Vec<Cell>,
    /// The transaction that wrote the row as it stands (`xmin`).
    pub transaction: u32,
}

impl StoredRow {
    /// The cell at `place`; null if there is none.
    pub fn at(&self, place: usize) -> &Cell {
        const NULL: &Cell = &Cell::Null;
        self.cells.get(place).unwrap_or(NULL)
    }

    /// The text at `place`; `None` for null.
    pub fn text(&self, place: usize) -> Option<&str> {
        match self.at(place) {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The row's id, which every table has first.
    pub fn id(&self) -> &str {
        self.text(0).unwrap_or_default()
    }
}

/// Rows of one table to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The table that is asked.
    pub table: Table,
    /// The column that is compared: a primary or unique key.
    pub key: &'static str,
    /// Its values that are looked up.
    pub values: Vec<String>,
}

/// What a scan reads of a row: enough to say whether it belongs to a submission of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The row's id.
    pub id: String,
    /// `submission_id`, `lti_launch_id` or `launch_id`, whichever the table has.
    pub parent: Option<String>,
    /// `azure_blob_name` of a file.
    pub blob: Option<String>,
    /// `created_at`, for the tables that are found by launch ids.
    pub created_at: Option<DateTime<Utc>>,
    /// The transaction that wrote it (`xmin`).
    pub transaction: u32,
}

/// A table that this role may not read, or not completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The table's name.
    pub table: String,
    /// What is missing, in a sentence.
    pub why: String,
}

/// The role that reads, and what else it may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReaderRole {
    /// `current_user`.
    pub name: String,
    /// The tables of the migration that this role may also change.
    pub may_write: Vec<String>,
}

/// What submissions refer to, by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredCatalogue {
    /// Name and code of each assessment.
    pub assessments: HashMap<String, (String, String)>,
    /// Id and text of the sections of each assessment, by assessment.
    pub sections: HashMap<String, Vec<(String, String)>>,
    /// Text of each malpractice level, active or not.
    pub levels: BTreeMap<String, String>,
    /// users.id of the user who owns applied rules; `None` if that user is not there.
    pub rule_owner: Option<String>,
}

/// Sums that a person can compare with another count of the same rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSums {
    /// The statement that made them, for a person who counts again.
    pub sql: String,
    /// A row for each unit version and grade, a cell for each of [`ControlSums::COLUMNS`].
    pub rows: Vec<Vec<String>>,
}

impl ControlSums {
    /// What stands in a row. The application keeps sizes in tenths of a MB, so there are no exact bytes.
    pub const COLUMNS: [&str; 7] =
        ["Unit Code Version", "Grade", "Rows", "Files", "Megabytes", "Marks Awarded", "Marks Possible"];
}

/// The target's tables, for reading what is stored.
#[async_trait]
pub trait StoredTarget: Send + Sync {
    /// Tables of the migration, and those that it refers to, which this role may not read, or of which a policy may hide rows
    /// from it.
    async fn unreadable(&self) -> Result<Vec<Unreadable>, Fault>;

    /// Who reads, and what else it may do.
    async fn role(&self) -> Result<ReaderRole, Fault>;

    /// The form of receipts in this target, without the columns that a trigger is known to alter.
    async fn layout(&self, left_out: &[AlteredColumn]) -> Result<Layout, Fault>;

    /// What submissions refer to. Tables that may not be read are left empty.
    async fn stored_catalogue(&self, unreadable: &[Unreadable]) -> Result<StoredCatalogue, Fault>;

    /// The rows under these keys, a list for each lookup, all as of one moment.
    async fn rows(&self, lookups: &[Lookup]) -> Result<Vec<Vec<StoredRow>>, Fault>;

    /// Every enforcement row of learners whose id begins with `learners`, with `created_at` of the submission it names.
    async fn enforcements(
        &self,
        learners: &str,
        each: &mut (dyn FnMut(Vec<(StoredRow, Option<DateTime<Utc>>)>) + Send),
    ) -> Result<(), Fault>;

    /// Sums over the submissions whose files these writers (ids of 12 hex digits) uploaded.
    async fn control_sums(&self, writers: &[&str]) -> Result<ControlSums, Fault>;

    /// Every row of the table, in batches, each as of its own moment; of the tables that are found by launch ids only
    /// the rows whose launch id begins with `rogo_`. Not for [`Table::Enforcements`].
    async fn links(&self, table: Table, each: &mut (dyn FnMut(Vec<Link>) + Send)) -> Result<(), Fault>;
}
