//! What makes a run a later one: rows that their owner leaves out, and rows that earlier runs have moved.

use std::collections::BTreeSet;

use super::earlier::EarlierBooks;
use crate::{
    domain::{AttemptId, QueuedRow},
    inputs::Excluded,
    ports::Fault,
};

/// Ids named in a remark.
const NAMED: usize = 20;

/// `--exclude` and `--after`, read.
pub struct Later {
    excluded: Excluded,
    /// Excluded attempts that no row has named yet.
    unmet: BTreeSet<AttemptId>,
    earlier: Option<EarlierBooks>,
}

impl Later {
    /// With what was read.
    pub fn new(excluded: Excluded, earlier: Option<EarlierBooks>) -> Self {
        let unmet = excluded.attempts().collect();
        Self { excluded, unmet, earlier }
    }

    /// A row of the input names this attempt.
    pub fn meet(&mut self, attempt: Option<AttemptId>) {
        if let Some(attempt) = attempt.filter(|_| !self.unmet.is_empty()) {
            self.unmet.remove(&attempt);
        }
    }

    /// Attempts of the earlier runs that the input does not name, in ascending order.
    pub fn withdrawn(&self, is_named: impl Fn(AttemptId) -> bool) -> impl Iterator<Item = AttemptId> {
        let all = self.earlier.iter().flat_map(EarlierBooks::attempts);
        all.filter(move |attempt| !is_named(*attempt))
    }

    /// Writes into a queued row what is said of its attempt. Of several rows of the attempt only the newest is compared.
    pub fn mark(&self, row: &mut QueuedRow, is_withdrawn: bool) -> Result<(), Fault> {
        let Some(attempt) = row.attempt else { return Ok(()) };
        row.excluded = self.excluded.reason(attempt).map(str::to_owned);
        let Some(earlier) = &self.earlier else { return Ok(()) };
        if is_withdrawn {
            row.withdrawn = earlier.then(attempt)?;
        } else if row.newer_row.is_none() && row.excluded.is_none() {
            row.earlier = earlier.of(attempt, &row.cells, &row.mapping)?.map(Box::new);
        }
        Ok(())
    }

    /// What a person should know of the plan; `withdrawn` counts the attempts that only the earlier inputs name.
    pub fn remarks(&self, withdrawn: u64) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.unmet.is_empty() {
            let named: Vec<String> = self.unmet.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if self.unmet.len() > NAMED { ", …" } else { "" };
            remarks.push(format!(
                "--exclude names {} attempt ids that no row of submission_files.csv has: {}{more}",
                self.unmet.len(),
                named.join(", ")
            ));
        }
        let Some(earlier) = &self.earlier else { return remarks };
        let known = earlier.attempts().count() as u64;
        if withdrawn * 2 > known {
            remarks.push(format!(
                "{withdrawn} of {known} attempts of {} are in no row of this input: is it the whole export?",
                earlier.named()
            ));
        }
        remarks
    }

    /// Whether there is an earlier run.
    pub fn comes_after(&self) -> bool {
        self.earlier.is_some()
    }
}
