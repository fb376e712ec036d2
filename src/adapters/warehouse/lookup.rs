//! Facts of a batch of attempts: their rows, and no others.

use std::{
    collections::{HashMap, HashSet},
    sync::PoisonError,
};

use super::{
    column::Form,
    faults,
    mssql::{LOOKUP, SqlServer},
    rows::{Which, attempt_of, fact, gather, is_damaged, unreadable},
    tables::Table,
};
use crate::{
    domain::{AttemptId, FactRow, Facts, REPORT_TABLE},
    ports::Fault,
};

impl SqlServer {
    /// The facts of at most [`MOST_IDS`] sorted attempts.
    pub(super) async fn facts(&self, ids: &[AttemptId]) -> Result<HashMap<AttemptId, Facts>, Fault> {
        let mut facts = HashMap::with_capacity(ids.len());
        let mut damaged = HashSet::new();
        for row in self.rows(ids, Form::Text).await? {
            if is_damaged(&row) {
                damaged.insert(attempt_of(&row));
            }
            gather(&mut facts, row);
        }
        self.prove_loaded(ids, &facts).await?;
        if damaged.is_empty() {
            return Ok(facts);
        }
        let mut damaged: Vec<_> = damaged.into_iter().collect();
        damaged.sort_unstable();
        for id in &damaged {
            facts.remove(id);
        }
        for row in self.rows(&damaged, Form::Bytes).await? {
            gather(&mut facts, row);
        }
        Ok(facts)
    }

    /// Checks an answer without any report. It is believed only if an attempt that had a report earlier still has one:
    /// a table is empty for a while when it is loaded again.
    async fn prove_loaded(&self, ids: &[AttemptId], facts: &HashMap<AttemptId, Facts>) -> Result<(), Fault> {
        let reported = facts.iter().filter(|(_, facts)| !facts.reports.is_empty()).map(|(id, _)| *id).max();
        let known = {
            let mut known = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
            *known = reported.or(*known);
            *known
        };
        let Some(known) = known.filter(|_| reported.is_none()) else { return Ok(()) };
        let tables = self.tables().await?;
        let found = self.rows_of(Which::Reports, &tables.reports, &[known], Form::Text).await?;
        if found.is_empty() {
            return Err(faults::unavailable(format!(
                "{}: none of {} attempts has a report, nor has attempt {known} any more: dbo.{REPORT_TABLE} is being \
                 loaded, or was emptied",
                self.place(),
                ids.len()
            )));
        }
        Ok(())
    }

    /// The rows of one table for some sorted attempts, and of no other.
    pub(super) async fn rows_of(
        &self,
        which: Which,
        table: &Table,
        ids: &[AttemptId],
        form: Form,
    ) -> Result<Vec<FactRow>, Fault> {
        let answer = self.ask(&[table.of_attempts(ids, form)], LOOKUP).await?;
        answer.iter().map(|(_, row)| asked_for(ids, fact(which, row)?)).collect()
    }

    /// The rows of both tables for at most [`MOST_IDS`] sorted attempts, and of no other.
    async fn rows(&self, ids: &[AttemptId], form: Form) -> Result<Vec<FactRow>, Fault> {
        let tables = self.tables().await?;
        let selects = [tables.reports.of_attempts(ids, form), tables.scores.of_attempts(ids, form)];
        let answer = self.ask(&selects, LOOKUP).await?;
        answer.iter().map(|(select, row)| asked_for(ids, fact(Which::of_select(*select), row)?)).collect()
    }
}

fn asked_for(ids: &[AttemptId], row: FactRow) -> Result<FactRow, Fault> {
    match ids.binary_search(&attempt_of(&row)) {
        Ok(_) => Ok(row),
        Err(_) => Err(unreadable("an attempt that was not asked for")),
    }
}
