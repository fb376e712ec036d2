//! One row of a sample in all its places: CSV cells, mapping, warehouse, files, target, and its expected outcome.

use chrono::NaiveDateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::words::{LMS_INSTANCE, VERSIONS};
use crate::domain::{FailCode, NoteCode, SkipCode};

/// What a run has to make of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Promise {
    Migrated(Vec<NoteCode>),
    Skipped(SkipCode),
    Failed(FailCode),
}

/// One mapping line; the attempt as text, since it may carry leading zeros.
#[derive(Debug, Clone)]
pub(super) struct MappingLine {
    pub attempt: String,
    pub version: String,
    pub submission: String,
}

/// One report; an empty text is null.
#[derive(Debug, Clone)]
pub(super) struct ReportLine {
    pub user: String,
    pub section: String,
    pub exercise: String,
    pub achieved: String,
    pub awarded: String,
    pub available: String,
    pub percent: String,
    pub grade: String,
    pub notes: String,
    pub approved: String,
    pub inserted: String,
    pub modified: String,
}

/// One score; an empty text is null.
#[derive(Debug, Clone)]
pub(super) struct ScoreLine {
    pub label: String,
    pub score: String,
    pub comment: String,
}

/// Content of the file at the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Sound,
    /// Its stored Content-MD5 is not that of its bytes.
    Corrupt,
    Missing,
}

/// Name and content of one source file.
#[derive(Debug, Clone)]
pub(super) struct SampleFile {
    /// Its name in the old system.
    pub name: String,
    /// Its name in the source container.
    pub blob: String,
    pub stored: Stored,
}

impl SampleFile {
    /// The blob's name as it stands in a URL.
    pub(super) fn encoded_blob(&self) -> String {
        percent_encode(self.blob.as_bytes(), BLOB_NAME).to_string()
    }
}

/// Everything but the unreserved characters and the slash: commas, too, since a cell is a list.
const BLOB_NAME: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// One row before it is written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub number: u64,
    pub attempt: u64,
    pub attempt_cell: String,
    pub first_name: String,
    pub surname: String,
    pub email: String,
    pub membership: String,
    pub rogo_user_id: String,
    pub rogo_user_name: String,
    pub unit: (&'static str, &'static str),
    pub assessment_id: String,
    pub course_title: String,
    pub learner_files: Vec<SampleFile>,
    pub marker_files: Vec<SampleFile>,
    /// Replaces the cell that the files would give; `{base}` becomes the source's URL.
    pub names_cell: Option<String>,
    /// As `names_cell`, for Learner Azure Blob URLs.
    pub urls_cell: Option<String>,
    /// Instead of the number of URLs, for Learner Files Count.
    pub count_cell: Option<String>,
    pub mapping: Vec<MappingLine>,
    pub reports: Vec<ReportLine>,
    pub scores: Vec<ScoreLine>,
    /// Statements that the target's seed needs for this row.
    pub target_sql: String,
    pub promise: Promise,
    pub inserted_at: NaiveDateTime,
}

impl Draft {
    pub(super) fn fails(&mut self, code: FailCode) {
        self.promise = Promise::Failed(code);
    }

    pub(super) fn skips(&mut self, code: SkipCode) {
        self.promise = Promise::Skipped(code);
    }

    pub(super) fn notes(&mut self, code: NoteCode) {
        self.promise = Promise::Migrated(vec![code]);
    }

    pub(super) fn set_version(&mut self, version: &str) {
        self.mapping.iter_mut().for_each(|line| version.clone_into(&mut line.version));
    }

    pub(super) fn set_submission(&mut self, submission: &str) {
        self.mapping.iter_mut().for_each(|line| submission.clone_into(&mut line.submission));
    }

    /// Changes the report (there is one, unless a plant took it away).
    pub(super) fn report(&mut self, change: impl Fn(&mut ReportLine)) {
        self.reports.iter_mut().for_each(change);
    }

    pub(super) fn set_exercise(&mut self, exercise: &str) {
        self.report(|report| exercise.clone_into(&mut report.exercise));
    }

    pub(super) fn set_grade(&mut self, grade: &str) {
        self.report(|report| grade.clone_into(&mut report.grade));
    }

    /// The one score of the row, with this label and value.
    pub(super) fn set_score(&mut self, label: &str, score: &str) {
        self.scores = vec![ScoreLine { label: label.into(), score: score.into(), comment: String::new() }];
    }

    /// The learner's files, by their names in the old system.
    pub(super) fn set_learner_files(&mut self, names: &[&str]) {
        self.learner_files = (1..).zip(names).map(|(place, name)| self.learner_file(place, name)).collect();
    }

    /// A learner's file; the old system put a time of 13 digits before its name.
    pub(super) fn learner_file(&self, place: u64, name: &str) -> SampleFile {
        let uploaded_ms = 1_690_000_000_000 + self.number * 60_000 + place;
        SampleFile {
            name: name.to_owned(),
            blob: format!("learner/{}/{uploaded_ms}_{name}", self.attempt),
            stored: Stored::Sound,
        }
    }

    pub(super) fn set_marker_files(&mut self, count: u64) {
        self.marker_files = (1..=count).map(|place| self.marker_file(place)).collect();
    }

    fn marker_file(&self, place: u64) -> SampleFile {
        let several = if place > 1 { format!(" ({place})") } else { String::new() };
        let name = format!("Feedback {}{several}.docx", self.surname);
        let blob = format!("marker/{}/{place}_{name}", self.attempt);
        SampleFile { name, blob, stored: Stored::Sound }
    }

    /// An attempt id that no row of any sample has.
    pub(super) fn unused_attempt(&self) -> u64 {
        100_000 + self.number % 900_000
    }

    pub(super) fn version(&self) -> &str {
        self.mapping.first().map_or(VERSIONS[0], |line| &line.version)
    }

    /// Code of the target's assessment for the row's unit.
    pub(super) fn assessment_code(&self) -> String {
        format!("{}-{}", unit_code(self.unit.0), self.version())
    }

    pub(super) fn lms_user_id(&self) -> String {
        format!("{LMS_INSTANCE}::{}", self.reports.first().map_or("", |report| &report.user))
    }

    pub(super) fn context_id(&self) -> String {
        format!("{LMS_INSTANCE}::{}", self.reports.first().map_or("", |report| &report.section))
    }
}

/// "5KX03" of "5KX03 PQ".
pub(super) fn unit_code(unit: &str) -> &str {
    unit.split(' ').next().unwrap_or(unit)
}

/// A date as SQL Server tools export it.
pub(super) fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}
