//! Lost rows: recorded as migrated, and absent from the target, or there as another run's. The database lost them after it had
//! answered (a crash, an asynchronous failover), or the application deleted them; then another run may have migrated them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    pin::pin,
    sync::{Mutex, PoisonError},
};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use super::{
    Plan, RowSet, RunStore, WriterId, decisions, names,
    segments::segments,
    writers::{Writers, of_submission},
};
use crate::{
    domain::{AttemptId, Fate, Outcome, Receipt, ShardIndex, SkipCode},
    ports::{Fault, HeldSubmission, TargetReader},
};

/// Launch ids that the target is asked about at a time.
const LOOKED_UP_AT_A_TIME: usize = 1_000;
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
    /// The transaction that committed it ([`Receipt::row_transaction`]), if it is known.
    pub transaction: Option<u32>,
}

impl MigratedRow {
    /// `None` for an outcome of another kind.
    pub fn of(outcome: Outcome) -> Option<Self> {
        let Fate::Migrated(migrated) = outcome.fate else { return None };
        Some(Self {
            row: outcome.row,
            attempt: outcome.attempt,
            launch_id: migrated.launch_id,
            transaction: migrated.receipt.as_deref().and_then(Receipt::row_transaction),
        })
    }
}

/// Rows that were recorded as migrated, and of which this run's submission does not stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LostOnes {
    /// The target lacks the launch session or the submission.
    pub absent: Vec<MigratedRow>,
    /// A submission stands, and it is another run's.
    pub of_another_run: Vec<MigratedRow>,
}

/// Looks up recorded rows in the target.
pub struct LookUp<'a> {
    target: &'a dyn TargetReader,
    writers: Writers,
    /// Writers that this run has not registered: each is asked for once. A writer is registered before its first upload, so that one
    /// that a standing row names is registered by then, or never.
    foreign: Mutex<HashSet<WriterId>>,
    is_taken_out: &'a (dyn Fn(AttemptId) -> bool + Sync),
}

impl<'a> LookUp<'a> {
    /// `is_taken_out` if a person has decided that the target may lack the attempt: it is this run's again only if its files
    /// say so.
    pub fn new(
        store: &RunStore,
        target: &'a dyn TargetReader,
        is_taken_out: &'a (dyn Fn(AttemptId) -> bool + Sync),
    ) -> Self {
        Self { target, writers: Writers::new(store.clone()), foreign: Mutex::default(), is_taken_out }
    }

    /// Those of the rows that are lost.
    pub async fn lost<E: From<Fault>>(
        &self,
        migrated: impl Stream<Item = Result<MigratedRow, E>> + Send,
    ) -> Result<LostOnes, E> {
        let mut found = LostOnes::default();
        let mut asking = pin!(
            migrated
                .try_chunks(LOOKED_UP_AT_A_TIME)
                .map_err(|TryChunksError(_, error)| error)
                .map_ok(|rows| async move { Ok(self.among(rows).await?) })
                .try_buffer_unordered(QUESTIONS)
        );
        while let Some(LostOnes { absent, of_another_run }) = asking.try_next().await? {
            found.absent.extend(absent);
            found.of_another_run.extend(of_another_run);
        }
        Ok(found)
    }

    /// The row of a submission that the recorded transaction wrote is this run's. The files of the others say whose they are:
    /// the application has changed them since, the database was restored, or another run wrote them.
    async fn among(&self, rows: Vec<MigratedRow>) -> Result<LostOnes, Fault> {
        let launch_ids: Vec<String> = rows.iter().map(|row| row.launch_id.clone()).collect();
        let standing = self.target.written_in(&launch_ids).await?;
        let (mut absent, mut doubted) = (Vec::new(), HashMap::new());
        for row in rows {
            match standing.get(&row.launch_id) {
                None => absent.push(row),
                Some(written)
                    if self.is_taken_out(&row) || written.is_none() || *written != row.transaction =>
                {
                    doubted.insert(row.launch_id.clone(), row);
                }
                Some(_) => {}
            }
        }
        let launch_ids: Vec<String> = doubted.keys().cloned().collect();
        let held = if launch_ids.is_empty() { Vec::new() } else { self.target.held(&launch_ids).await? };
        let mut of_another_run = Vec::new();
        for held in held.into_iter().filter(|held| held.submission_id.is_some()) {
            let Some(row) = doubted.remove(&held.launch_id) else { continue };
            // Files that name no writer tell nothing, because the application may have replaced or removed this run's.
            let may_be_of_another = self.is_taken_out(&row) || !of_submission(&held).is_empty();
            if may_be_of_another && !self.is_ours(&held).await? {
                of_another_run.push(row);
            }
        }
        Ok(LostOnes { absent, of_another_run })
    }

    /// Whether this run wrote the submission, as [`Writers::wrote`] says.
    async fn is_ours(&self, held: &HeldSubmission) -> Result<bool, Fault> {
        let foreign = || self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ids = of_submission(held);
        ids.retain(|id| !foreign().contains(id));
        let is_ours = self.writers.is_any_registered(&ids).await?;
        if !is_ours {
            foreign().extend(ids);
        }
        Ok(is_ours)
    }

    fn is_taken_out(&self, row: &MigratedRow) -> bool {
        row.attempt.is_some_and(|attempt| (self.is_taken_out)(attempt))
    }
}

/// The rows of a shard, or of all, that were recorded as migrated, that are lost, and whose absence no person has decided: no
/// sweep removes their blobs, and `--redo lost` moves again what is absent.
pub async fn recorded(
    store: &RunStore,
    plan: &Plan,
    shard: Option<ShardIndex>,
    target: &dyn TargetReader,
) -> Result<LostOnes, Fault> {
    let migrated = segments(store, plan, shard)
        .map_ok(|segment| {
            let rows: Vec<Result<MigratedRow, Fault>> =
                segment.outcomes().filter_map(|read| read.map(MigratedRow::of).transpose()).collect();
            stream::iter(rows)
        })
        .try_flatten()
        .boxed();
    let taken_out = decisions::taken_out(store).await?;
    let is_taken_out = |attempt: AttemptId| taken_out.contains_key(&attempt);
    let mut lost = LookUp::new(store, target, &is_taken_out).lost(migrated).await?;
    for rows in [&mut lost.absent, &mut lost.of_another_run] {
        rows.retain(|row| row.attempt.is_none_or(|attempt| !is_taken_out(attempt)));
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
