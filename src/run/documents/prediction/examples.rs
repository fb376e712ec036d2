//! The rows that a prediction names, beside what became of them: rows that exchange their codes change no count.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Counted, PredictedOutcomes, Prediction,
    compared::{CHANGED, Difference},
};
use crate::domain::{Books, Fate};

/// What became of rows, by number; a row without an outcome, or one that the target lost, is left out.
pub type Came = BTreeMap<u64, Fate>;

impl PredictedOutcomes {
    /// The rows that are examples of an outcome or of a note.
    pub fn example_rows(&self) -> BTreeSet<u64> {
        let ended = std::iter::once(&self.migrated).chain(self.failed.values()).chain(self.skipped.values());
        ended.chain(self.notes.values()).flat_map(|counted| &counted.example_rows).copied().collect()
    }
}

impl Prediction {
    /// Every code of as many rows as were predicted, of whose examples some came otherwise although that could be known.
    pub(super) fn exchanged(&self, books: &Books, came: &Came) -> Vec<Difference> {
        let outcomes = &self.outcomes;
        let unknown = &self.not_predictable;
        let of = Examples { prediction: self, came };
        let migrated = |fate: &Fate| matches!(fate, Fate::Migrated(_));
        let mut found = vec![of.differ("migrated", &outcomes.migrated, books.migrated, migrated)];
        for (code, counted) in outcomes.failed.iter().filter(|(code, _)| !unknown.failed.contains(code)) {
            let rows = books.failed.get(code).copied().unwrap_or_default();
            let is_so = |fate: &Fate| matches!(fate, Fate::Failed { code: own, .. } if own == code);
            found.push(of.differ(&format!("failed {code}"), counted, rows, is_so));
        }
        for (code, counted) in outcomes.skipped.iter().filter(|(code, _)| !unknown.skipped.contains(code)) {
            let rows = books.skipped.get(code).copied().unwrap_or_default();
            let is_so = |fate: &Fate| matches!(fate, Fate::Skipped { code: own, .. } if own == code);
            found.push(of.differ(&format!("skipped {code}"), counted, rows, is_so));
        }
        for (code, counted) in outcomes.notes.iter().filter(|(code, _)| !unknown.notes.contains(code)) {
            let rows = books.notes.get(code).copied().unwrap_or_default();
            let is_so = |fate: &Fate| match fate {
                Fate::Migrated(migrated) => migrated.notes.iter().any(|note| note.code == *code),
                Fate::Failed { .. } | Fate::Skipped { .. } => false,
            };
            found.push(of.differ(&format!("note {code}"), counted, rows, is_so));
        }
        found.into_iter().flatten().collect()
    }
}

struct Examples<'a> {
    prediction: &'a Prediction,
    came: &'a Came,
}

impl Examples<'_> {
    /// `rows` is the number of rows of this outcome: if that differs, the count says it.
    fn differ(
        &self,
        what: &str,
        counted: &Counted,
        rows: u64,
        is_so: impl Fn(&Fate) -> bool,
    ) -> Option<Difference> {
        if counted.rows != rows {
            return None;
        }
        let (mut known, mut others) = (0, Vec::new());
        for (row, named) in counted.example_rows.iter().zip(&counted.examples) {
            let Some(fate) = self.came.get(row).filter(|fate| !self.is_unforeseen(fate)) else { continue };
            known += 1;
            if !is_so(fate) {
                others.push(named.as_str());
            }
        }
        (!others.is_empty()).then(|| Difference {
            what: format!("examples of {what}"),
            predicted: known,
            outcome: known - others.len() as u64,
            why: format!(
                "as many rows as predicted, and other ones ({} came otherwise): {CHANGED}",
                others.join(", ")
            ),
        })
    }

    /// Whether only the copy or the commit could tell.
    fn is_unforeseen(&self, fate: &Fate) -> bool {
        let unknown = &self.prediction.not_predictable;
        match fate {
            Fate::Migrated(_) => false,
            Fate::Failed { code, .. } => unknown.failed.contains(code),
            Fate::Skipped { code, .. } => unknown.skipped.contains(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        domain::{FailCode, SkipCode},
        run::Took,
    };

    fn failed(code: FailCode) -> Fate {
        Fate::Failed { code, message: String::new() }
    }

    fn skipped(code: SkipCode) -> Fate {
        Fate::Skipped { code, detail: String::new() }
    }

    /// Rows 1 and 2 lack a report, 3 is skipped.
    fn prediction() -> Prediction {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, DateTime::UNIX_EPOCH);
        prediction.rows = 3;
        for row in [1, 2] {
            let counted = prediction.outcomes.failed.entry(FailCode::ReportMissing).or_default();
            counted.count(row, Some((row + 70).to_string().parse().unwrap()));
        }
        prediction.outcomes.skipped.entry(SkipCode::DuplicateRow).or_default().count(3, None);
        prediction.not_predictable = super::super::NotPredictable::of(true);
        prediction
    }

    #[test]
    fn rows_that_exchange_their_codes_are_a_difference_that_names_them() {
        let prediction = prediction();
        assert_eq!(prediction.outcomes.example_rows(), BTreeSet::from([1, 2, 3]));
        let mut books = Books::default();
        books.failed.insert(FailCode::ReportMissing, 2);
        books.skipped.insert(SkipCode::DuplicateRow, 1);
        let compare = |came: [Fate; 3]| {
            let came: Came = (1..).zip(came).collect();
            let compared = prediction.compare(&books, &came, Took(std::time::Duration::ZERO));
            let told =
                compared.differences.into_iter().map(|one| (one.what, one.predicted, one.outcome, one.why));
            (compared.same, told.collect::<Vec<_>>())
        };
        let (missing, duplicate) = (failed(FailCode::ReportMissing), skipped(SkipCode::DuplicateRow));
        assert_eq!(compare([missing.clone(), missing.clone(), duplicate.clone()]), (true, Vec::new()));

        let (same, told) = compare([missing.clone(), duplicate, missing.clone()]);
        assert!(!same, "every count is as predicted");
        let [one, two] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((one.0.as_str(), one.1, one.2), ("examples of failed report_missing", 2, 1));
        assert_eq!((two.0.as_str(), two.1, two.2), ("examples of skipped duplicate_row", 1, 0));
        assert!(
            one.3.contains("(72 came otherwise)") && two.3.contains("(row 3 came otherwise)"),
            "{told:?}"
        );

        // Only the copy could tell.
        let (same, told) = compare([missing.clone(), missing, failed(FailCode::FileCorrupt)]);
        assert!(same, "{told:?}");
    }

    #[test]
    fn a_prediction_of_an_older_program_names_no_rows_and_differs_in_none() {
        let mut prediction = prediction();
        for counted in prediction.outcomes.failed.values_mut() {
            counted.example_rows.clear();
        }
        let mut books = Books::default();
        books.failed.insert(FailCode::ReportMissing, 2);
        let came = Came::from([(1, failed(FailCode::GradeMissed)), (2, failed(FailCode::GradeMissed))]);
        assert!(prediction.exchanged(&books, &came).is_empty());
    }
}
