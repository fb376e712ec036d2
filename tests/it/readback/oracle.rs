//! What the target should hold after a run: every value derived a second time, from the inputs' cells and the
//! seeded catalogue, by the words of rules.md and target.md alone. Nothing here calls the program's rules.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use uuid::Uuid;

use super::{
    enforcement,
    files::{File, Sources, files},
    grades,
    inputs::{Inputs, Record, number},
    tables::{Rows, Tables},
    written,
};

/// The project's namespace of identifiers: once another, every migrated row would be migrated anew.
const NAMESPACE: Uuid = uuid::uuid!("6f1c0c1e-98f3-5d5b-9e0b-52d08a1a7c41");

/// What the run was told, and where its files came from and went to.
pub struct Run<'a> {
    pub inputs: &'a Inputs,
    pub before: &'a Tables,
    pub sources: Sources<'a>,
    pub lms_instance: &'a str,
    pub name: &'a str,
    pub writer: &'a str,
    pub container: &'a str,
    /// The target's URL, without a slash at its end.
    pub target: &'a str,
    /// What a date without an offset means.
    pub instant: &'a dyn Fn(&str) -> DateTime<Utc>,
}

/// One migrated row: its cells, and what follows from them.
pub struct Submission<'a> {
    pub row: u64,
    pub attempt: i64,
    pub cells: &'a Record,
    pub report: &'a Record,
    root: Uuid,
    pub user_id: String,
    pub context_id: String,
    pub context_title: String,
    pub assessment_id: String,
    pub assessment_code: String,
    pub attempt_number: i64,
    pub inserted: DateTime<Utc>,
    pub modified: DateTime<Utc>,
    pub submitted: DateTime<Utc>,
    pub files: Vec<File>,
    pub marks: Vec<(String, &'a Record)>,
    /// Id and text.
    pub level: Option<(String, String)>,
}

/// A blob as it should stand.
#[derive(Debug, PartialEq)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub content_type: String,
    /// Names in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// Everything that should be found after a run.
#[derive(Default)]
pub struct Expected {
    pub rows: Rows,
    pub blobs: BTreeMap<String, Blob>,
    /// Lines of migrated.csv, by row.
    pub migrated: BTreeMap<u64, Vec<String>>,
    /// Lines of notes.csv without their detail.
    pub notes: Vec<(u64, String, &'static str)>,
}

impl Run<'_> {
    /// After the migration of these rows.
    pub fn expected(&self, rows: impl Iterator<Item = u64>) -> Expected {
        let mut expected = Expected::default();
        let mut all = Vec::new();
        for row in rows {
            let (submission, named_by_url) = self.submission(row);
            let notes = [
                (named_by_url, "names_from_url"),
                (submission.announces_others(), "files_count_differs"),
                (submission.cells["First Name"].contains('Ã'), "text_misread"),
            ];
            for (_, code) in notes.iter().filter(|(carries, _)| *carries) {
                expected.notes.push((row, submission.attempt.to_string(), *code));
            }
            expected.migrated.insert(row, submission.line());
            for file in &submission.files {
                expected
                    .blobs
                    .insert(file.blob_name(submission.attempt, self.writer), self.blob(&submission, file));
            }
            written::add(&mut expected.rows, self, &submission);
            all.push(submission);
        }
        let kept = enforcement::stand(&mut expected.rows, self, &all);
        expected.notes.extend(kept);
        expected.notes.sort();
        expected
    }

