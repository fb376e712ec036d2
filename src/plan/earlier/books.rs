//! The books of earlier runs by attempt: what each run said last of it, and what tells whether its row changed.

use std::{collections::BTreeSet, num::NonZeroU64};

use futures_util::TryStreamExt;

use super::record::{Cells, Record, Then};
use crate::{
    domain::{AttemptId, Earlier, Fate, MappingState, Outcome, ShardIndex, SkipCode, SubmissionRow},
    ports::Fault,
    run::{
        Plan, RunName, RunStore, Standing, decisions,
        lines::{Place, Spool, Spooled, no_room},
        names,
        outcomes::Outcomes,
        purge::is_only_id,
        queue::QueueReader,
    },
};

/// Bits of a packed place that hold the value's length.
const LENGTH_BITS: u32 = 20;

/// What earlier runs say of each attempt. Memory: 24 bytes an attempt; the rest is on the local disk.
pub struct EarlierBooks {
    runs: Vec<RunName>,
    entries: Vec<Entry>,
    records: Spooled,
    cells: Spooled,
}

/// The same while the runs are read.
pub struct Reading {
    runs: Vec<RunName>,
    entries: Vec<Entry>,
    records: Spool,
    cells: Spool,
}

/// One attempt of one run; in the end, one attempt.
#[derive(Debug, Clone, Copy)]
struct Entry {
    attempt: AttemptId,
    record: Packed,
    /// Only of what was migrated: nothing else is compared.
    cells: Option<Packed>,
    is_migrated: bool,
}

/// A value's place, in eight bytes.
#[derive(Debug, Clone, Copy)]
struct Packed(NonZeroU64);

impl Reading {
    /// No run yet.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self { runs: Vec::new(), entries: Vec::new(), records: Spool::new()?, cells: Spool::new()? })
    }

    /// Adds the outcomes that stand of a run, then reads its queues for what tells rows apart.
    pub async fn add(&mut self, store: &RunStore, plan: &Plan) -> Result<(), Fault> {
        let run = self.runs.len();
        self.runs.push(store.run().clone());
        let first = self.entries.len();
        let rolled_back: BTreeSet<AttemptId> = decisions::rolled_back(store).await?.into_keys().collect();
        let stand = standing(store, &rolled_back).await?;
        let counts = Standing::read(store, plan).await?;
        let accepted = decisions::accepted(store).await?;
        let outcomes = Outcomes::gather(store, plan).await?;
        for bucket in 0..outcomes.buckets() {
            let of_rows = outcomes.of(bucket, |earlier, later| counts.of(earlier, later))?;
            for (_, outcome) in of_rows.into_iter().flatten() {
                let Some(attempt) = outcome.attempt else { continue };
                let of_attempt = Of {
                    is_rolled_back: rolled_back.contains(&attempt) && !stand.contains(&attempt),
                    is_accepted: accepted.contains_key(&attempt),
                    comes_after: !plan.after.is_empty(),
                };
                if let Some(record) = of_attempt.record(run, outcome) {
                    let is_migrated = matches!(record.fate, Then::Migrated { .. });
                    let record = Packed::of(self.records.push(&record)?)?;
                    self.entries.push(Entry { attempt, record, cells: None, is_migrated });
                }
            }
        }
        let own = self.entries.get_mut(first..).unwrap_or_default();
        own.sort_unstable_by_key(|entry| entry.attempt);
        for shard in (0..).map(ShardIndex).take(plan.shards.len()) {
            read_queue(store, plan, shard, own, &mut self.cells).await?;
        }
        Ok(())
    }

    /// One entry of each attempt: the newest that migrated it, else the newest.
    pub fn finish(mut self) -> Result<EarlierBooks, Fault> {
        let (records, cells) = (self.records.finish()?, self.cells.finish()?);
        self.entries.sort_by_key(|entry| entry.attempt);
        let rank = |entry: &Entry| -> Result<_, Fault> {
            let record: Record = records.get(entry.record.place())?;
            Ok((entry.is_migrated, record.at))
        };
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            match kept.last_mut() {
                Some(last) if last.attempt == entry.attempt => {
                    if rank(&entry)? > rank(last)? {
                        *last = entry;
                    }
                }
                _ => kept.push(entry),
            }
        }
        kept.shrink_to_fit();
        Ok(EarlierBooks { runs: self.runs, entries: kept, records, cells })
    }
}

impl EarlierBooks {
    /// The runs, as `run first` or `runs first, second`.
    pub fn named(&self) -> String {
        let names: Vec<&str> = self.runs.iter().map(RunName::as_str).collect();
        format!("run{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
    }

    /// What the row is compared with, if one of the runs migrated its attempt.
    pub fn of(
        &self,
        attempt: AttemptId,
        cells: &SubmissionRow,
        mapping: &MappingState,
    ) -> Result<Option<Earlier>, Fault> {
        let Some(entry) = self.entry(attempt) else { return Ok(None) };
        let record: Record = self.records.get(entry.record.place())?;
        let Then::Migrated { source: Some(source), accepted } = record.fate else { return Ok(None) };
        let then: Option<Cells> = entry.cells.map(|cells| self.cells.get(cells.place())).transpose()?;
        let now = Cells::of(cells, mapping);
        Ok(Some(Earlier {
            run: self.run(record.run),
            row: record.row,
            source,
            changed: then.as_ref().map(|then| then.changed(&now)).unwrap_or_default(),
            key: then.map(|then| then.key),
            accepted,
        }))
    }

    /// Every attempt, in ascending order.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.entries.iter().map(|entry| entry.attempt)
    }

