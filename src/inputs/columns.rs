//! The cells that the program reads from a record, by column name.

use super::{CsvReader, InputError, Layout, Record, StrangeIds};
use crate::domain::{Dialect, MAPPING_COLUMNS, SUBMISSION_COLUMNS, SubmissionRow};

/// Indexes of the columns of `submission_files.csv`.
#[derive(Debug, Clone)]
pub struct SubmissionColumns {
    first_name: usize,
    surname: usize,
    learner_email: usize,
    attempt_id: usize,
    assessment_id: usize,
    course_title: usize,
    rogo_user_id: usize,
    rogo_user_name: usize,
    learner_files_count: usize,
    learner_file_names: usize,
    learner_blob_urls: usize,
    marker_files_count: usize,
    marker_blob_urls: usize,
    error: usize,
    dialect: Dialect,
}

impl SubmissionColumns {
    /// Finds every column that must be there.
    pub fn find(reader: &CsvReader) -> Result<Self, InputError> {
        let [
            _membership_number,
            first_name,
            surname,
            learner_email,
            attempt_id,
            _unit_code,
            assessment_id,
            course_title,
            _attempt_number,
            rogo_user_id,
            rogo_user_name,
            learner_files_count,
            learner_file_names,
            _learner_file_urls,
            _learner_blob_names,
            learner_blob_urls,
            marker_files_count,
            _marker_file_names,
            _marker_file_urls,
            _marker_blob_names,
            marker_blob_urls,
            _timestamp,
            error,
        ] = reader.require(&SUBMISSION_COLUMNS)?;
        Ok(Self {
            first_name,
            surname,
            learner_email,
            attempt_id,
            assessment_id,
            course_title,
            rogo_user_id,
            rogo_user_name,
            learner_files_count,
            learner_file_names,
            learner_blob_urls,
            marker_files_count,
            marker_blob_urls,
            error,
            dialect: reader.format().dialect.clone(),
        })
    }

    /// Which columns matter. "Error" is the program's own, and the others are not read.
    pub fn layout(&self) -> Layout {
        Layout {
            id: self.attempt_id,
            used: vec![
                self.first_name,
                self.surname,
                self.learner_email,
                self.attempt_id,
                self.assessment_id,
                self.course_title,
                self.rogo_user_id,
                self.rogo_user_name,
                self.learner_file_names,
                self.learner_blob_urls,
                self.marker_blob_urls,
                self.learner_files_count,
                self.marker_files_count,
            ],
            counts: vec![self.learner_files_count, self.marker_files_count],
            urls: vec![self.learner_blob_urls, self.marker_blob_urls],
            error: Some(self.error),
            strange_ids: StrangeIds::FailTheirRow,
        }
    }

    /// The cells that the rules read, as they came.
    pub fn row(&self, record: &Record) -> SubmissionRow {
        self.cells(record).into_owned()
    }

    /// The same cells without copies.
    pub fn cells<'a>(&self, record: &'a Record) -> SubmissionRow<&'a str> {
        let cell = |index: usize| text(record, index, &self.dialect);
        SubmissionRow {
            first_name: cell(self.first_name),
            surname: cell(self.surname),
            learner_email: cell(self.learner_email),
            attempt_id: cell(self.attempt_id),
            assessment_id: cell(self.assessment_id),
            course_title: cell(self.course_title),
            rogo_user_id: cell(self.rogo_user_id),
            rogo_user_name: cell(self.rogo_user_name),
            learner_files_count: cell(self.learner_files_count),
            marker_files_count: cell(self.marker_files_count),
            learner_file_names: cell(self.learner_file_names),
            learner_blob_urls: cell(self.learner_blob_urls),
            marker_blob_urls: cell(self.marker_blob_urls),
        }
    }

    /// "Attempt ID", as it came.
    pub fn attempt_id<'a>(&self, record: &'a Record) -> &'a str {
        record.get(self.attempt_id)
    }

    /// Index of the column "Error", which the failure CSV fills.
    pub fn error(&self) -> usize {
        self.error
    }
}

/// A cell as read, except that the export's null and empty markers become empty.
fn text<'a>(record: &'a Record, index: usize, dialect: &Dialect) -> &'a str {
    let cell = record.get(index);
    if is_empty_by_bcp(cell) || dialect.is_null(cell, record.is_quoted(index)) { "" } else { cell }
}

/// SQL Server's `bcp` writes an empty text as one NUL, and null as nothing.
pub fn is_empty_by_bcp(cell: &str) -> bool {
    cell == "\0"
}

/// Indexes of the columns of `attempt_number_mapping.csv`.
#[derive(Debug, Clone)]
pub struct MappingColumns {
    columns: [usize; 5],
    dialect: Dialect,
}

/// One row of `attempt_number_mapping.csv`, cells as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MappingRow<'a> {
    /// "Attempt ID".
    pub attempt_id: &'a str,
    /// "Unit Code".
    pub unit_code: &'a str,
    /// "Unit Code Version".
    pub unit_version: &'a str,
    /// "Assessment ID".
    pub assessment_id: &'a str,
    /// "Submission".
    pub submission: &'a str,
}

impl MappingColumns {
    /// Finds every column that must be there.
    pub fn find(reader: &CsvReader) -> Result<Self, InputError> {
        let columns = reader.require(&MAPPING_COLUMNS)?;
        Ok(Self { columns, dialect: reader.format().dialect.clone() })
    }

    /// Which columns matter: all that are required.
    pub fn layout(&self) -> Layout {
        let [id, ..] = self.columns;
        Layout {
            id,
            used: self.columns.to_vec(),
            strange_ids: StrangeIds::RefuseTheFile,
            ..Layout::default()
        }
    }

    /// The cells of one record by column name.
    pub fn row<'a>(&self, record: &'a Record) -> MappingRow<'a> {
        let [attempt_id, unit_code, unit_version, assessment_id, submission] =
            self.columns.map(|index| text(record, index, &self.dialect));
        MappingRow { attempt_id, unit_code, unit_version, assessment_id, submission }
    }
}
