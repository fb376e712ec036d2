//! Tests of the advice: events that provoke each code, and the same a little below its threshold.

use std::time::Instant;

use super::*;
use crate::{
    domain::{Books, FailCode, Fate, Migrated},
    ports::{Fault, FaultKind},
    report::{
        events::{Beginning, Consumer, Event, Gain, Guarded, Sample, Settled, StageTimes},
        limits::Limits,
    },
    run::{Answers, Breaker, State},
};

/// A process of two workers that has worked for 100 s on 100 rows, each of which took one second, half of it for its copy.
struct Process {
    limits: Limits,
    began: Instant,
}

const FILE: u64 = 100_000;

impl Process {
    fn new() -> Self {
        Self::of(&Fate::Migrated(Migrated::default()), FILE)
    }

    /// Every row has this outcome and one file of so many bytes.
    fn of(fate: &Fate, bytes: u64) -> Self {
        let process = Self { limits: Limits::new(), began: Instant::now() };
        process.tell(&Event::ShardBegan(Beginning {
            shard: ShardIndex(0),
            rows: 1_000,
            last_row: 1_000,
            earlier: &Books::default(),
            workers: 2,
        }));
        for row in 1..=100 {
            process.settle(row, fate, None);
            process.tell(&Event::FileCopied { bytes, took: Duration::from_millis(500) });
        }
        process
    }

    fn settle(&self, row: u64, fate: &Fate, breaker: Option<Breaker>) {
        let times = StageTimes {
            copy: Some(Duration::from_millis(500)),
            whole: Duration::from_secs(1),
            ..StageTimes::default()
        };
        self.tell(&Event::RowSettled(Settled { row, attempt: None, worker: 1, fate, times, breaker }));
    }

    fn tell(&self, event: &Event<'_>) {
        self.limits.take(self.began, event);
    }

    fn waited(&self, on: Wait, seconds: f64) {
        self.tell(&Event::Waited { on, took: Duration::from_secs_f64(seconds) });
    }

    fn asked(&self, service: Service, times: u32, took: Duration) {
        (0..times).for_each(|_| self.tell(&Event::Asked { service, server: None, took }));
    }

    /// A service was in trouble for so many seconds.
    fn troubled(&self, kind: FaultKind, state: &State, seconds: u64) {
        let fault = Fault::new(Service::TargetBlobs, kind, "no");
        self.tell(&Event::ServiceTroubled { fault: &fault, state });
        let over = Event::ServiceAnswers { service: Service::TargetBlobs, after: state };
        self.limits.take(self.began + Duration::from_secs(seconds), &over);
    }

    fn advice(&self) -> Vec<Limit> {
        advice(&self.limits.whole(self.began + Duration::from_secs(100)))
    }

    /// The only advice.
    #[track_caller]
    fn only(&self, code: LimitCode) -> String {
        let advice = self.advice();
        let [limit] = &advice[..] else { panic!("{advice:?}") };
        assert_eq!(limit.code, code);
        limit.text.clone()
    }
}

#[test]
fn a_run_that_nothing_limits_has_no_advice() {
    assert_eq!(Process::new().advice(), []);
}

#[test]
fn a_service_that_throttles_or_is_away_more_than_5_per_cent_of_the_time() {
    for (kind, state, code) in [
        (FaultKind::Throttled(None), State::Throttled("503".into()), LimitCode::ThrottledService),
        (FaultKind::Unavailable, State::Waiting("no".into()), LimitCode::ServiceAway),
    ] {
        let process = Process::new();
        process.troubled(kind.clone(), &state, 5);
        assert_eq!(process.advice(), [], "at the threshold");
        process.troubled(kind, &state, 7);
        let text = process.only(code);
        assert!(text.starts_with("target blobs: ") && text.contains(" 12 % of the time"), "{text}");
        assert!(text.contains("(shown above 5 %)"), "{text}");
    }
}

#[test]
fn a_trouble_that_lasts_counts_until_now() {
    let process = Process::new();
    let fault = Fault::new(Service::Database, FaultKind::Unavailable, "no");
    let state = State::Waiting("no".into());
    process.tell(&Event::ServiceTroubled { fault: &fault, state: &state });
    assert!(process.only(LimitCode::ServiceAway).contains("target database: it gave no answer 100 %"));
}

#[test]
fn waits_for_connections() {
    let process = Process::new();
    process.waited(Wait::Connection, 10.9);
    assert_eq!(process.advice(), []);
    process.waited(Wait::Connection, 20.2);
    assert_eq!(
        process.only(LimitCode::DatabasePool),
        "PostgreSQL pool: workers waited for a connection 31 % of the time (shown above 10 %); raise --pool or lower --workers"
    );
}

