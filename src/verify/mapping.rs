//! The inputs, indexed by attempt: the newest row of each, and its line of the mapping.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use super::expect::text::equal_key;
use crate::{
    domain::{AttemptId, InputDigest, Mapping, MappingState},
    inputs::{InputError, Inputs},
};

/// Stands for lines of one attempt that differ.
const SEVERAL: u32 = u32::MAX;

/// Both inputs, read once. About 16 bytes for each row.
pub struct InputIndex {
    /// What pins `submission_files.csv`.
    pub submissions: InputDigest,
    /// What pins `attempt_number_mapping.csv`.
    pub mapping: InputDigest,
    /// Attempt and newest row, by attempt.
    newest: Vec<(AttemptId, u32)>,
    /// Attempt and place in `values`, by attempt.
    mapped: Vec<(AttemptId, u32)>,
    values: Vec<Mapping>,
}

impl InputIndex {
    /// Reads both inputs to their end.
    pub async fn read(inputs: &Inputs) -> Result<Self, InputError> {
        let (submissions, newest) = newest_rows(inputs).await?;
        let (mut reader, columns) = inputs.mapping().await?;
        let hasher = RandomState::new();
        let mut places: HashMap<(String, String), u32> = HashMap::new();
        let mut values = Vec::new();
        let mut lines: Vec<(AttemptId, u32, u64)> = Vec::new();
        while let Some(record) = reader.next().await? {
            let line = columns.row(record);
            let Ok(attempt) = AttemptId::from_number(line.attempt_id) else { continue };
            let cells = [line.unit_code, line.unit_version, line.assessment_id, line.submission];
            let compared = hasher.hash_one(cells.map(equal_key));
            let key = (line.unit_version.to_owned(), line.submission.to_owned());
            let place = *places.entry(key).or_insert_with_key(|(unit_version, submission)| {
                values.push(Mapping { unit_version: unit_version.clone(), submission: submission.clone() });
                u32::try_from(values.len() - 1).unwrap_or(SEVERAL)
            });
            lines.push((attempt, place, compared));
        }
        // Of lines that differ in blanks only the first of the file stays.
        lines.sort_unstable();
        lines.dedup_by_key(|(attempt, _, compared)| (*attempt, *compared));
        let one = |same: &[(AttemptId, u32, u64)]| match same {
            [(attempt, place, _)] => Some((*attempt, *place)),
            [(attempt, ..), ..] => Some((*attempt, SEVERAL)),
            [] => None,
        };
        let mapped = lines.chunk_by(|a, b| a.0 == b.0).filter_map(one).collect();
        Ok(Self { submissions, mapping: reader.digest(), newest, mapped, values })
    }

    /// The newest row of the attempt.
    pub fn newest(&self, attempt: AttemptId) -> Option<u64> {
        find(&self.newest, attempt).map(u64::from)
    }

    /// What the mapping says of the attempt.
    pub fn mapping(&self, attempt: AttemptId) -> MappingState {
        let Some(place) = find(&self.mapped, attempt) else { return MappingState::Missing };
        let value = usize::try_from(place).ok().and_then(|place| self.values.get(place));
        value.cloned().map_or(MappingState::Ambiguous, MappingState::Found)
    }
}

fn find(sorted: &[(AttemptId, u32)], attempt: AttemptId) -> Option<u32> {
    let at = sorted.binary_search_by_key(&attempt, |(attempt, _)| *attempt).ok()?;
    sorted.get(at).map(|(_, value)| *value)
}

async fn newest_rows(inputs: &Inputs) -> Result<(InputDigest, Vec<(AttemptId, u32)>), InputError> {
    let (mut reader, columns) = inputs.submissions().await?;
    let mut rows: Vec<(AttemptId, u32)> = Vec::new();
    while let Some(record) = reader.next().await? {
        let attempt = columns.attempt_id(record).parse::<AttemptId>();
        let number = u32::try_from(reader.rows()).unwrap_or(u32::MAX);
        rows.extend(attempt.ok().map(|attempt| (attempt, number)));
    }
    rows.sort_unstable();
    // Of equal attempts the last is the newest.
    rows.reverse();
    rows.dedup_by_key(|(attempt, _)| *attempt);
    rows.reverse();
    Ok((reader.digest(), rows))
}
