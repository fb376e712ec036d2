//! What limits the speed of a run: a consumer of events that sums up where the time goes, and the advice made of it.

mod advice;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use advice::{advice, of_shards, slow_shard};

use super::events::{Beginning, Consumer, Event, Gain, Sample, Settled, Wait};
use crate::{
    ports::{LoadSign, Service},
    run::{Answers, Commits, State, Work},
};

/// What a process did in this time is what it is doing now.
const WINDOW: Duration = Duration::from_mins(1);

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
    /// Since when the target guard slows the process down, and why.
    slowed: Option<(Instant, LoadSign)>,
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
    /// A row tells of more than is summed up here: what is not takes no lock.
    fn take(&self, at: Instant, event: &Event<'_>) {
        match event {
            Event::ShardBegan(beginning) => self.seen().begins(at, beginning),
            Event::Gathered { took, .. } => self.seen().work.gather_us += us(*took),
            Event::RowSettled(settled) => self.seen().settles(settled),
            Event::FileCopied { bytes, took } => self.seen().copied(*bytes, *took),
            Event::Committed { submissions, .. } => {
                let submissions = u64::try_from(*submissions).unwrap_or(u64::MAX);
                let commits = Commits { statements: 1, submissions, largest: submissions };
                self.seen().work.commits.add(commits);
            }
            Event::Guarded(guarded) => self.seen().guarded(at, guarded.because),
            Event::Waited { on, took } => *self.seen().waited_us.entry(*on).or_default() += us(*took),
            Event::Asked { service, took, .. } => self.seen().asked(*service, *took),
            Event::ServiceTroubled { fault, state } => {
                let trouble =
                    if matches!(state, State::Throttled(_)) { Trouble::Throttled } else { Trouble::Away };
                let mut seen = self.seen();
                seen.answers(fault.service, at);
                seen.troubled.insert(fault.service, (at, trouble));
            }
            Event::ServiceAnswers { service, .. } => self.seen().answers(*service, at),
            Event::Raised(gain) => self.seen().raised(*gain),
            Event::ShardEnded { .. } => self.seen().ends(at),
            Event::Sampled(sample) => self.seen().samples(at, sample),
            Event::BytesMoved { .. }
            | Event::Recorded { .. }
            | Event::Sized { .. }
            | Event::PromiseBroken { .. }
            | Event::RowBegan { .. }
            | Event::RowDropped { .. }
            | Event::StageRetried { .. }
            | Event::StateChanged { .. }
            | Event::MergeProgressed { .. }
            | Event::CheckDone { .. } => {}
        }
    }
}

impl Seen {
    fn begins(&mut self, at: Instant, beginning: &Beginning<'_>) {
        self.began.get_or_insert(at);
        // A shard that is done already begins without workers, between others that have some.
        self.workers = self.workers.max(u32::try_from(beginning.workers).unwrap_or(u32::MAX));
        self.work.breaker = None;
    }

    fn settles(&mut self, settled: &Settled<'_>) {
        self.work.rows += 1;
        self.work.row_us += us(settled.times.whole);
        self.work.copy_us += us(settled.times.copy.unwrap_or_default());
        self.work.breaker = settled.breaker;
    }

    fn copied(&mut self, bytes: u64, took: Duration) {
        self.work.files += 1;
        self.work.bytes += bytes;
        self.work.file_us += us(took);
    }

    fn asked(&mut self, service: Service, took: Duration) {
        let answers = self.asked.entry(service).or_default();
        answers.answers += 1;
        answers.us += us(took);
    }

    fn raised(&mut self, gain: Gain) {
        self.work.raises += 1;
        self.work.raises_lost += u64::from(gain == Gain::Nothing);
    }

    fn samples(&mut self, at: Instant, sample: &Sample) {
        self.work.cpu_us += us(sample.cpu);
        self.work.core_us += us(sample.took.saturating_mul(u32::try_from(sample.cores).unwrap_or(1)));
        self.remember(at);
    }

    /// Counts the time of a service's trouble, which is over.
    fn answers(&mut self, service: Service, at: Instant) {
        if let Some((since, trouble)) = self.troubled.remove(&service) {
            count_trouble(&mut self.work, service, trouble, at.saturating_duration_since(since));
        }
    }

    /// Counts what lasts until the end of a shard: with it the process waits for no service any more.
    fn ends(&mut self, at: Instant) {
        for (service, (since, trouble)) in std::mem::take(&mut self.troubled) {
            count_trouble(&mut self.work, service, trouble, at.saturating_duration_since(since));
        }
        self.guarded(at, None);
    }

