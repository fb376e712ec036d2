//! Attempts that had rows: while these have none, an empty answer is not believed.

use super::rows::Which;
use crate::domain::AttemptId;

/// An attempt of each table that had a row there when it was asked for last.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    reported: Option<AttemptId>,
    scored: Option<AttemptId>,
}

impl Witnesses {
    /// The attempt that has a row of this table, as far as is known.
    pub(super) fn of(&self, which: Which) -> Option<AttemptId> {
        match which {
            Which::Reports => self.reported,
            Which::Scores => self.scored,
        }
    }

    /// This attempt has a row now.
    pub(super) fn saw(&mut self, which: Which, attempt: AttemptId) {
        *self.place(which) = Some(attempt);
    }

    /// This attempt had a row when the run was planned: believed only until another one is seen.
    pub(super) fn expect(&mut self, which: Which, attempt: AttemptId) {
        self.place(which).get_or_insert(attempt);
    }

    fn place(&mut self, which: Which) -> &mut Option<AttemptId> {
        match which {
            Which::Reports => &mut self.reported,
            Which::Scores => &mut self.scored,
        }
    }
}
