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

/// The same, but a time that lies ahead counts as new, however far: this machine's clock may be the wrong one, where something is
/// to be deleted, and a time of a document that stands is none of a process.
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
}
