//! Malpractice enforcements: one row for each learner, assessment and context, of the newest attempt among all.

mod one;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::one::{Ours, one};
use super::{
    checks::{Ground, of_enforcement},
    expect::Expected,
    findings::{Difference, Findings, Kind, Lack},
    surplus::KnownSubmissions,
    table::CheckId,
};
use crate::{
    domain::{AttemptId, Digest, Fate, Outcome, ReceiptFrom},
    ports::{StoredRow, Table},
};

/// Learner, assessment's code, context.
pub type Key = (String, String, String);

/// The rule that one migrated attempt brings along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Row of the input.
    pub row: u64,
    /// The attempt of that row.
    pub attempt: AttemptId,
    /// DateInserted: of two rules the later stands.
    pub inserted: DateTime<Utc>,
    /// The level that the grade names.
    pub level: String,
    /// Id of its submission.
    pub submission: String,
    /// Context title, if it is known.
    pub context_title: Option<String>,
    /// Attempt number, if it is known.
    pub attempt_number: Option<i32>,
}

/// A migrated row with malpractice whose rule is not known: the warehouse, or the grade's assessment, is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipted {
    /// Row of the input.
    pub row: u64,
    /// The attempt of that row.
    pub attempt: AttemptId,
    /// Receipt of the enforcement row as the attempt makes it, if the outcome keeps one.
    pub sha256: Option<Digest>,
}

/// The rules of migrated rows.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The newest one under each key.
    pub newest: HashMap<Key, Rule>,
    /// Those whose key and age are not known.
    pub receipted: Vec<Receipted>,
    /// Rows of which neither warehouse nor receipt says whether they have malpractice.
    pub unknown: u64,
}

impl Rules {
    /// Adds the rule of a migrated row, if its grade names malpractice. If it is not known: keeps its receipt, says what lacks.
    pub fn add(
        &mut self,
        row: u64,
        (expected, outcome): (&Expected, &Outcome),
        ground: &Ground<'_>,
        code: Result<&str, Lack>,
    ) -> Option<Lack> {
        let lack = self.know(row, expected, ground, code)?;
        let receipt = match &outcome.fate {
            Fate::Migrated(migrated) => migrated.receipt.as_ref(),
            _ => None,
        };
        // A receipt of rows as they were read says nothing of malpractice.
        let receipt = receipt.filter(|receipt| receipt.from != ReceiptFrom::Stored);
        let sha256 = receipt.and_then(|receipt| receipt.enforcement);
        if sha256.is_some() || expected.report.is_ok() {
            self.receipted.push(Receipted { row, attempt: expected.attempt, sha256 });
        } else if receipt.is_none() {
            self.unknown += 1;
        }
        Some(lack)
    }

    fn know(
        &mut self,
        row: u64,
        expected: &Expected,
        ground: &Ground<'_>,
        code: Result<&str, Lack>,
    ) -> Option<Lack> {
        let report = match &expected.report {
            Ok(report) => report,
            Err(lack) => return Some(*lack),
        };
        let level = report.grade.malpractice.clone()?;
        let code = match code {
            Ok(code) => code,
            Err(lack) => return Some(lack),
        };
        let guid = &ground.settings.lms_instance;
        let key =
            (format!("{guid}::{}", report.user), code.to_owned(), format!("{guid}::{}", report.section));
        let context_title = expected.person.as_ref().map(|person| match person.course_title.as_str() {
            "" => report.exercise.clone(),
            title => title.to_owned(),
        });
        let rule = Rule {
            row,
            attempt: expected.attempt,
            inserted: report.inserted,
            level,
            submission: expected.ids.row(Table::Submissions.name(), 1),
            context_title,
            attempt_number: expected.attempt_number,
        };
        self.keep(key, rule);
        None
    }

    /// Keeps the rule if it is the newest under its key.
    pub fn keep(&mut self, key: Key, rule: Rule) {
        let age = |rule: &Rule| (rule.inserted, rule.attempt);
        if self.newest.get(&key).is_none_or(|newest| age(newest) < age(&rule)) {
            self.newest.insert(key, rule);
        }
    }
}