    /// Counts the time since the last look of the target guard, if the process was slowed meanwhile.
    fn guarded(&mut self, at: Instant, because: Option<LoadSign>) {
        if let Some((since, sign)) = self.slowed.take() {
            count_slowed(&mut self.work, sign, at.saturating_duration_since(since));
        }
        self.slowed = because.map(|sign| (at, sign));
    }

    /// The sums at `now`, troubles that last included.
    fn until(&self, now: Instant) -> Work {
        let mut work = self.work.clone();
        work.waited_us = self.waited_us.iter().map(|(on, us)| (on.name().to_owned(), *us)).collect();
        work.asked = self.asked.iter().map(|(service, answers)| (service.to_string(), *answers)).collect();
        for (service, (since, trouble)) in &self.troubled {
            count_trouble(&mut work, *service, *trouble, now.saturating_duration_since(*since));
        }
        if let Some((since, sign)) = self.slowed {
            count_slowed(&mut work, sign, now.saturating_duration_since(since));
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

fn count_slowed(work: &mut Work, sign: LoadSign, lasted: Duration) {
    *work.slowed_us.entry(sign.name().to_owned()).or_default() += us(lasted);
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Books, ShardIndex},
        ports::{Fault, FaultKind},
        report::events::{Ended, Guarded},
        run::LimitCode,
    };

    #[test]
    fn a_shard_that_is_done_already_takes_no_workers_from_the_process() {
        let (limits, began, earlier) = (Limits::new(), Instant::now(), &Books::default());
        for (shard, workers) in [(0, 2), (1, 0)] {
            let shard = ShardIndex(shard);
            let beginning = Beginning { shard, rows: 1, last_row: 1, earlier, workers };
            limits.take(began, &Event::ShardBegan(beginning));
        }
        assert_eq!(limits.whole(began + Duration::from_secs(3)).worker_us, 6_000_000);
    }

    #[test]
    fn a_service_is_in_one_trouble_at_a_time_and_nothing_is_slowed_longer_than_the_shard() {
        let (limits, began) = (Limits::new(), Instant::now());
        let earlier = &Books::default();
        let shard = ShardIndex(0);
        let beginning = Beginning { shard, rows: 1, last_row: 1, earlier, workers: 1 };
        limits.take(began, &Event::ShardBegan(beginning));
        let fault = Fault::new(Service::TargetBlobs, FaultKind::Throttled(None), "no");
        let state = State::Throttled("503".into());
        limits.take(began, &Event::ServiceTroubled { fault: &fault, state: &state });
        let slow = Guarded { share: 0.5, because: Some(LoadSign::LockWaits), changed: true, figures: "" };
        limits.take(began, &Event::Guarded(slow));
        let away = State::Waiting("no answer".into());
        let at = |seconds| began + Duration::from_secs(seconds);
        limits.take(at(3), &Event::ServiceTroubled { fault: &fault, state: &away });
        limits.take(at(4), &Event::ShardEnded { shard, ended: Ended::Unfinished });
        let Work { throttled_us, away_us, slowed_us, .. } = limits.whole(at(100));
        assert_eq!(throttled_us, [("target blobs".to_owned(), 3_000_000)].into());
        assert_eq!(away_us, [("target blobs".to_owned(), 1_000_000)].into());
        assert_eq!(slowed_us, [("lock_waits".to_owned(), 4_000_000)].into());
    }

    #[test]
    fn the_target_guard_is_named_with_the_sign_that_slowed_most() {
        let (limits, began) = (Limits::new(), Instant::now());
        let earlier = &Books::default();
        let beginning = Beginning { shard: ShardIndex(0), rows: 1, last_row: 1, earlier, workers: 2 };
        limits.take(began, &Event::ShardBegan(beginning));
        let look = |second, because| {
            let guarded = Guarded { share: 0.5, because, changed: true, figures: "" };
            limits.take(began + Duration::from_secs(second), &Event::Guarded(guarded));
        };
        let advice = || advice(&Work { rows: 100, ..limits.whole(began + Duration::from_secs(100)) });
        look(0, Some(LoadSign::Start));
        look(2, None);
        look(50, Some(LoadSign::LockWaits));
        look(53, None);
        assert_eq!(advice(), [], "5 % of the time");
        look(95, Some(LoadSign::LockWaits));
        let [limit] = &advice()[..] else { panic!("{:?}", advice()) };
        assert_eq!(limit.code, LimitCode::TargetGuard);
        let text = &limit.text;
        assert!(
            text.contains("10 % of the time (shown above 5 %)") && text.contains("(lock_waits)"),
            "{text}"
        );
    }
}
