//! One row of a sample, everywhere it stands: CSV cells, mapping, warehouse, files, target, and its promised fate.

use std::fmt::Write as _;

use chrono::{Duration, NaiveDate, NaiveDateTime};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{
    Shape,
    random::Random,
    words::{
        FIRST_NAMES, LABELS, LEARNER_FILES, LMS_INSTANCE, NOTES, OLD_VERSIONS, SECTIONS, SURNAMES, UNITS,
        VERSIONS,
    },
};
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

/// What stands at a file's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Sound,
    /// Its stored Content-MD5 is not that of its bytes.
    Corrupt,
    Missing,
}

/// One source file.
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
    /// Instead of the cell that follows from the files; `{base}` stands for the source's URL.
    pub names_cell: Option<String>,
    /// As `names_cell`, for Learner Azure Blob URLs.
    pub urls_cell: Option<String>,
    pub mapping: Vec<MappingLine>,
    pub reports: Vec<ReportLine>,
    pub scores: Vec<ScoreLine>,
    /// Statements that the target's seed needs for this row.
    pub target_sql: String,
    pub promise: Promise,
    pub inserted_at: NaiveDateTime,
}

impl Draft {
    /// An ordinary row, as the seed has it.
    pub(super) fn ordinary(shape: &Shape, number: u64) -> Self {
        let mut random = Random::of_row(shape.seed, number);
        let mut draft = Self::plain(shape, number);
        if random.chance(12) {
            draft.set_version(random.pick(&OLD_VERSIONS));
            draft.promise = Promise::Skipped(SkipCode::UnitVersionExcluded);
        }
        if random.chance(2) {
            draft.set_submission("Retake Attempt 1");
        }
        draft.learner_files = learner_files(&mut random, &draft);
        draft.marker_files = marker_files(&draft, random.pick(&[0, 1, 1, 1, 1, 1, 1, 2]));
        if random.chance(5) {
            draft.assessment_id.clear();
        }
        for report in &mut draft.reports {
            if random.chance(10) {
                report.awarded = std::mem::take(&mut report.achieved);
            }
            if random.chance(10) {
                report.approved.clear();
            }
            if random.chance(30) {
                report.modified.clear();
            }
            if random.chance(1) {
                report.grade =
                    format!("Malpractice {}", random.pick(&["Minor", "Moderate", "Considerable", "Severe"]));
            }
        }
        draft
    }

    /// A row that migrates without a note: two learner files and one marker file.
    pub(super) fn plain(shape: &Shape, number: u64) -> Self {
        let random = &mut Random::of_row(shape.seed ^ 0x706c_6169_6e00, number);
        let attempt = shape.first_attempt + number * 7 + random.below(7);
        let unit = random.pick(&UNITS);
        let version = random.pick(&VERSIONS);
        let learner = Random::of_row(shape.seed ^ 0x6c65_6172_6e00, random.below(shape.rows / 2 + 1));
        let attempt_number = random.between(1, 3);
        let inserted_at = inserted_at(shape, number, random);
        let mut draft = Self {
            number,
            attempt,
            attempt_cell: attempt.to_string(),
            first_name: String::new(),
            surname: String::new(),
            email: String::new(),
            membership: String::new(),
            rogo_user_id: String::new(),
            rogo_user_name: String::new(),
            unit,
            assessment_id: format!("ASM-{}-{version}", unit_code(unit.0)),
            course_title: format!("{} ({version})", unit.1),
            learner_files: Vec::new(),
            marker_files: Vec::new(),
            names_cell: None,
            urls_cell: None,
            mapping: vec![MappingLine {
                attempt: attempt.to_string(),
                version: version.to_owned(),
                submission: format!("Attempt {attempt_number}"),
            }],
            reports: vec![report(random, unit.0, attempt_number, inserted_at)],
            scores: scores(random),
            target_sql: String::new(),
            promise: Promise::Migrated(Vec::new()),
            inserted_at,
        };
        draft.be_learner(learner);
        draft.set_context(shape, version);
        draft.learner_files =
            vec![draft.learner_file(1, "Assignment.docx"), draft.learner_file(2, "Appendix.pdf")];
        draft.marker_files = marker_files(&draft, 1);
        draft
    }

