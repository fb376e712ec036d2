//! A row of `submission_files.csv`, and the row as a queue holds it.

use serde::{Deserialize, Serialize};

use super::{AttemptId, Earlier, MappingState};

/// The columns of `submission_files.csv` that must be there, by their header names.
/// Further columns are kept.
pub const SUBMISSION_COLUMNS: [&str; 23] = [
    "Membership Number",
    "First Name",
    "Surname",
    "Learner Email",
    "Attempt ID",
    "Unit Code",
    "Assessment ID",
    "Course Title",
    "Attempt Number",
    "Rogo User ID",
    "Rogo User Name",
    "Learner Files Count",
    "Learner File Names",
    "Learner File URLs",
    "Learner Azure Blob Names",
    "Learner Azure Blob URLs",
    "Marker Files Count",
    "Marker File Names",
    "Marker File URLs",
    "Marker Azure Blob Names",
    "Marker Azure Blob URLs",
    "Timestamp",
    "Error",
];

/// The cells of one row that the rules read, exactly as they came (untrimmed); `&str` if they still stand in the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRow<T = String> {
    /// "First Name".
    pub first_name: T,
    /// "Surname".
    pub surname: T,
    /// "Learner Email".
    pub learner_email: T,
    /// "Attempt ID".
    pub attempt_id: T,
    /// "Assessment ID".
    pub assessment_id: T,
    /// "Course Title".
    pub course_title: T,
    /// "Rogo User ID".
    pub rogo_user_id: T,
    /// "Rogo User Name".
    pub rogo_user_name: T,
    /// "Learner Files Count".
    #[serde(default)]
    pub learner_files_count: T,
    /// "Marker Files Count".
    #[serde(default)]
    pub marker_files_count: T,
    /// "Learner File Names": comma separated.
    pub learner_file_names: T,
    /// "Learner Azure Blob URLs": comma separated.
    pub learner_blob_urls: T,
    /// "Marker Azure Blob URLs": comma separated.
    pub marker_blob_urls: T,
}

impl SubmissionRow<&str> {
    /// A copy of its cells.
    pub fn into_owned(self) -> SubmissionRow {
        let own = str::to_owned;
        SubmissionRow {
            first_name: own(self.first_name),
            surname: own(self.surname),
            learner_email: own(self.learner_email),
            attempt_id: own(self.attempt_id),
            assessment_id: own(self.assessment_id),
            course_title: own(self.course_title),
            rogo_user_id: own(self.rogo_user_id),
            rogo_user_name: own(self.rogo_user_name),
            learner_files_count: own(self.learner_files_count),
            marker_files_count: own(self.marker_files_count),
            learner_file_names: own(self.learner_file_names),
            learner_blob_urls: own(self.learner_blob_urls),
            marker_blob_urls: own(self.marker_blob_urls),
        }
    }
}

impl SubmissionRow {
    /// Every cell with its header name, in a fixed order.
    pub fn used(&self) -> [(&'static str, &str); 13] {
        let Self {
            first_name,
            surname,
            learner_email,
            attempt_id,
            assessment_id,
            course_title,
            rogo_user_id,
            rogo_user_name,
            learner_files_count,
            marker_files_count,
            learner_file_names,
            learner_blob_urls,
            marker_blob_urls,
        } = self;
        [
            ("First Name", first_name),
            ("Surname", surname),
            ("Learner Email", learner_email),
            ("Attempt ID", attempt_id),
            ("Assessment ID", assessment_id),
            ("Course Title", course_title),
            ("Rogo User ID", rogo_user_id),
            ("Rogo User Name", rogo_user_name),
            ("Learner Files Count", learner_files_count),
            ("Marker Files Count", marker_files_count),
            ("Learner File Names", learner_file_names),
            ("Learner Azure Blob URLs", learner_blob_urls),
            ("Marker Azure Blob URLs", marker_blob_urls),
        ]
    }

    /// The length of all cells, bytes.
    pub fn size_bytes(&self) -> usize {
        self.used().iter().map(|(_, cell)| cell.len()).sum()
    }
}

/// One line of a queue file: a row and everything the plan knows about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedRow {
    /// Number of the CSV's data row, from 1, oldest first.
    pub number: u64,
    /// The attempt id, or `None` if the cell holds none (`attempt_id_invalid`).
    pub attempt: Option<AttemptId>,
    /// Number of the newer row with the same attempt id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_row: Option<u64>,
    /// A launch id of this attempt that the target held when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_launch_id: Option<String>,
    /// The id of that submission, if another program gave it its launch id and it was the attempt's only one: by it the
    /// row is looked up again before it is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_submission_id: Option<String>,
    /// Why `--exclude` leaves the attempt out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// What the earlier run of `--after` says of the attempt, if that run migrated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Box<Earlier>>,
    /// Of an attempt that only the earlier run's input names: what that run says of it. Its number follows on the input's
    /// rows, and its cells are blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Result of looking the attempt up in the mapping.
    pub mapping: MappingState,
    /// What listings of the sources told of its files, in upload order; files that no listing showed are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<ListedFile>,
    /// Text of the row's cells, as read.
    pub cells: SubmissionRow,
}

/// What a listing told the plan of a source file. A hint: a copy that the storage service makes needs no look at its source
/// while the file still has this `ETag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// The file's place in the submission, from 1.
    pub order: i32,
    /// Length in bytes.
    #[serde(rename = "bytes")]
    pub size_bytes: u64,
    /// Its `ETag`, as a condition names it: with quotation marks.
    pub etag: String,
    /// Its stored Content-MD5, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "md5_text")]
    pub md5: Option<[u8; 16]>,
    /// How its bytes are compressed.
    #[serde(rename = "encoding", default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
}

/// An MD5 as 32 digits: as numbers of a list it would be twice as long.
mod md5_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::domain::{md5_from_hex, md5_hex};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(md5: &Option<[u8; 16]>, to: S) -> Result<S::Ok, S::Error> {
        md5.map(md5_hex).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 16]>, D::Error> {
        let Some(hex) = Option::<String>::deserialize(from)? else { return Ok(None) };
        md5_from_hex(&hex).map(Some).ok_or_else(|| D::Error::custom("an MD5 has 32 hex digits"))
    }
}