    /// What a run did with the attempt, in words; `None` if none knows it.
    pub fn then(&self, attempt: AttemptId) -> Result<Option<String>, Fault> {
        let Some(entry) = self.entry(attempt) else { return Ok(None) };
        let Record { run, row, fate, .. } = self.records.get(entry.record.place())?;
        let what = match fate {
            Then::Migrated { accepted: false, .. } => "migrated it".to_owned(),
            Then::Migrated { accepted: true, .. } => {
                "migrated it, and a person accepted that the target no longer holds it".to_owned()
            }
            Then::Failed(code) => format!("did not migrate it ({code})"),
            Then::Skipped(code) => format!("did not migrate it ({code})"),
        };
        Ok(Some(format!("run {} {what}, row {row} of its input", self.run(run))))
    }

    fn entry(&self, attempt: AttemptId) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&attempt, |entry| entry.attempt).ok()?;
        self.entries.get(at)
    }

    fn run(&self, number: usize) -> String {
        self.runs.get(number).map(ToString::to_string).unwrap_or_default()
    }
}

/// What people decided about an attempt, and what its run came after.
struct Of {
    is_rolled_back: bool,
    is_accepted: bool,
    comes_after: bool,
}

impl Of {
    /// What is kept of the outcome; `None` if another row of the attempt, or an earlier run, knows more.
    fn record(&self, run: usize, outcome: Outcome) -> Option<Record> {
        let fate = match outcome.fate {
            // It may be migrated again; if the target holds it, another run wrote that.
            Fate::Migrated(_) if self.is_rolled_back => Then::Skipped(SkipCode::RolledBack),
            Fate::Migrated(_) => Then::Migrated { source: outcome.source, accepted: self.is_accepted },
            Fate::Failed { code, .. } => Then::Failed(code),
            Fate::Skipped { code: SkipCode::DuplicateRow, .. } => return None,
            Fate::Skipped {
                code: SkipCode::ChangedAtSource | SkipCode::DeletedInTarget | SkipCode::Withdrawn,
                ..
            } if self.comes_after => return None,
            Fate::Skipped { code, .. } => Then::Skipped(code),
        };
        Some(Record { run, row: outcome.row, at: outcome.at, fate })
    }
}

/// Those of the attempts, which a rollback named, that the run still holds by its results: the rollback left them.
async fn standing(store: &RunStore, named: &BTreeSet<AttemptId>) -> Result<BTreeSet<AttemptId>, Fault> {
    let mut stand = BTreeSet::new();
    let name = names::result(names::MIGRATED);
    let reader = if named.is_empty() { None } else { store.open(&name).await? };
    let Some(reader) = reader else { return Ok(stand) };
    let (mut body, mut rest) = (reader.body, Vec::new());
    while let Some(part) = body.try_next().await? {
        rest.extend_from_slice(&part);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        let ids = lines.split(|byte| *byte == b'\n').filter_map(|line| {
            // Attempt ID is the first column; the file holds ids only, so no cell is quoted.
            std::str::from_utf8(line.split(|byte| *byte == b',').next()?).ok()?.parse().ok()
        });
        stand.extend(ids.filter(|attempt| named.contains(attempt)));
    }
    Ok(stand)
}

/// Keeps what tells apart the rows that the run migrated. A queue that is gone is passed over.
async fn read_queue(
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    entries: &mut [Entry],
    cells: &mut Spool,
) -> Result<(), Fault> {
    if !store.exists(&names::queue(&plan.id, shard)).await? {
        return Ok(());
    }
    let mut queue = QueueReader::open(store, plan, shard).await?;
    while let Some(row) = queue.next().await? {
        // A purge of some attempts leaves the id alone of their cells: nothing can be told apart by them.
        let is_told = row.newer_row.is_none() && !is_only_id(&row.cells);
        let Some(attempt) = row.attempt.filter(|_| is_told) else { continue };
        let first = entries.partition_point(|entry| entry.attempt < attempt);
        // Beside the row that was migrated, an older one of its attempt may have failed.
        let of_attempt = entries.iter_mut().skip(first).take_while(|entry| entry.attempt == attempt);
        if let Some(entry) = of_attempt.into_iter().find(|entry| entry.is_migrated) {
            entry.cells = Some(Packed::of(cells.push(&Cells::of(&row.cells, &row.mapping))?)?);
        }
    }
    Ok(())
}

impl Packed {
    fn of(place: Place) -> Result<Self, Fault> {
        let is_short = u64::from(place.size_bytes) < 1 << LENGTH_BITS;
        let packed = (place.offset << LENGTH_BITS) | u64::from(place.size_bytes);
        // No value is empty, so no packed place is 0.
        NonZeroU64::new(packed)
            .filter(|_| is_short && place.offset < 1 << (u64::BITS - LENGTH_BITS))
            .map(Self)
            .ok_or_else(|| no_room(std::io::ErrorKind::FileTooLarge.into()))
    }

    fn place(self) -> Place {
        let length = self.0.get() & ((1 << LENGTH_BITS) - 1);
        Place { offset: self.0.get() >> LENGTH_BITS, size_bytes: u32::try_from(length).unwrap_or_default() }
    }
}
