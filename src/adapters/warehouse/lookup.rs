//! Facts of a batch of attempts: their rows, and no others.

use std::{collections::HashMap, sync::PoisonError};

use super::{
    column::Form,
    faults,
    mssql::{LOOKUP, SqlServer},
    rows::{Which, attempt_of, fact, gather, is_damaged, unreadable},
    tables::Table,
};
use crate::{
    domain::{AttemptId, FactRow, Facts},
    ports::Fault,
};

impl SqlServer {
    /// The facts of at most [`MOST_IDS`] sorted attempts.
    pub(super) async fn facts(&self, ids: &[AttemptId]) -> Result<HashMap<AttemptId, Facts>, Fault> {
        let mut rows = self.rows(ids, Form::Text).await?;
        self.prove_loaded(Which::Reports, ids, &mut rows).await?;
        // A row without a report fails, whether it has scores or not.
        if rows.iter().any(|row| Which::of(row) == Which::Reports) {
            self.prove_loaded(Which::Scores, ids, &mut rows).await?;
        }
        let mut damaged: Vec<_> = rows.iter().filter(|row| is_damaged(row)).map(attempt_of).collect();
        if !damaged.is_empty() {
            damaged.sort_unstable();
            damaged.dedup();
            let (again, whole): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| damaged.binary_search(&attempt_of(row)).is_ok());
            let exact = self.rows(&damaged, Form::Bytes).await?;
            self.prove_same(&again, &exact)?;
            rows = whole;
            rows.extend(exact);
        }
        let mut facts = HashMap::with_capacity(ids.len());
        for row in rows {
            gather(&mut facts, row);
        }
        Ok(facts)
    }

    /// Checks an answer without any row of a table. It is believed only if the table still has a row of an attempt that
    /// had one earlier, since a table is empty for a while when it is loaded again. Both are asked for in one statement,
    /// whose rows are taken: the table may have been loaded since the first one.
    async fn prove_loaded(
        &self,
        which: Which,
        ids: &[AttemptId],
        rows: &mut Vec<FactRow>,
    ) -> Result<(), Fault> {
        let seen = rows.iter().filter(|row| Which::of(row) == which).map(attempt_of).max();
        let known = {
            let mut witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = seen {
                witnesses.saw(which, seen);
                return Ok(());
            }
            witnesses.of(which)
        };
        let Some(known) = known else { return Ok(()) };
        let mut with_known = ids.to_vec();
        if let Err(place) = ids.binary_search(&known) {
            with_known.insert(place, known);
        }
        let tables = self.tables().await?;
        let found = self.rows_of(which, tables.of(which), &with_known, Form::Text).await?;
        if found.is_empty() {
            return Err(faults::unavailable(format!(
                "{}: none of {} attempts has a {}, nor has attempt {known} any more: dbo.{} is being loaded, or was \
                 emptied",
                self.place(),
                ids.len(),
                which.row(),
                which.table()
            )));
        }
        rows.extend(found.into_iter().filter(|row| ids.binary_search(&attempt_of(row)).is_ok()));
        Ok(())
    }

    /// Checks that rows that were read a second time are as many of each table as they were.
    fn prove_same(&self, before: &[FactRow], now: &[FactRow]) -> Result<(), Fault> {
        for which in [Which::Reports, Which::Scores] {
            let [before, now] =
                [before, now].map(|rows| rows.iter().filter(|row| Which::of(row) == which).count());
            if before != now {
                return Err(faults::being_loaded(self.place(), which, before as u64, now as u64));
            }
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
