//! Live progress of a process: counters that every worker adds to, and what they say at an instant.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::grid::{per_second, permille, rows_f64};
use crate::{
    domain::{Books, Fate},
    run::State,
};

mod display;
mod render;

pub use display::{Stderr, Style, display};
pub use render::{block, log};

/// Length of the window over which the current rate is measured.
const WINDOW: Duration = Duration::from_secs(30);
/// An arrival time means nothing before so much time …
const ETA_AFTER: Duration = Duration::from_secs(10);
/// … and so many rows.
const ETA_ROWS: u64 = 20;

/// The counters of a process, shared by its workers. The caller supplies the time.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    total: u64,
    earlier: u64,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    books: Books,
    workers: Vec<Counts>,
    state: State,
    /// (when, rows that this process had done), oldest first; the first is the window's beginning.
    samples: VecDeque<(Instant, u64)>,
    longest: Duration,
}

/// Numbers of rows by kind of outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of rows that were migrated.
    pub succeeded: u64,
    /// Number of rows that failed.
    pub failed: u64,
    /// Number of rows that were skipped.
    pub skipped: u64,
}

impl Counts {
    fn add(&mut self, fate: &Fate) {
        match fate {
            Fate::Migrated(_) => self.succeeded += 1,
            Fate::Failed { .. } => self.failed += 1,
            Fate::Skipped { .. } => self.skipped += 1,
        }
    }
}

/// The counters at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Rows by kind, those of earlier processes included.
    pub counts: Counts,
    /// Rows of the plan or shard: the denominator.
    pub total: u64,
    /// Bytes copied, those of earlier processes included.
    pub bytes: u64,
    /// Since this process began.
    pub elapsed: Duration,
    /// Rows per second in the last 30 s.
    pub rate_now: f64,
    /// Rows per second since this process began.
    pub rate_average: f64,
    /// Time left; `None` until it means something.
    pub eta: Option<Duration>,
    /// The longest that a row took.
    pub longest_row: Duration,
    /// This process's rows by worker, from worker 1.
    pub workers: Vec<Counts>,
    /// What the process is doing.
    pub state: State,
}

impl Progress {
    /// Begins at `now`: `total` rows of which `earlier` have an outcome from earlier processes.
    pub fn new(now: Instant, total: u64, earlier: &Books, workers: usize) -> Self {
        let live = Live {
            books: earlier.clone(),
            workers: vec![Counts::default(); workers],
            state: State::default(),
            samples: VecDeque::from([(now, 0)]),
            longest: Duration::ZERO,
        };
        Self { began: now, total, earlier: earlier.rows(), live: Mutex::new(live) }
    }

    /// Counts the outcome of one row; `worker` counts from 1.
    pub fn outcome(&self, worker: usize, fate: &Fate, milliseconds: u64) {
        let mut live = self.live();
        live.books.count(fate);
        live.longest = live.longest.max(Duration::from_millis(milliseconds));
        if let Some(counts) = worker.checked_sub(1).and_then(|index| live.workers.get_mut(index)) {
            counts.add(fate);
        }
    }

    /// Says what the process is doing.
    pub fn set_state(&self, state: State) {
        self.live().state = state;
    }

    /// Counts of the whole so far, earlier processes included, for heartbeat and done marker.
    pub fn books(&self) -> Books {
        self.live().books.clone()
    }

    /// What the counters say at `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut live = self.live();
        let done = live.books.rows();
        let here = done.saturating_sub(self.earlier);
        let elapsed = now.saturating_duration_since(self.began);
        let rate_now = live.rate(now, here);
        let means_something = elapsed >= ETA_AFTER && here >= ETA_ROWS && rate_now > 0.0;
        let left = rows_f64(self.total.saturating_sub(done));
        let eta = means_something.then(|| Duration::try_from_secs_f64(left / rate_now).ok()).flatten();
        Snapshot {
            counts: Counts {
                succeeded: live.books.migrated,
                failed: live.books.rows_failed(),
                skipped: live.books.rows_skipped(),
            },
            total: self.total,
            bytes: live.books.bytes,
            elapsed,
            rate_now,
            rate_average: per_second(here, elapsed),
            eta,
            longest_row: live.longest,
            workers: live.workers.clone(),
            state: live.state.clone(),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // A panic between two counts loses nothing that the segments do not hold.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Rows per second since the oldest sample of the window; remembers at most a sample a second.
    fn rate(&mut self, now: Instant, here: u64) -> f64 {
        let age = |at: Instant| now.saturating_duration_since(at);
        while self.samples.get(1).is_some_and(|(at, _)| age(*at) >= WINDOW) {
            self.samples.pop_front();
        }
        let rate =
            self.samples.front().map_or(0.0, |(at, rows)| per_second(here - rows.min(&here), age(*at)));
        if self.samples.back().is_none_or(|(at, _)| age(*at) >= Duration::from_secs(1)) {
            self.samples.push_back((now, here));
        }
        rate
    }
}

impl Snapshot {
    /// Rows with an outcome.
    pub fn done(&self) -> u64 {
        self.counts.succeeded + self.counts.failed + self.counts.skipped
    }

