//! The summary of a run as people read it.

mod sections;

use crate::run::Summary;

impl Summary {
    /// The grid for people.
    pub fn grid(&self) -> String {
        let sections = [
            self.headline(),
            self.outcomes(),
            self.missing_rows(),
            self.figures(),
            self.limited(),
            self.predicted(),
            self.warned(),
            self.locations(),
        ];
        let shown: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        shown.join("\n")
    }

    /// The books, for where there is room for a line only.
    pub fn in_a_line(&self) -> String {
        self.headline().trim_end().replace('\n', ": ")
    }

    /// Prints the summary to standard output.
    pub fn print(&self) {
        super::print(&self.grid());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::{
        domain::{Books, FailCode, NoteCode, ShardIndex, SkipCode},
        run::{Limit, LimitCode, Lost, Missing, RunName, RunResult},
    };

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
        let mut summary = Summary::balance(
            &RunName::default(),
            &"0123456789ab".parse().unwrap(),
            rows,
            books(),
            missing,
            DateTime::UNIX_EPOCH,
        )
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
    fn what_limited_the_speed_stands_below_the_figures() {
        let mut summary = summary(8_000, Missing::default());
        let limit = |code, text: &str| Limit { code, text: text.into() };
        summary.limits = vec![limit(LimitCode::Cpu, "one"), limit(LimitCode::SlowShard, "two")];
        let grid = summary.grid();
        assert!(grid.contains("80.0 rows/s\n\nwhat limited the speed\n  one\n  two\n\nresults\n"), "{grid}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["limits"][1], serde_json::json!({ "code": "slow_shard", "text": "two" }));
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
    fn a_run_of_which_most_rows_failed_says_so_in_its_first_line() {
        let first_line = |migrated: u64, failed: u64| {
            let mut summary = summary(8_000, Missing::default());
            summary.books.migrated = migrated;
            summary.books.failed =
                BTreeMap::from([(FailCode::TargetRejected, failed), (FailCode::NoFiles, 99)]);
            summary.grid().lines().next().unwrap().to_owned()
        };
        assert_eq!(
            first_line(1, 35),
            "COMPLETE, but 35 of the 36 rows that reached copy failed there or at commit: run rogo (plan 0123456789ab)"
        );
        assert_eq!(first_line(18, 18), "COMPLETE: run rogo (plan 0123456789ab)");
        assert_eq!(
            first_line(0, 0),
            "COMPLETE: run rogo (plan 0123456789ab)",
            "failures of the rules are no surprise"
        );
    }

    #[test]
    fn lost_rows_stand_in_the_books_and_make_them_incomplete() {
        let lost = Lost { rows: 3, shards: vec![ShardIndex(1)], ..Lost::default() };
        let summary = summary(8_003, Missing::default()).lost(lost);
        assert_eq!(summary.result, RunResult::Incomplete);
        assert!(summary.grid().contains(" + 3 lost\n"), "{}", summary.grid());
    }

    #[test]
    fn summary_json_reads_back() {
        let summary = summary(8_000, Missing::default());
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.starts_with("{\"result\":\"COMPLETE\""), "{json}");
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    }
}
