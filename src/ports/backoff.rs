//! The one mechanism for waiting: pauses between retries with their limit, intervals, work that is due, and the time that a stop allows.
//! No other module sleeps (`tests/it/architecture.rs`).

use std::{future::pending, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Fault, FaultKind, Retry};

/// A pause that doubles with each failure, from the first to the longest. The second half of each is left to chance,
/// so that many processes do not come back in one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// For one operation among many: from 100 ms to 15 s.
    pub const OPERATION: Self = Self::new(Duration::from_millis(100), Duration::from_secs(15));
    /// For a process that waits as a whole: from 1 s to 1 min.
    pub const PROCESS: Self = Self::new(Duration::from_secs(1), Duration::from_mins(1));

    /// From `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// For polling: always about `every`, at least half of it.
    pub const fn steady(every: Duration) -> Self {
        Self::new(every, every)
    }

    /// The pause after this number of consecutive failures, counted from 1.
    pub fn pause(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause / 2 + jitter(pause / 2)
    }

    /// As [`Backoff::pause`], and no shorter than what the service asks for. One that asks for no wait, or for a moment that has
    /// passed, refuses all the same: asked again at once, it would be as busy as before.
    pub fn pause_as_asked(self, failures: u32, asked: Option<Duration>) -> Duration {
        self.pause(failures).max(asked.unwrap_or_default())
    }
}

/// A random part of `most`.
pub fn jitter(most: Duration) -> Duration {
    let dice = uuid::Uuid::new_v4().as_u128() & 0xffff;
    most.mul_f64(u32::try_from(dice).map_or(0.5, f64::from) / 65536.0)
}

/// Counts consecutive failures of one service, or one step.
#[derive(Debug)]
pub struct Patience {
    backoff: Backoff,
    failures: u32,
    since: Option<Instant>,
}

impl Patience {
    /// No failure so far.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0, since: None }
    }

    /// One more failure: how long to pause before the next try.
    pub fn failed(&mut self) -> Duration {
        self.failures += 1;
        self.since.get_or_insert_with(Instant::now);
        self.backoff.pause(self.failures)
    }

    /// As [`Patience::failed`]; `None` if the next try would be later than `limit` after the first failure.
    pub fn failed_within(&mut self, limit: Duration) -> Option<Duration> {
        let pause = self.failed();
        (self.failing_for() + pause <= limit).then_some(pause)
    }

    /// As [`Patience::failed`]; `None` after this number of retries.
    pub fn failed_at_most(&mut self, retries: u32) -> Option<Duration> {
        let pause = self.failed();
        (self.failures <= retries).then_some(pause)
    }

    /// Time since the first of the consecutive failures.
    pub fn failing_for(&mut self) -> Duration {
        self.since.get_or_insert_with(Instant::now).elapsed()
    }

    /// Resets the count, because the service answered.
    pub fn answered(&mut self) {
        *self = Self::new(self.backoff);
    }
}

/// Retries a small request that changes nothing, or the same thing, twice within half a second: a broken connection of
/// the pool is no reason for the whole process to wait.
pub async fn gently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut patience = Patience::new(Backoff::OPERATION);
    loop {
        match attempt().await {
            Err(Fault { kind: FaultKind::Unavailable, .. })
                if let Some(wait) = patience.failed_at_most(2) =>
            {
                pause(wait).await;
            }
            other => return other,
        }
    }
}

/// Retries a request of the same kind until `limit` has passed since it first failed, for what may pass by itself. A service
/// that throttles is given the time that it asks for, if that is within the limit.
pub async fn within<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut patience = Patience::new(Backoff::OPERATION);
    loop {
        let fault = match attempt().await {
            Err(fault) if fault.kind.retry() == Retry::Again => fault,
            other => return other,
        };
        let Some(wait) = patience.failed_within(limit) else { return Err(fault) };
        let asked = match fault.kind {
            FaultKind::Throttled(asked) => asked.unwrap_or_default().min(limit),
            _ => Duration::ZERO,
        };
        pause(wait.max(asked)).await;
    }
}

/// Waits before the next try.
pub async fn pause(pause: Duration) {
    sleep(pause).await;
}

/// Periodic work: the first tick comes at once; a late tick delays the next ones, so that none come in a burst.
pub fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Work that is due at an instant: ends at once if that has passed, and never if none is set.
pub async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// Ends `limit` after the stop: what has not ended by then is dropped.
pub async fn overdue(stop: &CancellationToken, limit: Duration) {
    stop.cancelled().await;
    sleep(limit).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_at_least_half_of_it_is_certain() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for (failures, seconds) in [(1, 1), (2, 2), (5, 16), (6, 30), (u32::MAX, 30)] {
            let whole = Duration::from_secs(seconds);
            for _ in 0..50 {
                let pause = backoff.pause(failures);
                assert!(whole / 2 <= pause && pause <= whole, "{failures}: {pause:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_at_its_limit_and_begins_anew_with_an_answer() {
        let limit = Duration::from_mins(1);
        let mut patience = Patience::new(Backoff::PROCESS);
        let began = Instant::now();
        while let Some(wait) = patience.failed_within(limit) {
            pause(wait).await;
        }
        assert!(began.elapsed() <= limit && began.elapsed() > limit / 4);
        patience.answered();
        assert!(patience.failed_within(limit).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_request_is_sent_again_twice_within_half_a_second_and_only_if_no_answer_came() {
        use crate::ports::Service;
        for (kind, failures, sent, is_answered) in [
            (FaultKind::Unavailable, 2, 3, true),
            (FaultKind::Unavailable, 3, 3, false),
            (FaultKind::Throttled(None), 1, 1, false),
            (FaultKind::Denied, 1, 1, false),
        ] {
            let (began, tries) = (Instant::now(), std::cell::Cell::new(0));
            let answer = gently(|| async {
                tries.set(tries.get() + 1);
                let fault = || Fault::new(Service::RunStore, kind.clone(), "away");
                if tries.get() <= failures { Err(fault()) } else { Ok(()) }
            });
            assert_eq!((answer.await.is_ok(), tries.get()), (is_answered, sent), "{kind:?} {failures}");
            assert!(began.elapsed() <= Duration::from_millis(500), "{kind:?}: {:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_retried_until_the_limit_and_as_late_as_the_service_asks() {
        use crate::ports::Service;
        let limit = Duration::from_mins(1);
        let asked = Duration::from_secs(20);
        for (kind, least, most) in [
            (FaultKind::Unavailable, limit / 4, limit),
            (FaultKind::Throttled(Some(asked)), asked * 2, limit + asked),
            (FaultKind::Denied, Duration::ZERO, Duration::ZERO),
        ] {
            let began = Instant::now();
            let fault = || async { Err::<(), _>(Fault::new(Service::SourceBlobs, kind.clone(), "away")) };
            assert_eq!(within(limit, fault).await.unwrap_err().kind, kind);
            let took = began.elapsed();
            assert!(least <= took && took <= most, "{kind:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_of_retries_is_kept_to() {
        let mut patience = Patience::new(Backoff::steady(Duration::from_secs(1)));
        let retries = std::iter::from_fn(|| patience.failed_at_most(4)).count();
        assert_eq!(retries, 4);
        assert_eq!(patience.failing_for(), Duration::ZERO);
    }
}
