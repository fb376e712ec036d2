//! Every row of the queues, decided as the run decides it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, FuturesOrdered},
};
use serde::{Deserialize, Serialize};

use super::{Subject, ask::Reading, files::FileSpool, transformations::Transformations};
use crate::{
    domain::{
        AttemptId, Catalogue, Decision, Facts, FailCode, MappingState, Migration, NoteCode, QueuedRow,
        ShardIndex, text::trim,
    },
    exit::Stop,
    gather::{self, CHUNK_BYTES, GatheredRow, Gathering},
    ports::Fault,
    rules::{CatalogueIndex, RuleConfig, decide, needs_facts},
    run::{
        Plan, PredictedOutcomes, PredictedShard, RunStore,
        facts::QueueWithFacts,
        lines::{Buckets, SpooledBuckets},
    },
};

/// Rows that are gathered together.
const CHUNK_ROWS: usize = 500;
/// Most chunks that are gathered at the same time.
const UNDER_WAY: usize = 4;
/// Rows of the input in one bucket: a range of row numbers, so that a bucket fits in memory.
pub const BUCKET_ROWS: u64 = 8_192;

/// The decisions about all rows, counted.
pub struct Decided {
    /// Rows that are not migrated, by code; the others are on disk.
    pub outcomes: PredictedOutcomes,
    /// Rows per shard.
    pub shards: Vec<PredictedShard>,
    /// Each distinct value that the rules transform, with its result and number of rows.
    pub transformations: Transformations,
    /// Pairs of unit version and grade, by [`MigratingRow::place`].
    pub places: Vec<(String, String)>,
    numbers: HashMap<(String, String), u32>,
    rows: Buckets,
}

/// A row that is going to be migrated, as the buckets on disk keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MigratingRow {
    /// Number of the row in the input, from 1.
    pub row: u64,
    /// The attempt that the row migrates.
    pub attempt: AttemptId,
    /// Shard whose queue holds it.
    pub shard: ShardIndex,
    /// Index into [`Decided::places`].
    pub place: u32,
    /// Marks awarded, in digits.
    pub awarded: String,
    /// Marks possible, in digits.
    pub possible: String,
    /// Whether the target holds it already, written by this run: its files are not copied again.
    pub recovered: bool,
    /// Notes known before the copy.
    pub notes: Vec<NoteCode>,
}

/// A chunk of a shard's queue.
type Chunk = (ShardIndex, Vec<(QueuedRow, Option<Facts>)>);

/// Gathers and decides every row, in the order of the queues. Every question is one of `under_way`, also that for a further
/// part of a chunk: one that was awaited alone would wait for a connection that a question which is not polled holds.
pub async fn decide_all(
    subject: Subject<'_>,
    reading: &Reading<'_>,
    catalogue: CatalogueIndex,
    decided: &mut Decided,
    files: &mut FileSpool,
) -> Result<(), Stop> {
    let feed =
        Feed { store: subject.queues, plan: subject.plan, rules: subject.rules, shard: 0, reader: None };
    let mut chunks = std::pin::pin!(stream::try_unfold(feed, Feed::next));
    let (mut under_way, mut is_over) = (FuturesOrdered::new(), false);
    while !(is_over && under_way.is_empty()) {
        tokio::select! {
            chunk = chunks.try_next(), if !is_over && under_way.len() < UNDER_WAY => match chunk? {
                Some((shard, rows)) => {
                    under_way.push_back(part(reading, subject.rules, shard, Part::First(rows)));
                }
                None => is_over = true,
            },
            Some(gathered) = under_way.next(), if !under_way.is_empty() => {
                let (shard, rows, gathering) = gathered?;
                for row in rows {
                    decided.take(shard, &row, &catalogue, subject.rules, files)?;
                }
                if !gathering.is_empty() {
                    under_way.push_front(part(reading, subject.rules, shard, Part::Next(gathering)));
                }
            }
        }
    }
    Ok(())
}

/// Which part of a chunk is gathered.
enum Part {
    /// The first one, of these rows.
    First(Vec<(QueuedRow, Option<Facts>)>),
    /// The next one of those that are left.
    Next(Gathering),
}

/// Rows of a chunk with their facts, and those that are left.
async fn part(
    reading: &Reading<'_>,
    rules: &RuleConfig,
    shard: ShardIndex,
    part: Part,
) -> Result<(ShardIndex, Vec<GatheredRow>, Gathering), Stop> {
    let mut gathering = match part {
        Part::First(rows) => Gathering::begin(reading, rules, rows).await?,
        Part::Next(gathering) => gathering,
    };
    Ok((shard, gathering.part(reading).await?, gathering))
}

/// The queues of all shards, one after the other.
struct Feed<'a> {
    store: &'a RunStore,
    plan: &'a Plan,
    rules: &'a RuleConfig,
    shard: u32,
    reader: Option<QueueWithFacts>,
}

