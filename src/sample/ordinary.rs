//! Ordinary rows in realistic proportions, between the planted ones.

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};

use super::{
    Shape,
    draft::{Draft, MappingLine, Promise, ReportLine, SampleFile, ScoreLine, stamp, unit_code},
    random::Random,
    words::{FIRST_NAMES, LABELS, LEARNER_FILES, NOTES, OLD_VERSIONS, SECTIONS, SURNAMES, UNITS, VERSIONS},
};
use crate::domain::SkipCode;

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
        draft.set_marker_files(random.pick(&[0, 1, 1, 1, 1, 1, 1, 2]));
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
            count_cell: None,
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
        draft.set_marker_files(1);
        draft
    }

    /// A plain row of a learner of its own, so that what is planted here touches no other row.
    pub(super) fn alone(shape: &Shape, number: u64) -> Self {
        let mut draft = Self::plain(shape, number);
        draft.be_learner(Random::of_row(shape.seed ^ 0x616c_6f6e_6500, number));
        draft.set_marker_files(1);
        draft
    }

    fn be_learner(&mut self, mut learner: Random) {
        let learner = &mut learner;
        self.first_name = learner.pick(&FIRST_NAMES).into();
        self.surname = learner.pick(&SURNAMES).into();
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
}

/// Two years of attempts, oldest first.
fn inserted_at(shape: &Shape, number: u64, random: &mut Random) -> NaiveDateTime {
    let begin = NaiveDate::from_ymd_opt(2023, 9, 1).unwrap_or_default().and_time(NaiveTime::MIN);
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
