//! Every row of both tables, for warehouses where looking attempts up is dear.
//!
//! A window of attempt ids is the unit of retry: its rows go to a nameless temporary file first and are
//! handed over once the window is proven complete. So nothing is handed over twice, and memory stays flat.

use std::{collections::HashSet, time::Duration};

use tiberius::Row;

use super::{
    column::Form,
    mssql::{COUNT, SqlServer},
    pool,
    rows::{Which, attempt_of, fact, integers, is_damaged, unreadable},
    tables::Table,
    tries::Tries,
    values,
};
use crate::{
    domain::{AttemptId, FactRow},
    ports::Fault,
    run::lines::Buckets,
};

/// Approximate number of rows per window.
const WINDOW_ROWS: i64 = 250_000;
/// Windows of a table. Without an index each window reads the whole table. With the count, the bounds and the searches
/// for rows without an id and for damaged text, a table is read at most 8 times.
const MOST_WINDOWS: i64 = 4;
/// Attempts with damaged text in one query; each query reads the table.
const MOST_DAMAGED: usize = 5_000;
/// Rows handed over at a time.
const BATCH_ROWS: usize = 1_000;
/// The longest that a window may take.
const LONGEST: Duration = Duration::from_hours(1);

/// Bytes that a row takes on disk, as JSON, notes and comments of usual length included.
const REPORT_BYTES: u64 = 1_536;
const SCORE_BYTES: u64 = 384;

/// The facts of all rows, and the window that is being read.
pub(super) fn bytes_needed(reports: u64, scores: u64) -> u64 {
    let (reports, scores) = (reports.saturating_mul(REPORT_BYTES), scores.saturating_mul(SCORE_BYTES));
    let window = reports.max(scores) / MOST_WINDOWS.unsigned_abs();
    reports.saturating_add(scores).saturating_add(window)
}

type Each<'a> = dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send + 'a;

impl SqlServer {
    /// Calls `each` with every row that has a valid attempt id.
    pub(super) async fn scan_tables(&self, each: &mut Each<'_>) -> Result<(), Fault> {
        let tables = self.tables().await?;
        for (which, table) in [(Which::Reports, &tables.reports), (Which::Scores, &tables.scores)] {
            let mut damaged = Vec::new();
            for ids in windows(self, table).await? {
                let window = read(self, which, table, ids).await?;
                damaged.extend(window.damaged.iter().copied());
                window.hand_over(each)?;
            }
            damaged.sort_unstable();
            for ids in damaged.chunks(MOST_DAMAGED) {
                let mut rows = self.rows_of(which, table, ids, Form::Bytes).await?;
                while !rows.is_empty() {
                    let rest = rows.split_off(rows.len().min(BATCH_ROWS));
                    each(std::mem::replace(&mut rows, rest))?;
                }
            }
        }
        Ok(())
    }
}

impl SqlServer {
    /// Calls `each` with the attempt id of every report, a window at a time: a window is the unit of retry here too.
    pub(super) async fn scan_ids(&self, each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        let reports = &self.tables().await?.reports;
        let pool = self.pool().await?;
        for ids in windows(self, reports).await? {
            let selects = [reports.ids_between(ids.0, ids.1)];
            let mut tries = Tries::none();
            loop {
                let mut found = Vec::new();
                let read = async {
                    let mut connection = pool::get(&pool).await?;
                    let mut push = |row: &Row| {
                        let cell = row.cells().next().map(|(_, cell)| values::value(cell));
                        let id = cell.as_ref().and_then(values::attempt);
                        found.push(id.ok_or_else(|| unreadable("an attempt id"))?);
                        Ok(())
                    };
                    connection.run(&selects, LONGEST, |_, row| push(&row)).await
                };
                match read.await {
                    Ok(()) => {
                        each(found);
                        break;
                    }
                    Err(fault) => tries.again(fault, &pool).await?,
                }
            }
        }
        Ok(())
    }
}

