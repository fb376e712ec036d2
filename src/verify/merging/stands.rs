//! How the differences that stand are reported.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    domain::AttemptId,
    exit::Stop,
    ports::Fault,
    run::RowSet,
    verify::{
        findings::{Difference, Found, Kind},
        pass::Tally,
        report::{Absent, Different, FailureCsv, checks},
        run::{Task, Verified},
        table::CheckId,
    },
};

/// Differences that are shown on the screen.
const EXAMPLES: usize = 10;

/// The differences that stand, as they are reported.
pub(super) struct Report<'a> {
    task: &'a Task<'a>,
    pub(super) seen_at: DateTime<Utc>,
    csv: FailureCsv,
    rows: RowSet,
    /// Attempts of what belongs to no row.
    strays: BTreeSet<Option<AttemptId>>,
    different: BTreeMap<CheckId, Different>,
    differences: u64,
    accepted: u64,
    accepted_of_files: u64,
    accepted_attempts: BTreeSet<AttemptId>,
    examples: Vec<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(task: &'a Task<'a>, seen_at: DateTime<Utc>) -> Result<Self, Stop> {
        Ok(Self {
            task,
            seen_at,
            csv: FailureCsv::new()?,
            rows: RowSet::new(task.rows),
            strays: BTreeSet::new(),
            different: BTreeMap::new(),
            differences: 0,
            accepted: 0,
            accepted_of_files: 0,
            accepted_attempts: BTreeSet::new(),
            examples: Vec::new(),
        })
    }

    /// Reports a difference that stands, unless a person has accepted it.
    pub(super) fn add(&mut self, found: &Found) -> Result<(), Fault> {
        if let Some(attempt) = found.attempt.filter(|attempt| self.accepts(*attempt, &found.difference)) {
            self.accepted += 1;
            self.accepted_of_files += u64::from(found.difference.check.is_of_files());
            self.accepted_attempts.insert(attempt);
            return Ok(());
        }
        let is_after = matches!(found.difference.kind, Kind::ChangedAfter | Kind::Added);
        let different = self.different.entry(found.difference.check).or_default();
        different.all += 1;
        different.changed_after += u64::from(is_after);
        self.differences += 1;
        if self.examples.len() < EXAMPLES {
            let attempt =
                found.attempt.map_or("no attempt".to_owned(), |attempt| format!("attempt {attempt}"));
            let Difference { check, issue, .. } = &found.difference;
            let check = check.check();
            // Never with values: the document outlives a purge.
            self.examples.push(format!("{attempt}: {}: {issue} (compared with {})", check.name, check.with));
        }
        if found.row.is_none_or(|row| self.rows.insert(row).is_err()) {
            self.strays.insert(found.attempt);
        }
        let age = (Utc::now() - self.seen_at).num_seconds().max(0);
        let label = if is_after { "; changed_after" } else { "" };
        self.csv.add(found, self.task.values, &format!("{label}; seen for {age} s"))
    }

    /// Only what the application may have done can be accepted: a change to a row that stands, or a row that it added. A row that
    /// is absent, or that this run may have written, cannot.
    fn accepts(&self, attempt: AttemptId, difference: &Difference) -> bool {
        matches!(difference.kind, Kind::Changed | Kind::ChangedAfter | Kind::Added)
            && self.task.accepted.contains_key(&attempt)
    }

    pub(super) fn end(self, tally: Tally, absent: &Absent, passed: u64) -> Result<Verified, Stop> {
        let Task { level, storage, .. } = self.task;
        let content = storage.as_ref().and_then(|storage| storage.content.as_ref());
        let asks = |check: CheckId| content.is_none_or(|content| content.asks(check));
        Ok(Verified {
            checks: checks(*level, &asks, &tally, &self.different, absent),
            tally,
            differences: self.differences,
            rows_different: self.rows.len() + self.strays.len() as u64,
            passed,
            accepted: self.accepted,
            accepted_of_files: self.accepted_of_files,
            accepted_attempts: self.accepted_attempts,
            examples: self.examples,
            failures: self.csv.finish()?,
            files: None,
            manifest: None,
            old: None,
            unknown: Vec::new(),
        })
    }
}
