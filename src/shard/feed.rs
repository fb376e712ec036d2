//! Feed: reads the shard's queue in order, and hands out chunks of rows that have no outcome yet.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::run::segments::RecordedRows;
use crate::{
    domain::{Facts, QueuedRow, ShardIndex},
    exit::Stop,
    ports::{Fault, Service},
    rules::{RuleConfig, needs_facts},
    run::{Plan, RunStore, facts::FactsReader, queue::QueueReader},
};

use super::pace::{Pace, Trouble};

/// Number of rows that are gathered together, with one round trip per service.
pub type Chunk = Vec<FedRow>;

/// A row of the queue; with its facts if the plan made facts files.
pub struct FedRow {
    /// The row, as the queue holds it.
    pub row: QueuedRow,
    /// Its facts, where they came with the queue.
    pub facts: Option<Facts>,
}

/// Rows per chunk: few enough that every worker gets some, enough that many share a round trip.
pub fn chunk_rows(rows: u64, workers: usize) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).div_ceil(2 * workers.max(1)).clamp(25, 500)
}

/// The shard's queue, and its facts file if there is one, with the present read positions.
pub struct Queue {
    store: RunStore,
    plan: Arc<Plan>,
    index: ShardIndex,
    rules: RuleConfig,
    /// `None` after a fault: it is opened again, and read to its place.
    readers: Option<(QueueReader, Option<FactsReader>)>,
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
        let (store, plan, rules) = (store.clone(), plan.clone(), rules.clone());
        let mut queue = Self { store, plan, index, rules, readers: None, passed: 0 };
        queue.readers = Some(queue.reopen().await?);
        Ok(queue)
    }

    /// The next rows, at most `rows`, without those that are recorded; empty at the end. After a fault the same rows
    /// may be asked for again.
    async fn chunk(&mut self, recorded: &RecordedRows, rows: usize) -> Result<Chunk, Fault> {
        let (mut queue, mut facts) = match self.readers.take() {
            Some(readers) => readers,
            None => self.reopen().await?,
        };
        let mut chunk = Chunk::with_capacity(rows);
        let mut passed = self.passed;
        while chunk.len() < rows
            && let Some(row) = queue.next().await?
        {
            passed += 1;
            let facts = match (&mut facts, row.attempt) {
                (Some(reader), Some(attempt)) if needs_facts(&row, &self.rules) => {
                    Some(reader.of(attempt).await?)
                }
                _ => None,
            };
            if !recorded.contains(row.number) {
                chunk.push(FedRow { row, facts });
            }
        }
        self.passed = passed;
        self.readers = Some((queue, facts));
        Ok(chunk)
    }

    /// The facts file needs no seek: it is read in the order of the queue.
    async fn reopen(&self) -> Result<(QueueReader, Option<FactsReader>), Fault> {
        let mut queue = QueueReader::open(&self.store, &self.plan, self.index).await?;
        let facts = FactsReader::open(&self.store, &self.plan, self.index).await?;
        for _ in 0..self.passed {
            queue.next().await?;
        }
        Ok((queue, facts))
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
