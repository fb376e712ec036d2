//! Which submissions become traces: every failure, the slowest of each minute, and 1 in N of the rest.

use std::time::{Duration, Instant, SystemTime};

use crate::report::events::StageTimes;

/// So many slow submissions of a minute become traces.
const SLOWEST: usize = 10;
const MINUTE: Duration = Duration::from_mins(1);

/// What a trace of a submission is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Submission {
    /// Number of the CSV's data row.
    pub row: u64,
    /// The worker's number, from 1.
    pub worker: usize,
    /// Index of its shard.
    pub shard: Option<i64>,
    /// When it had its outcome.
    pub ended: SystemTime,
    /// How long its stages took.
    pub times: StageTimes,
    /// `migrated`, `failed` or `skipped`.
    pub outcome: &'static str,
    /// Why it was not migrated.
    pub code: Option<&'static str>,
    /// Why it is traced.
    pub why: Why,
}

/// Why a submission is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Each one that was not migrated for a reason of the row.
    Failure,
    /// It took longer than others of the same minute.
    Slow,
    /// Its row number is a multiple of N.
    Sample,
}

impl Why {
    /// Its stable name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Slow => "slow",
            Self::Sample => "sample",
        }
    }
}

/// The choice, and the slowest submissions of the minute so far.
#[derive(Debug, Default)]
pub(super) struct Choice {
    sample: u64,
    minute: Option<Instant>,
    /// The slowest first.
    slowest: Vec<Submission>,
}

impl Choice {
    /// Chooses 1 in `sample` of the ordinary ones by row number, so that every process chooses the same; 0: none of them.
    pub(super) fn of(sample: u64) -> Self {
        Self { sample, ..Self::default() }
    }

    /// Takes a submission; returns those that become traces now.
    pub(super) fn take(&mut self, at: Instant, one: Submission) -> Vec<Submission> {
        let mut chosen = self.minute(at);
        if one.why == Why::Failure {
            chosen.push(one);
            return chosen;
        }
        self.minute.get_or_insert(at);
        let place = self.slowest.partition_point(|other| other.times.whole >= one.times.whole);
        self.slowest.insert(place, Submission { why: Why::Slow, ..one });
        if self.slowest.len() > SLOWEST {
            // What is not among the slowest is one of the rest.
            chosen.extend(self.slowest.pop().filter(|rest| self.is_sampled(rest)).map(sampled));
        }
        chosen
    }

    /// The slowest of the minute, if it is over.
    pub(super) fn minute(&mut self, at: Instant) -> Vec<Submission> {
        match self.minute {
            Some(began) if at.saturating_duration_since(began) >= MINUTE => self.end(),
            _ => Vec::new(),
        }
    }

    /// The slowest of the minute so far.
    pub(super) fn end(&mut self) -> Vec<Submission> {
        self.minute = None;
        std::mem::take(&mut self.slowest)
    }

    fn is_sampled(&self, one: &Submission) -> bool {
        self.sample > 0 && one.row.is_multiple_of(self.sample)
    }
}

fn sampled(one: Submission) -> Submission {
    Submission { why: Why::Sample, ..one }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(row: u64, milliseconds: u64, why: Why) -> Submission {
        let times = StageTimes { whole: Duration::from_millis(milliseconds), ..StageTimes::default() };
        let (ended, outcome) = (SystemTime::UNIX_EPOCH, "migrated");
        Submission { row, worker: 1, shard: Some(0), ended, times, outcome, code: None, why }
    }

    fn rows(chosen: &[Submission]) -> Vec<(u64, Why)> {
        chosen.iter().map(|one| (one.row, one.why)).collect()
    }

    #[test]
    fn every_failure_is_chosen_at_once_whatever_the_sample() {
        let mut choice = Choice::of(0);
        let now = Instant::now();
        for row in 1..100 {
            assert_eq!(rows(&choice.take(now, one(row, 0, Why::Failure))), [(row, Why::Failure)]);
        }
        assert_eq!(choice.end(), []);
    }

    #[test]
    fn the_slowest_ten_of_each_minute_are_chosen_and_one_in_n_of_the_rest() {
        let mut choice = Choice::of(4);
        let began = Instant::now();
        // Rows 1 to 20 take 1 to 20 ms: 11 to 20 are the slowest, 4 and 8 one in four of the rest.
        let rest: Vec<_> = (1..=20).flat_map(|row| choice.take(began, one(row, row, Why::Slow))).collect();
        assert_eq!(rows(&rest), [(4, Why::Sample), (8, Why::Sample)]);
        assert_eq!(choice.minute(began + Duration::from_secs(59)), []);
        let slowest = choice.minute(began + MINUTE);
        assert_eq!(rows(&slowest), (11..=20).rev().map(|row| (row, Why::Slow)).collect::<Vec<_>>());
        let next = began + MINUTE;
        assert_eq!(choice.take(next, one(21, 1, Why::Slow)), []);
        assert_eq!(rows(&choice.end()), [(21, Why::Slow)]);
    }

    #[test]
    fn a_minute_ends_with_the_next_submission_too() {
        let mut choice = Choice::of(0);
        let began = Instant::now();
        choice.take(began, one(1, 1, Why::Slow));
        assert_eq!(rows(&choice.take(began + MINUTE, one(2, 1, Why::Slow))), [(1, Why::Slow)]);
        assert_eq!(rows(&choice.end()), [(2, Why::Slow)]);
    }
}
