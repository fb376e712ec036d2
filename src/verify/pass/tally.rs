//! How much was compared, and what could not be.

use std::collections::{BTreeMap, BTreeSet};

use super::watched::Watched;
use crate::{
    domain::AttemptId,
    verify::{
        findings::{Findings, Lack},
        nothing::Nothing,
        table::{CHECKS, CheckId},
    },
};

/// Counts of a pass.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Rows with an outcome that were looked at.
    pub rows: u64,
    /// Of them migrated, failed, skipped.
    pub fates: [u64; 3],
    /// Attempts that were met, if only some are asked for.
    pub met: BTreeSet<AttemptId>,
    /// Rows in which each check compared something, in the order of the table.
    pub compared: [u64; CHECKS.len()],
    /// Rows in which a check could not compare everything, by reason.
    pub lacking: BTreeMap<(CheckId, Lack), u64>,
    /// Rows or files in which a check had nothing to compare with, by reason.
    pub nothing: BTreeMap<(CheckId, Nothing), u64>,
    /// At a second look: what becomes of the checks that are looked at again.
    pub watched: Watched,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            rows: 0,
            fates: [0; 3],
            met: BTreeSet::new(),
            compared: [0; CHECKS.len()],
            lacking: BTreeMap::new(),
            nothing: BTreeMap::new(),
            watched: Watched::default(),
        }
    }
}

impl Tally {
    /// The checks that compared something, each with its number of rows.
    pub fn all_compared(&self) -> impl Iterator<Item = (CheckId, u64)> {
        CHECKS.iter().zip(self.compared).filter(|(_, rows)| *rows > 0).map(|(check, rows)| (check.id, rows))
    }

    /// Counts the findings about one row, or about a file of it.
    pub fn count(&mut self, of: (u64, Option<AttemptId>), findings: &Findings) {
        self.watched.take(of, findings);
        for check in findings.all_compared() {
            self.compare(check, 1);
        }
        for (check, lack) in findings.all_lacking() {
            self.lack(check, lack, 1);
        }
        for (check, nothing) in findings.all_nothing() {
            self.nothing(check, nothing, 1);
        }
    }

    /// A check compared something in so many rows.
    pub fn compare(&mut self, check: CheckId, rows: u64) {
        if let Some(compared) = self.compared.get_mut(check.index()) {
            *compared += rows;
        }
    }

    /// A check had nothing to compare with in so many rows.
    pub fn nothing(&mut self, check: CheckId, nothing: Nothing, rows: u64) {
        *self.nothing.entry((check, nothing)).or_default() += rows;
    }

    /// A check could not compare everything in so many rows.
    pub fn lack(&mut self, check: CheckId, lack: Lack, rows: u64) {
        *self.lacking.entry((check, lack)).or_default() += rows;
    }
}
