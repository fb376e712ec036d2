//! How a process that moves a shard ends, and what it leaves in the run store.

use rogo_migrate::{
    domain::{Books, FailCode, Fate, ShardIndex, SubmissionIds},
    exit::Exit,
    ports::{FaultKind, HeldSubmission, Service},
    run::{DoneMarker, Work, names},
    shard::{self, in_flight::InFlight},
};

use crate::support::{
    fakes::Strike,
    rows::Case,
    world::{TRY_A, TRY_B, World, instant, migrated, queued},
};

const SHARD: ShardIndex = ShardIndex(0);

#[tokio::test]
async fn rows_that_have_an_outcome_are_not_moved_again() {
    let world = World::new(3, 1);
    world.record(TRY_B, &[migrated(3, 1), migrated(1, 1)]).await;
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(world.journal.count("target: commit"), 1);
    assert_eq!(world.outcomes().await.len(), 3);
    assert_eq!(
        world.store.done(&world.plan.id, SHARD).await.unwrap().unwrap().books.migrated,
        3,
        "all of the shard's"
    );
}

#[tokio::test]
async fn a_shard_all_of_whose_rows_are_recorded_is_marked_done_without_its_queue() {
    let world = World::new(2, 1);
    world.record(TRY_B, &[migrated(2, 1), migrated(1, 1)]).await;
    world.run_blobs.remove(&format!("rogo/{}", names::queue(&world.plan.id, SHARD)));
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(world.store.done(&world.plan.id, SHARD).await.unwrap().unwrap().books.migrated, 2);
}

#[tokio::test]
async fn a_done_marker_of_a_twin_stands() {
    let world = World::new(1, 1);
    let twins = DoneMarker {
        plan: world.plan.id.clone(),
        shard: SHARD,
        writer: TRY_B.parse().unwrap(),
        books: Books::default(),
        at: instant(1),
        work: Work::default(),
        violations: std::collections::BTreeMap::new(),
        breaker_opened: None,
    };
    world.store.create(&names::done(SHARD), &twins).await.unwrap();
    world.move_shard(TRY_A).await.unwrap();
    assert_eq!(world.store.done(&world.plan.id, SHARD).await.unwrap(), Some(twins));
    assert_eq!(world.outcomes().await.len(), 1);
}

#[tokio::test]
async fn each_shard_moves_the_rows_of_its_own_queue_only() {
    let world = World::new(7, 3);
    shard::run(world.inputs(ShardIndex(1), TRY_A).await).await.unwrap();
    world.store.done(&world.plan.id, ShardIndex(1)).await.unwrap().unwrap();
    assert!(world.store.done(&world.plan.id, SHARD).await.unwrap().is_none());
    let recorded =
        rogo_migrate::run::segments::recorded(&world.store, &world.plan, ShardIndex(1)).await.unwrap();
    let rows: Vec<u64> = (1..=7).filter(|row| recorded.contains(*row)).collect();
    assert_eq!(rows, [3, 6], "of 7, 6, 5, 4, 3, 2, 1 those at places 1 and 4");
}

#[tokio::test]
async fn no_shard_is_done_while_a_row_of_its_plan_has_no_outcome() {
    let mut world = World::new(2, 1);
    world.plan.shards[0].rows = 3;
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Bug);
    assert!(stop.message.contains("1 rows of shard 0 have no outcome"), "{stop}");
    assert!(world.store.done(&world.plan.id, SHARD).await.unwrap().is_none());
}

#[tokio::test]
async fn a_queue_that_was_changed_ends_its_own_shard_with_65() {
    let world = World::new(2, 1);
    let name = format!("rogo/{}", names::queue(&world.plan.id, SHARD));
    let changed = world.run_blobs.text(&name).unwrap().replace("ann@example.org", "eve@example.org");
    world.run_blobs.insert(&name, changed);
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    assert_eq!(stop.exit, Exit::DataRefused, "{stop}");
    assert!(!stop.message.contains('@'), "{stop}");
    assert!(world.store.done(&world.plan.id, SHARD).await.unwrap().is_none());
}

#[tokio::test]
async fn a_retired_process_writes_nothing_and_ends_with_75() {
    let world = World::new(2, 1);
    world.target.retire();
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary, "{stop}");
    assert!(stop.message.contains("was retired"), "{stop}");
    assert!(world.target.held_now().is_empty());
    assert_eq!(world.files.names(), [""; 0]);
    assert!(!world.run_blobs.names().iter().any(|name| name.contains(".clean") || name.contains("done/")));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_stays_away_ends_the_process_with_75_and_blames_no_row() {
    let world = World::new(1, 1);
    world.target.fail_commits(10_000, Strike::Before, &FaultKind::Unavailable);
    let began = tokio::time::Instant::now();
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    let minutes = began.elapsed().as_secs() / 60;
    assert!((15..=17).contains(&minutes), "{minutes} min");
    assert_eq!(stop.exit, Exit::Temporary, "{stop}");
    assert!(stop.message.contains("15.0 min") && stop.message.contains("give-up-after"), "{stop}");
    assert!(world.outcomes().await.is_empty());
    assert!(!world.run_blobs.names().iter().any(|name| name.contains(".clean")), "its copies stand");
}

