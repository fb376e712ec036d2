//! What limits shards, provoked with their services in memory, and that it stands where people look for it. The clock is
//! tokio's.

use std::{
    iter::once,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

use bytes::Bytes;

use rogo_migrate::{
    domain::{ShardIndex, SubmissionIds},
    ports::{FaultKind, HeldSubmission},
    report::{grid::rows_f64, limits::of_shards, tell},
    run::{Breaker, DoneMarker, LimitCode},
    shard::{self, ShardInputs, in_flight::InFlight},
};

use crate::{
    report::limits::stand_everywhere,
    support::{
        fakes::Strike,
        rows::Case,
        world::{TRY_A, World, queued},
    },
};

const SHARD: ShardIndex = ShardIndex(0);

/// Moves a shard, changed so.
async fn moved(world: &World, shard: ShardIndex, change: impl FnOnce(&mut ShardInputs)) -> DoneMarker {
    world.register(TRY_A);
    let mut inputs = world.inputs(shard, TRY_A).await;
    change(&mut inputs);
    shard::run(inputs).await.unwrap();
    let marker = world.store.done(&world.plan.id, shard).await.unwrap().unwrap();
    assert!(marker.violations.is_empty(), "{:?}", marker.violations);
    marker
}

/// The codes of the advice that these done markers give, which stands wherever people look for it.
fn told(world: &World, markers: &[DoneMarker]) -> Vec<LimitCode> {
    let rows = |shard| world.plan.shard(shard).unwrap().rows;
    let mut limits = of_shards(markers.iter().map(|marker| (marker.shard, rows(marker.shard), &marker.work)));
    // The processor time is that of all tests, the other times are not real.
    limits.retain(|limit| limit.code != LimitCode::Cpu);
    stand_everywhere(&limits);
    limits.into_iter().map(|limit| limit.code).collect()
}

/// Moves the shard of a run that has one, changed so; the codes of the advice that its done marker gives.
async fn codes(world: &World, change: impl FnOnce(&mut ShardInputs)) -> Vec<LimitCode> {
    told(world, &[moved(world, SHARD, change).await])
}

/// A shard whose files take so long to begin.
fn slow_source(rows: u64, takes: Duration) -> World {
    let mut world = World::new(rows, 1);
    world.source.takes = takes;
    world
}

#[tokio::test(start_paused = true)]
async fn places_for_copies_that_cannot_rise_small_files_and_late_ones() {
    let world = slow_source(60, Duration::from_millis(600));
    let found = codes(&world, |inputs| inputs.in_flight = InFlight::new(Some(2), 1, u64::MAX)).await;
    for code in [LimitCode::InFlightCap, LimitCode::SmallFiles, LimitCode::ServiceLatency] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
    let world = slow_source(60, Duration::from_millis(600));
    let found = codes(&world, |_| {}).await;
    assert!(!found.contains(&LimitCode::InFlightCap), "an adaptive limit finds its own height: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_warehouse_that_is_slower_than_the_workers() {
    let mut world = World::new(200, 1);
    world.warehouse.takes = Duration::from_secs(3);
    let found = codes(&world, |_| {}).await;
    assert_eq!(found, [LimitCode::WarehouseBatch]);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_commits_late() {
    let mut world = World::new(100, 1);
    world.target.takes = Duration::from_secs(3);
    let found = codes(&world, |_| {}).await;
    assert_eq!(found, [LimitCode::ServiceLatency]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_throttles_and_one_that_is_away() {
    for (times, kind, code) in [
        (5, FaultKind::Throttled(Some(Duration::from_mins(1))), LimitCode::ThrottledService),
        // Seven tries of each of the 40 rows, all of which are under way.
        (280, FaultKind::Unavailable, LimitCode::ServiceAway),
    ] {
        let world = World::new(40, 1);
        world.target.fail_commits(times, Strike::Before, &kind);
        let found = codes(&world, |_| {}).await;
        assert!(found.contains(&code), "{code}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_about_to_open_the_breaker() {
    let mut world = World::new(200, 1);
    world.target.takes = Duration::from_millis(1_500);
    world.target.fail_commits(8, Strike::Before, &FaultKind::Rejected("a_check".into()));
    let found = codes(&world, |_| {}).await;
    assert!(found.contains(&LimitCode::BreakerNear), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_takes_much_longer_than_the_others() {
    let mut world = World::new(90, 3);
    let mut markers = Vec::new();
    for (shard, takes) in [(0, 300), (1, 300), (2, 4_000)] {
        world.source.takes = Duration::from_millis(takes);
        markers.push(moved(&world, ShardIndex(shard), |_| {}).await);
    }
    let found = told(&world, &markers);
    assert!(found.contains(&LimitCode::SlowShard), "{found:?}");
    let found = told(&world, &markers[..2]);
    assert!(!found.contains(&LimitCode::SlowShard), "two shards have no median: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn large_files_that_wait_for_the_memory_of_others() {
    let mut world = World::new(24, 1);
    // 32 of them may be in flight, and 16 have room.
    world.source.content = Some(Bytes::from(vec![b'x'; 4 << 20]));
    world.files.slow_puts("", Duration::from_secs(1));
    let found = codes(&world, |_| {}).await;
    assert!(found.contains(&LimitCode::MemoryBudget), "{found:?}");
    let mut world = World::new(24, 1);
    world.source.content = Some(Bytes::from(vec![b'x'; 1 << 20]));
    world.files.slow_puts("", Duration::from_secs(1));
    let found = codes(&world, |_| {}).await;
    assert!(!found.contains(&LimitCode::MemoryBudget), "all 32 have room: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_moves_no_more_bytes_however_many_files_are_in_flight() {
    let mut world = World::new(300, 1);
    world.source.content = Some(Bytes::from(vec![b'x'; 512 << 10]));
    world.source.takes_of_each = Duration::from_millis(30);
    let found = codes(&world, |_| {}).await;
    assert!(found.contains(&LimitCode::Bandwidth), "{found:?}");
    // As many files, each of which takes its time however many there are.
    let mut world = slow_source(300, Duration::from_secs(1));
    world.source.content = Some(Bytes::from(vec![b'x'; 512 << 10]));
    let found = codes(&world, |_| {}).await;
    assert!(!found.contains(&LimitCode::Bandwidth), "{found:?}");
}

/// Threads that compute until this is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn begin(threads: usize) -> Self {
        let ends = Arc::<AtomicBool>::default();
        for _ in 0..threads {
            let ends = ends.clone();
            thread::spawn(move || while !ends.load(Ordering::Relaxed) {});
        }
        Self(ends)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What this process has used so far, as Linux shows it in ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

#[tokio::test]
async fn cores_that_are_all_busy() {
    let cores = available_parallelism().unwrap().get();
    // Other processes of the machine may take their share of the cores: the more threads, the less is theirs. What this
    // process got is measured a second time; so near the threshold the two may differ.
    for threads in [1, 4, 16, 16].map(|each| each * cores) {
        let world = slow_source(4, Duration::from_millis(2_500));
        let (before, began) = (processor_time(), Instant::now());
        let busy = Busy::begin(threads);
        let marker = moved(&world, SHARD, |_| {}).await;
        drop(busy);
        let share = processor_time().saturating_sub(before).div_duration_f64(began.elapsed())
            / rows_f64(cores as u64);
        let limits = of_shards(once((SHARD, 4, &marker.work)));
        stand_everywhere(&limits);
        let is_found = limits.iter().any(|limit| limit.code == LimitCode::Cpu);
        assert!(is_found || share < 0.93, "{share}: {limits:?}");
        assert!(!is_found || share > 0.77, "{share}: {limits:?}");
        if is_found {
            return;
        }
    }
    tell("not provoked: other processes of this machine had more than 15 % of the cores all the time");
}

#[tokio::test]
async fn the_breaker_that_is_told_is_the_one_that_opens() {
    // One chunk: another process writes one of its rows after all were looked up.
    let world = World::new(20, 1);
    let attempt = queued(1).attempt.unwrap();
    world.target.come_between(HeldSubmission {
        launch_id: SubmissionIds::new(&Case::good().config.lms_instance, attempt).launch_id(),
        submission_id: Some("of another process".into()),
        ..HeldSubmission::default()
    });
    world.target.fail_commits(3, Strike::Before, &FaultKind::Rejected("a_check".into()));
    codes(&world, |inputs| inputs.breaker = Some(0.25)).await;
    let marker = world.store.done(&world.plan.id, SHARD).await.unwrap().unwrap();
    assert_eq!((marker.books.migrated, marker.books.rows_skipped()), (16, 1));
    assert_eq!(marker.work.breaker, Some(Breaker { rows: 20, failures: 3, allowed: 5 }), "skips count");
}

#[tokio::test(start_paused = true)]
async fn a_run_store_that_records_too_slowly() {
    // More rows than a segment and the queue before the recorder hold, all of them skipped at once.
    let rows = 7_000;
    let world = World::new(rows, 1);
    for row in 1..=rows {
        let attempt = queued(row).attempt.unwrap();
        world.target.hold(&[&SubmissionIds::new(&Case::good().config.lms_instance, attempt).launch_id()]);
    }
    let puts = AtomicU32::new(0);
    world.run_blobs.fail(Some(Arc::new(move |verb, name| {
        let is_segment = verb == "put" && name.contains("segments/");
        let number = puts.fetch_add(u32::from(is_segment), Ordering::Relaxed);
        (is_segment && number < 8).then_some(FaultKind::Unavailable)
    })));
    let found = codes(&world, |_| {}).await;
    assert!(found.contains(&LimitCode::RunStoreFlush), "{found:?}");
}
