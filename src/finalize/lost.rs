//! Migrated rows that the target no longer holds, and what people decided about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt};

use super::merge::Merged;
use crate::{
    domain::{AttemptId, Fate, Outcome, SkipCode},
    exit::Stop,
    ports::TargetReader,
    run::{
        Decided, Plan, RowSet, RunStore, decisions,
        lost::{LookUp, LostOnes, MigratedRow, RecordedBy, rows},
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
    of_another_run: RowSet,
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
            of_another_run: RowSet::new(plan.last_row()),
        })
    }

    /// Looks up every migrated row: those of which this run's submission does not stand. One that is absent may have been
    /// migrated again by another run.
    pub async fn look_up(
        &mut self,
        store: &RunStore,
        plan: &Plan,
        merged: &Merged,
        target: &dyn TargetReader,
    ) -> Result<RowSet, Stop> {
        let migrated =
            merged.outcomes().try_filter_map(|(_, outcome)| async { Ok(MigratedRow::of(outcome)) }).boxed();
        let is_taken_out = |attempt: AttemptId| {
            self.accepted.contains_key(&attempt) || self.rolled_back.contains_key(&attempt)
        };
        let LostOnes { absent: mut lost, of_another_run } =
            LookUp::new(store, target, &is_taken_out).lost(migrated).await?;
        self.of_another_run = rows(&of_another_run, plan.last_row());
        lost.extend(of_another_run);
        Ok(rows(&lost, plan.last_row()))
    }

    /// Whether another run's submission stands under the lost row's launch id.
    pub fn is_of_another_run(&self, outcome: &Outcome) -> bool {
        self.of_another_run.contains(outcome.row)
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