/// Ranges of attempt ids, each with about [`WINDOW_ROWS`] rows if the ids are evenly spread.
async fn windows(server: &SqlServer, table: &Table) -> Result<Vec<(i32, i32)>, Fault> {
    let answer = server.ask(&[table.bounds()], COUNT).await?;
    let bounds: Vec<_> = answer.iter().flat_map(|(_, row)| integers(row)).collect();
    let (low, high, rows) = match bounds.as_slice() {
        [Some(low), Some(high), Some(rows)] => (*low, *high, *rows),
        [None, None, Some(0)] => return Ok(Vec::new()),
        _ => return Err(unreadable("the bounds of a table")),
    };
    Ok(split(low, high, (rows / WINDOW_ROWS + 1).min(MOST_WINDOWS)))
}

fn split(low: i64, high: i64, windows: i64) -> Vec<(i32, i32)> {
    let width = (high - low) / windows + 1;
    let id = |id: i64| i32::try_from(id).unwrap_or(i32::MAX);
    (0..windows)
        .map(|n| (low + n * width, (low + (n + 1) * width - 1).min(high)))
        .filter(|(from, to)| from <= to)
        .map(|(from, to)| (id(from), id(to)))
        .collect()
}

async fn read(server: &SqlServer, which: Which, table: &Table, ids: (i32, i32)) -> Result<Window, Fault> {
    let pool = server.pool().await?;
    let selects = [table.between(ids.0, ids.1, Form::Text)];
    let mut tries = Tries::none();
    loop {
        let read = async {
            let mut window = Window::new(which, ids)?;
            let mut connection = pool::get(&pool).await?;
            connection.run(&selects, LONGEST, |_, row| window.push(&row)).await?;
            Ok(window)
        };
        match read.await {
            Ok(window) => return Ok(window),
            Err(fault) => tries.again(fault, &pool).await?,
        }
    }
}

/// The rows of a window, on disk.
struct Window {
    which: Which,
    /// From and to, both included.
    ids: (i32, i32),
    rows: Buckets,
    /// Attempts with text that must be asked for as bytes.
    damaged: HashSet<AttemptId>,
}

impl Window {
    fn new(which: Which, ids: (i32, i32)) -> Result<Self, Fault> {
        Ok(Self { which, ids, rows: Buckets::new(1)?, damaged: HashSet::new() })
    }

    fn push(&mut self, row: &Row) -> Result<(), Fault> {
        let row = fact(self.which, row)?;
        if !(self.ids.0..=self.ids.1).contains(&attempt_of(&row).get()) {
            return Err(unreadable("an attempt that was not asked for"));
        }
        if is_damaged(&row) {
            self.damaged.insert(attempt_of(&row));
        }
        self.rows.push(0, &row)
    }

    fn hand_over(self, each: &mut Each<'_>) -> Result<(), Fault> {
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        self.rows.finish()?.read(0, |row: FactRow| {
            if self.damaged.contains(&attempt_of(&row)) {
                return Ok(());
            }
            batch.push(row);
            if batch.len() < BATCH_ROWS {
                return Ok(());
            }
            each(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS)))
        })?;
        if batch.is_empty() { Ok(()) } else { each(batch) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn one_window_holds_everything() {
        assert_eq!(split(5, 5, 1), [(5, 5)]);
        assert_eq!(split(1, 9, 3), [(1, 3), (4, 6), (7, 9)]);
        assert_eq!(split(1, 2, 5), [(1, 1), (2, 2)]);
    }

    proptest! {
        #[test]
        fn windows_cover_every_id_once(low in 1..=i64::from(i32::MAX), width in 0..1_000_000_i64, n in 1..50_i64) {
            let high = (low + width).min(i32::MAX.into());
            let windows = split(low, high, n);
            prop_assert_eq!(i64::from(windows[0].0), low);
            prop_assert_eq!(i64::from(windows[windows.len() - 1].1), high);
            for pair in windows.windows(2) {
                prop_assert_eq!(pair[0].1 + 1, pair[1].0);
            }
        }
    }
}
