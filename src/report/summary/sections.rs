//! The sections of the grid, from the headline to what to type next.

use std::{fmt::Write, time::Duration};

use crate::{
    report::grid::{Align, Grid, bytes, count, percent, permille, rows_f64, span},
    run::{Commits, Limit, RunResult, Summary, Warning},
};

/// How many ranges of missing rows the grid names.
const RANGES_SHOWN: usize = 10;

impl Summary {
    pub(super) fn headline(&self) -> String {
        let (result, mostly_failed) = (self.result, self.mostly_failed());
        format!(
            "{result}{mostly_failed}: run {} (plan {})\n{}\n",
            self.run,
            self.plan,
            self.books_in_a_line()
        )
    }

    /// What a verdict that was said already leaves to say: the books, and that most rows failed.
    pub fn below_the_verdict(&self) -> String {
        self.books_in_a_line() + &self.mostly_failed()
    }

    /// The books as a sentence that adds up, without the verdict.
    fn books_in_a_line(&self) -> String {
        let books = &self.books;
        let mut text = format!(
            "{} rows = {} migrated + {} failed + {} skipped",
            count(self.rows),
            count(books.migrated),
            count(books.rows_failed()),
            count(books.rows_skipped())
        );
        if self.result == RunResult::Incomplete {
            let _ = write!(text, " + {} missing", count(self.missing.rows));
        }
        if self.lost.rows > 0 {
            let _ = write!(text, " + {} lost", count(self.lost.rows));
        }
        if self.rows_left_out > 0 {
            let _ = write!(text, "; {} more were left out of the plan", count(self.rows_left_out));
        }
        text
    }

    /// What the verdict must not hide: balanced books say nothing of how the rows fared.
    fn mostly_failed(&self) -> String {
        let failed = self.books.rows_failed_after_rules();
        let reached = self.books.migrated + failed;
        if 2 * failed <= reached {
            return String::new();
        }
        format!(
            ", but {} of the {} rows that reached copy failed there or at commit",
            count(failed),
            count(reached)
        )
    }

    pub(super) fn outcomes(&self) -> String {
        let mut grid = Grid::new([
            ("outcome", Align::Left),
            ("code", Align::Left),
            ("rows", Align::Right),
            ("share", Align::Right),
            ("what to do", Align::Left),
        ]);
        let mut row = |outcome: &str, code: &str, rows: u64, advice: &str| {
            let share = percent(permille(rows, self.rows));
            grid.row([outcome.into(), code.into(), count(rows), share, advice.into()]);
        };
        row("migrated", "", self.books.migrated, "");
        for (code, rows) in &self.books.failed {
            row("failed", code.code(), *rows, code.advice());
        }
        for (code, rows) in &self.books.skipped {
            row("skipped", code.code(), *rows, code.advice());
        }
        if self.missing.rows > 0 {
            row("missing", "", self.missing.rows, "run the shards again");
        }
        if self.lost.rows > 0 {
            let advice = if self.lost.redo_helps() {
                "move them again, or accept that they are gone (lost.csv)"
            } else {
                "accept that they are gone, or roll them back in the other run (lost_to_another_run.csv)"
            };
            row("lost", "", self.lost.rows, advice);
        }
        for (code, rows) in &self.books.notes {
            row("(note)", code.code(), *rows, code.advice());
        }
        grid.render()
    }

    pub(super) fn missing_rows(&self) -> String {
        if self.missing.rows == 0 {
            return String::new();
        }
        let range = |(first, last): &(u64, u64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        let mut ranges: Vec<_> = self.missing.ranges.iter().take(RANGES_SHOWN).map(range).collect();
        let size = |(first, last): &(u64, u64)| last - first + 1;
        let shown: u64 = self.missing.ranges.iter().take(RANGES_SHOWN).map(size).sum();
        if let Some(more) = self.missing.rows.checked_sub(shown).filter(|more| *more > 0) {
            ranges.push(format!("{} more (summary.json: the first 100 ranges of each shard)", count(more)));
        }
        let shards: Vec<_> = self.missing.shards.iter().map(ToString::to_string).collect();
        format!("rows without an outcome: {}\nof shards: {}\n", ranges.join(", "), shards.join(","))
    }

    pub(super) fn figures(&self) -> String {
        let mut text = format!(
            "{} files, {} in {}: {:.1} rows/s\n",
            count(self.books.files),
            bytes(self.books.bytes),
            span(Duration::from_millis(self.duration_ms)),
            self.rows_per_second
        );
        if let Some(receipts) = &self.receipts {
            let _ = writeln!(
                text,
                "receipt of {} rows: {} {}",
                count(receipts.count),
                receipts.algorithm,
                receipts.root
            );
        }
        if self.orphans_removed > 0 {
            let _ = writeln!(text, "{} blobs of killed processes were removed", count(self.orphans_removed));
        }
        for stage in &self.stages {
            let _ = writeln!(
                text,
                "{}: {} ms on average, {} ms at most",
                stage.stage,
                stage.total_ms / stage.rows.max(1),
                stage.longest_ms
            );
        }
        let Commits { statements, submissions, largest } = self.commits;
        if statements > 0 {
            let _ = writeln!(
                text,
                "commits: {} statements of {:.1} submissions on average, {} at most",
                count(statements),
                rows_f64(submissions) / rows_f64(statements),
                count(largest)
            );
        }
        text
    }

    pub(super) fn limited(&self) -> String {
        if self.limits.is_empty() {
            return String::new();
        }
        let line = |limit: &Limit| format!("  {}\n", limit.text);
        self.limits.iter().fold("what limited the speed\n".to_owned(), |text, limit| text + &line(limit))
    }

    pub(super) fn warned(&self) -> String {
        let line = |warning: &Warning| format!("warning: {}: {}\n", warning.code.code(), warning.detail);
        self.warnings.iter().map(line).collect()
    }

    pub(super) fn locations(&self) -> String {
        let mut text = String::new();
        for result in &self.results {
            let _ = writeln!(text, "  {result}");
        }
        if !text.is_empty() {
            text.insert_str(0, "results\n");
        }
        if !self.next_command.is_empty() {
            let _ = writeln!(text, "next: {}", self.next_command);
        }
        text
    }
}
