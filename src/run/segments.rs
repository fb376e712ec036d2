//! Segments: the outcomes of one shard that one process recorded, in the order in which they came. The first line names
//! plan, shard and writer; a JSON line for each outcome follows.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};

use super::{Plan, PlanId, RowSet, RunStore, Standing, WriterId, lines, names};
use crate::{
    domain::{Books, Fate, Outcome, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// Segments being fetched at a time; each is about 1 MiB at most.
const AHEAD: usize = 8;

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    plan: PlanId,
    shard: ShardIndex,
    writer: WriterId,
}

/// A segment that is being filled.
pub struct SegmentDraft {
    origin: Origin,
    lines: Vec<u8>,
    outcomes: usize,
}

impl SegmentDraft {
    /// An empty segment of one shard and writer.
    pub fn new(plan: &PlanId, shard: ShardIndex, writer: &WriterId) -> Self {
        let origin = Origin { plan: plan.clone(), shard, writer: writer.clone() };
        Self { origin, lines: Vec::new(), outcomes: 0 }
    }

    /// Adds an outcome; on an error nothing is added.
    pub fn push(&mut self, outcome: &Outcome) -> Result<(), Fault> {
        if self.lines.is_empty() {
            lines::push(&mut self.lines, &self.origin)
                .map_err(|error| unwritable("a segment's first line", error))?;
        }
        lines::push(&mut self.lines, outcome)
            .map_err(|error| unwritable(&format!("the outcome of row {}", outcome.row), error))?;
        self.outcomes += 1;
        Ok(())
    }

    /// How many outcomes it holds.
    pub fn outcomes(&self) -> usize {
        self.outcomes
    }

    /// Its length in bytes.
    pub fn size_bytes(&self) -> usize {
        self.lines.len()
    }

    /// The segment's bytes; the draft is empty again. `None` if it holds no outcome.
    pub fn take(&mut self) -> Option<Bytes> {
        let lines = std::mem::take(&mut self.lines);
        (std::mem::take(&mut self.outcomes) > 0).then(|| Bytes::from(lines))
    }
}

fn unwritable(what: &str, error: serde_json::Error) -> Fault {
    let what = format!("{what} cannot be written as JSON");
    Fault::caused(Service::RunStore, FaultKind::Misconfigured, what, error)
}

/// One segment, whole.
#[derive(Debug)]
pub struct Segment {
    /// Shard that the rows belong to.
    pub shard: ShardIndex,
    /// The process that recorded them.
    pub writer: WriterId,
    place: String,
    /// After the first line.
    lines: Bytes,
}

impl Segment {
    /// Its outcomes in the order in which they were recorded.
    pub fn outcomes(&self) -> impl Iterator<Item = Result<Outcome, Fault>> {
        lines::parse_all(&self.place, 1, &self.lines)
    }

    /// The row number of an outcome that is no row of the plan's input.
    pub fn foreign_row(&self, row: u64) -> Fault {
        let what = format!(
            "{} names row {row}, which the plan's input does not have: it belongs to another run",
            self.place
        );
        Fault::new(Service::RunStore, FaultKind::Corrupt, what)
    }
}

/// The segments of one shard, or of all, by name. [`FaultKind::Corrupt`] for one that is damaged, or of another plan or
/// shard.
pub fn segments<'a>(
    store: &'a RunStore,
    plan: &'a Plan,
    shard: Option<ShardIndex>,
) -> BoxStream<'a, Result<Segment, Fault>> {
    let folder = store.path("");
    let prefix = shard.map_or_else(|| names::SEGMENTS.to_owned(), names::segments);
    store
        .blobs()
        .list(&store.path(&prefix))
        .map_ok(move |info| {
            let name = info.name.strip_prefix(&folder).unwrap_or(&info.name).to_owned();
            async move { read_segment(store, plan, &name).await }
        })
        .try_buffered(AHEAD)
        .boxed()
}

/// Reads one segment whole.
pub(super) async fn read_segment(store: &RunStore, plan: &Plan, name: &str) -> Result<Segment, Fault> {
    let place = store.describe(name);
    let corrupt = |what| Fault::new(Service::RunStore, FaultKind::Corrupt, what);
    let shard = name
        .strip_prefix(names::SEGMENTS)
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(shard, _)| shard.parse().ok())
        .map(ShardIndex)
        .ok_or_else(|| {
            corrupt(format!(
                "{place} has not the name of a segment: find out what wrote it, and leave every other document of the \
                 run as it is"
            ))
        })?;
    let bytes = bytes_of(store, name, &place).await?;
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Err(lines::damaged(&place, 1));
    };
    let origin: Origin = lines::parse(&place, 1, &bytes.slice(..end))?;
    if origin.plan != plan.id {
        return Err(store.foreign(name, &origin.plan, &plan.id));
    }
    if origin.shard != shard || plan.shard(shard).is_none() {
        return Err(corrupt(format!(
            "{place} holds outcomes of another shard of the plan: find out what wrote it, and leave every other document \
             of the run as it is"
        )));
    }
    Ok(Segment { shard, writer: origin.writer, place, lines: bytes.slice(end + 1..) })
}

async fn bytes_of(store: &RunStore, name: &str, place: &str) -> Result<Bytes, Fault> {
    let Some(reader) = store.open(name).await? else {
        let what = format!("{place} vanished while it was read: another program removes segments");
        return Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what));
    };
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
    Ok(bytes.into())
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
pub async fn recorded(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<RecordedRows, Fault> {
    recorded_without(store, plan, shard, &RowSet::new(0)).await
}

/// The same but for the rows `without`, which are to be moved again.
///
/// Memory: one bit a row, and the rows that were recorded more than once, of which only those in flight
/// at a kill or done by two processes at a time exist.
pub async fn recorded_without(
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    without: &RowSet,
) -> Result<RecordedRows, Fault> {
    let mut rows = RowSet::new(plan.last_row());
    let mut books = Books::default();
    let mut several = RowSet::new(plan.last_row());
    let mut found = segments(store, plan, Some(shard));
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let outcome = read?;
            if without.contains(outcome.row) {
                continue;
            }
            let new = rows.insert(outcome.row).map_err(|_| segment.foreign_row(outcome.row))?;
            if new {
                books.count(&outcome.fate);
            } else {
                several.insert(outcome.row).map_err(|_| segment.foreign_row(outcome.row))?;
            }
        }
    }
    if !several.is_empty() {
        books = count_standing(store, plan, shard, &rows, &several).await?;
    }
    Ok(RecordedRows { rows, books })
}

/// Second count, for shards with several outcomes of one row: each row counts once, with the outcome that the result counts.
async fn count_standing(
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    rows: &RowSet,
    several: &RowSet,
) -> Result<Books, Fault> {
    let counts = Standing::read(store, plan).await?;
    let mut books = Books::default();
    let mut counted = RowSet::new(u64::MAX);
    let mut standing: HashMap<u64, Outcome> = HashMap::new();
    let mut found = segments(store, plan, Some(shard));
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let outcome = read?;
            let row = outcome.row;
            // Not seen the first time, or doubled since: another process is at work and counts it itself.
            if several.contains(row) {
                let outcome = without_texts(outcome);
                let winner = match standing.remove(&row) {
                    Some(earlier) => counts.of(earlier, outcome),
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
