//! What limits the speed of a run: a consumer of events that sums up where the time goes, and the advice made of it.

mod advice;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use advice::{advice, of_shards, slow_shard};

use super::events::{Beginning, Consumer, Event, Gain, Settled, Wait};
use crate::{
    domain::Fate,
    ports::Service,
    run::{Answers, Breaker, State, Work},
};

/// What a process did in this time is what it is doing now.
const WINDOW: Duration = Duration::from_mins(1);
/// Newest rows that the breaker looks at.
const BREAKER_ROWS: usize = 1_000;

/// Sums up where the time of a process goes. The caller supplies the time.
pub struct Limits {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    began: Option<Instant>,
    workers: u32,
    /// All sums but those that the two maps below and [`Seen::troubled`] hold: a request makes no text.
    work: Work,
    waited_us: BTreeMap<Wait, u64>,
    asked: BTreeMap<Service, Answers>,
    troubled: BTreeMap<Service, (Instant, Trouble)>,
    breaker: Option<f64>,
    /// Whether each of the newest rows that reached copy failed.
    reached: VecDeque<bool>,
    failures: u64,
    /// The sums of earlier seconds, oldest first.
    earlier: VecDeque<(Instant, Work)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Throttled,
    Away,
}

impl Limits {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self { seen: Mutex::default() }
    }

    /// Everything until `now`.
    pub fn whole(&self, now: Instant) -> Work {
        self.seen().until(now)
    }

    /// The last minute before `now`.
    pub fn recent(&self, now: Instant) -> Work {
        let seen = self.seen();
        let whole = seen.until(now);
        let is_young = seen.began.is_none_or(|began| now.saturating_duration_since(began) < WINDOW);
        match seen.earlier.front() {
            Some((_, earlier)) if !is_young => whole.since(earlier),
            _ => whole,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Consumer for Limits {
    fn take(&self, at: Instant, event: &Event<'_>) {
        self.seen().take(at, event);
    }
}

impl Seen {
    fn take(&mut self, at: Instant, event: &Event<'_>) {
        let work = &mut self.work;
        match event {
            Event::ShardBegan(beginning) => self.begins(at, beginning),
            Event::Gathered { took, .. } => work.gather_us += us(*took),
            Event::RowSettled(settled) => self.settles(settled),
            Event::FileCopied { bytes, took } => {
                work.files += 1;
                work.bytes += bytes;
                work.file_us += us(*took);
            }
            Event::Waited { on, took } => *self.waited_us.entry(*on).or_default() += us(*took),
            Event::Asked { service, took } => {
                let answers = self.asked.entry(*service).or_default();
                answers.answers += 1;
                answers.us += us(*took);
            }
            Event::ServiceTroubled { fault, state } => {
                let trouble =
                    if matches!(state, State::Throttled(_)) { Trouble::Throttled } else { Trouble::Away };
                self.answers(fault.service, at);
                self.troubled.insert(fault.service, (at, trouble));
            }
            Event::ServiceAnswers { service, .. } => self.answers(*service, at),
            Event::Raised(gain) => {
                work.raises += 1;
                work.raises_lost += u64::from(*gain == Gain::Nothing);
            }
            Event::Sampled(sample) => {
                work.cpu_us += us(sample.cpu);
                work.core_us += us(sample.took.saturating_mul(u32::try_from(sample.cores).unwrap_or(1)));
                self.remember(at);
            }
            Event::BytesMoved { .. }
            | Event::Sized { .. }
            | Event::PromiseBroken { .. }
            | Event::RowBegan { .. }
            | Event::RowDropped { .. }
            | Event::StageRetried { .. }
            | Event::StateChanged { .. }
            | Event::ShardEnded { .. }
            | Event::MergeProgressed { .. }
            | Event::CheckDone { .. } => {}
        }
    }

    fn begins(&mut self, at: Instant, beginning: &Beginning<'_>) {
        self.began.get_or_insert(at);
        self.workers = u32::try_from(beginning.workers).unwrap_or(u32::MAX);
        self.breaker = beginning.breaker;
        self.reached.clear();
        self.failures = 0;
        self.work.breaker = None;
    }

    fn settles(&mut self, settled: &Settled<'_>) {
        self.work.rows += 1;
        self.work.row_us += us(settled.times.whole);
        self.work.copy_us += us(settled.times.copy.unwrap_or_default());
        let failed = match settled.fate {
            Fate::Migrated(migrated) if !migrated.recovered => false,
            Fate::Failed { code, .. } if code.reached_copy() => true,
            _ => return,
        };
        let Some(share) = self.breaker else { return };
        self.reached.push_back(failed);
        self.failures += u64::from(failed);
        if self.reached.len() > BREAKER_ROWS && self.reached.pop_front() == Some(true) {
            self.failures -= 1;
        }
        let rows = self.reached.len() as u64;
        self.work.breaker = Some(Breaker { rows, failures: self.failures, allowed: part(share, rows) });
    }

    /// Counts the time of a service's trouble, which is over.
    fn answers(&mut self, service: Service, at: Instant) {
        if let Some((since, trouble)) = self.troubled.remove(&service) {
            count_trouble(&mut self.work, service, trouble, at.saturating_duration_since(since));
        }
    }

    /// The sums at `now`, troubles that last included.
    fn until(&self, now: Instant) -> Work {
        let mut work = self.work.clone();
        work.waited_us = self.waited_us.iter().map(|(on, us)| (on.name().to_owned(), *us)).collect();
        work.asked = self.asked.iter().map(|(service, answers)| (service.to_string(), *answers)).collect();
        for (service, (since, trouble)) in &self.troubled {
            count_trouble(&mut work, *service, *trouble, now.saturating_duration_since(*since));
        }
        let elapsed = self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        work.elapsed_us = us(elapsed);
        work.worker_us = us(elapsed.saturating_mul(self.workers));
        work
    }

    /// Remembers the sums of this second, and forgets those before the window but the last.
    fn remember(&mut self, at: Instant) {
        let age = |then: Instant| at.saturating_duration_since(then);
        if self.earlier.back().is_some_and(|(then, _)| age(*then) < Duration::from_secs(1)) {
            return;
        }
        let work = self.until(at);
        self.earlier.push_back((at, work));
        while self.earlier.get(1).is_some_and(|(then, _)| age(*then) >= WINDOW) {
            self.earlier.pop_front();
        }
    }
}

fn count_trouble(work: &mut Work, service: Service, trouble: Trouble, lasted: Duration) {
    let sums = match trouble {
        Trouble::Throttled => &mut work.throttled_us,
        Trouble::Away => &mut work.away_us,
    };
    *sums.entry(service.to_string()).or_default() += us(lasted);
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// This share of so many rows, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "at most 1,000 rows, and a share between 0 and 1"
)]
fn part(share: f64, rows: u64) -> u64 {
    (share * rows as f64) as u64
}