#[test]
fn late_answers_of_each_service_without_the_pools_own_wait() {
    for (service, threshold, _) in LATENCIES {
        let process = Process::new();
        process.asked(service, 19, Duration::from_millis(threshold * 3));
        assert_eq!(process.advice(), [], "too few answers");
        process.asked(service, 1, Duration::from_millis(threshold * 3));
        let text = process.only(LimitCode::ServiceLatency);
        assert!(text.contains(&format!("{} ms", threshold * 3)), "{text}");
        assert!(text.contains(&format!("(shown above {threshold} ms)")), "{text}");
    }
    let process = Process::new();
    process.asked(Service::Database, 20, Duration::from_millis(300));
    process.waited(Wait::Connection, 6.0);
    assert_eq!(process.advice(), [], "20 answers of 300 ms, all of it in the pool's queue");
}

#[test]
fn a_busy_processor() {
    let sample = |cpu| {
        let process = Process::new();
        let (took, cpu) = (Duration::from_secs(100), Duration::from_secs(cpu));
        process.tell(&Event::Sampled(Sample { took, cpu, cores: 2 }));
        process
    };
    assert_eq!(sample(171).advice(), []);
    assert!(sample(190).only(LimitCode::Cpu).starts_with("processor: 95 % of what this process may use"));
}

#[test]
fn waits_inside_of_copies() {
    for (wait, below, above, code) in
        [(Wait::Memory, 5.4, 6.0, LimitCode::MemoryBudget), (Wait::Place, 12.9, 20.0, LimitCode::InFlightCap)]
    {
        let process = Process::new();
        process.waited(wait, below);
        assert_eq!(process.advice(), [], "{code}");
        process.waited(wait, above - below);
        process.only(code);
    }
}

#[test]
fn workers_without_rows_because_of_the_warehouse_only() {
    let process = Process::new();
    process.waited(Wait::Facts, 60.0);
    process.tell(&Event::Gathered { rows: 100, took: Duration::from_mins(1) });
    assert_eq!(process.advice(), [], "the database's part of it is told elsewhere");
    process.asked(Service::Warehouse, 15, Duration::from_secs(4));
    assert!(process.only(LimitCode::WarehouseBatch).contains("30 % of the time (shown above 20 %)"));
}

#[test]
fn small_files_if_copying_is_most_of_the_time() {
    let small = Fate::Migrated(Migrated::default());
    let process = Process::of(&small, 12_595);
    assert_eq!(process.advice(), [], "half of a row's time is not more than half");
    let times = StageTimes { copy: Some(Duration::from_secs(90)), ..StageTimes::default() };
    process.tell(&Event::RowSettled(Settled {
        row: 101,
        attempt: None,
        worker: 1,
        fate: &small,
        times,
        breaker: None,
    }));
    let text = process.only(LimitCode::SmallFiles);
    assert!(text.starts_with("small files: 12.2 KiB a file on average (shown below 64.0 KiB)"), "{text}");
}

#[test]
fn outcomes_that_wait_for_the_run_store() {
    let process = Process::new();
    process.waited(Wait::Recorder, 5.9);
    assert_eq!(process.advice(), []);
    process.waited(Wait::Recorder, 2.0);
    process.only(LimitCode::RunStoreFlush);
}

#[test]
fn raises_that_move_no_more_bytes_of_large_files() {
    let large = |bytes, gains: [Gain; 4]| {
        let process = Process::of(&Fate::Migrated(Migrated::default()), bytes);
        for gain in gains {
            process.tell(&Event::Raised(gain));
        }
        process
    };
    let (gained, nothing) = (Gain::Gained, Gain::Nothing);
    assert_eq!(large(1 << 20, [gained, gained, nothing, nothing]).advice(), []);
    assert_eq!(large(1 << 17, [nothing; 4]).advice(), [], "files of 128 KiB");
    let process = large(1 << 20, [gained, nothing, nothing, nothing]);
    assert!(process.only(LimitCode::Bandwidth).contains("this process moves 1.0 MiB/s"));
    process.tell(&Event::Sampled(Sample {
        took: Duration::from_secs(100),
        cpu: Duration::from_secs(100),
        cores: 1,
    }));
    process.only(LimitCode::Cpu);
}

#[test]
fn a_breaker_that_is_more_than_half_full() {
    let process = Process::new();
    let failed = Fate::Failed { code: FailCode::FileMissing, message: String::new() };
    // Of 103 rows more than 5 would open it.
    process.settle(102, &failed, Some(Breaker { rows: 102, failures: 2, allowed: 5 }));
    assert_eq!(process.advice(), []);
    process.settle(103, &failed, Some(Breaker { rows: 103, failures: 3, allowed: 5 }));
    let text = process.only(LimitCode::BreakerNear);
    assert!(text.starts_with("circuit breaker: 3 of the last 103 rows"), "{text}");
    assert!(text.contains("more than 5 stop the shard"), "{text}");
}

