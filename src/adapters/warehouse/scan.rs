//! Every row of both tables, for warehouses where looking attempts up is dear.
//!
//! A window of attempt ids is the unit of retry: its rows go to a nameless temporary file first and are
//! handed over once the window is proven complete. So nothing is handed over twice, and memory stays flat.

use std::{collections::HashSet, ops::ControlFlow, sync::PoisonError, time::Duration};

use tiberius::Row;

use super::{
    column::Form,
    faults,
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
pub(super) const WINDOW_ROWS: i64 = 250_000;
/// Windows of a table. Without an index each window reads the whole table. With the count, the bounds and the searches
/// for rows without an id and for damaged text, a table is read at most 8 times by a plan.
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
    /// Calls `each` with every row that has a valid attempt id. A table of which fewer rows are read than were counted is
    /// a fault at its end.
    pub(super) async fn scan_tables(&self, each: &mut Each<'_>) -> Result<(), Fault> {
        let tables = self.tables().await?;
        let mut reported = Vec::new();
        // Those of an earlier scan are not what a scan that fails has read.
        self.keep_scanned(None);
        for which in [Which::Reports, Which::Scores] {
            let table = tables.of(which);
            let windows = windows(self, table).await?;
            let (mut rows, mut withheld, mut damaged) = (0, 0, Vec::new());
            for ids in windows.ids {
                let window = read(self, which, table, ids).await?;
                damaged.extend(window.damaged.iter().copied());
                rows += window.count;
                reported.extend_from_slice(&window.reported);
                withheld += window.hand_over(each)?;
            }
            prove_whole(self, which, windows.rows, rows)?;
            damaged.sort_unstable();
            let mut exact = 0;
            for ids in damaged.chunks(MOST_DAMAGED) {
                let mut rows =
                    self.rows_of(which, table, ids, Form::Bytes, usize::MAX).await?.unwrap_or_default();
                exact += rows.len() as u64;
                while !rows.is_empty() {
                    let rest = rows.split_off(rows.len().min(BATCH_ROWS));
                    each(std::mem::replace(&mut rows, rest))?;
                }
            }
            prove_whole(self, which, withheld, exact)?;
        }
        self.keep_scanned(Some(reported));
        Ok(())
    }

    fn keep_scanned(&self, reported: Option<Vec<AttemptId>>) {
        *self.scanned.lock().unwrap_or_else(PoisonError::into_inner) = reported;
    }
}

/// Compares the rows that were read with those that were counted before: a table that is loaded again is empty for a
/// while, and no statement says so. A table that grows meanwhile is complete.
fn prove_whole(server: &SqlServer, which: Which, counted: u64, read: u64) -> Result<(), Fault> {
    if counted <= read { Ok(()) } else { Err(faults::being_loaded(server.place(), which, counted, read)) }
}

impl SqlServer {
    /// Calls `each` with the attempt id of every report, a window at a time: a window is the unit of retry here too.
    pub(super) async fn scan_ids(&self, each: &mut (dyn FnMut(Vec<AttemptId>) + Send)) -> Result<(), Fault> {
        let reports = &self.tables().await?.reports;
        let pool = self.pool().await?;
        let windows = windows(self, reports).await?;
        let mut rows = 0;
        for ids in windows.ids {
            let selects = [reports.ids_between(ids.0, ids.1)];
            let mut tries = Tries::none();
            loop {
                let mut found = Vec::new();
                let mut push = |row: &Row| {
                    let cell = row.cells().next().map(|(_, cell)| values::value(cell));
                    let id = cell.as_ref().and_then(values::attempt);
                    found.push(id.ok_or_else(|| unreadable("an attempt id"))?);
                    Ok(ControlFlow::Continue(()))
                };
                match pool::run(&pool, &selects, LONGEST, |_, row| push(&row)).await {
                    Ok(_) => {
                        rows += found.len() as u64;
                        each(found);
                        break;
                    }
                    Err(fault) => tries.again(fault, &pool).await?,
                }
            }
        }
        prove_whole(self, Which::Reports, windows.rows, rows)
    }
}

/// What a table holds, and how it is read.
struct Windows {
    /// From and to, both included.
    ids: Vec<(i32, i32)>,
    /// Rows of all windows, as counted before any of them is read.
    rows: u64,
}

/// Ranges of attempt ids, each with about [`SqlServer::window_rows`] rows if the ids are evenly spread.
async fn windows(server: &SqlServer, table: &Table) -> Result<Windows, Fault> {
    let answer = server.ask(&[table.bounds()], COUNT).await?;
    let bounds: Vec<_> = answer.iter().flat_map(|(_, row)| integers(row)).collect();
    let (low, high, rows) = match bounds.as_slice() {
        [Some(low), Some(high), Some(rows)] => (*low, *high, *rows),
        [None, None, Some(0)] => return Ok(Windows { ids: Vec::new(), rows: 0 }),
        _ => return Err(unreadable("the bounds of a table")),
    };
    Ok(Windows {
        ids: split(low, high, number_of_windows(rows, server.window_rows)),
        rows: rows.try_into().map_err(|_| unreadable("the number of rows"))?,
    })
}

fn number_of_windows(rows: i64, window_rows: i64) -> i64 {
    (rows / window_rows + 1).min(MOST_WINDOWS)
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
            let push = |_, row: Row| window.push(&row).map(ControlFlow::Continue);
            pool::run(&pool, &selects, LONGEST, push).await.map(drop)?;
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
    /// How many they are.
    count: u64,
    /// Attempt of each report.
    reported: Vec<AttemptId>,
    /// Attempts with text that must be asked for as bytes.
    damaged: HashSet<AttemptId>,
}

impl Window {
    fn new(which: Which, ids: (i32, i32)) -> Result<Self, Fault> {
        let (rows, reported) = (Buckets::new(1)?, Vec::new());
        Ok(Self { which, ids, rows, count: 0, reported, damaged: HashSet::new() })
    }

    fn push(&mut self, row: &Row) -> Result<(), Fault> {
        let row = fact(self.which, row)?;
        if !(self.ids.0..=self.ids.1).contains(&attempt_of(&row).get()) {
            return Err(unreadable("an attempt that was not asked for"));
        }
        if is_damaged(&row) {
            self.damaged.insert(attempt_of(&row));
        }
        self.count += 1;
        if self.which == Which::Reports {
            self.reported.push(attempt_of(&row));
        }
        self.rows.push(0, &row)
    }

    /// Hands over the rows of every attempt without damaged text; the number of the others.
    fn hand_over(self, each: &mut Each<'_>) -> Result<u64, Fault> {
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        let mut withheld = 0;
        self.rows.finish()?.read(0, |row: FactRow| {
            if self.damaged.contains(&attempt_of(&row)) {
                withheld += 1;
                return Ok(());
            }
            batch.push(row);
            if batch.len() < BATCH_ROWS {
                return Ok(());
            }
            each(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS)))
        })?;
        if !batch.is_empty() {
            each(batch)?;
        }
        Ok(withheld)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{WINDOW_ROWS, number_of_windows, split};

    #[test]
    fn a_window_holds_a_quarter_of_a_million_rows() {
        for (rows, windows) in [(1, 1), (249_999, 1), (250_000, 2), (999_999, 4), (5_000_000, 4)] {
            assert_eq!(number_of_windows(rows, WINDOW_ROWS), windows, "{rows}");
        }
    }

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
