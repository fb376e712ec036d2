//! Merge: every outcome of every shard in the input's order, one per row, in bounded memory.
//!
//! The row numbers are dense, so nothing is compared: outcomes are dealt into at most [`BUCKETS`] local
//! files by ranges of rows, in the order in which they come; then one range at a time is held in memory,
//! each row in its slot. Reading and writing are sequential throughout.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, Write},
};

use futures_util::TryStreamExt;

use crate::{
    domain::{Outcome, ShardIndex, stands},
    exit::{Exit, Stop},
    run::{Plan, RowSet, RunStore, segments::segments},
};

/// Local files open at a time.
const BUCKETS: u64 = 256;
/// A range is at least so many rows, so that small runs need few files.
const LEAST_ROWS: u64 = 8_192;
/// Buffer of each file while outcomes are dealt.
const BUFFER_BYTES: usize = 16 * 1024;

/// All outcomes of a run, on the local disk.
pub struct Merged {
    rows_per_bucket: u64,
    buckets: Vec<BufWriter<File>>,
    seen: RowSet,
    recorded: Vec<u64>,
}

impl Merged {
    /// Reads every segment of the run. Needs about half a kilobyte of local disk per outcome.
    pub async fn gather(store: &RunStore, plan: &Plan) -> Result<Self, Stop> {
        let mut merged = Self::new(plan)?;
        let mut found = segments(store, "segments/");
        while let Some(segment) = found.try_next().await? {
            for read in segment.outcomes() {
                let (outcome, line) = read?;
                let row = outcome.row;
                let new = merged.seen.insert(row).map_err(|_| segment.foreign_row(row))?;
                let shard = usize::try_from(segment.shard.0).unwrap_or(usize::MAX);
                let recorded =
                    merged.recorded.get_mut(shard).ok_or_else(|| foreign_shard(store, &segment.name))?;
                *recorded += u64::from(new);
                merged.bucket(row)?.write_all(line).map_err(|error| local_disk(&error))?;
            }
        }
        Ok(merged)
    }

    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.seen.contains(row)
    }

    /// How many rows have an outcome in the shard's segments.
    pub fn recorded(&self, shard: ShardIndex) -> u64 {
        usize::try_from(shard.0).ok().and_then(|index| self.recorded.get(index)).copied().unwrap_or_default()
    }

    /// The outcomes that stand, by row number. May be asked for again.
    pub fn outcomes(&mut self) -> impl Iterator<Item = Result<Outcome, Stop>> + Send {
        let per_bucket = self.rows_per_bucket;
        let rows = usize::try_from(per_bucket).unwrap_or(usize::MAX);
        let firsts = (0..).map(move |index: u64| index * per_bucket);
        self.buckets.iter_mut().zip(firsts).flat_map(move |(bucket, first)| {
            let (outcomes, fault) = match standing(bucket, first, rows) {
                Ok(outcomes) => (outcomes, None),
                Err(stop) => (Vec::new(), Some(Err(stop))),
            };
            outcomes.into_iter().flatten().map(Ok).chain(fault)
        })
    }

    fn new(plan: &Plan) -> Result<Self, Stop> {
        let rows = plan.submissions.rows;
        let rows_per_bucket = rows.div_ceil(BUCKETS).max(LEAST_ROWS);
        let buckets = (0..rows.div_ceil(rows_per_bucket))
            .map(|_| Ok(BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?)))
            .collect::<std::io::Result<_>>()
            .map_err(|error| local_disk(&error))?;
        Ok(Self { rows_per_bucket, buckets, seen: RowSet::new(rows), recorded: vec![0; plan.shards.len()] })
    }

    /// Rows count from 1.
    fn bucket(&mut self, row: u64) -> Result<&mut BufWriter<File>, Stop> {
        let index = row.saturating_sub(1) / self.rows_per_bucket;
        usize::try_from(index).ok().and_then(|index| self.buckets.get_mut(index)).ok_or_else(|| {
            Stop::new(Exit::Bug, format!("row {row} has no place in the merge; please report it"))
        })
    }
}

/// The outcome that stands of each of the `rows` rows after row `first`, each in its slot.
fn standing(bucket: &mut BufWriter<File>, first: u64, rows: usize) -> Result<Vec<Option<Outcome>>, Stop> {
    bucket.flush().map_err(|error| local_disk(&error))?;
    let file = bucket.get_mut();
    file.rewind().map_err(|error| local_disk(&error))?;
    let mut slots: Vec<Option<Outcome>> = Vec::new();
    slots.resize_with(rows, || None);
    let mut reader = BufReader::with_capacity(8 * BUFFER_BYTES, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(|error| local_disk(&error))? > 0 {
        let read = serde_json::from_slice::<Outcome>(&line).ok();
        let found = read.and_then(|outcome| {
            let slot = usize::try_from(outcome.row.checked_sub(first + 1)?).ok()?;
            Some((slots.get_mut(slot)?, outcome))
        });
        let Some((slot, outcome)) = found else {
            return Err(Stop::new(
                Exit::Temporary,
                "a file of the merge changed on the local disk; run again",
            ));
        };
        *slot = Some(match slot.take() {
            Some(earlier) => stands(earlier, outcome),
            None => outcome,
        });
        line.clear();
    }
    Ok(slots)
}

fn foreign_shard(store: &RunStore, segment: &str) -> Stop {
    let what = format!("{} belongs to a shard that the plan does not have", store.describe(segment));
    Stop::new(Exit::Configuration, what)
}

/// A full or unwritable temporary folder.
pub(super) fn local_disk(error: &std::io::Error) -> Stop {
    let folder = std::env::temp_dir();
    let what = format!(
        "cannot use the temporary folder {}: {error}; make room (about 1 KB per row) or set TMPDIR",
        folder.display()
    );
    Stop::new(Exit::Configuration, what)
}