/// A row that stands, with `created_at` of the submission that it names.
pub type StandingRow = (StoredRow, Option<DateTime<Utc>>);

/// The rows that stand, by key.
#[derive(Debug, Default)]
pub struct Standing(HashMap<Key, Vec<StandingRow>>);

impl Standing {
    /// Adds rows as they are read.
    pub fn add(&mut self, rows: Vec<StandingRow>) {
        for (row, named_at) in rows {
            let text = |column| text(&row, column).to_owned();
            let key = (text("lms_user_id"), text("custom_assessment_code"), text("context_id"));
            self.0.entry(key).or_default().push((row, named_at));
        }
    }

    /// Compares what stands under each rule's key. `images`: ids of rows that this run changed and did not write.
    pub fn compare(
        &self,
        rules: &Rules,
        ground: &Ground<'_>,
        known: &KnownSubmissions,
        images: &BTreeSet<String>,
    ) -> Vec<(u64, AttemptId, Findings)> {
        let others: HashMap<&str, &Key> =
            rules.newest.iter().map(|(key, rule)| (rule.submission.as_str(), key)).collect();
        let of_rule = |(key, rule): (&Key, &Rule)| {
            let mut findings = Findings::of_rows(ground.layout);
            let rows = self.0.get(key).map(Vec::as_slice).unwrap_or_default();
            let ours = Ours { known, rules: &others };
            one((key, rule), rows, ground, ours, images, &mut findings);
            (rule.row, rule.attempt, findings)
        };
        rules.newest.iter().map(of_rule).chain(self.compare_receipts(rules, ground, known)).collect()
    }

    /// Compares the rows that name a rule's submission with the rule's receipt, which one of them is to hold. Whether that is
    /// the newest cannot be said.
    fn compare_receipts(
        &self,
        rules: &Rules,
        ground: &Ground<'_>,
        known: &KnownSubmissions,
    ) -> Vec<(u64, AttemptId, Findings)> {
        if rules.receipted.is_empty() {
            return Vec::new();
        }
        let mut standing: HashMap<AttemptId, Vec<&StoredRow>> = HashMap::new();
        for (row, _) in self.0.values().flatten() {
            if let Some(attempt) = known.attempt(text(row, "submission_id")) {
                standing.entry(attempt).or_default().push(row);
            }
        }
        let of_rule = |rule: &Receipted| {
            let (rows, sha256) = (standing.get(&rule.attempt)?, rule.sha256?);
            let holds = rows.iter().any(|row| of_enforcement(ground.layout, row) == sha256);
            let mut findings = Findings::default();
            findings.holds(CheckId::EnforcementNewest, holds, Kind::Changed, || {
                "malpractice_enforcements: the receipt of the row does not hold".to_owned()
            });
            Some((rule.row, rule.attempt, findings))
        };
        rules.receipted.iter().filter_map(of_rule).collect()
    }

    /// Rows that name a submission of this run under a key that no malpractice of this run has. To be asked only if it is
    /// known of all rows whether they have malpractice.
    pub fn surplus(&self, rules: &Rules, known: &KnownSubmissions) -> Vec<(AttemptId, String, Difference)> {
        let receipted: BTreeSet<AttemptId> = rules.receipted.iter().map(|rule| rule.attempt).collect();
        let rows =
            self.0.iter().filter(|(key, _)| !rules.newest.contains_key(*key)).flat_map(|(_, rows)| rows);
        let of_row = |(row, _): &StandingRow| {
            let attempt = known.attempt(text(row, "submission_id"))?;
            let issue = format!(
                "malpractice_enforcements {}: no malpractice of the submission that it names",
                row.id()
            );
            let difference =
                Difference { check: CheckId::NothingSurplus, kind: Kind::Surplus, issue, values: None };
            (!receipted.contains(&attempt)).then(|| (attempt, row.id().to_owned(), difference))
        };
        rows.filter_map(of_row).collect()
    }
}

fn text<'r>(row: &'r StoredRow, column: &str) -> &'r str {
    Table::Enforcements.place(column).and_then(|place| row.text(place)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
