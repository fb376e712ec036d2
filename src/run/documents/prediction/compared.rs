//! Comparison of a prediction with the books of the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Came, Counted, FilesOfRow, PredictedFiles, Prediction};
use crate::domain::Books;

/// `prediction` in `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// When it was predicted (UTC).
    pub at: DateTime<Utc>,
    /// Whether outcomes, files and bytes are those predicted. The duration does not count here.
    pub same: bool,
    /// Every number that differs; the duration if it is off by more than 20 per cent.
    pub differences: Vec<Difference>,
    /// Predicted and real duration.
    pub duration: ComparedDuration,
}

impl Compared {
    /// The numbers that differ and are counts, as [`Self::same`] means them: not the duration.
    pub fn counts(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.what != DURATION)
    }

    /// The duration, if it differs.
    pub fn late(&self) -> Option<&Difference> {
        self.differences.iter().find(|difference| difference.what == DURATION)
    }
}

/// A number that differs from the prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `migrated`, `failed <code>`, `skipped <code>`, `note <code>`, `files`, `bytes`, `rows` or `duration_ms`; `examples of`
    /// one of the first four, if as many rows as predicted ended so, and other ones.
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

/// What a difference of the duration is of.
const DURATION: &str = "duration_ms";
/// A duration that is off by more, either way, is a difference.
const OFF_PERCENT: f64 = 20.0;
/// Why a count differs that copying or committing decides.
const NOT_PREDICTABLE: &str = "cannot be known before files are copied and rows are committed";
pub(super) const CHANGED: &str = "what decides it changed between prediction and run: compare the sources, the warehouse and the \
                       target with the prediction's time";

impl Prediction {
    /// Compares with the books of the finished run, and with what became of the rows that are examples.
    pub fn compare(&self, books: &Books, came: &Came, took: Took) -> Compared {
        let mut differences = Vec::new();
        let mut compare = |what: String, predicted: u64, outcome: u64, is_known: bool| {
            if predicted != outcome {
                let why = if is_known { CHANGED } else { NOT_PREDICTABLE };
                differences.push(Difference { what, predicted, outcome, why: why.into() });
            }
        };
        let outcomes = &self.outcomes;
        let unknown = &self.not_predictable;
        // Rows that were predicted as migrated, and that only the copy or the commit ended: they take at most one note of
        // a code away, and never add anything.
        let mut unforeseen = 0;
        let within = |most: u64, predicted: u64, outcome: u64| {
            predicted.checked_sub(outcome).is_some_and(|less| less <= most)
        };
        compare("rows".into(), self.rows, books.rows(), true);
        let failed = ended("failed", &outcomes.failed, &books.failed, &unknown.failed);
        let skipped = ended("skipped", &outcomes.skipped, &books.skipped, &unknown.skipped);
        for (what, predicted, outcome, is_predictable) in failed.into_iter().chain(skipped) {
            let is_unforeseen = !is_predictable && outcome > predicted;
            unforeseen += if is_unforeseen { outcome - predicted } else { 0 };
            compare(what, predicted, outcome, !is_unforeseen);
        }
        let migrated = outcomes.migrated.rows;
        compare("migrated".into(), migrated, books.migrated, !within(unforeseen, migrated, books.migrated));
        for code in keys(&outcomes.notes, &books.notes) {
            let (predicted, outcome) = (rows(&outcomes.notes, &code), of(&books.notes, &code));
            let is_known = !unknown.notes.contains(&code) && !within(unforeseen, predicted, outcome);
            compare(format!("note {code}"), predicted, outcome, is_known);
        }
        let most = |of_row: fn(&FilesOfRow) -> u64| match &self.files.largest_row {
            Some(largest) => unforeseen.saturating_mul(of_row(largest)),
            None if unforeseen == 0 => 0,
            None => u64::MAX,
        };
        let PredictedFiles { files, bytes, exact, .. } = self.files;
        compare("files".into(), files, books.files, !within(most(|row| row.files), files, books.files));
        let is_known = exact && !within(most(|row| row.bytes), bytes, books.bytes);
        compare("bytes".into(), bytes, books.bytes, is_known);
        differences.extend(self.exchanged(books, came));
        let same = differences.is_empty();
        let duration = self.compare_duration(took);
        differences.extend(self.of_duration(&duration));
        Compared { at: self.at, same, differences, duration }
    }

    fn compare_duration(&self, took: Took) -> ComparedDuration {
        let predicted_ms = self.duration.milliseconds;
        let outcome_ms = u64::try_from(took.0.as_millis()).unwrap_or(u64::MAX);
        ComparedDuration { predicted_ms, outcome_ms, off_percent: off_percent(predicted_ms, outcome_ms) }
    }

    /// The duration as a difference, if it is one.
    fn of_duration(&self, compared: &ComparedDuration) -> Option<Difference> {
        let ComparedDuration { predicted_ms: predicted, outcome_ms: outcome, off_percent } = *compared;
        let (least, most) = (self.duration.least_ms, self.duration.most_ms);
        (off_percent.abs() > OFF_PERCENT).then(|| Difference {
            what: DURATION.into(),
            predicted,
            outcome,
            why: format!(
                "off by more than {OFF_PERCENT} %; {least} to {most} ms were thought possible: compare what the prediction \
                 rests on (duration.basis) with what limited the run (limits)"
            ),
        })
    }
}

fn keys<C: Copy + Ord>(predicted: &BTreeMap<C, Counted>, outcome: &BTreeMap<C, u64>) -> BTreeSet<C> {
    predicted.keys().chain(outcome.keys()).copied().collect()
}

