//! Rows by what became of them, and the words for them.

use serde::Serialize;

use crate::{
    report::grid::{count, percent, permille},
    run::Summary,
};

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Rows of the plan.
    pub total: u64,
    /// Rows that were migrated.
    pub migrated: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Rows that were skipped.
    pub skipped: u64,
    /// Rows that were migrated, and that the target no longer holds.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u64,
}

impl Rows {
    /// The books of a result.
    pub fn of(summary: &Summary) -> Self {
        let books = &summary.books;
        Self {
            total: summary.rows,
            migrated: books.migrated,
            failed: books.rows_failed(),
            skipped: books.rows_skipped(),
            lost: summary.lost.rows,
        }
    }

    /// Rows with an outcome that stands.
    pub fn done(&self) -> u64 {
        self.migrated + self.failed + self.skipped
    }

    /// How many of the rows are done, and what became of them.
    pub(super) fn progress(&self) -> String {
        let (done, total) = (self.done(), self.total);
        let share = percent(permille(done, total));
        format!("{} of {} rows ({share}): {}", count(done), count(total), self.outcomes())
    }

    /// What became of them.
    pub(super) fn outcomes(&self) -> String {
        let Self { migrated, failed, skipped, lost, .. } = *self;
        let lost = if lost > 0 { format!(", {} lost", count(lost)) } else { String::new() };
        format!("{} migrated, {} failed, {} skipped{lost}", count(migrated), count(failed), count(skipped))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a field by reference")]
fn is_zero(rows: &u64) -> bool {
    *rows == 0
}
