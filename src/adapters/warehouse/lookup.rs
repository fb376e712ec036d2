//! Facts of a batch of attempts: their rows, and no others.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{PoisonError, atomic::Ordering::Relaxed},
};

use tiberius::Row;

use super::{
    column::Form,
    faults,
    mssql::{LOOKUP, MOST_IDS, SqlServer},
    pool,
    rows::{Which, answers, attempt_of, fact, gather, is_damaged, unreadable},
    tables::Table,
    tries::Tries,
};
use crate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts},
    ports::Fault,
};

impl SqlServer {
    /// The facts of the first of these attempts that take at most `room` bytes together, and of one in any case. The server
    /// promises no order, so an answer that is too large says nothing about any attempt: the first half is asked for again.
    pub(super) async fn some_facts(
        &self,
        attempts: &[AttemptId],
        room: usize,
    ) -> Result<Vec<AttemptFacts>, Fault> {
        // Leaves a quarter of the room, because some attempts have more than the mean.
        let likely = room / 4 * 3 / self.mean_bytes.load(Relaxed).max(1);
        let mut count = attempts.len().min(MOST_IDS).min(likely.max(1));
        loop {
            let asked = attempts.get(..count).unwrap_or(attempts);
            let mut ids = asked.to_vec();
            ids.sort_unstable();
            ids.dedup();
            let room = if ids.len() == 1 { usize::MAX } else { room };
            if let Some(facts) = self.facts(&ids, room).await? {
                let bytes: usize = facts.values().map(Facts::size_bytes).sum();
                self.mean_bytes.store(bytes / ids.len().max(1), Relaxed);
                return Ok(answers(asked, &facts));
            }
            count = count.div_ceil(2);
            tracing::debug!(attempts = count, "the answer has no room: fewer attempts are asked for");
        }
    }

    /// The facts of at most [`MOST_IDS`] sorted attempts; `None` if they take more than `room` bytes.
    async fn facts(
        &self,
        ids: &[AttemptId],
        room: usize,
    ) -> Result<Option<HashMap<AttemptId, Facts>>, Fault> {
        let Some(mut rows) = self.rows(ids, Form::Text, room).await? else { return Ok(None) };
        if !self.prove_loaded(Which::Reports, ids, &mut rows, room).await? {
            return Ok(None);
        }
        // A row without a report fails, whether it has scores or not.
        if rows.iter().any(|row| Which::of(row) == Which::Reports)
            && !self.prove_loaded(Which::Scores, ids, &mut rows, room).await?
        {
            return Ok(None);
        }
        let mut damaged: Vec<_> = rows.iter().filter(|row| is_damaged(row)).map(attempt_of).collect();
        if !damaged.is_empty() {
            damaged.sort_unstable();
            damaged.dedup();
            let (again, whole): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| damaged.binary_search(&attempt_of(row)).is_ok());
            let Some(exact) = self.rows(&damaged, Form::Bytes, room).await? else { return Ok(None) };
            self.prove_same(&again, &exact)?;
            rows = whole;
            rows.extend(exact);
        }
        let mut facts = HashMap::with_capacity(ids.len());
        for row in rows {
            gather(&mut facts, row);
        }
        Ok(Some(facts))
    }

    /// Checks an answer without any row of a table. It is believed only if the table still has a row of an attempt that
    /// had one earlier, since a table is empty for a while when it is loaded again. Both are asked for in one statement,
    /// whose rows are taken: the table may have been loaded since the first one. False if they have no room.
    async fn prove_loaded(
        &self,
        which: Which,
        ids: &[AttemptId],
        rows: &mut Vec<FactRow>,
        room: usize,
    ) -> Result<bool, Fault> {
        let seen = rows.iter().filter(|row| Which::of(row) == which).map(attempt_of).max();
        let known = {
            let mut witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = seen {
                witnesses.saw(which, seen);
                return Ok(true);
            }
            witnesses.of(which)
        };
        let Some(known) = known else { return Ok(true) };
        let mut with_known = ids.to_vec();
        if let Err(place) = ids.binary_search(&known) {
            with_known.insert(place, known);
        }
        let tables = self.tables().await?;
        let found = self.rows_of(which, tables.of(which), &with_known, Form::Text, room).await?;
        let Some(found) = found else { return Ok(false) };
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
        Ok(true)
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

    /// The rows of one table for some sorted attempts, and of no other; `None` if they take more than `room` bytes.
    pub(super) async fn rows_of(
        &self,
        which: Which,
        table: &Table,
        ids: &[AttemptId],
        form: Form,
        room: usize,
    ) -> Result<Option<Vec<FactRow>>, Fault> {
        let convert = |_, row: &Row| asked_for(ids, fact(which, row)?);
        self.collect(&[table.of_attempts(ids, form)], room, convert).await
    }

    /// The rows of both tables for at most [`MOST_IDS`] sorted attempts, and of no other; `None` if they take more than
    /// `room` bytes.
    async fn rows(&self, ids: &[AttemptId], form: Form, room: usize) -> Result<Option<Vec<FactRow>>, Fault> {
        let tables = self.tables().await?;
        let selects = [tables.reports.of_attempts(ids, form), tables.scores.of_attempts(ids, form)];
        let convert = |select, row: &Row| asked_for(ids, fact(Which::of_select(select), row)?);
        self.collect(&selects, room, convert).await
    }

    /// All rows of several selects, converted as they come; `None` as soon as they take more than `room` bytes.
    async fn collect(
        &self,
        selects: &[String],
        room: usize,
        convert: impl Fn(usize, &Row) -> Result<FactRow, Fault>,
    ) -> Result<Option<Vec<FactRow>>, Fault> {
        let pool = self.pool().await?;
        let mut tries = Tries::none();
        loop {
            let (mut rows, mut bytes) = (Vec::new(), 0);
            let keep = |select, row: Row| {
                let row = convert(select, &row)?;
                bytes += row.size_bytes();
                rows.push(row);
                Ok(if bytes > room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            match pool::run(&pool, selects, LOOKUP, keep).await {
                Ok(ControlFlow::Continue(())) => return Ok(Some(rows)),
                Ok(ControlFlow::Break(())) => return Ok(None),
                Err(fault) => tries.again(fault, &pool).await?,
            }
        }
    }
}

fn asked_for(ids: &[AttemptId], row: FactRow) -> Result<FactRow, Fault> {
    match ids.binary_search(&attempt_of(&row)) {
        Ok(_) => Ok(row),
        Err(_) => Err(unreadable("an attempt that was not asked for")),
    }
}
