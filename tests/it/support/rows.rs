//! One good row with everything the rules read, for tests that change one thing of it.

use rogo_migrate::{
    domain::{
        Assessment, Catalogue, Decision, Facts, Held, MalpracticeLevel, Mapping, MappingState, Migration,
        QueuedRow, Report, Score, Section, SubmissionRow, Value,
    },
    rules::{CatalogueIndex, RuleConfig, decide},
};

/// Where the good row's files are.
pub const SOURCE: &str = "https://acc.blob.core.windows.net/rogo";

/// A row, what is known of it, and the rules' settings.
#[derive(Debug, Clone)]
pub struct Case {
    pub row: QueuedRow,
    pub held: Held,
    pub facts: Facts,
    pub catalogue: Catalogue,
    pub config: RuleConfig,
}

impl Case {
    /// Attempt 987, "Ann Lee": two learner files, one marker file, two scores; migrates without a note.
    pub fn good() -> Self {
        Self {
            row: good_row(),
            held: Held::Nothing,
            facts: good_facts(),
            catalogue: good_catalogue(),
            config: good_config(),
        }
    }

    pub fn cells(&mut self) -> &mut SubmissionRow {
        &mut self.row.cells
    }

    pub fn report(&mut self) -> &mut Report {
        &mut self.facts.reports[0]
    }

    pub fn score(&mut self) -> &mut Score {
        &mut self.facts.scores[0]
    }

    pub fn assessment(&mut self) -> &mut Assessment {
        &mut self.catalogue.assessments[0]
    }

    pub fn map(&mut self, unit_version: &str, submission: &str) {
        let mapping = Mapping { unit_version: unit_version.into(), submission: submission.into() };
        self.row.mapping = MappingState::Found(mapping);
    }

    /// Lists in cells as they came: learner's names and URLs; the count column says nothing of them.
    pub fn learner(&mut self, names: &str, urls: &str) {
        self.row.cells.learner_files_count.clear();
        self.row.cells.learner_file_names = names.into();
        self.row.cells.learner_blob_urls = urls.into();
    }

    pub fn decide(&self) -> Decision {
        decide(
            &self.row,
            &self.held,
            &self.facts,
            &CatalogueIndex::from(self.catalogue.clone()),
            &self.config,
        )
    }

    /// What the row becomes; panics where it is not migrated.
    pub fn migrate(&self) -> Migration {
        match self.decide() {
            Decision::Migrate(migration) => *migration,
            other => panic!("not migrated: {other:?}"),
        }
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// An assessment with sections, ids derived from its code.
pub fn assessment(name: &str, code: &str, sections: &[&str]) -> Assessment {
    let section = |(n, text): (usize, &&str)| Section {
        id: format!("{code}-{}", n + 1),
        question_text: (*text).into(),
    };
    Assessment {
        id: format!("id-{code}"),
        name: name.into(),
        code: code.into(),
        sections: sections.iter().enumerate().map(section).collect(),
    }
}

fn good_row() -> QueuedRow {
    QueuedRow {
        number: 1,
        attempt: "987".parse().ok(),
        newer_row: None,
        held_launch_id: None,
        held_submission_id: None,
        excluded: None,
        earlier: None,
        withdrawn: None,
        mapping: MappingState::Found(Mapping {
            unit_version: "24_01".into(),
            submission: "Attempt 2".into(),
        }),
        listed: Vec::new(),
        cells: SubmissionRow {
            first_name: "Ann".into(),
            surname: "Lee".into(),
            learner_email: "ann@example.org".into(),
            attempt_id: "987".into(),
            assessment_id: "5HR03_A".into(),
            course_title: "People Practice".into(),
            rogo_user_id: "u-1".into(),
            rogo_user_name: "alee".into(),
            learner_files_count: "2".into(),
            marker_files_count: "1".into(),
            learner_file_names: "essay.docx, notes.pdf".into(),
            learner_blob_urls: format!("{SOURCE}/1700000000000_e.docx,{SOURCE}/1700000000001_n.pdf"),
            marker_blob_urls: format!("{SOURCE}/f.docx"),
        },
    }
}

fn good_facts() -> Facts {
    let score = |label: &str, marks, comment: &str| Score {
        label: text(label),
        score: Value::Number(marks),
        marker_comment: text(comment),
    };
    let report = Report {
        ti_user_id: text("11111111-1111-1111-1111-111111111111"),
        ti_section_id: text("22222222-2222-2222-2222-222222222222"),
        exercise: text("5HR03 PQ Attempt 2"),
        marks_achieved: Value::Number(61.0),
        marks_awarded: Value::Number(60.0),
        marks_available: text("100.00"),
        grade_percent: text("61.5"),
        grade: text("Merit"),
        marker_notes: text("Well argued"),
        results_approved: text("2024-05-03 12:00:00"),
        date_inserted: text("2024-05-01 10:11:12.1234567"),
        date_modified: text("2024-05-02"),
    };
    let scores = vec![score("Question 1", 30.0, "Good"), score("Question 2", 31.0, "")];
    Facts { reports: vec![report], scores }
}

fn good_catalogue() -> Catalogue {
    let level = |n: u8, text: &str| MalpracticeLevel { id: format!("level-{n}"), level_text: text.into() };
    Catalogue {
        assessments: vec![assessment(
            "5HR03 PQ 24_01",
            "5HR03_24",
            &["Question 1", "Question 2", "Question 10"],
        )],
        malpractice_levels: vec![
            level(1, "Moderate"),
            level(2, "Considerable "),
            level(3, "Severe"),
            level(4, "Minor"),
        ],
        rule_owner_id: "admin-1".into(),
    }
}

fn good_config() -> RuleConfig {
    RuleConfig {
        lms_instance: "3f2504e0-4f89-11d3-9a0c-0305e82c3301".into(),
        return_url: "https://lms.example.org/section".into(),
        unit_versions: vec!["24".into(), "25".into()],
        migrate_marker_only: false,
        warehouse_time_zone: chrono_tz::UTC,
        allowed_sources: vec![SOURCE.parse().unwrap()],
    }
}
