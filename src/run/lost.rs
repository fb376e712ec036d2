//! Lost rows: recorded as migrated, and absent from the target. The database lost them after it had answered (a crash, an
//! asynchronous failover), or the application deleted them.

use std::collections::{BTreeSet, HashSet};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use super::{Plan, RowSet, RunStore, WriterId, decisions, names, segments::segments};
use crate::{
    domain::{AttemptId, Fate, Outcome, ShardIndex, SkipCode},
    ports::{Fault, TargetReader},
};

/// Launch ids that the target is asked about at a time.
pub const LOOKED_UP_AT_A_TIME: usize = 1_000;
/// Such questions under way.
const QUESTIONS: usize = 2;

/// A row that was recorded as migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigratedRow {
    /// Number of the CSV's data row, from 1.
    pub row: u64,
    /// Attempt id of the row, if its cell holds one.
    pub attempt: Option<AttemptId>,
    /// Its launch id.
    pub launch_id: String,
}

impl MigratedRow {
    /// `None` for an outcome of another kind.
    pub fn of(outcome: Outcome) -> Option<Self> {
        let Fate::Migrated(migrated) = outcome.fate else { return None };
        Some(Self { row: outcome.row, attempt: outcome.attempt, launch_id: migrated.launch_id })
    }
}

/// Those of the rows whose launch session or submission the target lacks.
pub async fn absent<E: From<Fault>>(
    target: &dyn TargetReader,
    migrated: impl Stream<Item = Result<MigratedRow, E>> + Send,
) -> Result<Vec<MigratedRow>, E> {
    migrated
        .try_chunks(LOOKED_UP_AT_A_TIME)
        .map_err(|TryChunksError(_, error)| error)
        .map_ok(|mut rows| async move {
            let launch_ids: Vec<String> = rows.iter().map(|row| row.launch_id.clone()).collect();
            let absent = target.absent(&launch_ids).await?;
            let absent: HashSet<&str> = absent.iter().map(|absent| absent.launch_id.as_str()).collect();
            rows.retain(|row| absent.contains(row.launch_id.as_str()));
            Ok(rows)
        })
        .try_buffer_unordered(QUESTIONS)
        .try_concat()
        .await
}

/// The rows of a shard, or of all, that were recorded as migrated, that the target lacks, and whose absence no person has
/// decided: what `--redo lost` moves again, and whose blobs no sweep removes.
pub async fn recorded(
    store: &RunStore,
    plan: &Plan,
    shard: Option<ShardIndex>,
    target: &dyn TargetReader,
) -> Result<Vec<MigratedRow>, Fault> {
    let migrated = segments(store, plan, shard)
        .map_ok(|segment| {
            let rows: Vec<Result<MigratedRow, Fault>> =
                segment.outcomes().filter_map(|read| read.map(MigratedRow::of).transpose()).collect();
            stream::iter(rows)
        })
        .try_flatten()
        .boxed();
    let mut lost = absent(target, migrated).await?;
    if !lost.is_empty() {
        let taken_out = decisions::taken_out(store).await?;
        lost.retain(|row| row.attempt.is_none_or(|attempt| !taken_out.contains_key(&attempt)));
    }
    Ok(lost)
}

/// Adds the rows of the shard that were skipped because an earlier run migrated them and the target no longer held them:
/// `--redo lost` decides them again.
pub async fn deleted(
    store: &RunStore,
    plan: &Plan,
    shard: ShardIndex,
    rows: &mut RowSet,
) -> Result<(), Fault> {
    let mut found = segments(store, plan, Some(shard));
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let outcome = read?;
            if matches!(outcome.fate, Fate::Skipped { code: SkipCode::DeletedInTarget, .. }) {
                // A row beyond the plan's: the reader of its segment refuses it.
                let _ = rows.insert(outcome.row);
            }
        }
    }
    Ok(())
}

/// Their numbers, in an input of `limit` rows.
pub fn rows(lost: &[MigratedRow], limit: u64) -> RowSet {
    let mut rows = RowSet::new(limit);
    for row in lost {
        // A row beyond the limit is none of the plan's: the reader of its segment has refused it, or will.
        let _ = rows.insert(row.row);
    }
    rows
}

/// Shards and writers of some rows.
#[derive(Debug, Default)]
pub struct RecordedBy {
    /// Shards of the rows.
    pub shards: BTreeSet<ShardIndex>,
    writers: BTreeSet<WriterId>,
}

impl RecordedBy {
    /// Of the outcomes of a shard, or of all, that `is_one` lets in.
    pub async fn read(
        store: &RunStore,
        plan: &Plan,
        shard: Option<ShardIndex>,
        is_one: impl Fn(&Outcome) -> bool,
    ) -> Result<Self, Fault> {
        let mut by = Self::default();
        let mut found = segments(store, plan, shard);
        while let Some(segment) = found.try_next().await? {
            for read in segment.outcomes() {
                if is_one(&read?) {
                    by.shards.insert(segment.shard);
                    by.writers.insert(segment.writer.clone());
                }
            }
        }
        Ok(by)
    }

    /// Writers that recorded the rows.
    pub fn writers(&self) -> &BTreeSet<WriterId> {
        &self.writers
    }

    /// The writers no longer count as clean: once their rows are moved again, or accepted, the next sweep finds the blobs that
    /// no row names. To be called while the run's lock is held, whichever side of it.
    pub async fn writers_are_unclean(&self, store: &RunStore) -> Result<(), Fault> {
        let clean: Vec<String> = self.writers.iter().map(names::clean).collect();
        store.delete(&clean).await
    }
}
