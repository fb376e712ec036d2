//! Segments back into outcomes: for a restarted shard, and for whoever merges.

use std::collections::HashMap;

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use super::RowSet;
use crate::{
    domain::{Books, Fate, Outcome, ShardIndex, stands},
    ports::{Fault, FaultKind, Service},
    run::{Plan, RunStore, names},
};

/// Segments being fetched at a time; each is about 1 MiB at most.
const AHEAD: usize = 8;

/// One segment, whole.
#[derive(Debug)]
pub struct Segment {
    /// The shard whose rows it holds.
    pub shard: ShardIndex,
    /// Its name in the run's folder.
    pub name: String,
    place: String,
    bytes: Vec<u8>,
}

impl Segment {
    /// Its outcomes in the order in which they were recorded, each with its line.
    pub fn outcomes(&self) -> impl Iterator<Item = Result<(Outcome, &[u8]), Fault>> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').enumerate().map(|(index, line)| {
            let Some(text) = line.strip_suffix(b"\n") else { return Err(self.cut(index)) };
            match serde_json::from_slice(text) {
                Ok(outcome) => Ok((outcome, line)),
                Err(error) => {
                    let what = format!(
                        "line {} of {} is not an outcome: it was changed, or another version wrote it",
                        index + 1,
                        self.place
                    );
                    Err(Fault::caused(Service::RunStore, FaultKind::Corrupt, what, error))
                }
            }
        })
    }

    /// The row number of an outcome that is no row of the plan's input.
    pub fn foreign_row(&self, row: u64) -> Fault {
        let what = format!(
            "{} names row {row}, which the plan's input does not have: it belongs to another run",
            self.place
        );
        Fault::new(Service::RunStore, FaultKind::Corrupt, what)
    }

    fn cut(&self, index: usize) -> Fault {
        let what = format!(
            "line {} of {} is cut: segments are written whole, so somebody changed it",
            index + 1,
            self.place
        );
        Fault::new(Service::RunStore, FaultKind::Corrupt, what)
    }
}

/// Every segment whose name begins with `prefix` (`segments/`, or one shard's), by name.
pub fn segments<'a>(store: &'a RunStore, prefix: &str) -> BoxStream<'a, Result<Segment, Fault>> {
    let folder = store.path("");
    store
        .blobs()
        .list(&store.path(prefix))
        .map_ok(move |info| {
            let name = info.name.strip_prefix(&folder).unwrap_or(&info.name).to_owned();
            read_segment(store, name)
        })
        .try_buffered(AHEAD)
        .boxed()
}

/// Every outcome of the shard, whichever process recorded it; one row may have several.
pub fn read_segments(store: &RunStore, shard: ShardIndex) -> BoxStream<'_, Result<Outcome, Fault>> {
    segments(store, &names::segments(shard))
        .map_ok(|segment| {
            let outcomes: Vec<_> = segment.outcomes().map(|read| read.map(|(outcome, _)| outcome)).collect();
            stream::iter(outcomes)
        })
        .try_flatten()
        .boxed()
}

async fn read_segment(store: &RunStore, name: String) -> Result<Segment, Fault> {
    let place = store.describe(&name);
    let corrupt = |what| Fault::new(Service::RunStore, FaultKind::Corrupt, what);
    let shard = name
        .strip_prefix("segments/")
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(shard, _)| shard.parse().ok())
        .map(ShardIndex)
        .ok_or_else(|| {
            corrupt(format!(
                "{place} has not the name of a segment: find out what wrote it, and leave every other document of the \
                 run as it is"
            ))
        })?;
    let reader = store
        .open(&name)
        .await?
        .ok_or_else(|| corrupt(format!("{place} vanished while it was read: somebody removes segments")))?;
    let expected = reader.info.size_bytes;
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    let mut body = reader.body;
    while let Some(part) = body.try_next().await? {
        bytes.extend_from_slice(&part);
    }
    if bytes.len() as u64 != expected {
        let what = format!("{place}: {} of {expected} bytes arrived", bytes.len());
        return Err(Fault::new(Service::RunStore, FaultKind::Unavailable, what));
    }
    Ok(Segment { shard, name, place, bytes })
}

/// What a shard's segments hold: which rows have an outcome, and their counts.
#[derive(Debug, Clone)]
pub struct RecordedRows {
    /// Rows with an outcome; compare [`RowSet::len`] with the plan's rows of the shard.
    pub rows: RowSet,
    /// Counts of the outcomes that stand, one per row.
    pub books: Books,
}

impl RecordedRows {
    /// Whether the row has an outcome.
    pub fn contains(&self, row: u64) -> bool {
        self.rows.contains(row)
    }
}

/// What earlier processes (and this one, as far as it has flushed) recorded of the shard.
///
/// Memory: one bit a row, and the rows that were recorded more than once, of which only those in flight
/// at a kill or done by two processes at a time exist.
pub async fn recorded(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<RecordedRows, Fault> {
    let prefix = names::segments(shard);
    let mut rows = RowSet::new(plan.submissions.rows);
    let mut books = Books::default();
    let mut several = RowSet::new(plan.submissions.rows);
    let mut found = segments(store, &prefix);
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let (outcome, _) = read?;
            let new = rows.insert(outcome.row).map_err(|_| segment.foreign_row(outcome.row))?;
            if new {
                books.count(&outcome.fate);
            } else {
                several.insert(outcome.row).map_err(|_| segment.foreign_row(outcome.row))?;
            }
        }
    }
    if !several.is_empty() {
        books = count_standing(store, &prefix, &rows, &several).await?;
    }
    Ok(RecordedRows { rows, books })
}

/// Counts again where rows have several outcomes: the rest as they come, of those the one that stands.
async fn count_standing(
    store: &RunStore,
    prefix: &str,
    rows: &RowSet,
    several: &RowSet,
) -> Result<Books, Fault> {
    let mut books = Books::default();
    let mut counted = RowSet::new(u64::MAX);
    let mut standing: HashMap<u64, Outcome> = HashMap::new();
    let mut found = segments(store, prefix);
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let (outcome, _) = read?;
            let row = outcome.row;
            // Not seen the first time, or doubled since: another process is at work and counts it itself.
            if several.contains(row) {
                let outcome = without_texts(outcome);
                let winner = match standing.remove(&row) {
                    Some(earlier) => stands(earlier, outcome),
                    None => outcome,
                };
                standing.insert(row, winner);
            } else if rows.contains(row) && counted.insert(row) == Ok(true) {
                books.count(&outcome.fate);
            }
        }
    }
    for outcome in standing.values() {
        books.count(&outcome.fate);
    }
    Ok(books)
}

/// Counting needs no texts.
fn without_texts(mut outcome: Outcome) -> Outcome {
    match &mut outcome.fate {
        Fate::Migrated(migrated) => {
            for text in [
                &mut migrated.launch_id,
                &mut migrated.submission_id,
                &mut migrated.session_record_id,
                &mut migrated.user_id,
                &mut migrated.context_id,
            ] {
                *text = String::new();
            }
        }
        Fate::Skipped { detail, .. } => *detail = String::new(),
        Fate::Failed { message, .. } => *message = String::new(),
    }
    outcome
}
