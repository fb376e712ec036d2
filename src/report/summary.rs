//! The summary of a run: grid and `summary.json`.

mod sections;

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::grid;
use crate::domain::{Books, ShardIndex};

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// COMPLETE only when every row has an outcome.
    pub result: RunResult,
    /// The run's name.
    pub run: String,
    /// The plan's id.
    pub plan: String,
    /// Rows of the plan: the denominator.
    pub rows: u64,
    /// Rows that `--limit` or `--attempts` left out of the plan.
    pub rows_left_out: u64,
    /// Rows by outcome and code, files, bytes.
    pub books: Books,
    /// Rows without an outcome.
    pub missing: Missing,
    /// Blobs of killed processes that were removed.
    pub orphans_removed: u64,
    /// From the plan to the last outcome.
    pub duration_ms: u64,
    /// The same as rows per second.
    pub rows_per_second: f64,
    /// Stages, slowest first, where they were measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageLatency>,
    /// Where each result lies.
    pub results: Vec<String>,
    /// What to type next.
    pub next_command: String,
    /// When the books were balanced (UTC).
    pub at: DateTime<Utc>,
}

/// Whether the books balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunResult {
    /// Every row has an outcome.
    Complete,
    /// Some have none.
    Incomplete,
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "COMPLETE",
            Self::Incomplete => "INCOMPLETE",
        })
    }
}

/// Rows without an outcome, named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// How many.
    pub rows: u64,
    /// Their numbers, in order: first and last of each run of rows; of each shard at most 100 runs.
    pub ranges: Vec<(u64, u64)>,
    /// The shards they belong to.
    pub shards: Vec<ShardIndex>,
}

impl Missing {
    /// Adds a row; rows come in rising order.
    pub fn add(&mut self, row: u64) {
        self.rows += 1;
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => self.ranges.push((row, row)),
        }
    }
}

/// How long a stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageLatency {
    /// gather, decide, copy, commit or record.
    pub stage: String,
    /// Rows that passed it.
    pub rows: u64,
    /// All of them together.
    pub total_ms: u64,
    /// The slowest.
    pub longest_ms: u64,
}

impl Summary {
    /// Balances the books: COMPLETE only where the outcomes are as many as the rows and none is missing.
    pub fn balance(
        run: &str,
        plan: &str,
        rows: u64,
        books: Books,
        missing: Missing,
        at: DateTime<Utc>,
    ) -> Self {
        let balanced = books.rows() == rows && missing.rows == 0;
        Self {
            result: if balanced { RunResult::Complete } else { RunResult::Incomplete },
            run: run.to_owned(),
            plan: plan.to_owned(),
            rows,
            rows_left_out: 0,
            books,
            missing,
            orphans_removed: 0,
            duration_ms: 0,
            rows_per_second: 0.0,
            stages: Vec::new(),
            results: Vec::new(),
            next_command: String::new(),
            at,
        }
    }

    /// Sets the duration, and the rate that follows from it.
    #[must_use]
    pub fn took(mut self, duration: Duration) -> Self {
        self.duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.rows_per_second = grid::per_second(self.books.rows(), duration);
        self
    }

    /// The grid for people.
    pub fn grid(&self) -> String {
        let sections =
            [self.headline(), self.outcomes(), self.missing_rows(), self.figures(), self.locations()];
        let shown: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        shown.join("\n")
    }

    /// The books, for where there is room for a line only.
    pub fn in_a_line(&self) -> String {
        self.headline().trim_end().replace('\n', ": ")
    }

    /// Prints the grid.
    pub fn print(&self) {
        super::print(&self.grid());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{FailCode, NoteCode, SkipCode};

    fn books() -> Books {
        Books {
            migrated: 7_900,
            failed: BTreeMap::from([(FailCode::FileMissing, 90), (FailCode::MappingMissing, 8)]),
            skipped: BTreeMap::from([(SkipCode::DuplicateRow, 2)]),
            notes: BTreeMap::from([(NoteCode::NamesFromUrl, 3)]),
            files: 23_700,
            bytes: 2_370_000_000,
            ..Books::default()
        }
    }

    fn summary(rows: u64, missing: Missing) -> Summary {
        let mut summary =
            Summary::balance("rogo", "0123456789ab", rows, books(), missing, DateTime::UNIX_EPOCH)
                .took(Duration::from_secs(100));
        summary.results = vec!["/out/migrated.csv".into()];
        summary.next_command = "rogo-migrate verify --run rogo".into();
        summary
    }

    #[test]
    fn the_grid_says_what_happened_what_to_do_and_what_to_type() {
        assert_eq!(
            summary(8_000, Missing::default()).grid(),
            "\
COMPLETE: run rogo (plan 0123456789ab)
8,000 rows = 7,900 migrated + 98 failed + 2 skipped

outcome   code              rows  share  what to do
────────  ───────────────  ─────  ─────  ───────────────────────────────────────────────────────
migrated                   7,900  98.8%
failed    mapping_missing      8   0.1%  add the attempt to the mapping export
failed    file_missing        90   1.1%  restore the file at its source
skipped   duplicate_row        2   0.0%  nothing: the newer row stands
(note)    names_from_url       3   0.0%  compare the names with the old system where they matter

23,700 files, 2.2 GiB in 1m 40s: 80.0 rows/s

results
  /out/migrated.csv
next: rogo-migrate verify --run rogo
"
        );
    }

    #[test]
    fn books_that_do_not_balance_are_incomplete() {
        let mut missing = Missing { shards: vec![ShardIndex(3)], ..Missing::default() };
        for row in [4, 5, 6, 9] {
            missing.add(row);
        }
        let incomplete = summary(8_004, missing);
        assert_eq!(incomplete.result, RunResult::Incomplete);
        let grid = incomplete.grid();
        assert!(grid.contains("+ 4 missing"), "{grid}");
        assert!(grid.contains("rows without an outcome: 4-6, 9\nof shards: 3\n"), "{grid}");
        assert!(!grid.contains("100.0%"), "{grid}");
        let mut many = Missing { rows: 3, ..Missing::default() };
        (1..=12).for_each(|row| many.add(2 * row));
        let grid = summary(8_015, many).grid();
        let rows =
            "2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 5 more (summary.json: the first 100 ranges of each shard)";
        assert!(grid.contains(&format!("rows without an outcome: {rows}\n")), "{grid}");
        for rows in [7_999, 8_001] {
            assert_eq!(summary(rows, Missing::default()).result, RunResult::Incomplete, "{rows}");
        }
    }

    #[test]
    fn summary_json_reads_back() {
        let summary = summary(8_000, Missing::default());
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.starts_with("{\"result\":\"COMPLETE\""), "{json}");
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    }
}