/// Of each code of rows that were not migrated: what it is, its rows as predicted and in the outcome, and whether it can be
/// predicted.
fn ended<C: Copy + Ord + Display>(
    fate: &str,
    predicted: &BTreeMap<C, Counted>,
    outcome: &BTreeMap<C, u64>,
    unknown: &[C],
) -> Vec<(String, u64, u64, bool)> {
    let codes = keys(predicted, outcome).into_iter();
    codes
        .map(|code| {
            (format!("{fate} {code}"), rows(predicted, &code), of(outcome, &code), !unknown.contains(&code))
        })
        .collect()
}

fn rows<C: Ord>(predicted: &BTreeMap<C, Counted>, code: &C) -> u64 {
    predicted.get(code).map_or(0, |counted| counted.rows)
}

fn of<C: Ord>(outcome: &BTreeMap<C, u64>, code: &C) -> u64 {
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
    use crate::domain::{FailCode, NoteCode};

    #[test]
    fn every_number_that_differs_is_named_with_its_cause() {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, DateTime::UNIX_EPOCH);
        prediction.rows = 3;
        prediction.outcomes.migrated.rows = 2;
        prediction.outcomes.failed.entry(FailCode::ReportMissing).or_default().rows = 1;
        prediction.files.exact = true;
        (prediction.files.files, prediction.files.bytes) = (4, 400);
        prediction.files.largest_row = Some(FilesOfRow { files: 3, bytes: 300 });
        prediction.duration.milliseconds = 1_000;
        prediction.not_predictable = super::super::NotPredictable::of(true);
        let mut books = Books { migrated: 2, files: 4, bytes: 400, ..Books::default() };
        books.failed.insert(FailCode::ReportMissing, 1);
        let took = Took(Duration::from_millis(1_200));
        let same = prediction.compare(&books, &Came::new(), took);
        assert!(same.same && same.differences.is_empty(), "{same:?}");
        assert!((same.duration.off_percent - 20.0).abs() < 1e-9, "{same:?}");
        for off in [1_201, 799] {
            let late = prediction.compare(&books, &Came::new(), Took(Duration::from_millis(off)));
            let [duration] = late.differences.as_slice() else { panic!("{late:?}") };
            assert_eq!(
                (duration.what.as_str(), duration.predicted, duration.outcome),
                ("duration_ms", 1_000, off)
            );
            assert!(late.same, "outcomes, files and bytes are those predicted");
        }
        (books.migrated, books.bytes) = (1, 300);
        books.failed.insert(FailCode::FileCorrupt, 1);
        let compared = prediction.compare(&books, &Came::new(), took);
        let named: Vec<(&str, u64, u64)> =
            compared.differences.iter().map(|one| (&*one.what, one.predicted, one.outcome)).collect();
        assert_eq!(named, [("failed file_corrupt", 0, 1), ("migrated", 2, 1), ("bytes", 400, 300)]);
        assert!(compared.differences.iter().all(|one| one.why == NOT_PREDICTABLE), "{compared:?}");
        books.failed = [(FailCode::ReportMissing, 2)].into();
        assert!(
            prediction.compare(&books, &Came::new(), took).differences.iter().all(|one| one.why == CHANGED)
        );
    }

    type Change = fn(&mut Books);

    #[test]
    fn one_row_that_could_not_be_known_excuses_no_more_than_one_row_explains() {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, DateTime::UNIX_EPOCH);
        prediction.rows = 10;
        prediction.outcomes.migrated.rows = 10;
        prediction.outcomes.notes.entry(NoteCode::TextMisread).or_default().rows = 5;
        (prediction.files.files, prediction.files.bytes, prediction.files.exact) = (20, 2_000, true);
        prediction.files.largest_row = Some(FilesOfRow { files: 3, bytes: 300 });
        prediction.not_predictable = super::super::NotPredictable::of(true);
        let mut books = Books { migrated: 9, files: 17, bytes: 1_700, ..Books::default() };
        books.failed.insert(FailCode::FileCorrupt, 1);
        books.notes.insert(NoteCode::TextMisread, 4);
        let why = |prediction: &Prediction, books: &Books| -> Vec<(String, bool)> {
            let compared = prediction.compare(books, &Came::new(), Took(Duration::ZERO));
            compared.differences.into_iter().map(|one| (one.what, one.why == NOT_PREDICTABLE)).collect()
        };
        let explained = why(&prediction, &books);
        assert_eq!(explained.len(), 5, "{explained:?}");
        assert!(explained.iter().all(|(_, excused)| *excused), "{explained:?}");

        let unexplained: [(&str, Change); 8] = [
            ("migrated", |books| books.migrated = 8),
            ("note text_misread", |books| *books.notes.entry(NoteCode::TextMisread).or_default() = 3),
            ("note text_misread", |books| *books.notes.entry(NoteCode::TextMisread).or_default() = 6),
            ("note names_from_url", |books| *books.notes.entry(NoteCode::NamesFromUrl).or_default() = 1),
            ("files", |books| books.files = 16),
            ("files", |books| books.files = 21),
            ("bytes", |books| books.bytes = 1_699),
            ("bytes", |books| books.bytes = 2_001),
        ];
        for (what, change) in unexplained {
            let mut books = books.clone();
            change(&mut books);
            let named = why(&prediction, &books).into_iter().find(|(named, _)| named == what);
            assert_eq!(named, Some((what.to_owned(), false)));
        }
        // A file that may not be read, as was seen before, could be read after all: something changed.
        prediction.outcomes.failed.entry(FailCode::FileForbidden).or_default().rows = 1;
        let named = why(&prediction, &books);
        assert!(named.contains(&("failed file_forbidden".into(), false)), "{named:?}");
        // An older program did not tell how large a row is.
        prediction.files.largest_row = None;
        books.files = 1;
        assert!(why(&prediction, &books).contains(&("files".into(), true)));
    }
}