    fn submission(&self, row: u64) -> (Submission<'_>, bool) {
        let cells = self.inputs.row(row);
        let attempt = number(&cells["Attempt ID"]);
        let (mapping, report) = (self.inputs.mapping(attempt), self.inputs.report(attempt));
        let exercise = &report["Exercise"];
        let version = mapping["Unit Code Version"].trim();
        let (assessment_id, assessment_code) = grades::assessment(self.before, exercise, version);
        let (files, from_url) = files(cells, attempt, &assessment_code, &self.sources);
        let scores = self.inputs.scores(attempt).into_iter();
        let section =
            |score: &Record| grades::section(self.before, &assessment_id, &score["ScoreLabelCorrected"]);
        let mut marks: Vec<(String, &Record)> = scores.map(|score| (section(score), score)).collect();
        marks.sort_by_key(|(id, _)| (self.before["assessment_sections"][id]["order"].as_i64(), id.clone()));
        let guid = self.lms_instance;
        let date = |column: &str| {
            Some(report[column].trim()).filter(|text| !text.is_empty()).map(|text| (self.instant)(text))
        };
        let inserted = date("DateInserted").unwrap();
        let title = cells["Course Title"].trim();
        let submission = Submission {
            row,
            attempt,
            cells,
            report,
            root: Uuid::new_v5(&NAMESPACE, format!("{}/{attempt}", guid.to_lowercase()).as_bytes()),
            user_id: format!("{guid}::{}", report["TIUserId"].trim()),
            context_id: format!("{guid}::{}", report["TISectionId"].trim()),
            context_title: if title.is_empty() { exercise.clone() } else { title.to_owned() },
            assessment_id,
            assessment_code,
            attempt_number: grades::attempt_number(&mapping["Submission"]),
            inserted,
            modified: date("DateModified").unwrap_or(inserted),
            submitted: date("ResultsApproved").unwrap_or(inserted),
            files,
            marks,
            level: grades::malpractice_level(self.before, report["Grade"].trim()),
        };
        (submission, !from_url.is_empty())
    }

    fn blob(&self, submission: &Submission, file: &File) -> Blob {
        let mut metadata = BTreeMap::from(
            [
                ("attemptid", submission.attempt.to_string()),
                ("migratedfrom", "rogo_warehouse".to_owned()),
                ("run", self.name.to_owned()),
                ("writer", self.writer.to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if !file.is_learners {
            metadata.insert("filetype".to_owned(), "marker_feedback".to_owned());
        }
        Blob { bytes: file.bytes.clone(), content_type: file.content_type().to_owned(), metadata }
    }

    /// The id of the rule for a learner, an assessment and a context.
    pub fn rule_id(key: [&str; 3]) -> String {
        let name = format!("malpractice_enforcements/{}", key.join("\n"));
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }
}

impl Submission<'_> {
    pub fn launch_id(&self) -> String {
        format!("rogo_{}_{}", self.attempt, self.root.simple())
    }

    /// The id of the table's n-th row of this submission.
    pub fn id(&self, table: &str, n: usize) -> String {
        Uuid::new_v5(&self.root, format!("{table}/{n}").as_bytes()).to_string()
    }

    /// Whether a count column says another number of files than there are.
    fn announces_others(&self) -> bool {
        let differs = |column: &str, is_learners: bool| {
            let files = self.files.iter().filter(|file| file.is_learners == is_learners).count();
            self.cells[column] != files.to_string()
        };
        differs("Learner Files Count", true) || differs("Marker Files Count", false)
    }

    pub fn full_name(&self) -> String {
        let name = format!("{} {}", self.cells["First Name"].trim(), self.cells["Surname"].trim());
        let name = name.trim();
        if name.is_empty() { self.cells["Rogo User Name"].trim().to_owned() } else { name.to_owned() }
    }

    fn line(&self) -> Vec<String> {
        vec![
            self.attempt.to_string(),
            self.launch_id(),
            self.id("assignment_submissions", 1),
            self.id("lti_session_records", 1),
            self.user_id.clone(),
            self.context_id.clone(),
        ]
    }
}

/// A date without an offset, where the warehouse's clocks show UTC; PostgreSQL keeps microseconds.
pub fn utc(text: &str) -> DateTime<Utc> {
    let text = text.replace('T', " ");
    let at = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f");
    let at = at.unwrap_or_else(|error| panic!("{text}: {error}")).and_utc();
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap()
}
