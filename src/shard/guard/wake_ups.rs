//! How late the server wakes up from short sleeps, beside how late it did when it was least busy: what other clients feel
//! of its processors.

use std::time::Duration;

use super::latency::quantile;

/// Wake-ups of a window on which a judgement rests.
const LEAST: usize = 200;
/// Those of a whole window, about.
const WINDOW: usize = 1_200;
/// The floor of a window: so many wake-ups took no longer.
const FLOOR: f64 = 0.95;
/// A wake-up that takes longer than so many floors is late.
const LATE: f64 = 1.5;
/// So many more are late than at best, as a part of all, if the processors are too busy.
const BEARABLE: f64 = 0.005;
/// What was found at best rises by so much in each window, so that one lucky window is not the measure for a night.
const FORGETS: f64 = 1.01;

/// The wake-ups of a window, and what they are measured by.
#[derive(Debug, Default)]
pub(super) struct WakeUps {
    best: Option<Best>,
    /// Of this window, in seconds.
    seconds: Vec<f64>,
    late: usize,
}

/// What the windows before have shown at best.
#[derive(Debug, Clone, Copy)]
struct Best {
    /// How long a wake-up takes, in seconds.
    floor: f64,
    /// The part of the wake-ups that are late all the same.
    late: f64,
}

impl WakeUps {
    /// Notes some; whether so many of this window were late that its end need not be waited for.
    pub(super) fn note(&mut self, took: &[Duration]) -> bool {
        let seconds: Vec<f64> = took.iter().map(Duration::as_secs_f64).collect();
        self.seconds.extend(&seconds);
        let Some(best) = self.best else { return false };
        self.late += seconds.into_iter().filter(|took| best.is_late(*took)).count();
        best.pressure(self.late, self.seconds.len().max(WINDOW)) >= 1.0
    }

    /// Ends the window: late wake-ups as a multiple of what is bearable. `None` if there were too few.
    pub(super) fn end_window(&mut self) -> Option<f64> {
        let mut seconds = std::mem::take(&mut self.seconds);
        let late = std::mem::take(&mut self.late);
        if seconds.len() < LEAST {
            return None;
        }
        seconds.sort_unstable_by(f64::total_cmp);
        let found = Best::of(&seconds);
        let before = self.best.replace(self.best.map_or(found, |best| best.forgotten().least(found)));
        Some(before.map_or(0.0, |best| best.pressure(late, seconds.len())))
    }

    /// Begins the window anew.
    pub(super) fn restart(&mut self) {
        self.seconds.clear();
        self.late = 0;
    }
}

impl Best {
    fn of(sorted: &[f64]) -> Self {
        let best = Self { floor: quantile(sorted, FLOOR), late: 0.0 };
        let late = sorted.iter().filter(|took| best.is_late(**took)).count();
        Self { late: part(late, sorted.len()), ..best }
    }

    fn forgotten(self) -> Self {
        Self { floor: self.floor * FORGETS, late: self.late * FORGETS }
    }

    fn least(self, other: Self) -> Self {
        Self { floor: self.floor.min(other.floor), late: self.late.min(other.late) }
    }

    fn is_late(&self, took: f64) -> bool {
        took > self.floor * LATE
    }

    fn pressure(&self, late: usize, of: usize) -> f64 {
        part(late, of) / (self.late + BEARABLE)
    }
}

#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn part(some: usize, of: usize) -> f64 {
    some as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(wake_ups: &mut WakeUps, times: usize, us: u64) -> bool {
        wake_ups.note(&vec![Duration::from_micros(us); times])
    }

    /// Three of a thousand were late without any load.
    fn calm() -> WakeUps {
        let mut wake_ups = WakeUps::default();
        assert!(!note(&mut wake_ups, 997, 1_100) && !note(&mut wake_ups, 3, 4_000));
        assert_eq!(wake_ups.end_window(), Some(0.0));
        wake_ups
    }

    #[test]
    fn a_window_with_more_late_ones_than_are_bearable_is_a_sign() {
        for (late, is_sign) in [(0, false), (5, false), (7, false), (8, true), (100, true)] {
            let mut wake_ups = calm();
            note(&mut wake_ups, 1_000 - late, 1_200);
            note(&mut wake_ups, late, 2_000);
            let pressure = wake_ups.end_window().unwrap();
            assert_eq!(pressure >= 1.0, is_sign, "{late} late: {pressure}");
        }
    }

    #[test]
    fn what_a_whole_window_would_not_bear_is_told_at_once() {
        let mut wake_ups = calm();
        assert!(!note(&mut wake_ups, 9, 4_000));
        assert!(note(&mut wake_ups, 1, 4_000));
        wake_ups.restart();
        assert!(!note(&mut wake_ups, 9, 4_000), "each window counts its own");
    }

    #[test]
    fn late_is_measured_by_the_best_window_and_forgotten_in_time() {
        let mut wake_ups = WakeUps::default();
        assert!(!note(&mut wake_ups, 1_000, 9_000), "nothing is known yet");
        assert_eq!(wake_ups.end_window(), Some(0.0));
        note(&mut wake_ups, 1_000, 1_000);
        assert_eq!(wake_ups.end_window(), Some(0.0));
        assert!(note(&mut wake_ups, 1_000, 2_000), "measured by the second window");
        let again = |wake_ups: &mut WakeUps| {
            note(wake_ups, 1_000, 2_000);
            wake_ups.end_window().unwrap()
        };
        assert!((0..100).map(|_| again(&mut wake_ups)).last().unwrap() < 1.0);
    }

    #[test]
    fn few_say_nothing() {
        let mut wake_ups = calm();
        note(&mut wake_ups, 199, 1_000);
        assert_eq!(wake_ups.end_window(), None);
    }
}
