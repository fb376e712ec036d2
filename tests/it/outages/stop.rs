//! SIGTERM: what is under way is finished and recorded, and the next process does the rest.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{SHARD, World, committed, migrated, recorded};
use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    report::told::told,
    support::{
        app::assert_same,
        http_stub::{HttpStub, Response},
        process::{ended, said, signal, until},
    },
};

/// What is promised of the time from SIGTERM to the end.
const LONGEST_STOP: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_run_that_is_stopped_has_recorded_all_it_wrote_and_the_next_does_only_the_rest() {
    let world = World::new(120, 54).await;
    let mut app = world.app().await;
    let receiver = HttpStub::start(|_, _| Response::new(204)).await;
    app.set("ROGO_NOTIFY", &receiver.endpoint);
    let seeded = committed(&app).await;
    world.take_time();
    let mut process = app.start(&["run", "--workers", "2", "--in-flight", "4", "--flush", "5m"]);
    until("rows stand", || async { submissions(&app).await >= 10 }).await;
    let began = Instant::now();
    signal(&process, "TERM");
    let stopped = ended(&mut process).await;
    assert!(began.elapsed() < LONGEST_STOP);
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("run again to continue"), "{}", stopped.stderr);
    assert_eq!(told(&receiver), ["STOPPED 143"]);
    let first = recorded(&app).concat();
    let written: BTreeSet<String> = committed(&app).await.difference(&seeded).cloned().collect();
    assert_eq!(migrated(&first), written, "what was written has its outcome, and nothing else");

    world.take_no_time();
    app.run(&["run"]).await.expect(0);
    let rows = |outcomes: &[rogo_migrate::domain::Outcome]| -> BTreeSet<u64> {
        outcomes.iter().map(|outcome| outcome.row).collect()
    };
    let all = recorded(&app).concat();
    assert_eq!((rows(&all).len(), all.len()), (120, 120), "no row was done twice");
    assert_same(&app.everything().await, &world.undisturbed().await);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn a_shard_that_waits_for_the_plan_stops_at_once() {
    let world = World::new(12, 55).await;
    let app = world.app().await;
    let mut process = app.start(&["shard", "--shard", "0", "--wait-plan", "30m", "--log", "debug"]);
    said(&mut process, "waiting for the plan").await;
    signal(&process, "TERM");
    let stopped = ended(&mut process).await;
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    assert!(recorded(&app).is_empty());
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_that_waits() {
    let world = World::plain(40, 56).await;
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let mut process = app.start(&SHARD);
    until("rows stand", || async { submissions(&app).await >= 3 }).await;
    // Commits under way get no answer, and the first signal has them waited for.
    world.database.swallow(true);
    signal(&process, "TERM");
    said(&mut process, "a second signal ends at once").await;
    let began = Instant::now();
    signal(&process, "TERM");
    let stopped = ended(&mut process).await;
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    world.database.swallow(false);
    world.take_no_time();
    app.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}
