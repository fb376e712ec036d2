//! How young a time is that another process wrote, by the clock of its own machine.

use chrono::{DateTime, TimeDelta, Utc};

/// A process beats every 15 s: one that gave no word of itself for so long has ended, or hangs.
const ALIVE: TimeDelta = TimeDelta::minutes(1);

/// A process that gave word of itself within this time may still work.
const AT_WORK: TimeDelta = TimeDelta::minutes(10);

/// How far the clock of another machine may be ahead of this one's. As long: rather is a dead process waited for than what a
/// living one needs deleted.
const AHEAD: TimeDelta = AT_WORK;

/// Whether a time is of a wrong clock: it lies further ahead than clocks differ, and would stay young until it is reached.
pub fn is_ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at - now >= AHEAD
}

/// Key by which the newest of the times that several machines wrote is found: a time of a wrong clock is older than any other, since
/// it would hide all that is written until it is reached.
pub fn newness(at: DateTime<Utc>, now: DateTime<Utc>) -> (bool, DateTime<Utc>) {
    (!is_ahead(at, now), at)
}

/// Whether `at` is younger than this, and not of a wrong clock.
fn is_younger(at: DateTime<Utc>, now: DateTime<Utc>, than: TimeDelta) -> bool {
    now - at < than && !is_ahead(at, now)
}

/// Whether the process that gave word of itself at `at` is at work, as far as that can be seen.
pub fn is_beating(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    is_younger(at, now, ALIVE)
}

/// Whether the process that gave word of itself at `at` may still work.
pub fn is_at_work(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    is_younger(at, now, AT_WORK)
}

/// Until when the process that gave word of itself at `at`, and no more, counts as one that may still work.
pub fn counts_until(at: DateTime<Utc>) -> DateTime<Utc> {
    at + AT_WORK
}

/// As [`is_at_work`], but a time that lies ahead counts as new, however far: this machine's clock may be the wrong one, where
/// something is to be deleted, and a time of a document that stands is none of a process.
pub fn may_be_at_work(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - at < AT_WORK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_young_for_so_long_and_never_if_its_clock_is_wrong() {
        let now = Utc::now();
        for (minutes, at_work) in
            [(-10, false), (-9, true), (0, true), (9, true), (10, false), (1_440, false)]
        {
            let at = now + TimeDelta::minutes(minutes);
            assert_eq!(is_at_work(at, now), at_work, "{minutes}");
            assert_eq!(may_be_at_work(at, now), minutes > -10, "{minutes}");
        }
    }

    #[test]
    fn the_newest_time_is_of_a_wrong_clock_only_if_there_is_no_other() {
        let now = Utc::now();
        let newest =
            |of: &[i64]| of.iter().copied().max_by_key(|at| newness(now + TimeDelta::minutes(*at), now));
        assert_eq!(newest(&[-60, 1_440, 9, -1]), Some(9));
        assert_eq!(newest(&[1_440, -60]), Some(-60));
        assert_eq!(newest(&[10, 1_440]), Some(1_440));
    }
}
