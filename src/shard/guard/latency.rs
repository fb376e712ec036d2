//! How long this process's commits take, beside how long they take at best.

use std::time::Duration;

/// Statements of a window on which a judgement rests.
const LEAST: usize = 10;
/// Times that are kept of a class and a window: the newest.
const KEPT: usize = 1_024;
/// A floor rises by so much in each window, so that one lucky window is not the measure for a night.
const FORGETS: f64 = 1.01;
/// The floor of a window: so much of its statements were faster.
const FASTEST: f64 = 0.1;
/// Sizes of a statement, in powers of two from 1 to 64.
const SIZES: usize = 7;

/// The times of statements, by kind and size: what a larger one takes longer is no sign of load.
#[derive(Debug, Default)]
pub(super) struct Latency {
    plain: [Class; SIZES],
    in_transactions: Class,
}

#[derive(Debug, Default)]
struct Class {
    /// How long a statement takes at best, in seconds; `None`: too few were seen.
    floor: Option<f64>,
    /// Of this window.
    seconds: Vec<f64>,
    /// Where the next time goes once [`KEPT`] are there.
    next: usize,
}

impl Latency {
    /// Notes a statement that was answered.
    pub(super) fn note(&mut self, submissions: usize, took: Duration, in_transaction: bool) {
        let size = submissions.max(1).ilog2() as usize;
        let class = match self.plain.get_mut(size.min(SIZES - 1)) {
            Some(class) if !in_transaction => class,
            _ => &mut self.in_transactions,
        };
        class.note(took.as_secs_f64());
    }

    /// Ends the window: how many times its floor a statement took, the median of each class, weighted by its statements.
    /// `None` if there were too few.
    pub(super) fn end_window(&mut self) -> Option<f64> {
        let (mut statements, mut sum) = (0, 0.0);
        // What carries less is never slower at best than what carries more.
        let mut larger: Option<f64> = None;
        for class in self.plain.iter_mut().rev() {
            let ratio = class.end_window(larger);
            larger = class.floor.into_iter().chain(larger).reduce(f64::min);
            add(ratio, &mut statements, &mut sum);
        }
        add(self.in_transactions.end_window(None), &mut statements, &mut sum);
        (statements > 0).then(|| sum / f64::from(statements))
    }
}

fn add(ratio: Option<(u32, f64)>, statements: &mut u32, sum: &mut f64) {
    if let Some((counted, ratio)) = ratio {
        *statements += counted;
        *sum += f64::from(counted) * ratio;
    }
}

impl Class {
    fn note(&mut self, seconds: f64) {
        if self.seconds.len() < KEPT {
            self.seconds.push(seconds);
        } else if let Some(oldest) = self.seconds.get_mut(self.next) {
            *oldest = seconds;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// The number of its statements, and how many times the floor the median of them took.
    fn end_window(&mut self, larger: Option<f64>) -> Option<(u32, f64)> {
        let mut seconds = std::mem::take(&mut self.seconds);
        self.next = 0;
        if seconds.len() < LEAST {
            return None;
        }
        seconds.sort_unstable_by(f64::total_cmp);
        let fastest = quantile(&seconds, FASTEST);
        let floor = self.floor.map(|floor| floor * FORGETS).into_iter().chain(larger).fold(fastest, f64::min);
        self.floor = Some(floor);
        let counted = u32::try_from(seconds.len()).unwrap_or(u32::MAX);
        Some((counted, quantile(&seconds, 0.5) / floor.max(f64::EPSILON)))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 1,024 times"
)]
pub(super) fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted.get((sorted.len() as f64 * part) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(latency: &mut Latency, statements: &[(usize, u64)]) -> Option<f64> {
        for (submissions, ms) in statements {
            (0..20).for_each(|_| latency.note(*submissions, Duration::from_millis(*ms), false));
        }
        latency.end_window()
    }

    fn is_about(ratio: Option<f64>, expected: f64) -> bool {
        ratio.is_some_and(|ratio| (ratio / expected - 1.0).abs() < 0.02)
    }

    #[test]
    fn a_statement_is_measured_by_the_best_of_its_own_size() {
        let mut latency = Latency::default();
        assert!(is_about(window(&mut latency, &[(1, 4), (64, 40)]), 1.0));
        assert!(is_about(window(&mut latency, &[(64, 40)]), 1.0), "a large one is no sign of load");
        assert!(is_about(window(&mut latency, &[(1, 12)]), 3.0));
        assert!(
            is_about(window(&mut latency, &[(1, 4), (64, 120)]), 2.0),
            "half of them took three times as long"
        );
        assert!(is_about(window(&mut latency, &[(2, 80)]), 2.0), "never more than the best of a larger one");
    }

    #[test]
    fn transactions_are_measured_by_transactions_and_few_statements_say_nothing() {
        let mut latency = Latency::default();
        assert_eq!(latency.end_window(), None);
        (0..9).for_each(|_| latency.note(1, Duration::from_millis(4), false));
        assert_eq!(latency.end_window(), None);
        (0..20).for_each(|_| latency.note(1, Duration::from_millis(4), false));
        (0..20).for_each(|_| latency.note(1, Duration::from_millis(40), true));
        assert!(is_about(latency.end_window(), 1.0));
    }

    #[test]
    fn a_lucky_window_is_forgotten_in_time_and_memory_is_bounded() {
        let mut latency = Latency::default();
        window(&mut latency, &[(1, 1)]);
        let last = (0..100).map(|_| window(&mut latency, &[(1, 2)])).last().flatten();
        assert!(is_about(last, 1.0), "{last:?}");
        (0..100_000).for_each(|_| latency.note(1, Duration::from_millis(1), false));
        assert_eq!(latency.plain[0].seconds.len(), KEPT);
    }
}
