//! What a process does in time: segments, heartbeats, and the end of one that is told to stop. The clock is tokio's.

use std::time::Duration;

use rogo_migrate::{
    domain::{Fate, ShardIndex},
    exit::{Exit, Stop},
    ports::FaultKind,
    report::grid::count,
    run::State,
    shard::{self, ShardInputs, in_flight::InFlight},
};
use tokio::time::Instant;

use crate::support::{
    fakes::Strike,
    world::{TRY_A, TRY_B, World},
};

const SHARD: ShardIndex = ShardIndex(0);

/// Moves the shard while `script` runs, which tells it to stop; how it ended.
async fn moved_while(inputs: ShardInputs, script: impl Future<Output = ()>) -> Result<(), Stop> {
    let stop = inputs.stop.clone();
    let script = async {
        script.await;
        stop.cancel();
    };
    tokio::join!(shard::run(inputs), script).0
}

fn segments(world: &World) -> usize {
    world.run_blobs.names().iter().filter(|name| name.contains("segments/")).count()
}

/// A shard of so many rows, one at a time; no commit is answered.
async fn silent(rows: u64) -> (World, ShardInputs) {
    let world = World::new(rows, 1);
    world.target.be_silent(true);
    let mut inputs = world.inputs(SHARD, TRY_A).await;
    inputs.in_flight = InFlight::new(Some(1), 1, u64::MAX);
    (world, inputs)
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_recorded_within_the_flush_interval_and_not_before() {
    let world = World::new(2, 1);
    // Row 2 is settled at once; row 1 waits for its commit.
    world.record("bbbbbbbbbbbb", &[]).await;
    world.target.hold(&[&launch_id(2)]);
    world.target.be_silent(true);
    let inputs = world.inputs(SHARD, TRY_A).await;
    assert_eq!(inputs.flush, Duration::from_secs(10));
    let script = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(segments(&world), 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(segments(&world), 1);
        assert_eq!(world.outcomes().await.keys().collect::<Vec<_>>(), [&2]);
    };
    moved_while(inputs, script).await.unwrap_err();
}

/// Under which the row of this attempt is written.
fn launch_id(number: i32) -> String {
    let good = crate::support::rows::Case::good();
    let attempt = crate::support::fakes::attempt(number);
    rogo_migrate::domain::SubmissionIds::new(&good.config.lms_instance, attempt).launch_id()
}

#[tokio::test(start_paused = true)]
async fn a_process_gives_a_sign_of_life_at_least_every_half_minute() {
    let (world, inputs) = silent(1).await;
    let script = async {
        for minutes in 1..=3 {
            tokio::time::sleep(Duration::from_mins(1)).await;
            let beats = world.journal.count("run: put rogo/heartbeats/0/0-aaaaaaaaaaaa.json");
            assert!(beats >= 2 * minutes, "{beats} in {minutes} min");
        }
    };
    moved_while(inputs, script).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_last_heartbeat_of_a_stopped_process_tells_all_of_its_time() {
    let (world, inputs) = silent(1).await;
    let name = "heartbeats/0/0-aaaaaaaaaaaa.json";
    let elapsed = async || {
        let beat = world.store.heartbeat(&world.plan.id, name).await.unwrap().unwrap();
        Duration::from_micros(beat.work.elapsed_us)
    };
    let script = async {
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(elapsed().await <= Duration::from_secs(61), "the last minute");
    };
    moved_while(inputs, script).await.unwrap_err();
    assert!(elapsed().await >= Duration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_ten_seconds_for_commits_under_way_and_a_process_that_was_cut_off_is_not_clean() {
    let (world, inputs) = silent(3).await;
    let began = Instant::now() + Duration::from_secs(1);
    let stopped = moved_while(inputs, tokio::time::sleep(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Stopped, "{stopped}");
    assert!(stopped.message.contains("run again to continue"), "{stopped}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(9) && took <= Duration::from_secs(15), "{took:?}");
    let names = world.run_blobs.names();
    assert!(!names.iter().any(|name| name.contains(".clean")), "its commit may still take effect: {names:?}");
    assert!(!names.iter().any(|name| name.contains("done/")));
    assert_eq!(world.journal.count("target: commit"), 1, "no new row is begun");
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_before_the_deadline_is_recorded_and_the_process_is_clean() {
    let world = World::new(200, 1);
    let inputs = world.inputs(SHARD, TRY_A).await;
    // After some rows, and before the rest.
    let script = async {
        while world.journal.count("target: commit") < 5 {
            tokio::task::yield_now().await;
        }
    };
    let stopped = moved_while(inputs, script).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Stopped);
    let outcomes = world.outcomes().await;
    assert!(outcomes.len() >= 5 && outcomes.len() < 200, "{}", outcomes.len());
    let migrated = outcomes.values().filter(|fate| matches!(fate, Fate::Migrated(_))).count();
    assert_eq!(migrated, world.target.held_now().len());
    assert!(world.run_blobs.names().contains(&"rogo/writers/aaaaaaaaaaaa.clean".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_the_run_store_refuses_at_the_stop_are_tried_again_for_some_seconds() {
    let (world, inputs) = silent(2).await;
    world.target.hold(&[&launch_id(2)]);
    // Three puts of the segment fail.
    let left = std::sync::Mutex::new(3);
    world.run_blobs.fail(Some(std::sync::Arc::new(move |verb, name| {
        let mut left = left.lock().unwrap();
        let fails = verb == "put" && name.contains("segments/") && *left > 0;
        *left -= i32::from(fails);
        fails.then_some(FaultKind::Unavailable)
    })));
    moved_while(inputs, tokio::time::sleep(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(world.outcomes().await.len(), 1, "nothing that was decided is lost");
}

#[tokio::test(start_paused = true)]
async fn no_more_rows_are_under_way_than_in_flight_allows_each_worker() {
    let (world, mut inputs) = silent(40).await;
    inputs.in_flight = InFlight::new(Some(3), 1, u64::MAX);
    let script = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(world.journal.count("target: commit"), 3);
    };
    moved_while(inputs, script).await.unwrap_err();
}

/// Whether the process says that it left no blobs which no row names.
fn is_clean(world: &World) -> bool {
    world.run_blobs.names().iter().any(|name| name.contains(".clean"))
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_file_is_waited_for_leaves_the_others_to_the_sweep() {
    let world = World::new(1, 1);
    world.source.fail("_n.pdf", FaultKind::Unavailable);
    let inputs = world.inputs(SHARD, TRY_A).await;
    let stopped = moved_while(inputs, tokio::time::sleep(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Stopped, "{stopped}");
    assert_eq!((world.files.names().len(), is_clean(&world)), (2, false));
    assert!(world.outcomes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_settles_no_row_whose_other_file_was_waited_for_at_the_stop() {
    for (missing, silent) in [("_e.docx", "_n.pdf"), ("_n.pdf", "_e.docx")] {
        let world = World::new(1, 1);
        world.source.fail(missing, FaultKind::NotFound);
        world.source.fail(silent, FaultKind::Unavailable);
        let inputs = world.inputs(SHARD, TRY_A).await;
        let stopped = moved_while(inputs, tokio::time::sleep(Duration::from_secs(1))).await.unwrap_err();
        assert_eq!(stopped.exit, Exit::Stopped, "{stopped}");
        assert!(world.outcomes().await.is_empty(), "{missing} is missing");
        assert!(!is_clean(&world), "{missing} is missing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_commit_is_tried_again_leaves_its_blobs_to_the_sweep() {
    let world = World::new(1, 1);
    world.target.fail_commits(10_000, Strike::Before, &FaultKind::Unavailable);
    let inputs = world.inputs(SHARD, TRY_A).await;
    let stopped = moved_while(inputs, tokio::time::sleep(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Stopped, "{stopped}");
    assert_eq!((world.files.names().len(), is_clean(&world)), (3, false));
    assert!(world.outcomes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_outcomes_wait_for_a_slow_run_store_counts_only_what_is_recorded() {
    let rows = 7_000;
    let world = World::new(rows, 1);
    // All rows are settled at once: more than a segment and the channel to the recorder hold.
    world.run_blobs.slow_puts("segments/", Duration::from_secs(15));
    world.register(TRY_A);
    let mut inputs = world.inputs(SHARD, TRY_A).await;
    inputs.in_flight = InFlight::new(Some(4_000), 1, u64::MAX);
    let observed = inputs.observed.clone();
    let script = async {
        while world.target.held_now().len() < 7_000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let stopped = moved_while(inputs, script).await.unwrap_err();
    assert_eq!(stopped.exit, Exit::Stopped, "{stopped}");
    let recorded = world.outcomes().await.len() as u64;
    assert!(recorded < rows, "the stop interrupts rows that wait for the recorder: {recorded}");
    assert!(stopped.message.contains(&format!("stopped at {recorded} of {rows} rows")), "{stopped}");
    assert_eq!(observed.books().rows(), recorded);
    assert!(!world.run_blobs.names().iter().any(|name| name.contains("done/")));
    let beat =
        world.store.heartbeat(&world.plan.id, "heartbeats/0/0-aaaaaaaaaaaa.json").await.unwrap().unwrap();
    assert_eq!(beat.state, State::Stopped(format!("stopped at {} of 7,000 rows", count(recorded))));
    world.run_blobs.slow_puts("segments/", Duration::ZERO);
    world.move_shard(TRY_B).await.unwrap();
    let migrated = world.outcomes().await.values().filter(|fate| matches!(fate, Fate::Migrated(_))).count();
    assert_eq!(migrated, 7_000, "the next process recovers what was committed and not recorded");
}
