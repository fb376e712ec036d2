//! What a second look at a row tells of the checks that found a difference in it at the first one.

use std::collections::HashMap;

use crate::{
    domain::AttemptId,
    verify::{
        findings::{Findings, Lack},
        table::CheckId,
    },
};

/// What became of a check at the second look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// It compared nothing: what it is of is not there.
    #[default]
    NotMade,
    /// It compared something in the row, and lacked nothing.
    Made,
    /// It could not compare everything.
    Lacking(Lack),
}

/// The checks that are looked at again, each with its row.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    looks: HashMap<(u64, CheckId), Look>,
    attempts: HashMap<u64, Option<AttemptId>>,
}

impl Watched {
    /// Nothing is looked at yet.
    pub fn of(checks: impl Iterator<Item = (u64, CheckId)>) -> Self {
        let looks: HashMap<_, _> = checks.map(|key| (key, Look::NotMade)).collect();
        let attempts = looks.keys().map(|(row, _)| (*row, None)).collect();
        Self { looks, attempts }
    }

    /// Takes what was found in the row, or in one of its files. One file that lacks something outweighs the others.
    pub fn take(&mut self, (row, attempt): (u64, Option<AttemptId>), findings: &Findings) {
        let Some(known) = self.attempts.get_mut(&row) else { return };
        *known = known.or(attempt);
        for check in findings.all_compared() {
            if let Some(look) = self.looks.get_mut(&(row, check)).filter(|look| **look == Look::NotMade) {
                *look = Look::Made;
            }
        }
        for (check, lack) in findings.all_lacking().filter(|(_, lack)| lack.may_come()) {
            if let Some(look) = self.looks.get_mut(&(row, check)) {
                *look = Look::Lacking(lack);
            }
        }
    }

    /// What became of the check in the row.
    pub fn look(&self, row: u64, check: CheckId) -> Look {
        self.looks.get(&(row, check)).copied().unwrap_or_default()
    }

    /// The attempt of the row, if the row was looked at.
    pub fn attempt(&self, row: u64) -> Option<AttemptId> {
        self.attempts.get(&row).copied().flatten()
    }
}
