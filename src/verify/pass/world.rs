//! Everything that a pass compares, and what the result says of the rows that people took out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    domain::{AttemptId, SkipCode},
    inputs::Inputs,
    ports::StoredTarget,
    run::{Standing, outcomes::Outcomes},
    verify::{checks::Ground, facts::FactsSource, mapping::InputIndex, progress::Progress},
};

/// Everything that a pass compares.
pub struct World<'a> {
    /// What all checks share.
    pub ground: Ground<'a>,
    /// The two inputs and their index; `None` if they are not there.
    pub inputs: Option<(&'a Inputs, &'a InputIndex)>,
    /// Where facts come from.
    pub facts: &'a FactsSource<'a>,
    /// Reads stored rows.
    pub target: &'a dyn StoredTarget,
    /// Outcomes by row.
    pub outcomes: &'a Outcomes,
    /// Which of several outcomes of a row counts.
    pub standing: &'a Standing,
    /// Attempts that a person has decided the target may lack ([`Self::may_lack`]).
    pub taken_out: &'a BTreeSet<AttemptId>,
    /// Those of them that were taken out before the result was made, each with the code of its skip ([`Self::settled`]).
    pub settled: &'a BTreeMap<AttemptId, SkipCode>,
    /// The only attempts to verify; `None`: all.
    pub attempts: Option<&'a BTreeSet<AttemptId>>,
    /// When the plan was made.
    pub planned_at: DateTime<Utc>,
    /// When the result was made: its writers were at work before.
    pub ended_at: DateTime<Utc>,
    /// Counted up while rows are compared.
    pub progress: &'a Progress,
}

impl World<'_> {
    /// The code of the skip by which the result names a migrated row that was taken out; `None` if the result counts it as
    /// migrated, because it stands: a rollback left it, or it came back.
    pub fn settled(&self, row: u64, attempt: Option<AttemptId>) -> Option<SkipCode> {
        let code = *self.settled.get(&attempt?)?;
        // A result that does not say which rows the target lacked says it of these.
        (self.standing.lacks(row) || !self.standing.is_told()).then_some(code)
    }

    /// Whether the target may lack a migrated row: a person has decided that, and the result does not say that it stands.
    pub fn may_lack(&self, row: u64, attempt: AttemptId) -> bool {
        let is_later = !self.settled.contains_key(&attempt);
        self.taken_out.contains(&attempt) && (is_later || self.settled(row, Some(attempt)).is_some())
    }
}