#[tokio::test]
async fn too_many_refused_rows_open_the_breaker_before_they_are_all_refused() {
    let world = World::new(1_200, 1);
    world.target.fail_commits(1_200, Strike::Before, &FaultKind::Rejected("a_constraint".into()));
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    assert_eq!(stop.exit, Exit::DataRefused, "{stop}");
    assert!(stop.message.contains("circuit breaker"), "{stop}");
    let outcomes = world.outcomes().await;
    assert_eq!(outcomes.len(), 50, "no row begins beside the first 50 before one of them was not refused");
    let refused = |fate: &Fate| matches!(fate, Fate::Failed { code: FailCode::TargetRejected, .. });
    assert!(outcomes.values().all(refused), "what was decided is recorded");
    assert!(world.store.done(&world.plan.id, SHARD).await.unwrap().is_none());
}

#[tokio::test]
async fn a_breaker_that_opens_when_all_rows_that_are_left_are_under_way_says_so_and_the_shard_is_done() {
    let world = World::new(50, 1);
    world.target.fail_commits(50, Strike::Before, &FaultKind::Rejected("a_constraint".into()));
    let mut inputs = world.inputs(SHARD, TRY_A).await;
    inputs.in_flight = InFlight::new(Some(60), 1, u64::MAX);
    world.register(TRY_A);
    let stop = shard::run(inputs).await.unwrap_err();
    assert_eq!(stop.exit, Exit::DataRefused, "{stop}");
    for part in
        ["circuit breaker: all of the first 50 rows", "Every row of shard 0 has an outcome all the same"]
    {
        assert!(stop.message.contains(part), "{part:?} is not said in {stop}");
    }
    let marker = world.store.done(&world.plan.id, SHARD).await.unwrap().unwrap();
    assert_eq!(marker.books.rows_failed(), 50);
    assert_eq!(
        marker.breaker_opened.as_deref(),
        Some("all of the first 50 rows that reached copy failed there or at commit")
    );
    assert!(marker.violations.is_empty(), "{:?}", marker.violations);
}

#[test]
fn the_breaker_looks_at_the_last_thousand_rows_however_many_were_fine_before() {
    let breaker = shard::breaker::Breaker::new(Some(0.05));
    assert!((0..20_000).all(|_| breaker.count(false).is_ok()));
    let opened = (1..=1_000).find(|_| breaker.count(true).is_err());
    assert_eq!(opened, Some(51), "more than 5 % of 1,000");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_a_minute_is_given_it_by_every_operation() {
    let pace = shard::pace::Pace::new(
        std::time::Duration::from_mins(15),
        tokio_util::sync::CancellationToken::new(),
    );
    let began = tokio::time::Instant::now();
    let mut tries = 0;
    let throttled = || {
        tries += 1;
        let first = tries == 1;
        async move {
            let minute = FaultKind::Throttled(Some(std::time::Duration::from_mins(1)));
            if first {
                Err(rogo_migrate::ports::Fault::new(Service::TargetBlobs, minute, "503"))
            } else {
                Ok(())
            }
        }
    };
    pace.steady(&[Service::TargetBlobs], throttled).await.unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_mins(1), "{:?}", began.elapsed());
    assert_eq!(tries, 2);
}

#[tokio::test]
async fn rows_that_were_not_copied_by_this_process_do_not_count_for_the_breaker() {
    let world = World::new(530, 1);
    let ids = |row: u64| {
        SubmissionIds::new(&Case::good().config.lms_instance, queued(row).attempt.unwrap()).launch_id()
    };
    world.register(TRY_B);
    for row in 31..=530 {
        world.target.stand(HeldSubmission {
            launch_id: ids(row),
            submission_id: Some(format!("submission {row}")),
            blob_names: vec![format!("LTI_Uploads/{TRY_B}/{row}")],
            ..HeldSubmission::default()
        });
    }
    world.target.fail_commits(30, Strike::Before, &FaultKind::Rejected("a_constraint".into()));
    world.move_shard(TRY_A).await.unwrap();
    let books = world.store.done(&world.plan.id, SHARD).await.unwrap().unwrap().books;
    assert_eq!((books.migrated, books.rows_failed()), (500, 30), "fewer than 500 rows reached copy");
}

#[tokio::test]
async fn a_warehouse_that_answers_for_fewer_attempts_than_were_asked_is_a_bug_and_no_row_gets_facts_of_another()
 {
    let mut world = World::new(3, 1);
    world.warehouse.withholds = 1;
    let stop = world.move_shard(TRY_A).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Bug, "{stop}");
    assert!(stop.message.contains("answered 2 attempts of 3"), "{stop}");
    assert!(world.target.held_now().is_empty() && world.outcomes().await.is_empty());
}