#[test]
fn one_shard_that_takes_more_than_twice_as_long_as_the_median() {
    let shards = |times: &[u64]| {
        let times = (0..).map(ShardIndex).zip(times.iter().map(|time| Duration::from_secs(*time)));
        slow_shard(&times.collect::<Vec<_>>())
    };
    assert_eq!(shards(&[100, 300]), None, "two have no median");
    assert_eq!(shards(&[100, 110, 200]), None);
    let limit = shards(&[100, 341, 110]).unwrap();
    assert_eq!(limit.code, LimitCode::SlowShard);
    assert!(
        limit.text.starts_with("shard 1: it takes 3.1 times as long as the median shard (shown above 2.0)")
    );
}

#[test]
fn what_exceeds_its_threshold_most_stands_first() {
    let process = Process::new();
    process.waited(Wait::Connection, 20.0);
    process.waited(Wait::Memory, 25.0);
    let codes: Vec<_> = process.advice().iter().map(|limit| limit.code).collect();
    assert_eq!(codes, [LimitCode::MemoryBudget, LimitCode::DatabasePool]);
}

#[test]
fn a_few_rows_or_seconds_are_no_reason_for_advice() {
    let process = Process::new();
    process.waited(Wait::Connection, 90.0);
    let whole = process.limits.whole(process.began + Duration::from_secs(100));
    assert_eq!(advice(&Work { elapsed_us: 1_999_999, ..whole.clone() }), []);
    assert_eq!(advice(&Work { rows: 19, ..whole.clone() }), [], "a share of the time of few rows");
    assert_eq!(advice(&whole).len(), 1);
}

#[test]
fn now_is_the_last_minute() {
    let process = Process::new();
    process.waited(Wait::Connection, 90.0);
    for second in 1..=100 {
        let took = Duration::from_secs(1);
        let sample = Event::Sampled(Sample { took, ..Sample::default() });
        process.limits.take(process.began + Duration::from_secs(second), &sample);
    }
    let recent = process.limits.recent(process.began + Duration::from_secs(100));
    assert_eq!(
        (recent.rows, recent.waited_us.get("connection"), recent.elapsed_us),
        (0, Some(&0), 60_000_000)
    );
    assert_eq!(advice(&recent), []);
    let young = process.limits.recent(process.began + Duration::from_secs(59));
    assert_eq!(young.rows, 100);
}

/// The last minute of a process that has worked for 300 s, after it was told this at the beginning.
fn last_minute(tell: impl FnOnce(&Process)) -> Vec<LimitCode> {
    let process = Process::new();
    tell(&process);
    for second in 1..=300 {
        let (took, cpu) = (Duration::from_secs(1), Duration::from_millis(100));
        let sample = Event::Sampled(Sample { took, cpu, cores: 2 });
        process.limits.take(process.began + Duration::from_secs(second), &sample);
    }
    let recent = process.limits.recent(process.began + Duration::from_mins(5));
    assert_eq!((recent.rows, recent.elapsed_us), (0, 60_000_000));
    advice(&recent).into_iter().map(|limit| limit.code).collect()
}

#[test]
fn what_stops_every_row_for_more_than_a_minute_is_told_all_the_same() {
    for (kind, state, code) in [
        (FaultKind::Throttled(None), State::Throttled("503".into()), LimitCode::ThrottledService),
        (FaultKind::Unavailable, State::Waiting("no".into()), LimitCode::ServiceAway),
    ] {
        let fault = Fault::new(Service::TargetBlobs, kind, "no");
        let told = last_minute(|process| {
            process.tell(&Event::ServiceTroubled { fault: &fault, state: &state });
        });
        assert_eq!(told, [code]);
    }
    let guarded = Guarded { share: 0.1, because: Some(LoadSign::LockWaits), changed: true, figures: "" };
    assert_eq!(last_minute(|process| process.tell(&Event::Guarded(guarded))), [LimitCode::TargetGuard]);
    assert_eq!(last_minute(|_| ()), [], "no row and no reason for it");
}

#[test]
fn few_large_files_a_minute_are_enough_for_what_is_no_share_of_rows() {
    let few = Work { elapsed_us: 60_000_000, worker_us: 120_000_000, rows: 3, files: 3, ..Work::default() };
    let large = Work { bytes: 3 << 30, raises: 4, raises_lost: 3, ..few.clone() };
    let waits = Work {
        waited_us: [(Wait::Facts.name().to_owned(), 60_000_000)].into(),
        asked: [(Service::Warehouse.to_string(), Answers { answers: 2, us: 60_000_000 })].into(),
        gather_us: 60_000_000,
        ..few.clone()
    };
    let busy = Work { cpu_us: 95, core_us: 100, ..few };
    for (work, code) in
        [(large, LimitCode::Bandwidth), (waits, LimitCode::WarehouseBatch), (busy, LimitCode::Cpu)]
    {
        let codes: Vec<_> = advice(&work).into_iter().map(|limit| limit.code).collect();
        assert_eq!(codes, [code]);
    }
}
