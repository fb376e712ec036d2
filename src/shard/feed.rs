//! Feed: reads the shard's queue in order, and hands out chunks of rows that have no outcome yet.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::{
    domain::{Facts, QueuedRow, ShardIndex},
    exit::Stop,
    gather::{CHUNK_BYTES, row_bytes},
    ports::{Fault, Service},
    rules::{RuleConfig, needs_facts},
    run::{Plan, RunStore, facts::QueueWithFacts, segments::RecordedRows},
};

use super::pace::{Pace, Trouble};

/// Rows that are gathered together, with one round trip per service.
pub type Chunk = Vec<(QueuedRow, Option<Facts>)>;

/// Rows per chunk: few enough that every worker gets some and that three for each worker take little memory (some 3 kB a row),
/// enough that many share a round trip.
pub fn chunk_rows(rows: u64, workers: usize) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).div_ceil(2 * workers.max(1)).clamp(25, 400)
}

/// The shard's queue, and its facts file if there is one, with the present read positions.
pub struct Queue {
    store: RunStore,
    plan: Arc<Plan>,
    index: ShardIndex,
    rules: RuleConfig,
    /// `None` after a fault: it is opened again, and read to its place.
    reader: Option<QueueWithFacts>,
    /// Rows that were handed out, or have an outcome.
    passed: u64,
}

impl Queue {
    /// Opens both files, so that a missing one is found before the first row.
    pub async fn open(
        store: &RunStore,
        plan: &Arc<Plan>,
        index: ShardIndex,
        rules: &RuleConfig,
    ) -> Result<Self, Fault> {
        let reader = Some(QueueWithFacts::open(store, plan, index).await?);
        let (store, plan, rules) = (store.clone(), plan.clone(), rules.clone());
        Ok(Self { store, plan, index, rules, reader, passed: 0 })
    }

    /// The next rows, at most `rows`, without those that are recorded; empty at the end. After a fault the same rows
    /// may be asked for again.
    async fn chunk(&mut self, recorded: &RecordedRows, rows: usize) -> Result<Chunk, Fault> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.reopen().await?,
        };
        let mut chunk = Chunk::with_capacity(rows);
        let (mut passed, mut bytes) = (self.passed, 0);
        while chunk.len() < rows
            && bytes < CHUNK_BYTES
            && let Some((row, facts)) = reader.next(|row| needs_facts(row, &self.rules)).await?
        {
            passed += 1;
            if !recorded.contains(row.number) {
                bytes += row_bytes(&row, facts.as_ref());
                chunk.push((row, facts));
            }
        }
        self.passed = passed;
        self.reader = Some(reader);
        Ok(chunk)
    }

    async fn reopen(&self) -> Result<QueueWithFacts, Fault> {
        let mut reader = QueueWithFacts::open(&self.store, &self.plan, self.index).await?;
        reader.skip(self.passed).await?;
        Ok(reader)
    }
}

/// Reads the whole queue into `chunks`; ends early if the receiver is gone.
pub async fn feed(
    queue: Queue,
    pace: &Pace,
    recorded: &RecordedRows,
    rows_per_chunk: usize,
    chunks: async_channel::Sender<Chunk>,
) -> Result<(), Stop> {
    let queue = Mutex::new(queue);
    let read = || async { queue.lock().await.chunk(recorded, rows_per_chunk).await };
    loop {
        let chunk = match pace.steady(&[Service::RunStore], read).await {
            Ok(chunk) if chunk.is_empty() => return Ok(()),
            Ok(chunk) => chunk,
            Err(Trouble::Stopping) => return Ok(()),
            Err(trouble) => return Err(trouble.into()),
        };
        if chunks.send(chunk).await.is_err() {
            // The receiver is gone: the shard is stopping.
            return Ok(());
        }
    }
}