    /// A plain row of a learner of its own, so that what is planted here touches no other row.
    pub(super) fn alone(shape: &Shape, number: u64) -> Self {
        let mut draft = Self::plain(shape, number);
        draft.be_learner(Random::of_row(shape.seed ^ 0x616c_6f6e_6500, number));
        draft
    }

    fn be_learner(&mut self, mut learner: Random) {
        let learner = &mut learner;
        self.first_name = learner.pick(&FIRST_NAMES).to_owned();
        self.surname = learner.pick(&SURNAMES).to_owned();
        let number = learner.between(100_000, 9_999_999);
        self.membership = format!("M{number}");
        self.rogo_user_id = number.to_string();
        self.rogo_user_name = format!("{} {}", self.first_name, self.surname);
        self.email = format!("learner{number}@learners.example");
        let user = learner.guid();
        for report in &mut self.reports {
            report.user.clone_from(&user);
        }
    }

    /// The course section in the LMS: one for each unit and version.
    fn set_context(&mut self, shape: &Shape, version: &str) {
        let key = self
            .unit
            .0
            .bytes()
            .chain(version.bytes())
            .fold(7, |sum: u64, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
        let section = Random::of_row(shape.seed, key).guid();
        for report in &mut self.reports {
            report.section.clone_from(&section);
        }
    }

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
        self.marker_files = marker_files(self, count);
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

/// Two years of attempts, oldest first.
fn inserted_at(shape: &Shape, number: u64, random: &mut Random) -> NaiveDateTime {
    let begin = NaiveDate::from_ymd_opt(2023, 9, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN);
    let second = u128::from(number) * 63_000_000 / u128::from(shape.rows.max(1));
    let jitter_ms = i64::try_from(random.below(900_000)).unwrap_or_default();
    begin + Duration::seconds(i64::try_from(second).unwrap_or_default()) + Duration::milliseconds(jitter_ms)
}

fn report(random: &mut Random, unit: &str, attempt_number: u64, inserted_at: NaiveDateTime) -> ReportLine {
    let marks = random.below(101);
    let grade = match marks {
        0..=29 => random.pick(&["Fail", "Refer", "Refer/Fail"]),
        30..=49 => "Refer",
        50..=64 => "Pass",
        65..=79 => "Merit",
        _ => "Distinction",
    };
    ReportLine {
        user: String::new(),
        section: String::new(),
        exercise: format!("{unit} Attempt {attempt_number}"),
        achieved: if random.chance(30) { format!("{marks}.5") } else { marks.to_string() },
        awarded: String::new(),
        available: "100".into(),
        percent: format!("{marks}.00"),
        grade: grade.into(),
        notes: random.pick(&NOTES).into(),
        approved: stamp(inserted_at + Duration::days(20)),
        inserted: stamp(inserted_at),
        modified: stamp(inserted_at + Duration::days(21)),
    }
}

/// Scores of all or some of the sections.
fn scores(random: &mut Random) -> Vec<ScoreLine> {
    let count = random.between(2, SECTIONS.len() as u64);
    LABELS
        .iter()
        .zip(0..count)
        .map(|(label, _)| ScoreLine {
            label: (*label).to_owned(),
            score: format!("{}.{}", random.below(25), random.pick(&[0, 5])),
            comment: random.pick(&NOTES).into(),
        })
        .collect()
}

/// One to three files of different names.
fn learner_files(random: &mut Random, draft: &Draft) -> Vec<SampleFile> {
    let count = random.pick(&[1, 1, 1, 2, 2, 3]);
    let first = random.below(LEARNER_FILES.len() as u64);
    (1..=count)
        .filter_map(|place| {
            let index = usize::try_from((first + place) % LEARNER_FILES.len() as u64).ok()?;
            Some(draft.learner_file(place, LEARNER_FILES.get(index)?))
        })
        .collect()
}

fn marker_files(draft: &Draft, count: u64) -> Vec<SampleFile> {
    (1..=count)
        .map(|place| {
            let mut name = format!("Feedback {}", draft.surname.replace(' ', "_"));
            if place > 1 {
                let _ = write!(name, " ({place})");
            }
            name.push_str(".docx");
            let blob = format!("marker/{}/{place}_{name}", draft.attempt);
            SampleFile { name, blob, stored: Stored::Sound }
        })
        .collect()
}
