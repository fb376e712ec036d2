//! How late the server wakes up from short sleeps, beside how late it does while this process is as good as idle: what
//! other clients feel of the processors that this process uses.

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
/// So many more are late than at best, as a part of all, if the processors are too busy; and half of what is late at best.
const BEARABLE: f64 = 0.005;

/// The wake-ups of a window, and what they are measured by.
#[derive(Debug, Default)]
pub(super) struct WakeUps {
    best: Option<Best>,
    /// Of this window, in seconds.
    seconds: Vec<f64>,
    late: usize,
}

/// What windows have shown in which this process was as good as idle.
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

    /// Ends the window: how many more are late than at best, as a multiple of what is bearable. `None` if there were too
    /// few. In a window in which this process was as good as `idle`, what is best is learnt anew by half.
    pub(super) fn end_window(&mut self, idle: bool) -> Option<f64> {
        let mut seconds = std::mem::take(&mut self.seconds);
        let late = std::mem::take(&mut self.late);
        if seconds.len() < LEAST {
            return None;
        }
        seconds.sort_unstable_by(f64::total_cmp);
        let found = Best::of(&seconds);
        let before = self.best;
        self.best = Some(match before {
            None => found,
            Some(best) if idle => best.mean(found),
            Some(best) => Best { floor: best.floor.min(found.floor), ..best },
        });
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

    fn mean(self, other: Self) -> Self {
        Self { floor: f64::midpoint(self.floor, other.floor), late: f64::midpoint(self.late, other.late) }
    }

    fn is_late(&self, took: f64) -> bool {
        took > self.floor * LATE
    }

    fn pressure(&self, late: usize, of: usize) -> f64 {
        (part(late, of) - self.late) / (BEARABLE + self.late / 2.0)
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

    /// A window of a thousand, of which some are late.
    fn window(wake_ups: &mut WakeUps, late: usize, idle: bool) -> f64 {
        note(wake_ups, 1_000 - late, 1_200);
        note(wake_ups, late, 2_000);
        wake_ups.end_window(idle).unwrap()
    }

    /// Four of a thousand were late without any load.
    fn calm() -> WakeUps {
        let mut wake_ups = WakeUps::default();
        assert!(!note(&mut wake_ups, 996, 1_100) && !note(&mut wake_ups, 4, 4_000));
        assert_eq!(wake_ups.end_window(true), Some(0.0));
        wake_ups
    }

    #[test]
    fn a_window_with_more_late_ones_than_are_bearable_is_a_sign() {
        for (late, is_sign) in [(0, false), (4, false), (10, false), (12, true), (100, true)] {
            let pressure = window(&mut calm(), late, false);
            assert_eq!(pressure >= 1.0, is_sign, "{late} late: {pressure}");
        }
    }

    #[test]
    fn what_a_whole_window_would_not_bear_is_told_at_once() {
        let mut wake_ups = calm();
        assert!(!note(&mut wake_ups, 13, 4_000));
        assert!(note(&mut wake_ups, 1, 4_000));
        wake_ups.restart();
        assert!(!note(&mut wake_ups, 13, 4_000), "each window counts its own");
    }

    #[test]
    fn a_window_without_late_ones_is_not_the_measure_for_a_night() {
        let mut wake_ups = calm();
        for _ in 0..100 {
            assert!(window(&mut wake_ups, 0, false) < 1.0);
            assert!(window(&mut wake_ups, 8, false) < 1.0);
        }
    }

    #[test]
    fn what_is_best_is_learnt_anew_while_the_process_is_idle_and_never_from_its_own_load() {
        let mut wake_ups = calm();
        for _ in 0..100 {
            assert!(window(&mut wake_ups, 200, false) >= 1.0, "its own load");
        }
        let pressures: Vec<f64> = (0..8).map(|_| window(&mut wake_ups, 200, true)).collect();
        assert!(pressures[0] >= 1.0 && pressures[7] < 0.5, "another server: {pressures:?}");
    }

    #[test]
    fn a_server_that_is_slower_for_good_is_the_measure_after_some_idle_windows() {
        let mut wake_ups = calm();
        let slower = |wake_ups: &mut WakeUps| {
            note(wake_ups, 1_000, 3_000);
            wake_ups.end_window(true).unwrap()
        };
        assert!(slower(&mut wake_ups) >= 1.0);
        assert!((0..8).map(|_| slower(&mut wake_ups)).last().unwrap() < 0.5);
    }

    #[test]
    fn few_say_nothing() {
        let mut wake_ups = calm();
        note(&mut wake_ups, 199, 1_000);
        assert_eq!(wake_ups.end_window(true), None);
    }
}