    /// Tenths of a per cent, rounded down: 1000 only when no row is unaccounted for.
    pub fn permille(&self) -> u64 {
        permille(self.done(), self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FailCode, SkipCode};

    fn skipped() -> Fate {
        Fate::Skipped { code: SkipCode::DuplicateRow, detail: String::new() }
    }

    fn failed() -> Fate {
        Fate::Failed { code: FailCode::NoFiles, message: String::new() }
    }

    fn after(began: Instant, seconds: u64) -> Instant {
        began + Duration::from_secs(seconds)
    }

    #[test]
    fn it_never_says_100_percent_while_a_row_is_unaccounted_for() {
        let began = Instant::now();
        let progress = Progress::new(began, 80_151, &Books::default(), 1);
        for _ in 1..80_151 {
            progress.outcome(1, &skipped(), 1);
        }
        assert_eq!(progress.snapshot(began).permille(), 999);
        progress.outcome(1, &failed(), 1);
        assert_eq!(progress.snapshot(began).permille(), 1000);
    }

    #[test]
    fn rows_of_earlier_processes_count_as_done_but_not_into_the_rate() {
        let began = Instant::now();
        let mut earlier = Books::default();
        (0..90).for_each(|_| earlier.count(&skipped()));
        let progress = Progress::new(began, 200, &earlier, 2);
        (0..10).for_each(|_| progress.outcome(2, &failed(), 7));
        let snapshot = progress.snapshot(after(began, 5));
        assert_eq!((snapshot.done(), snapshot.permille()), (100, 500));
        assert_eq!(snapshot.counts, Counts { succeeded: 0, failed: 10, skipped: 90 });
        assert_eq!(snapshot.workers, [Counts::default(), Counts { failed: 10, ..Counts::default() }]);
        assert!((snapshot.rate_average - 2.0).abs() < 1e-9, "{snapshot:?}");
        assert_eq!(snapshot.longest_row, Duration::from_millis(7));
    }

    #[test]
    fn the_rate_of_now_forgets_what_is_older_than_the_window() {
        let began = Instant::now();
        let progress = Progress::new(began, 10_000, &Books::default(), 1);
        for second in 1..=60 {
            let rows = if second <= 20 { 100 } else { 10 };
            (0..rows).for_each(|_| progress.outcome(1, &skipped(), 1));
            progress.snapshot(after(began, second));
        }
        let snapshot = progress.snapshot(after(began, 60));
        assert!((snapshot.rate_now - 10.0).abs() < 0.5, "{}", snapshot.rate_now);
        assert!((snapshot.rate_average - 40.0).abs() < 0.5, "{}", snapshot.rate_average);
        assert_eq!(snapshot.eta.map(|eta| eta.as_secs()), Some(760));
    }

    #[test]
    fn the_eta_is_withheld_until_it_means_something() {
        let began = Instant::now();
        let progress = Progress::new(began, 1_000, &Books::default(), 1);
        (0..19).for_each(|_| progress.outcome(1, &skipped(), 1));
        assert_eq!(progress.snapshot(after(began, 20)).eta, None, "too few rows");
        (0..100).for_each(|_| progress.outcome(1, &skipped(), 1));
        assert_eq!(progress.snapshot(after(began, 9)).eta, None, "too early");
        assert!(progress.snapshot(after(began, 21)).eta.is_some());
        assert_eq!(progress.snapshot(after(began, 60)).eta, None, "nothing moves");
    }

    #[test]
    fn a_plan_without_rows_is_done() {
        let snapshot = Progress::new(Instant::now(), 0, &Books::default(), 0).snapshot(Instant::now());
        assert_eq!((snapshot.done(), snapshot.permille()), (0, 1000));
    }
}
