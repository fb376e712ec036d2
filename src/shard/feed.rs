//! Feed: reads the shard's queue once, in order, and hands out chunks of rows that have no outcome yet.

use crate::{
    domain::{Facts, QueuedRow},
    exit::Stop,
    plan::{FactsReader, QueueReader},
};

use super::record::RecordedRows;

/// Rows that are gathered together: one round trip per service serves them all.
pub type Chunk = Vec<FedRow>;

/// A row of the queue; with its facts where the plan made facts files.
pub struct FedRow {
    /// The row.
    pub row: QueuedRow,
    /// Its facts, where they came with the queue.
    pub facts: Option<Facts>,
}

/// Rows a chunk: few enough that every worker gets some, enough that a round trip is shared by many.
pub fn chunk_rows(rows: u64, workers: usize) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX).div_ceil(2 * workers.max(1)).clamp(25, 500)
}

/// Whether the warehouse is asked about the row: older duplicates and held attempts are decided without.
pub fn needs_facts(row: &QueuedRow) -> bool {
    row.attempt.is_some() && row.newer_row.is_none() && row.held_launch_id.is_none()
}

/// Reads the whole queue into `chunks`; ends early where nobody takes them any more.
pub async fn feed(
    mut queue: QueueReader,
    mut facts: Option<FactsReader>,
    recorded: &RecordedRows,
    rows_per_chunk: usize,
    chunks: async_channel::Sender<Chunk>,
) -> Result<(), Stop> {
    let mut chunk = Chunk::with_capacity(rows_per_chunk);
    while let Some(row) = queue.next().await? {
        let row_facts = match (&mut facts, row.attempt) {
            (Some(reader), Some(attempt)) if needs_facts(&row) => Some(reader.of(attempt).await?),
            _ => None,
        };
        if recorded.contains(row.number) {
            continue;
        }
        chunk.push(FedRow { row, facts: row_facts });
        if chunk.len() == rows_per_chunk {
            let full = std::mem::replace(&mut chunk, Chunk::with_capacity(rows_per_chunk));
            if chunks.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    if !chunk.is_empty() {
        // Nobody takes it: the shard is stopping.
        drop(chunks.send(chunk).await);
    }
    Ok(())
}