impl Feed<'_> {
    async fn next(mut self) -> Result<Option<(Chunk, Self)>, Fault> {
        while (self.shard as usize) < self.plan.shards.len() {
            let shard = ShardIndex(self.shard);
            if self.reader.is_none() {
                self.reader = Some(QueueWithFacts::open(self.store, self.plan, shard).await?);
            }
            let rows = self.chunk().await?;
            if !rows.is_empty() {
                return Ok(Some(((shard, rows), self)));
            }
            self.reader = None;
            self.shard += 1;
        }
        Ok(None)
    }

    /// The next rows of the open queue; empty at its end.
    async fn chunk(&mut self) -> Result<Vec<(QueuedRow, Option<Facts>)>, Fault> {
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < CHUNK_ROWS
            && bytes < CHUNK_BYTES
            && let Some((row, facts)) = reader.next(|row| needs_facts(row, self.rules)).await?
        {
            bytes += gather::row_bytes(&row, facts.as_ref());
            rows.push((row, facts));
        }
        Ok(rows)
    }
}

impl Decided {
    /// An empty collection: no row is decided yet.
    pub fn new(plan: &Plan, catalogue: &Catalogue) -> Result<Self, Fault> {
        let shard = |(index, shard): (u32, &crate::run::ShardPlan)| PredictedShard {
            shard: ShardIndex(index),
            rows: shard.rows,
            migrated: 0,
            files: 0,
            bytes: 0,
        };
        Ok(Self {
            outcomes: PredictedOutcomes::default(),
            shards: (0..).zip(&plan.shards).map(shard).collect(),
            transformations: Transformations::new(catalogue),
            places: Vec::new(),
            numbers: HashMap::new(),
            rows: Buckets::new(buckets_of(plan.submissions.rows))?,
        })
    }

    fn take(
        &mut self,
        shard: ShardIndex,
        gathered: &GatheredRow,
        catalogue: &CatalogueIndex,
        rules: &RuleConfig,
        files: &mut FileSpool,
    ) -> Result<(), Fault> {
        let GatheredRow { row, facts, held, written, .. } = gathered;
        let decision = catch_unwind(AssertUnwindSafe(|| decide(row, held, facts, catalogue, rules)));
        let (migration, recovered) = match decision {
            Ok(Decision::Migrate(migration)) => (migration, false),
            Ok(Decision::Recover(Some(migration))) => (migration, true),
            // Its facts have changed: what its files were is in the target only.
            Ok(Decision::Recover(None)) => {
                self.outcomes.migrated.count(row.number, row.attempt);
                if let Some(predicted) = self.shards.get_mut(shard.place()) {
                    predicted.migrated += 1;
                    predicted.files += written.as_ref().map_or(0, |held| u64::from(held.files));
                }
                return Ok(());
            }
            Ok(Decision::Skip(skip)) => {
                self.outcomes.skipped.entry(skip.code).or_default().count(row.number, row.attempt);
                return Ok(());
            }
            Ok(Decision::Fail(failure)) => {
                self.outcomes.failed.entry(failure.code).or_default().count(row.number, row.attempt);
                return Ok(());
            }
            Err(_panic) => {
                let code = FailCode::InternalError;
                self.outcomes.failed.entry(code).or_default().count(row.number, row.attempt);
                return Ok(());
            }
        };
        let version = match &row.mapping {
            MappingState::Found(mapping) => trim(&mapping.unit_version).to_owned(),
            MappingState::Missing | MappingState::Ambiguous => String::new(),
        };
        self.transformations.take(&migration, facts, &version);
        for file in &migration.files {
            files.push(row.number, file)?;
        }
        self.keep(row, shard, &migration, version, recovered)
    }

    fn keep(
        &mut self,
        row: &QueuedRow,
        shard: ShardIndex,
        migration: &Migration,
        version: String,
        recovered: bool,
    ) -> Result<(), Fault> {
        let place = self.place(version, &migration.grade.final_grade);
        let grade = &migration.grade;
        let kept = MigratingRow {
            row: row.number,
            attempt: migration.attempt,
            shard,
            place,
            awarded: grade.total_marks_awarded.to_string(),
            possible: grade.total_marks_possible.to_string(),
            recovered,
            notes: migration.notes.iter().map(|note| note.code).collect(),
        };
        self.rows.push(bucket_of(row.number), &kept)
    }

    fn place(&mut self, version: String, grade: &str) -> u32 {
        let key = (version, grade.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// The rows that passed the rules, to be read by [`bucket_of`].
    pub fn finish(self) -> Result<(DecidedRows, SpooledBuckets), Fault> {
        let Self { outcomes, shards, places, rows, .. } = self;
        Ok((DecidedRows { outcomes, shards, places }, rows.finish()?))
    }
}

/// The part of the result that stays in memory; the rows themselves are in buckets on disk.
pub struct DecidedRows {
    /// As [`Decided::outcomes`].
    pub outcomes: PredictedOutcomes,
    /// As [`Decided::shards`].
    pub shards: Vec<PredictedShard>,
    /// As [`Decided::places`].
    pub places: Vec<(String, String)>,
}

/// Number of buckets for an input of so many rows.
pub fn buckets_of(rows: u64) -> usize {
    usize::try_from(rows / BUCKET_ROWS + 1).unwrap_or(1)
}

/// Index of the bucket that holds the row with this number (from 1).
pub fn bucket_of(row: u64) -> usize {
    usize::try_from(row / BUCKET_ROWS).unwrap_or_default()
}
