//! Rows and their files together: what becomes of each, and the sums over all.

use std::collections::HashMap;

use super::{
    controls::Controls,
    decided::{DecidedRows, MigratingRow},
    look::{Found, FoundFile, Looked},
};
use crate::{
    domain::FailCode,
    ports::Fault,
    run::{FilesOfRow, PredictedFiles, PredictedOutcomes, PredictedShard, lines::SpooledBuckets},
};

/// The prediction's figures.
pub struct Settled {
    /// Rows by outcome.
    pub outcomes: PredictedOutcomes,
    /// Files and bytes.
    pub files: PredictedFiles,
    /// Rows, files and bytes of each shard.
    pub shards: Vec<PredictedShard>,
    /// Sums by unit version and grade.
    pub controls: Controls,
}

/// Joins rows and files, one bucket of rows at a time.
pub fn settle((decided, rows): (DecidedRows, SpooledBuckets), looked: &Looked) -> Result<Settled, Fault> {
    let DecidedRows { outcomes, shards, places } = decided;
    let mut settled = Settled {
        outcomes,
        files: PredictedFiles {
            exact: looked.exact,
            sources: looked.sources.clone(),
            largest_row: Some(FilesOfRow::default()),
            ..PredictedFiles::default()
        },
        shards,
        controls: Controls::default(),
    };
    for bucket in 0..rows.len() {
        let mut files: HashMap<u64, Vec<FoundFile>> = HashMap::new();
        looked.files.read(bucket, |file: FoundFile| {
            files.entry(file.row).or_default().push(file);
            Ok(())
        })?;
        rows.read(bucket, |row: MigratingRow| {
            let files = files.remove(&row.row).unwrap_or_default();
            settled.row(&row, files, &places, looked);
            Ok(())
        })?;
    }
    Ok(settled)
}

impl Settled {
    fn row(
        &mut self,
        row: &MigratingRow,
        mut files: Vec<FoundFile>,
        places: &[(String, String)],
        looked: &Looked,
    ) {
        files.sort_unstable_by_key(|file| file.order);
        // The run names the first file that it cannot copy. What the target holds already is not copied again.
        let defect = files.iter().find_map(|file| defect(file.found)).filter(|_| !row.recovered);
        if let Some(code) = defect {
            self.outcomes.failed.entry(code).or_default().count(row.row, Some(row.attempt));
            return;
        }
        self.outcomes.migrated.count(row.row, Some(row.attempt));
        for note in &row.notes {
            self.outcomes.notes.entry(*note).or_default().count(row.row, Some(row.attempt));
        }
        let bytes: u64 = files.iter().map(|file| size(file.found, looked)).sum();
        let count = files.len() as u64;
        self.files.files += count;
        self.files.bytes += bytes;
        let largest = self.files.largest_row.get_or_insert_default();
        (largest.files, largest.bytes) = (largest.files.max(count), largest.bytes.max(bytes));
        if let Some(shard) = self.shards.get_mut(row.shard.place()) {
            shard.migrated += 1;
            shard.files += count;
            shard.bytes += bytes;
        }
        if let Some(place) = places.get(row.place as usize) {
            self.controls.add(place, row, count, bytes);
        }
    }
}

fn defect(found: Found) -> Option<FailCode> {
    match found {
        Found::Bytes(_) | Found::NotLookedAt(_) => None,
        Found::Missing => Some(FailCode::FileMissing),
        Found::Archived => Some(FailCode::FileArchived),
        Found::Forbidden => Some(FailCode::FileForbidden),
    }
}

fn size(found: Found, looked: &Looked) -> u64 {
    match found {
        Found::Bytes(bytes) => bytes,
        Found::NotLookedAt(container) => {
            looked.mean_bytes.get(container as usize).copied().unwrap_or_default()
        }
        Found::Missing | Found::Archived | Found::Forbidden => 0,
    }
}
