//! The target guard: slows a process down while the target database is under load, and says why.
//!
//! Every ten seconds one query on a connection of the first worker asks the database how other sessions fare; between two
//! looks the process's own commits are timed, and small sleeps of the server by its own clock: how late it wakes up is what
//! other clients feel of busy processors. What it sees moves the share of full speed ([`speed`]), which the gate before
//! the connections keeps. No process talks to another: all of them see one database. A look that fails changes nothing,
//! no row is blamed, and no run ends because of it. When the process stops, the gate opens: rows under way are finished.

mod latency;
mod speed;
mod told;
mod wake_ups;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use latency::Latency;
use speed::{Pressure, Speed};
use told::{figures, state, tell_hidden, tell_unmeasured};
use wake_ups::WakeUps;

use super::{Shard, pace::Pace};
use crate::{
    ports::{Fault, FaultKind, Gate, LoadSign, Service, TargetLoad, TargetWriter, pause},
    report::events::{Consumer, Event, Events, Guarded, now, since},
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two measurements of wake-ups.
const WAKE_EVERY: Duration = Duration::from_millis(100);
/// For statements under way to end after the speed was lowered between two looks.
const SETTLES: Duration = Duration::from_secs(1);
/// A look that takes longer says nothing.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Sessions of others that wait for a lock: for so long.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// A transaction of another session that is long.
const LONG_TRANSACTION: Duration = Duration::from_mins(1);
/// A replica that is behind.
const LONG_LAG: Duration = Duration::from_secs(10);
/// What was measured if too many wake-ups were late.
const LATE: &str = "more sleeping sessions than at best wake up late";
/// How many times as long as at best commits take if the database is overloaded.
const SLOW_COMMITS: f64 = 3.0;

/// The guard of a process. It lasts for all shards of the process.
pub struct Guard {
    gate: Arc<Gate>,
    seen: Mutex<Seen>,
}

struct Seen {
    speed: Speed,
    latency: Latency,
    wake_ups: WakeUps,
    /// When the database was looked at last.
    looked: Option<Instant>,
    /// The share that was told last, and its reason.
    told: Option<(f64, Option<LoadSign>)>,
    warned: Warned,
    /// Wake-ups lowered the speed since the last look.
    lowered: bool,
    /// Why wake-ups could not be measured, since the last look.
    unmeasured: Option<String>,
}

/// What was warned of once.
#[derive(Default)]
struct Warned {
    hidden: bool,
    failed: bool,
    unmeasured: bool,
}

/// Watches the target of a shard until it is `done`, if the process has a guard.
pub(super) async fn watch(
    guard: Option<&Guard>,
    targets: &[Arc<dyn TargetWriter>],
    shard: &Shard,
    done: &CancellationToken,
) {
    if let Some((guard, target)) = guard.zip(targets.first()) {
        guard.watch(target, &shard.pace, &shard.events, done, &shard.stop).await;
    }
}

/// What is asked of the target.
trait Watched {
    async fn load(&self) -> Result<TargetLoad, Fault>;
    async fn wake_ups(&self) -> Result<Vec<Duration>, Fault>;
}

impl Watched for Arc<dyn TargetWriter> {
    async fn load(&self) -> Result<TargetLoad, Fault> {
        self.as_ref().load().await
    }

    async fn wake_ups(&self) -> Result<Vec<Duration>, Fault> {
        self.as_ref().wake_ups().await
    }
}

impl Guard {
    /// Before this gate, which it closes in part at once.
    pub fn new(gate: Arc<Gate>) -> Self {
        let speed = Speed::new();
        gate.set_speed(speed.share());
        let latency = Latency::default();
        let seen = Seen {
            speed,
            latency,
            wake_ups: WakeUps::default(),
            looked: None,
            told: None,
            warned: Warned::default(),
            lowered: false,
            unmeasured: None,
        };
        Self { gate, seen: Mutex::new(seen) }
    }

    /// Looks at the target, and moves the speed, until the shard is `done` or the process stops.
    async fn watch(
        &self,
        target: &impl Watched,
        pace: &Pace,
        events: &Events,
        done: &CancellationToken,
        stop: &CancellationToken,
    ) {
        // The shard before may have been stopped, which opened the gate.
        self.apply(pace, events, "");
        tokio::select! {
            () = done.cancelled() => {}
            () = stop.cancelled() => {
                self.gate.set_speed(1.0);
                pace.slowed(None);
            }
            () = self.keep_looking(target, pace, events) => {}
        }
    }

    async fn keep_looking(&self, target: &impl Watched, pace: &Pace, events: &Events) {
        loop {
            let looked = self.seen().looked;
            if let Some(looked) = looked {
                self.keep_measuring(target, looked, pace, events).await;
            }
            self.seen().looked = Some(now());
            let load = within_limit(target.load()).await;
            // Before the first commit a target without load says nothing of what it will bear.
            let figures = self.judge(load, looked.is_some());
            self.apply(pace, events, &figures);
        }
    }

    /// Measures wake-ups until the next look is due.
    async fn keep_measuring(&self, target: &impl Watched, looked: Instant, pace: &Pace, events: &Events) {
        let left = || LOOK_EVERY.saturating_sub(since(looked));
        while !left().is_zero() {
            pause(WAKE_EVERY.min(left())).await;
            match within_limit(target.wake_ups()).await {
                Ok(took) if self.lowered(&took) => {
                    self.apply(pace, events, LATE);
                    pause(SETTLES.min(left())).await;
                }
                Ok(_) => {}
                // A target that is away is asked no more often than it is looked at.
                Err(fault) => {
                    self.seen().unmeasured = Some(fault.chain());
                    pause(left()).await;
                }
            }
        }
    }

    /// Notes wake-ups; whether they lowered the speed.
    fn lowered(&self, took: &[Duration]) -> bool {
        let mut seen = self.seen();
        let is_sign = seen.wake_ups.note(took) && !seen.speed.is_idle();
        if is_sign {
            seen.wake_ups.restart();
            seen.lowered = true;
            seen.speed.judge(&[(LoadSign::ResponseTime, 1.0)], false);
        }
        is_sign
    }

    /// Moves the speed; what was measured, in words.
    fn judge(&self, load: Result<TargetLoad, Fault>, may_rise: bool) -> String {
        let mut seen = self.seen();
        let slower = seen.latency.end_window();
        let idle = seen.speed.is_idle();
        let late = seen.wake_ups.end_window(idle);
        let lowered = std::mem::take(&mut seen.lowered);
        let unmeasured = seen.unmeasured.take();
        let load = match load {
            Ok(load) => {
                seen.warned.failed = false;
                if load.hides_something() && !std::mem::replace(&mut seen.warned.hidden, true) {
                    tell_hidden(&load);
                }
                Some(load)
            }
            Err(fault) => {
                if !std::mem::replace(&mut seen.warned.failed, true) {
                    tracing::warn!(fault = %fault.chain(), "the target guard could not look at the target; the speed does not rise meanwhile");
                }
                None
            }
        };
        if may_rise
            && load.is_some()
            && late.is_none()
            && !lowered
            && !std::mem::replace(&mut seen.warned.unmeasured, true)
        {
            tell_unmeasured(unmeasured.as_deref().unwrap_or("too few answers in 10 s"));
        }
        let mut found = pressures(load.as_ref(), slower);
        found.extend(late.map(|late| (LoadSign::ResponseTime, late)));
        seen.speed.judge(&found, may_rise && load.is_some() && !lowered);
        let mut figures = figures(load.as_ref(), slower);
        figures.extend(late.filter(|late| *late >= 1.0).map(|_| LATE.to_owned()));
        figures.join("; ")
    }

    /// Brings gate, state and consumers to the present speed.
    fn apply(&self, pace: &Pace, events: &Events, figures: &str) {
        let (share, because, told) = {
            let mut seen = self.seen();
            let (share, because) = (seen.speed.share(), seen.speed.because());
            (share, because, seen.told.replace((share, because)))
        };
        let changed = told.is_none_or(|told| told.1 != because || (told.0 - share).abs() > f64::EPSILON);
        self.gate.set_speed(share);
        pace.slowed(because.map(|because| state(share, because)));
        events.tell(Event::Guarded(Guarded { share, because, changed, figures }));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer for Guard {
    /// Times the commits.
    fn take(&self, _: Instant, event: &Event<'_>) {
        if let Event::Committed { submissions, took, in_transaction } = event {
            self.seen().latency.note(*submissions, *took, *in_transaction);
        }
    }
}

async fn within_limit<T>(asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(LOOK_LIMIT, asking).await.unwrap_or_else(|_elapsed| {
        Err(Fault::new(Service::Database, FaultKind::Unavailable, "no answer within 10 s"))
    })
}

/// Each sign that can be measured, as a share of its threshold.
fn pressures(load: Option<&TargetLoad>, slower: Option<f64>) -> Vec<Pressure> {
    let share = |time: Duration, threshold: Duration| time.as_secs_f64() / threshold.as_secs_f64();
    let mut found: Vec<Pressure> =
        slower.map(|slower| (LoadSign::CommitLatency, slower / SLOW_COMMITS)).into_iter().collect();
    let Some(load) = load else { return found };
    found.push((LoadSign::LockWaits, share(load.longest_wait, LONG_WAIT)));
    let transaction = load.longest_transaction.unwrap_or_default();
    found.push((LoadSign::LongTransaction, share(transaction, LONG_TRANSACTION)));
    found.push((LoadSign::ReplicationLag, share(load.replication_lag.unwrap_or_default(), LONG_LAG)));
    found
}

#[cfg(test)]
mod tests;
