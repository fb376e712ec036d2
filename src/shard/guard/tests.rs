//! Tests of the guard on tokio's clock, with loads that are made up.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use tokio::time::Instant as Clock;

use super::*;

/// A target that shows these loads, one at each look; then none. Its sessions wake up so late, in microseconds; not at all at the most.
#[derive(Default)]
struct Loads {
    shown: Mutex<VecDeque<Look>>,
    looks: AtomicU32,
    wake_up_us: AtomicU64,
    measured: AtomicU32,
}

/// What a look shows; `None`: it fails.
type Look = Option<TargetLoad>;

impl Watched for Loads {
    async fn wake_ups(&self) -> Result<Vec<Duration>, Fault> {
        self.measured.fetch_add(1, Ordering::SeqCst);
        let late = self.wake_up_us.load(Ordering::SeqCst).checked_add(1_000);
        let late = late.ok_or_else(|| Fault::new(Service::Database, FaultKind::Denied, "no right"))?;
        Ok(vec![Duration::from_micros(late); 20])
    }

    async fn load(&self) -> Result<TargetLoad, Fault> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let shown = self.shown.lock().unwrap().pop_front().unwrap_or(CALM);
        shown.ok_or_else(|| Fault::new(Service::Database, FaultKind::Unavailable, "away"))
    }
}

/// The least share for late wake-ups.
const LEAST_SHARE: f64 = 1.0 / 1_024.0;

/// A guard that watches a target, on tokio's clock.
struct Watch {
    guard: Guard,
    target: Loads,
    pace: Pace,
    done: CancellationToken,
    stop: CancellationToken,
}

impl Watch {
    fn of(loads: impl IntoIterator<Item = Look>) -> Self {
        let target = Loads { shown: Mutex::new(loads.into_iter().collect()), ..Loads::default() };
        let (done, stop) = (CancellationToken::new(), CancellationToken::new());
        let pace = Pace::new(Duration::from_mins(1), stop.clone());
        Self { guard: Guard::new(Gate::new(8)), target, pace, done, stop }
    }

    async fn watching(&self, events: &Events) {
        self.guard.watch(&self.target, &self.pace, events, &self.done, &self.stop).await;
    }

    /// The share of full speed and the state right after each of so many looks.
    async fn after_looks(&self, looks: u32) -> Vec<(f64, String)> {
        let asking = async {
            let mut found = Vec::new();
            for look in 1..=looks {
                while self.target.looks.load(Ordering::SeqCst) < look {
                    pause(Duration::from_millis(500)).await;
                }
                pause(Duration::from_millis(500)).await;
                found.push((self.guard.gate.speed(), self.pace.state().to_string()));
            }
            self.done.cancel();
            found
        };
        let events = Events::default();
        tokio::join!(asking, self.watching(&events)).0
    }
}

/// Nothing is wrong.
const CALM: Look = Some(TargetLoad {
    waiting: 0,
    waiting_for_us: 0,
    longest_wait: Duration::ZERO,
    longest_transaction: None,
    replication_lag: None,
    hidden_sessions: 0,
    hidden_replicas: 0,
});

/// The looks at a target that lets a process reach full speed, and then shows this.
fn after_calm(shown: impl IntoIterator<Item = Look>) -> impl Iterator<Item = Look> {
    std::iter::repeat_n(CALM, 9).chain(shown)
}

fn waits(seconds: u64) -> TargetLoad {
    TargetLoad { waiting: 1, longest_wait: Duration::from_secs(seconds), ..TargetLoad::default() }
}

fn shares(found: &[(f64, String)]) -> Vec<f64> {
    found.iter().map(|(share, _)| *share).collect()
}

#[tokio::test(start_paused = true)]
async fn lock_waits_of_others_slow_the_process_down_and_it_recovers_when_they_are_gone() {
    let watch = Watch::of(after_calm([Some(waits(5)), Some(waits(9))]));
    let began = Clock::now();
    let found = watch.after_looks(14).await;
    assert_eq!(shares(&found)[..2], [1.0 / 256.0, 1.0 / 128.0]);
    assert_eq!(shares(&found)[7..], [0.5, 1.0, 0.5, 0.25, 0.5, 1.0, 1.0]);
    let states: Vec<&str> = found.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states[1], "slowed: target guard, 0.8 % of full speed: it begins slowly");
    assert_eq!(states[6], "slowed: target guard, 25 % of full speed: it begins slowly");
    assert_eq!(states[8], "running");
    assert_eq!(states[10], "slowed: target guard, 25 % of full speed: other sessions wait for locks");
    assert_eq!(states[12], "running");
    let elapsed = began.elapsed().as_secs();
    assert!((130..=132).contains(&elapsed), "one look every ten seconds: {elapsed}");
}

