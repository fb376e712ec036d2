//! How many section marks the run wrote for each attempt: only their rows tell it in the target, and they may be gone.

use std::collections::HashSet;

use crate::domain::{AttemptId, SubmissionIds};

/// A submission is taken to have no more section marks than that.
const MOST_MARKS: usize = 1_000;

/// Attempts that the run recorded as migrated, ascending, each with the number of its section marks if that was recorded.
#[derive(Debug, Clone, Default)]
pub struct RecordedAttempts(Vec<(AttemptId, Option<u16>)>);

impl RecordedAttempts {
    /// An attempt may have several outcomes: the greatest number stands.
    pub fn new(mut all: Vec<(AttemptId, Option<u16>)>) -> Self {
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        all.dedup_by_key(|(attempt, _)| *attempt);
        all.shrink_to_fit();
        Self(all)
    }

    /// Whether the attempt is one of them.
    pub fn has(&self, attempt: AttemptId) -> bool {
        self.find(attempt).is_some()
    }

    /// The number of section marks that were recorded for the attempt; `None` if it is not known.
    pub fn marks(&self, attempt: AttemptId) -> Option<u16> {
        self.find(attempt)?.1
    }

    /// All of them, ascending.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.0.iter().map(|(attempt, _)| *attempt)
    }

    fn find(&self, attempt: AttemptId) -> Option<&(AttemptId, Option<u16>)> {
        let at = self.0.binary_search_by_key(&attempt, |(known, _)| *known).ok()?;
        self.0.get(at)
    }
}

/// Ids of the section marks that the run wrote, from 1 on: as many as it recorded, or up to the last one that stands if that
/// is more, so that a gap shows a removal.
pub(super) fn written_marks(
    ids: &SubmissionIds,
    standing: &HashSet<&str>,
    recorded: Option<u16>,
) -> HashSet<String> {
    let row = |n: usize| ids.row("submission_section_marks", n);
    let recorded = usize::from(recorded.unwrap_or_default());
    let first = standing.len().max(recorded);
    let mut written: Vec<String> = (1..=first).map(row).collect();
    let stands = |id: &String| standing.contains(id.as_str());
    // A gap, or rows of the application: the last of the run's may stand further on.
    if written.iter().filter(|id| stands(id)).count() < standing.len() {
        written.extend((first + 1..=MOST_MARKS).map(row));
    }
    let last = written.iter().rposition(stands).map_or(0, |at| at + 1);
    written.truncate(last.max(recorded));
    written.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_were_written_are_known_by_their_number_or_by_a_gap() {
        let ids = SubmissionIds::new("X", "987".parse().unwrap());
        let row = |n: usize| ids.row("submission_section_marks", n);
        let check = |standing: &[usize], foreign: usize, recorded: Option<u16>, expected: usize| {
            let own = standing
                .iter()
                .map(|n| row(*n))
                .chain((0..foreign).map(|n| format!("of the application {n}")));
            let own: Vec<String> = own.collect();
            let written = written_marks(&ids, &own.iter().map(String::as_str).collect(), recorded);
            let expected: HashSet<String> = (1..=expected).map(row).collect();
            assert_eq!(written, expected, "{standing:?}, {foreign}, {recorded:?}");
        };
        check(&[1, 2, 3], 0, Some(3), 3);
        check(&[1, 3], 0, Some(3), 3);
        check(&[], 0, Some(3), 3);
        check(&[], 0, Some(0), 0);
        check(&[], 2, Some(1), 1);
        check(&[1, 2], 1, Some(2), 2);
        // Not recorded.
        check(&[1, 2, 3], 0, None, 3);
        check(&[1, 5], 0, None, 5);
        check(&[1, 2], 2, None, 2);
        check(&[], 0, None, 0);
        check(&[], 2, None, 0);
    }

    #[test]
    fn of_several_outcomes_of_an_attempt_the_one_that_knows_its_marks_counts() {
        let attempt = |id: &str| id.parse::<AttemptId>().unwrap();
        let recorded =
            RecordedAttempts::new(vec![(attempt("2"), None), (attempt("1"), None), (attempt("2"), Some(3))]);
        assert!(recorded.has(attempt("1")) && recorded.has(attempt("2")) && !recorded.has(attempt("3")));
        assert_eq!((recorded.marks(attempt("1")), recorded.marks(attempt("2"))), (None, Some(3)));
        assert_eq!(recorded.attempts().count(), 2);
    }
}
