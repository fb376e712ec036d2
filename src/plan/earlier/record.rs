//! What the plan keeps of one attempt of an earlier run, on the local disk.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, FailCode, MappingState, SkipCode, SourceDigest, SubmissionRow, source_key};

/// Columns of the mapping that decide rows.
const MAPPING: [&str; 2] = ["Unit Code Version", "Submission"];

/// What became of an attempt in an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the run, in the order in which the runs were read.
    pub run: usize,
    /// Number of the row in that run's input.
    pub row: u64,
    /// When it was decided (UTC).
    pub at: DateTime<Utc>,
    /// What was decided.
    pub fate: Then,
}

/// Its fate then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It was migrated.
    Migrated {
        /// What it was decided from; absent only in outcomes of earlier programs.
        source: Option<SourceDigest>,
        /// Whether a person accepted that the target no longer holds it.
        accepted: bool,
    },
    /// It failed with this code.
    Failed(FailCode),
    /// It was skipped with this code.
    Skipped(SkipCode),
}

/// What tells the cells of two rows apart, without the cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// [`source_key`].
    pub key: Digest,
    /// A hash of each cell, then of the mapping's two. They never leave this process.
    hashes: Vec<u64>,
}

impl Cells {
    /// Of a row and its mapping.
    pub fn of(cells: &SubmissionRow, mapping: &MappingState) -> Self {
        let mapped = match mapping {
            MappingState::Found(found) => [found.unit_version.as_str(), found.submission.as_str()],
            MappingState::Missing => ["\0missing"; 2],
            MappingState::Ambiguous => ["\0ambiguous"; 2],
        };
        let texts = cells.used().into_iter().map(|(_, cell)| cell).chain(mapped);
        let hash = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        Self { key: source_key(cells, mapping), hashes: texts.map(hash).collect() }
    }

    /// The columns in which the row differs from `now`.
    pub fn changed(&self, now: &Self) -> Vec<String> {
        let row = SubmissionRow::default();
        let names = row.used().into_iter().map(|(name, _)| name).chain(MAPPING);
        let pairs = self.hashes.iter().zip(&now.hashes);
        names.zip(pairs).filter(|(_, (then, now))| then != now).map(|(name, _)| name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mapping;

    #[test]
    fn each_cell_is_named_when_it_changes_and_no_other() {
        let row = SubmissionRow::default();
        let mapping = |version: &str, submission: &str| {
            MappingState::Found(Mapping { unit_version: version.into(), submission: submission.into() })
        };
        let then = Cells::of(&row, &mapping("24_01", "Attempt 1"));
        assert_eq!(then.changed(&then), Vec::<String>::new());
        let changed = |row: &SubmissionRow, mapping: &MappingState| then.changed(&Cells::of(row, mapping));
        assert_eq!(changed(&row, &mapping("25_01", "Attempt 1")), ["Unit Code Version"]);
        assert_eq!(changed(&row, &mapping("24_01", "Attempt 2")), ["Submission"]);
        assert_eq!(changed(&row, &MappingState::Missing), MAPPING);
        let plain = serde_json::to_value(&row).unwrap();
        for (field, _) in plain.as_object().unwrap() {
            let mut other = plain.clone();
            other[field] = "x".into();
            let named = changed(&serde_json::from_value(other).unwrap(), &mapping("24_01", "Attempt 1"));
            assert_eq!(named.len(), 1, "{field}");
            let words: Vec<&str> = field.split('_').collect();
            assert!(words.iter().all(|word| named[0].to_lowercase().contains(word)), "{field}: {named:?}");
        }
    }
}
