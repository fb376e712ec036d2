//! Live progress of a process: what the events of its shards add up to, and what that says at an instant.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    events::{Beginning, Consumer, Ended, Event, Settled},
    grid::{per_second, permille, rows_f64},
};
use crate::{
    domain::{Books, Fate, ShardIndex},
    run::{Limit, State},
};

mod display;
mod render;

pub use display::{Bar, Stderr, Style, display, show_now};
pub use render::{block, block_on_terminal, log};

/// Length of the window over which the current rate is measured.
const WINDOW: Duration = Duration::from_secs(30);
/// An estimated end is shown only after this much time …
const ETA_AFTER: Duration = Duration::from_secs(10);
/// … and this number of rows.
const ETA_ROWS: u64 = 20;

/// Counts the events of a process, over all of its shards. The caller supplies the time.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    total: u64,
    shards: usize,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    books: Books,
    /// Rows with an outcome from earlier processes.
    earlier: u64,
    workers: Vec<Counts>,
    state: State,
    shards: BTreeMap<ShardIndex, OfShard>,
    current: Option<ShardIndex>,
    /// (when, rows that this process had done), oldest first; the first is the window's beginning.
    samples: VecDeque<(Instant, u64)>,
    longest: Duration,
}

/// One shard that this process has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfShard {
    /// Index of the shard.
    pub shard: ShardIndex,
    /// Rows of its queue.
    pub rows: u64,
    /// Of them with an outcome, from earlier processes too.
    pub done: u64,
    /// Of them done by this process.
    pub here: u64,
    /// How long this process has worked on it.
    pub took: Duration,
    /// Whether this process still does.
    pub ended: Option<Ended>,
    /// When this process began it.
    pub began: Instant,
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
    /// Shards of the process; of a single one nothing is shown.
    pub shards: usize,
    /// Those that have begun, in order.
    pub begun: Vec<OfShard>,
    /// What limits the speed, the most important first.
    pub limits: Vec<Limit>,
}

impl Consumer for Progress {
    fn take(&self, at: Instant, event: &Event<'_>) {
        match event {
            Event::ShardBegan(beginning) => self.live().begins(at, beginning),
            Event::RowSettled(settled) => self.live().settles(settled),
            Event::StateChanged { state } => self.live().state = (*state).clone(),
            Event::ShardEnded { shard, ended } => self.live().ends(at, *shard, *ended),
            // What a row tells of besides takes no lock.
            _ => {}
        }
    }
}

impl Progress {
    /// Begins at `now`: `total` rows in so many shards.
    pub fn new(now: Instant, total: u64, shards: usize) -> Self {
        let live = Live {
            books: Books::default(),
            earlier: 0,
            workers: Vec::new(),
            state: State::default(),
            shards: BTreeMap::new(),
            current: None,
            samples: VecDeque::from([(now, 0)]),
            longest: Duration::ZERO,
        };
        Self { began: now, total, shards, live: Mutex::new(live) }
    }

    /// Counts of the whole so far, earlier processes included.
    pub fn books(&self) -> Books {
        self.live().books.clone()
    }

    /// What the counters say at `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let mut live = self.live();
        let done = live.books.rows();
        let here = done.saturating_sub(live.earlier);
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
            shards: self.shards,
            begun: live.shards.values().map(|shard| shard.at(now)).collect(),
            limits: Vec::new(),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // A panic between two counts loses nothing that the segments do not hold.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn begins(&mut self, at: Instant, beginning: &Beginning<'_>) {
        let done = beginning.earlier.rows();
        self.books.add(beginning.earlier);
        self.earlier += done;
        let workers = self.workers.len().max(beginning.workers);
        self.workers.resize(workers, Counts::default());
        self.current = Some(beginning.shard);
        let (shard, rows, took) = (beginning.shard, beginning.rows, Duration::ZERO);
        let begun = OfShard { shard, rows, done, here: 0, took, ended: None, began: at };
        self.shards.insert(beginning.shard, begun);
    }

    fn settles(&mut self, settled: &Settled<'_>) {
        self.books.count(settled.fate);
        self.longest = self.longest.max(settled.times.whole);
        if let Some(counts) = settled.worker.checked_sub(1).and_then(|place| self.workers.get_mut(place)) {
            counts.add(settled.fate);
        }
        if let Some(shard) = self.current.and_then(|shard| self.shards.get_mut(&shard)) {
            shard.done += 1;
            shard.here += 1;
        }
    }

    fn ends(&mut self, at: Instant, shard: ShardIndex, ended: Ended) {
        if let Some(shard) = self.shards.get_mut(&shard) {
            shard.took = at.saturating_duration_since(shard.began);
            shard.ended = Some(ended);
        }
    }

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

impl OfShard {
    fn at(&self, now: Instant) -> Self {
        let took = if self.ended.is_none() { now.saturating_duration_since(self.began) } else { self.took };
        Self { took, ..*self }
    }

    /// How long all of its rows take at the pace of this process; `None` before a row is done.
    fn as_a_whole(&self) -> Option<Duration> {
        (self.here > 0).then(|| self.took.mul_f64(rows_f64(self.rows) / rows_f64(self.here)))
    }
}

impl Snapshot {
    /// How long each shard that has begun takes as a whole, as far as that is known.
    pub fn shard_times(&self) -> Vec<(ShardIndex, Duration)> {
        self.begun.iter().filter_map(|shard| Some((shard.shard, shard.as_a_whole()?))).collect()
    }

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
mod tests;
