//! What a second look at a row tells of the checks that found a difference in it at the first one.

use std::collections::BTreeMap;

use crate::{
    domain::AttemptId,
    verify::{
        by_check::ByCheck,
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
    checks: ByCheck,
    made: ByCheck,
    lacking: BTreeMap<Lack, ByCheck>,
    /// By the rows' places in the range.
    attempts: Vec<Option<AttemptId>>,
}

impl Watched {
    /// Nothing is looked at yet.
    pub fn of(checks: &ByCheck) -> Self {
        Self { checks: checks.clone(), made: checks.empty(), ..Self::default() }
    }

    /// Takes what was found in the row, or in one of its files. One file that lacks something outweighs the others.
    pub fn take(&mut self, (row, attempt): (u64, Option<AttemptId>), findings: &Findings) {
        if !self.checks.names(row) {
            return;
        }
        self.remember(row, attempt);
        for check in findings.all_compared().filter(|check| self.checks.contains(row, *check)) {
            self.made.insert(row, check);
        }
        for (check, lack) in findings.all_lacking().filter(|(_, lack)| lack.may_come()) {
            if self.checks.contains(row, check) {
                let of_lack = self.lacking.entry(lack).or_insert_with(|| self.checks.empty());
                of_lack.insert(row, check);
            }
        }
    }

    /// What became of the check in the row.
    pub fn look(&self, row: u64, check: CheckId) -> Look {
        let lacks = |(_, rows): &(&Lack, &ByCheck)| rows.contains(row, check);
        match self.lacking.iter().find(lacks) {
            Some((lack, _)) => Look::Lacking(*lack),
            None if self.made.contains(row, check) => Look::Made,
            None => Look::NotMade,
        }
    }

    /// The attempt of the row, if the row was looked at.
    pub fn attempt(&self, row: u64) -> Option<AttemptId> {
        self.attempts.get(self.place(row)).copied().flatten()
    }

    fn remember(&mut self, row: u64, attempt: Option<AttemptId>) {
        let place = self.place(row);
        if place >= self.attempts.len() {
            self.attempts.resize(place + 1, None);
        }
        if let Some(known) = self.attempts.get_mut(place) {
            *known = known.or(attempt);
        }
    }

    fn place(&self, row: u64) -> usize {
        usize::try_from(self.checks.place(row)).unwrap_or(usize::MAX)
    }
}
