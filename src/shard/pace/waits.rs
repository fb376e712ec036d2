//! When a process waited, kept short: for the heartbeat, and from there for the report.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use super::Pace;
use crate::run::{State, Waited};

/// Times that are kept; when there are more, the two that are nearest to each other become one.
const KEPT: usize = 64;
/// Samples come every second: a gap of so much is no gap.
const NO_GAP: TimeDelta = TimeDelta::seconds(3);

/// The times in which a process did not run freely.
#[derive(Debug, Default)]
pub(super) struct Waits(Vec<Waited>);

impl Waits {
    /// Notes what the process does at `now`.
    pub(super) fn note(&mut self, now: DateTime<Utc>, state: &State) {
        if !matches!(state, State::Throttled(_) | State::Waiting(_) | State::Slowed(_)) {
            return;
        }
        if let Some(last) = self.0.last_mut()
            && last.state == *state
            && now - last.to <= NO_GAP
        {
            last.to = now;
            return;
        }
        self.0.push(Waited { from: now, to: now, state: state.clone() });
        if self.0.len() > KEPT {
            self.join_nearest();
        }
    }

    pub(super) fn all(&self) -> Vec<Waited> {
        self.0.clone()
    }

    /// Joins the two neighbours between which the least time passed; the joined one is called by the longer one's state.
    fn join_nearest(&mut self) {
        let gaps = self.0.iter().zip(self.0.iter().skip(1)).map(|(one, next)| next.from - one.to);
        let Some((place, _)) = gaps.enumerate().min_by_key(|(_, gap)| *gap) else { return };
        let next = self.0.remove(place + 1);
        if let Some(one) = self.0.get_mut(place) {
            if next.to - next.from > one.to - one.from {
                one.state = next.state;
            }
            one.to = next.to;
        }
    }
}

impl Pace {
    /// Notes that the target guard slows the process down, or no longer does. A process that waits for a service says that
    /// first.
    pub fn slowed(&self, state: Option<State>) {
        *self.slowed.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// State of the process, to be asked for every second: notes since when it waits.
    pub fn sample(&self, now: DateTime<Utc>) -> State {
        let state = self.state();
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).note(now, &state);
        state
    }

    /// When the process waited so far, oldest first.
    pub fn waits(&self) -> Vec<Waited> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn throttled() -> State {
        State::Throttled("503 from target blobs".into())
    }

    #[test]
    fn samples_in_a_row_are_one_time_and_running_is_none() {
        let mut waits = Waits::default();
        for second in 0..5 {
            waits.note(at(second), &throttled());
        }
        waits.note(at(5), &State::Running);
        waits.note(at(60), &throttled());
        let found: Vec<_> =
            waits.all().iter().map(|wait| (wait.from.timestamp(), wait.to.timestamp())).collect();
        assert_eq!(found, [(0, 4), (60, 60)]);
    }

    #[test]
    fn there_are_never_more_than_64() {
        let mut waits = Waits::default();
        for second in 0..1_000 {
            waits.note(at(second * 10), &throttled());
        }
        let all = waits.all();
        assert_eq!(all.len(), KEPT);
        assert_eq!((all[0].from, all[KEPT - 1].to), (at(0), at(9_990)));
    }
}
