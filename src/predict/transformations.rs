//! `transformations.csv`: what the rules make of each distinct value, for the exam office to approve beforehand.

use std::collections::{BTreeMap, HashMap};

use super::Tables;
use crate::{
    domain::{AttemptId, Catalogue, Facts, Migration, Section, Value, text::trim},
    ports::Fault,
    rules::sections_of_label,
};

/// Distinct values that are kept; beyond them rows are counted together.
const MOST: usize = 200_000;

/// Every transformation met so far.
pub struct Transformations {
    assessments: HashMap<String, Known>,
    levels: HashMap<String, String>,
    met: BTreeMap<Transformation, Met>,
}

/// One assessment of the target.
struct Known {
    shown: String,
    sections: Vec<Section>,
    /// Labels that were looked up, each with its section's text.
    labels: HashMap<String, String>,
}

/// One value, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Transformation {
    kind: Kind,
    from: String,
    within: String,
    to: String,
}

/// What is transformed, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Grade,
    Exercise,
    Section,
    Malpractice,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Grade => "grade",
            Self::Exercise => "exercise",
            Self::Section => "section",
            Self::Malpractice => "malpractice",
        }
    }
}

struct Met {
    rows: u64,
    example: AttemptId,
}

impl Transformations {
    /// None yet; the catalogue names assessments, sections and levels.
    pub fn new(catalogue: &Catalogue) -> Self {
        let known = |one: &crate::domain::Assessment| Known {
            shown: format!("{} ({})", trim(&one.code), trim(&one.name)),
            sections: one.sections.clone(),
            labels: HashMap::new(),
        };
        Self {
            assessments: catalogue.assessments.iter().map(|one| (one.id.clone(), known(one))).collect(),
            levels: catalogue
                .malpractice_levels
                .iter()
                .map(|level| (level.id.clone(), trim(&level.level_text).to_owned()))
                .collect(),
            met: BTreeMap::new(),
        }
    }

    /// Adds what the rules make of one row.
    pub fn take(&mut self, migration: &Migration, facts: &Facts, version: &str) {
        let attempt = migration.attempt;
        if let Some(report) = facts.reports.first() {
            let level = trim(&migration.assessment_code).chars().next();
            let within = level.map(|level| format!("assessments of level {level}")).unwrap_or_default();
            let final_grade = migration.grade.final_grade.clone();
            self.meet(attempt, Kind::Grade, shown(&report.grade), within, final_grade);
        }
        let assessment = self.assessments.get(&migration.assessment_id).map(|known| known.shown.clone());
        let assessment = assessment.unwrap_or_else(|| migration.assessment_code.clone());
        let exercise = trim(&migration.course_name).to_owned();
        self.meet(attempt, Kind::Exercise, exercise, version.to_owned(), assessment.clone());
        for (label, section) in self.sections(migration, facts) {
            self.meet(attempt, Kind::Section, label, assessment.clone(), section);
        }
        if let Some(rule) = &migration.malpractice {
            let level = self.levels.get(&rule.level_id).cloned().unwrap_or_default();
            let limit = rule
                .enforced_max_attempts
                .map_or_else(|| "no limit".to_owned(), |most| format!("at most {most} attempts"));
            let within = format!("attempt number {}", migration.attempt_number);
            self.meet(attempt, Kind::Malpractice, rule.notes.clone(), within, format!("{level}: {limit}"));
        }
    }

    /// The label of each score with the text of the section that it matches; each label once.
    fn sections(&mut self, migration: &Migration, facts: &Facts) -> BTreeMap<String, String> {
        let Some(known) = self.assessments.get_mut(&migration.assessment_id) else { return BTreeMap::new() };
        let Known { sections, labels, .. } = known;
        let mut found = BTreeMap::new();
        for label in facts.scores.iter().map(|score| shown(&score.label)) {
            let text = labels.entry(label.clone()).or_insert_with(|| {
                let matching = sections_of_label(&label, sections);
                matching.first().map(|section| trim(&section.question_text).to_owned()).unwrap_or_default()
            });
            found.insert(label, text.clone());
        }
        found
    }

    fn meet(&mut self, attempt: AttemptId, kind: Kind, from: String, within: String, to: String) {
        let mut key = Transformation { kind, from, within, to };
        if self.met.len() >= MOST && !self.met.contains_key(&key) {
            key = Transformation {
                kind,
                from: "(further values)".into(),
                within: String::new(),
                to: "(not listed)".into(),
            };
        }
        let met = self.met.entry(key).or_insert(Met { rows: 0, example: attempt });
        met.rows += 1;
        met.example = met.example.min(attempt);
    }

    /// Writes the table, by kind and value.
    pub fn write(&self, tables: &mut Tables) -> Result<(), Fault> {
        for (Transformation { kind, from, within, to }, Met { rows, example }) in &self.met {
            let (rows, example) = (rows.to_string(), example.to_string());
            tables.transformations.row([kind.name(), from, within, to, &rows, &example])?;
        }
        Ok(())
    }
}

/// A cell of the warehouse for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => trim(text).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Local(_) | Value::Instant(_) | Value::Bool(_) | Value::Invalid(_) => {
            String::new()
        }
    }
}
