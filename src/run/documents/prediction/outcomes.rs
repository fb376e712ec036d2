//! Rows by predicted outcome, and what cannot be predicted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AttemptId, FailCode, NoteCode, SkipCode};

/// Examples kept of each outcome.
const EXAMPLES: usize = 5;

/// Rows by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedOutcomes {
    /// Rows that are going to be migrated, or are already.
    pub migrated: Counted,
    /// Rows that are going to fail, by code.
    pub failed: BTreeMap<FailCode, Counted>,
    /// Rows that are going to be skipped, by code.
    pub skipped: BTreeMap<SkipCode, Counted>,
    /// Notes on migrated rows, by code.
    pub notes: BTreeMap<NoteCode, Counted>,
}

/// How many, and some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Number of rows.
    pub rows: u64,
    /// Attempt ids (of a row without one its number, as `row 12`) of the first rows, at most 5.
    pub examples: Vec<String>,
    /// Numbers of the rows that are the examples, in their order. Empty in a prediction of an older program.
    #[serde(default)]
    pub example_rows: Vec<u64>,
}

impl Counted {
    /// Counts one more row; the examples are those of the lowest rows, in whatever order rows come.
    pub fn count(&mut self, row: u64, attempt: Option<AttemptId>) {
        self.rows += 1;
        let place = self.example_rows.partition_point(|shown| *shown < row);
        if place >= EXAMPLES {
            return;
        }
        self.example_rows.insert(place, row);
        self.examples.insert(place, attempt.map_or_else(|| format!("row {row}"), |id| id.to_string()));
        self.example_rows.truncate(EXAMPLES);
        self.examples.truncate(EXAMPLES);
    }
}

/// Codes that only copying or committing can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotPredictable {
    /// Of failed rows.
    pub failed: Vec<FailCode>,
    /// Of skipped rows.
    pub skipped: Vec<SkipCode>,
    /// Of notes on migrated rows.
    pub notes: Vec<NoteCode>,
    /// Why they cannot be known, and how such rows are counted.
    pub says: String,
}

impl NotPredictable {
    /// The codes that cannot be known before the copy. Missing, archived and forbidden files are known where every file
    /// was looked at; what may be listed is not yet what may be read.
    pub fn of(every_file_seen: bool) -> Self {
        let by_looking = [FailCode::FileMissing, FailCode::FileArchived];
        let unknown =
            |code: &FailCode| code.reached_copy() && !(every_file_seen && by_looking.contains(code));
        Self {
            failed: FailCode::ALL.iter().copied().filter(unknown).collect(),
            skipped: vec![SkipCode::DeletedInTarget],
            notes: vec![NoteCode::EnforcementKept, NoteCode::FileBlobMissing],
            says: "only reading a file's bytes, storing them and committing the row can tell; such rows are predicted as \
                   migrated"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_those_of_the_lowest_rows() {
        let mut counted = Counted::default();
        for row in [9, 2, 7, 4, 8, 1, 3] {
            counted.count(row, (row != 2).then(|| row.to_string().parse().unwrap()));
        }
        assert_eq!(counted.example_rows, [1, 2, 3, 4, 7]);
        assert_eq!(
            (counted.rows, counted.examples),
            (7, ["1", "row 2", "3", "4", "7"].map(String::from).to_vec())
        );
    }
}
