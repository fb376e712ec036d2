//! The mapping by attempt: small enough to hold for millions of rows.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::{
    domain::{AttemptId, InputDigest, Mapping, MappingState, text::equal_key},
    inputs::{InputError, Inputs, MappingRow},
};

/// Stands for rows of one attempt that differ.
const AMBIGUOUS: u32 = u32::MAX;

/// Index of `attempt_number_mapping.csv` by attempt.
pub struct MappingIndex {
    /// What pins the file.
    pub digest: InputDigest,
    /// Rows of blanks only: no submission can meet them.
    pub rows_without_attempt: u64,
    attempts: Vec<(AttemptId, u32)>,
    values: Vec<Mapping>,
}

/// One mapping row: the value that the rules read, and a hash of all required cells as they are compared, which decides only
/// whether two rows of one attempt are equal.
struct Entry {
    attempt: AttemptId,
    value: u32,
    cells: u64,
}

impl MappingIndex {
    /// Reads the whole mapping into memory.
    pub async fn read(inputs: &Inputs) -> Result<Self, InputError> {
        let (mut reader, columns) = inputs.mapping().await?;
        let mut values = Interned::default();
        let mut entries = Vec::new();
        let mut rows_without_attempt = 0;
        let hasher = RandomState::new();
        while let Some(record) = reader.next().await? {
            let MappingRow { attempt_id, unit_code, unit_version, assessment_id, submission } =
                columns.row(record);
            let Ok(attempt) = AttemptId::from_number(attempt_id) else {
                rows_without_attempt += 1;
                continue;
            };
            let value = values.of(unit_version, submission);
            let cells = [unit_code, unit_version, assessment_id, submission].map(equal_key);
            entries.push(Entry { attempt, value, cells: hasher.hash_one(cells) });
        }
        Ok(Self {
            digest: reader.digest(),
            rows_without_attempt,
            attempts: joined(entries),
            values: values.values,
        })
    }

    /// Looks `attempt` up in the mapping.
    pub fn state(&self, attempt: AttemptId) -> MappingState {
        match self.index_of(attempt) {
            None => MappingState::Missing,
            Some(index) => self.value(index).cloned().map_or(MappingState::Ambiguous, MappingState::Found),
        }
    }

    fn index_of(&self, attempt: AttemptId) -> Option<u32> {
        let at = self.attempts.binary_search_by_key(&attempt, |(attempt, _)| *attempt).ok()?;
        self.attempts.get(at).map(|(_, value)| *value)
    }

    fn value(&self, index: u32) -> Option<&Mapping> {
        self.values.get(usize::try_from(index).ok()?)
    }
}

/// One entry per attempt, by attempt: rows that are equal but for blanks count once, as the first of them has it; rows that
/// differ are ambiguous.
fn joined(mut entries: Vec<Entry>) -> Vec<(AttemptId, u32)> {
    entries.sort_unstable_by_key(|entry| entry.attempt);
    entries
        .chunk_by(|a, b| a.attempt == b.attempt)
        .filter_map(|rows| {
            let one = rows.first()?;
            let equal = rows.iter().all(|row| row.cells == one.cells);
            // Values are numbered as the file has them.
            let first = rows.iter().map(|row| row.value).min().filter(|_| equal);
            Some((one.attempt, first.unwrap_or(AMBIGUOUS)))
        })
        .collect()
}

/// Values that many rows share, each kept once.
#[derive(Default)]
struct Interned {
    values: Vec<Mapping>,
    numbers: HashMap<String, HashMap<String, u32>>,
}

impl Interned {
    fn of(&mut self, unit_version: &str, submission: &str) -> u32 {
        if let Some(number) = self.numbers.get(unit_version).and_then(|known| known.get(submission)) {
            return *number;
        }
        // A file of 4 billion different values would be larger than any memory that got here.
        let number = u32::try_from(self.values.len()).unwrap_or(AMBIGUOUS);
        let mapping = Mapping { unit_version: unit_version.to_owned(), submission: submission.to_owned() };
        self.values.push(mapping);
        self.numbers.entry(unit_version.to_owned()).or_default().insert(submission.to_owned(), number);
        number
    }
}
