//! Migrated rows that the target no longer holds, and what people decided about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use super::merge::Merged;
use crate::{
    domain::{AttemptId, Fate, Outcome, SkipCode},
    exit::Stop,
    ports::TargetReader,
    run::{
        Decided, Plan, RowSet, RunStore, decisions,
        lost::{LOOKED_UP_AT_A_TIME, MigratedRow, RecordedBy, absent, rows},
        writers::Writers,
    },
};

/// Lost rows, as the merge meets them.
pub struct LostRows {
    accepted: BTreeMap<AttemptId, Arc<Decided>>,
    rolled_back: BTreeMap<AttemptId, Arc<Decided>>,
    accepting: Option<Arc<Decided>>,
    newly_accepted: Vec<AttemptId>,
    attempts: BTreeSet<AttemptId>,
    rows: RowSet,
}

/// Those of the rows whose submission no writer of this run wrote.
async fn of_other_runs(
    store: &RunStore,
    target: &dyn TargetReader,
    migrated: impl Stream<Item = Result<MigratedRow, Stop>> + Send,
) -> Result<Vec<MigratedRow>, Stop> {
    let writers = Writers::new(store.clone());
    let mut found = Vec::new();
    let mut chunks = pin!(migrated.try_chunks(LOOKED_UP_AT_A_TIME).map_err(|TryChunksError(_, stop)| stop));
    while let Some(rows) = chunks.try_next().await? {
        let launch_ids: Vec<String> = rows.iter().map(|row| row.launch_id.clone()).collect();
        let mut elsewhere = BTreeSet::new();
        for held in target.held(&launch_ids).await?.into_iter().filter(|held| held.submission_id.is_some()) {
            if !writers.wrote(&held).await? {
                elsewhere.insert(held.launch_id);
            }
        }
        found.extend(rows.into_iter().filter(|row| elsewhere.contains(&row.launch_id)));
    }
    Ok(found)
}

impl LostRows {
    /// With the rows that were accepted earlier; with `accepting` every other one is accepted by this decision.
    pub async fn begin(store: &RunStore, plan: &Plan, accepting: Option<Decided>) -> Result<Self, Stop> {
        Ok(Self {
            accepted: decisions::accepted(store).await?,
            rolled_back: decisions::rolled_back(store).await?,
            accepting: accepting.map(Arc::new),
            newly_accepted: Vec::new(),
            attempts: BTreeSet::new(),
            rows: RowSet::new(plan.last_row()),
        })
    }

    /// Looks up the launch session and the submission of every migrated row. Of an attempt that was rolled back, a
    /// submission that stands may be another run's: then this run's is absent.
    pub async fn look_up(
        &self,
        store: &RunStore,
        plan: &Plan,
        merged: &Merged,
        target: &dyn TargetReader,
    ) -> Result<RowSet, Stop> {
        let migrated = || {
            stream::iter(merged.outcomes())
                .try_filter_map(|(_, outcome)| async { Ok(MigratedRow::of(outcome)) })
                .boxed()
        };
        let mut lost = absent(target, migrated()).await?;
        if !self.rolled_back.is_empty() {
            let is_named = |row: &MigratedRow| {
                row.attempt.is_some_and(|attempt| self.rolled_back.contains_key(&attempt))
            };
            let named = migrated().try_filter(|row| std::future::ready(is_named(row)));
            lost.extend(of_other_runs(store, target, named).await?);
        }
        Ok(rows(&lost, plan.last_row()))
    }

    /// Turns the outcome of an accepted row into the skip that it is. Returns false for a row that stays lost.
    pub fn settle(&mut self, outcome: &mut Outcome) -> bool {
        // Only rows with an attempt are ever migrated.
        let Some(attempt) = outcome.attempt else { return false };
        if let Some(decided) = self.rolled_back.get(&attempt) {
            let detail = format!(
                "it was migrated, and rolled back on {} ({})",
                decided.at.format("%Y-%m-%d"),
                decided.reason
            );
            outcome.fate = Fate::Skipped { code: SkipCode::RolledBack, detail };
            return true;
        }
        let decided = match (self.accepted.get(&attempt), &self.accepting) {
            (Some(earlier), _) => earlier.clone(),
            (None, Some(now)) => {
                self.newly_accepted.push(attempt);
                now.clone()
            }
            (None, None) => {
                self.attempts.insert(attempt);
                // The merge yields rows of the input only.
                let _ = self.rows.insert(outcome.row);
                return false;
            }
        };
        let detail = format!(
            "it was migrated, and the target no longer holds it; accepted on {} ({})",
            decided.at.format("%Y-%m-%d"),
            decided.reason
        );
        outcome.fate = Fate::Skipped { code: SkipCode::DeletedInTarget, detail };
        true
    }

    /// Records what was accepted, before the results say so. To be called while the run's lock is held.
    pub async fn record(&self, store: &RunStore) -> Result<(), Stop> {
        let Some(decided) = self.accepting.as_deref().filter(|_| !self.newly_accepted.is_empty()) else {
            return Ok(());
        };
        let decided = Decided { attempts: self.newly_accepted.len() as u64, ..decided.clone() };
        let mut attempts = self.newly_accepted.clone();
        attempts.sort_unstable();
        Ok(decisions::accept(store, &decided, &attempts).await?)
    }

    /// Attempts that stay lost.
    pub fn attempts(&self) -> &BTreeSet<AttemptId> {
        &self.attempts
    }

    /// Who recorded the rows that stay lost, or those accepted now. Reads the segments again, if there are such rows.
    pub async fn recorded_by(&self, store: &RunStore, plan: &Plan) -> Result<RecordedBy, Stop> {
        if self.rows.is_empty() && self.newly_accepted.is_empty() {
            return Ok(RecordedBy::default());
        }
        let accepted: BTreeSet<AttemptId> = self.newly_accepted.iter().copied().collect();
        let is_one = |outcome: &Outcome| {
            self.rows.contains(outcome.row)
                || outcome.attempt.is_some_and(|attempt| accepted.contains(&attempt))
        };
        Ok(RecordedBy::read(store, plan, None, is_one).await?)
    }
}
