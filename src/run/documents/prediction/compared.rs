//! Comparison of a prediction with the books of the run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Counted, Prediction};
use crate::domain::Books;

/// `prediction` in `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// When it was predicted (UTC).
    pub at: DateTime<Utc>,
    /// Whether outcomes, files and bytes are those predicted. The duration does not count.
    pub same: bool,
    /// Every number that differs.
    pub differences: Vec<Difference>,
    /// Predicted and real duration.
    pub duration: ComparedDuration,
}

/// A number that differs from the prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `migrated`, `failed <code>`, `skipped <code>`, `note <code>`, `files`, `bytes` or `rows`.
    pub what: String,
    /// The number in `prediction.json`.
    pub predicted: u64,
    /// As it came.
    pub outcome: u64,
    /// Why, as far as it is known.
    pub why: String,
}

/// The duration beside its prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedDuration {
    /// As predicted, in milliseconds.
    pub predicted_ms: u64,
    /// From the first process's start to the last outcome, in milliseconds.
    pub outcome_ms: u64,
    /// How far the outcome is off, in per cent of the prediction; negative if the run was faster.
    pub off_percent: f64,
}

/// How long the run took, from the first process's start to the last outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took(pub Duration);

/// Why a count differs that copying or committing decides.
const NOT_PREDICTABLE: &str = "cannot be known before files are copied and rows are committed";
const CHANGED: &str = "what decides it changed between prediction and run: compare the sources, the warehouse and the \
                       target with the prediction's time";

impl Prediction {
    /// Compares with the books of the finished run.
    pub fn compare(&self, books: &Books, took: Took) -> Compared {
        let mut differences = Vec::new();
        let unforeseen: u64 =
            self.not_predictable.failed.iter().map(|code| of(&books.failed, code)).sum::<u64>()
                + self.not_predictable.skipped.iter().map(|code| of(&books.skipped, code)).sum::<u64>();
        let mut compare = |what: String, predicted: u64, outcome: u64, is_known: bool| {
            if predicted != outcome {
                let why = if is_known { CHANGED } else { NOT_PREDICTABLE };
                differences.push(Difference { what, predicted, outcome, why: why.into() });
            }
        };
        let outcomes = &self.outcomes;
        compare("rows".into(), self.rows, books.rows(), true);
        compare("migrated".into(), outcomes.migrated.rows, books.migrated, unforeseen == 0);
        for code in keys(&outcomes.failed, &books.failed) {
            let is_known = !self.not_predictable.failed.contains(&code);
            compare(
                format!("failed {code}"),
                rows(&outcomes.failed, &code),
                of(&books.failed, &code),
                is_known,
            );
        }
        for code in keys(&outcomes.skipped, &books.skipped) {
            let is_known = !self.not_predictable.skipped.contains(&code);
            compare(
                format!("skipped {code}"),
                rows(&outcomes.skipped, &code),
                of(&books.skipped, &code),
                is_known,
            );
        }
        for code in keys(&outcomes.notes, &books.notes) {
            let is_known = unforeseen == 0 && !self.not_predictable.notes.contains(&code);
            compare(format!("note {code}"), rows(&outcomes.notes, &code), of(&books.notes, &code), is_known);
        }
        compare("files".into(), self.files.files, books.files, unforeseen == 0);
        compare("bytes".into(), self.files.bytes, books.bytes, unforeseen == 0 && self.files.exact);
        let (predicted_ms, outcome_ms) =
            (self.duration.milliseconds, u64::try_from(took.0.as_millis()).unwrap_or(u64::MAX));
        Compared {
            at: self.at,
            same: differences.is_empty(),
            differences,
            duration: ComparedDuration {
                predicted_ms,
                outcome_ms,
                off_percent: off_percent(predicted_ms, outcome_ms),
            },
        }
    }
}

fn keys<C: Copy + Ord>(
    predicted: &std::collections::BTreeMap<C, Counted>,
    outcome: &std::collections::BTreeMap<C, u64>,
) -> std::collections::BTreeSet<C> {
    predicted.keys().chain(outcome.keys()).copied().collect()
}

fn rows<C: Ord>(predicted: &std::collections::BTreeMap<C, Counted>, code: &C) -> u64 {
    predicted.get(code).map_or(0, |counted| counted.rows)
}

fn of<C: Ord>(outcome: &std::collections::BTreeMap<C, u64>, code: &C) -> u64 {
    outcome.get(code).copied().unwrap_or_default()
}

/// With one decimal; 0 if nothing was predicted.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run stay far below 2^53")]
fn off_percent(predicted: u64, outcome: u64) -> f64 {
    if predicted == 0 {
        return 0.0;
    }
    ((outcome as f64 - predicted as f64) * 1000.0 / predicted as f64).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FailCode;

    #[test]
    fn every_number_that_differs_is_named_with_its_cause() {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, DateTime::UNIX_EPOCH);
        prediction.rows = 3;
        prediction.outcomes.migrated.rows = 2;
        prediction.outcomes.failed.entry(FailCode::ReportMissing).or_default().rows = 1;
        prediction.files.exact = true;
        (prediction.files.files, prediction.files.bytes) = (4, 400);
        prediction.duration.milliseconds = 1_000;
        prediction.not_predictable = super::super::NotPredictable::of(true);
        let mut books = Books { migrated: 2, files: 4, bytes: 400, ..Books::default() };
        books.failed.insert(FailCode::ReportMissing, 1);
        let took = Took(Duration::from_millis(1_234));
        let same = prediction.compare(&books, took);
        assert!(same.same && same.differences.is_empty(), "{same:?}");
        assert!((same.duration.off_percent - 23.4).abs() < 1e-9, "{same:?}");
        (books.migrated, books.bytes) = (1, 300);
        books.failed.insert(FailCode::FileCorrupt, 1);
        let compared = prediction.compare(&books, took);
        let named: Vec<(&str, u64, u64)> =
            compared.differences.iter().map(|one| (&*one.what, one.predicted, one.outcome)).collect();
        assert_eq!(named, [("migrated", 2, 1), ("failed file_corrupt", 0, 1), ("bytes", 400, 300)]);
        assert!(compared.differences.iter().all(|one| one.why == NOT_PREDICTABLE), "{compared:?}");
        books.failed = [(FailCode::ReportMissing, 2)].into();
        assert!(prediction.compare(&books, took).differences.iter().all(|one| one.why == CHANGED));
    }
}