#[tokio::test(start_paused = true)]
async fn each_sign_slows_the_process_down_for_its_own_reason() {
    let load = TargetLoad::default();
    let signs = [
        (
            TargetLoad { longest_transaction: Some(Duration::from_mins(2)), ..load.clone() },
            "long transaction",
        ),
        (TargetLoad { replication_lag: Some(Duration::from_secs(30)), ..load.clone() }, "replica lags"),
        (TargetLoad { longest_wait: Duration::from_secs(1), waiting: 1, ..load }, "wait for locks"),
    ];
    for (load, says) in signs {
        let found = Watch::of(after_calm([Some(load)])).after_looks(10).await;
        let (share, state) = &found[9];
        assert!((share - 0.5).abs() < 1e-9 && state.contains(says), "{share} {state}");
    }
}

#[tokio::test(start_paused = true)]
async fn late_commits_slow_the_process_down_for_which_the_database_is_not_asked() {
    let watch = Watch::of([]);
    let commits = |ms| {
        for _ in 0..20 {
            let took = Duration::from_millis(ms);
            let event = Event::Committed { submissions: 1, took, in_transaction: false };
            watch.guard.take(now(), &event);
        }
    };
    watch.guard.seen().speed = Speed::of(0.25);
    commits(4);
    watch.guard.judge(Ok(TargetLoad::default()), true);
    commits(13);
    let figures = watch.guard.judge(Ok(TargetLoad::default()), true);
    watch.guard.apply(&watch.pace, &Events::default(), &figures);
    assert_eq!(
        watch.pace.state().to_string(),
        "slowed: target guard, 25 % of full speed: commits take longer than at best"
    );
    assert!(figures.contains("3.2 times as long as at best"), "{figures}");
}

#[tokio::test(start_paused = true)]
async fn late_wake_ups_slow_the_process_down_before_the_next_look() {
    let watch = Watch::of([]);
    watch.target.wake_up_us.store(100, Ordering::SeqCst);
    let loading = async {
        pause(Duration::from_secs(95)).await;
        assert!((watch.guard.gate.speed() - 1.0).abs() < 1e-9, "{}", watch.guard.gate.speed());
        watch.target.wake_up_us.store(900, Ordering::SeqCst);
        pause(Duration::from_millis(500)).await;
        assert!((watch.guard.gate.speed() - 0.5).abs() < 1e-9, "{}", watch.guard.gate.speed());
        assert_eq!(
            watch.pace.state().to_string(),
            "slowed: target guard, 50 % of full speed: its processors answer later than at best"
        );
        pause(Duration::from_secs(20)).await;
        let share = watch.guard.gate.speed();
        assert!((LEAST_SHARE..=4.0 * LEAST_SHARE).contains(&share), "{share}");
        // It is not this process that makes the server late: another one took its place.
        pause(Duration::from_mins(30)).await;
        assert!((watch.guard.gate.speed() - 1.0).abs() < 1e-9, "{}", watch.guard.gate.speed());
        watch.done.cancel();
    };
    let events = Events::default();
    tokio::join!(loading, watch.watching(&events));
}

#[tokio::test(start_paused = true)]
async fn wake_ups_that_cannot_be_measured_hold_nothing_up_and_are_asked_for_once_a_look() {
    let watch = Watch::of([]);
    watch.target.wake_up_us.store(u64::MAX, Ordering::SeqCst);
    let found = watch.after_looks(10).await;
    assert!((found[9].0 - 1.0).abs() < 1e-9, "{found:?}");
    let asked = watch.target.measured.load(Ordering::SeqCst);
    assert!((9..=10).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_changes_nothing_and_ends_nothing() {
    let watch = Watch::of([CALM, CALM, None, None, CALM]);
    let found = watch.after_looks(5).await;
    let first = 1.0 / 256.0;
    assert_eq!(shares(&found), [first, 2.0 * first, 2.0 * first, 2.0 * first, 4.0 * first]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_opens_the_gate_so_that_rows_under_way_are_finished() {
    let watch = Watch::of([]);
    let stopping = async {
        pause(Duration::from_secs(1)).await;
        watch.stop.cancel();
    };
    let events = Events::default();
    tokio::join!(stopping, watch.watching(&events));
    assert!((watch.guard.gate.speed() - 1.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn the_next_shard_of_a_process_goes_on_at_its_speed_and_looks_no_earlier() {
    let watch = Watch::of([]);
    watch.after_looks(9).await;
    let next = Watch { done: CancellationToken::new(), ..watch };
    next.target.looks.store(0, Ordering::SeqCst);
    let began = Clock::now();
    let found = next.after_looks(3).await;
    assert_eq!(shares(&found), [1.0; 3]);
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
}
