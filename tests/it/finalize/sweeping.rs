//! The sweep: orphans of retired writers of this run, and nothing else.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use chrono::{TimeDelta, Utc};
use rogo_migrate::{
    domain::{FailCode, Outcome, ShardIndex},
    exit::Exit,
    finalize::sweep::{delete_orphans, list_orphans},
    ports::{Blobs, FaultKind},
    run::{
        Decided, Missing, RolledBack, Summary, WriterRecord, decisions,
        lock::Quiet,
        names,
        orphans::Orphans,
        pins::{Loss, another_database},
        writers::unmerged,
    },
};
use serde_json::json;

use crate::support::{
    fakes::attempt,
    world::{TRY_A, TRY_B, World, failed, migrated},
};

/// One row, migrated by writer A, which was killed: it left one named and two orphaned blobs.
async fn world_with_orphans() -> World {
    world_whose_row_names("LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf").await
}

/// The same, but the row names this blob.
async fn world_whose_row_names(name: &str) -> World {
    let world = World::new(1, 1);
    world.register(TRY_A);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf", "named");
    world.target.name_blob("rogo_1_x", name);
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_2_orphan.pdf", "12345");
    world.files.insert("Marker_files/aaaaaaaaaaaa/1_3_orphan.docx", "123");
    world
}

fn decided() -> Decided {
    let (by, reason) = ("tester@host".to_owned(), "a pod was killed".to_owned());
    Decided { at: Utc::now(), by, reason, decision: "orphans --delete".into(), attempts: 0 }
}

/// One blob that no row names costs the target a scan of its files: a sweep must not ask for many blobs in small parts.
#[tokio::test]
async fn thousands_of_orphans_cost_one_question() {
    let world = world_with_orphans().await;
    for number in 0..5_000 {
        world.files.insert(&format!("LTI_Uploads/aaaaaaaaaaaa/{number}_1_orphan.pdf"), "x");
    }
    let totals = world.finalize().await.unwrap();
    assert_eq!(totals.orphans.blobs, 5_002);
    assert_eq!(world.target.blob_questions(), 1);
}

#[tokio::test]
async fn only_orphans_of_this_runs_unclean_tries_are_removed() {
    let world = world_with_orphans().await;
    world.register(TRY_B);
    world.run_blobs.insert("rogo/writers/bbbbbbbbbbbb.clean", "{}");
    let untouched = [
        "LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf",
        "LTI_Uploads/aaaaaaaaaaaab/not-a-writer",
        "LTI_Uploads/application.pdf",
        "LTI_Uploads/bbbbbbbbbbbb/of-a-clean-writer",
        "LTI_Uploads/cccccccccccc/of-another-run",
        "Other/aaaaaaaaaaaa/of-another-folder",
    ];
    for name in untouched {
        world.files.insert(name, "x");
    }
    let totals = world.finalize().await.unwrap();
    assert_eq!(totals.orphans, Orphans { blobs: 2, bytes: 8 });
    assert_eq!(world.files.names(), untouched);
    let entries = world.journal.entries();
    assert!(
        !entries.iter().any(|entry| entry.contains("files: list") && entry.contains(TRY_B)),
        "clean: not listed"
    );
}

#[tokio::test]
async fn retired_marks_stand_before_anything_is_read_or_deleted_and_the_lock_before_them() {
    let world = world_with_orphans().await;
    world.register(TRY_B);
    world.finalize().await.unwrap();
    let entries = world.journal.entries();
    let at = |wanted: &str| world.journal.at(wanted);
    let last = |wanted: &str| entries.iter().rposition(|entry| entry.contains(wanted)).expect(wanted);
    let marks = [at("put rogo/retired/aaaaaaaaaaaa"), at("put rogo/retired/bbbbbbbbbbbb")];
    let last_put = at("run: put rogo/segments");
    for mark in marks {
        assert!(last_put < at("fence: taken") && at("fence: taken") < mark);
        assert!(mark < last("run: list rogo/segments/"), "merged only once all writers are retired");
        assert!(mark < at("files: list"));
        assert!(mark < at("files: delete"));
    }
    for result in ["notes.csv", "summary.json"] {
        assert!(at(&format!("put rogo/results/{result}")) < at("files: list"), "{result} before the sweep");
    }
    let again = last("put rogo/results/summary.json");
    assert!(last("files: delete") < again && again < at("fence: released"), "with what was removed");
}

#[tokio::test]
async fn a_process_that_is_killed_during_its_sweep_leaves_a_result_that_says_so() {
    let world = world_with_orphans().await;
    let (run, at_first_deletion) = (world.run_blobs.clone(), Arc::new(Mutex::new(None)));
    let summary = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let seen = at_first_deletion.clone();
    world.files.fail(Some(Arc::new(move |verb, _| {
        if verb == "delete" {
            seen.lock().unwrap().get_or_insert_with(|| run.text("rogo/results/summary.json").unwrap());
        }
        None
    })));
    world.finalize().await.unwrap();
    let left = at_first_deletion.lock().unwrap().take().unwrap();
    assert_eq!(summary(left), json!({ "removed": 0, "sweeping": true }));
    let ended = world.run_blobs.text("rogo/results/summary.json").unwrap();
    assert_eq!(summary(ended), json!({ "removed": 2, "sweeping": false }));
}

#[tokio::test]
async fn the_lock_is_asked_for_before_every_deletion() {
    let world = world_with_orphans().await;
    for number in 0..700 {
        world.files.insert(&format!("LTI_Uploads/aaaaaaaaaaaa/2_{number}"), "x");
    }
    assert_eq!(world.finalize().await.unwrap().orphans.blobs, 702);
    let mut since_the_lock = 0;
    for entry in world.journal.entries() {
        match entry.as_str() {
            "fence: still held" => since_the_lock = 0,
            entry if entry.starts_with("files: delete") => since_the_lock += 1,
            _ => {}
        }
        assert!(since_the_lock <= 250);
    }
    assert_eq!(world.files.names(), ["LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf"]);
}

#[tokio::test]
async fn nothing_is_deleted_or_published_once_the_lock_is_lost() {
    let world = world_with_orphans().await;
    let before = world.files.names();
    world.fence.lose_after(0);
    let stop = world.finalize().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary);
    assert_eq!(world.files.names(), before);
    assert!(world.results().is_empty());
    world.fence.lose_after(usize::MAX);
    assert_eq!(world.finalize().await.unwrap().orphans.blobs, 2);
}

#[tokio::test]
async fn against_another_database_nothing_is_deleted_published_or_retired() {
    let world = world_with_orphans().await;
    world.record(TRY_B, &[migrated(1, 1), Outcome { row: 1, ..migrated(2, 1) }]).await;
    let (before, documents) = (world.files.names(), world.run_blobs.names());
    world.target.lose("rogo_1_x");
    world.target.lose("rogo_2_x");
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let deleted = delete_orphans(&world.locked(), &files, &decided()).await;
    for stop in [world.finalize().await.unwrap_err(), deleted.unwrap_err()] {
        assert_eq!(stop.exit, Exit::Configuration);
        assert!(stop.message.contains("it is another database"), "{stop}");
    }
    assert_eq!((world.files.names(), world.run_blobs.names()), (before, documents));
}

#[tokio::test]
async fn a_target_is_another_database_only_if_most_of_several_rows_are_absent() {
    for (rows, lost, is_another) in [(1, 1, false), (2, 1, false), (2, 2, true), (3, 2, true), (4, 2, false)]
    {
        let world = World::new(rows, 1);
        world.record(TRY_A, &(1..=rows).map(|row| migrated(row, 1)).collect::<Vec<_>>()).await;
        (1..=lost).for_each(|row| world.target.lose(&format!("rogo_{row}_x")));
        let found =
            async |loss| another_database(&world.store, &world.plan, &world.target, loss).await.unwrap();
        let refused = found(Loss::Unexpected).await;
        assert_eq!(refused.is_some(), is_another, "{lost} of {rows}: {refused:?}");
        assert_eq!(found(Loss::Decided).await, None);
    }
}

#[tokio::test]
async fn nothing_is_deleted_while_not_one_migrated_row_can_be_recognised() {
    // The application has put a path in front of every name.
    let world = world_whose_row_names("uploads/LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf").await;
    let before = world.files.names();
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let stop = delete_orphans(&world.locked(), &files, &decided()).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration, "{stop}");
    assert!(stop.message.contains("not one names a blob of this run"), "{stop}");
    let decisions = |name: &String| name.contains("decisions");
    assert!(!world.run_blobs.names().iter().any(decisions), "what was not done is no decision");
    let totals = world.finalize().await.unwrap();
    assert!(totals.unswept.unwrap().contains("nothing was deleted"));
    assert_eq!((totals.orphans, world.files.names()), (Orphans::default(), before));
    assert_eq!((totals.books.migrated, world.result("migrated.csv").lines().count()), (1, 2));

    // The only recorded row is gone: other blobs may be of rows that this database never held.
    let world = world_with_orphans().await;
    world.target.lose("rogo_1_x");
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/2_1_committed.pdf", "x");
    let before = world.files.names();
    let totals = world.finalize().await.unwrap();
    assert!(totals.unswept.is_some());
    assert_eq!(world.files.names(), before);
}

/// The database that a changed name or pooler leads to lacks the rows that were committed and not recorded any more.
#[tokio::test]
async fn with_no_recorded_row_blobs_are_deleted_only_in_the_database_of_the_plan_beyond_doubt() {
    let world = || {
        let world = World::new(1, 1);
        world.register(TRY_A);
        world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_1_committed.pdf", "12345");
        world
    };
    let certain = world();
    assert_eq!(certain.finalize().await.unwrap().orphans.blobs, 1);
    assert!(certain.files.names().is_empty());

    let without_identifier = |world: &mut World| world.plan.identity.system = None;
    // As after --same-database, if the new server was filled from a dump.
    let moved = |world: &mut World| world.plan.identity.system = Some("another".into());
    for change in [&without_identifier as &dyn Fn(&mut World), &moved] {
        let mut world = world();
        change(&mut world);
        let before = world.files.names();
        let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
        let stop = delete_orphans(&world.locked(), &files, &decided()).await.unwrap_err();
        assert!(stop.message.contains("recorded no migrated row"), "{stop}");
        let totals = world.finalize().await.unwrap();
        let why = totals.unswept.unwrap();
        let remedy = "if it migrates none: ";
        assert!(why.contains("nothing was deleted") && why.contains(remedy), "{why}");
        assert!(
            why.contains("the blobs that `rogo-migrate orphans` lists, and remove them yourself"),
            "{why}"
        );
        assert_eq!((totals.orphans, world.files.names()), (Orphans::default(), before));

        // Once a row is recognised, what is left is removed.
        world.record(TRY_B, &[migrated(1, 1)]).await;
        world.register(TRY_B);
        world.run_blobs.insert("rogo/writers/bbbbbbbbbbbb.clean", "{}");
        world.target.name_blob("rogo_1_x", "LTI_Uploads/bbbbbbbbbbbb/1_1_named.pdf");
        assert_eq!(world.finalize().await.unwrap().orphans.blobs, 1);
    }
}

/// A run in which every row failed migrates none any more: what ends its sweep is said.
#[tokio::test]
async fn a_run_that_migrated_nothing_is_swept_once_the_right_to_see_the_server_is_granted() {
    let mut world = World::new(1, 1);
    world.register(TRY_A);
    world.record(TRY_B, &[failed(1, 1, FailCode::FileMissing)]).await;
    world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_1_left.pdf", "12345");
    let system = world.target.system.take();
    let why = world.finalize().await.unwrap().unswept.unwrap();
    assert!(
        why.contains("grant execute on function pg_control_system() to the role of DATABASE_URL"),
        "{why}"
    );
    world.target.system = system;
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.orphans.blobs, totals.unswept), (1, None));
}

/// Of forty segments a sample is looked at. All but one of the rows were taken out, whether that one is of the sample or not.
#[tokio::test]
async fn a_row_that_stands_proves_the_database_although_all_others_were_taken_out() {
    for kept in [1, 2] {
        let mut world = World::new(40, 1);
        world.plan.identity.system = None;
        world.register(TRY_A);
        let mut recorder = world.recorder(ShardIndex(0), TRY_A);
        for row in 1..=40 {
            world.target.hold(&[&format!("rogo_{row}_x")]);
            recorder.push(&migrated(row, 1)).unwrap();
            recorder.flush().await.unwrap();
        }
        world.target.name_blob(&format!("rogo_{kept}_x"), "LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf");
        world.files.insert("LTI_Uploads/aaaaaaaaaaaa/1_2_orphan.pdf", "12345");
        let others: Vec<_> = (1..=40).filter(|row| *row != kept).map(attempt).collect();
        decisions::accept(&world.store, &decided(), &others).await.unwrap();
        let totals = world.finalize().await.unwrap();
        assert_eq!((totals.orphans.blobs, totals.unswept), (1, None), "row {kept}");
    }
}

#[tokio::test]
async fn a_single_row_that_was_deleted_in_the_application_does_not_stop_the_merge() {
    let world = world_with_orphans().await;
    world.target.lose("rogo_1_x");
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.books.migrated, totals.lost.rows), (0, 1));
    assert_eq!(totals.orphans.blobs, 0, "they may be all that is left of the submission");
}

#[tokio::test]
async fn credentials_that_are_refused_at_any_point_of_a_merge_are_temporary() {
    for refused in 0.. {
        let world = world_with_orphans().await;
        let asked = AtomicUsize::new(0);
        world.run_blobs.fail(Some(Arc::new(move |_, _| {
            (asked.fetch_add(1, Ordering::SeqCst) == refused).then_some(FaultKind::Unauthenticated)
        })));
        let Err(stop) = world.finalize().await else {
            assert!(refused > 8, "the merge has {refused} operations only");
            return;
        };
        assert_eq!(stop.exit, Exit::Temporary, "operation {refused}: {stop}");
    }
}

#[tokio::test]
async fn a_sweep_that_fails_costs_no_result() {
    let world = world_with_orphans().await;
    world.files.fail_all("list", FaultKind::Unavailable);
    let totals = world.finalize().await.unwrap();
    assert!(totals.unswept.is_some());
    assert_eq!((totals.books.migrated, world.result("migrated.csv").lines().count()), (1, 2));
}

#[tokio::test]
async fn what_a_policy_of_the_container_keeps_is_named_and_is_no_failure_of_the_sweep() {
    let world = world_with_orphans().await;
    // A legal hold of one blob.
    world.files.fail(Some(Arc::new(|verb, name: &str| {
        (verb == "delete" && name.contains("1_2_orphan")).then_some(FaultKind::Immutable)
    })));
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.unswept, totals.kept.blobs), (None, 1));
    assert_eq!(totals.kept.named, ["LTI_Uploads/aaaaaaaaaaaa/1_2_…"], "without the file's own name");
    assert_eq!(totals.orphans, Orphans { blobs: 1, bytes: 3 });

    // A policy of the container: after one part of the list has been tried, no other is.
    let world = world_with_orphans().await;
    for number in 0..700 {
        world.files.insert(&format!("LTI_Uploads/aaaaaaaaaaaa/2_{number}_x"), "x");
    }
    let before = world.files.names();
    world.files.fail_all("delete", FaultKind::Immutable);
    let totals = world.finalize().await.unwrap();
    assert_eq!((totals.unswept, totals.kept.blobs, totals.kept.named.len()), (None, 702, 100));
    assert_eq!((totals.orphans, world.files.names()), (Orphans::default(), before));
    let tried = world.journal.entries().iter().filter(|entry| entry.starts_with("files: delete")).count();
    assert!(tried <= 251, "{tried}");
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let stop = delete_orphans(&world.locked(), &files, &decided()).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration, "asked for by hand, it is said: {stop}");
}

#[tokio::test]
async fn a_name_that_is_no_try_id_never_becomes_a_prefix() {
    for name in [
        "writers/.json",
        "writers/abc.json",
        "writers/aaaaaaaaaaa/.json",
        "writers/AAAAAAAAAAAA.json",
        "writers/x",
    ] {
        let world = world_with_orphans().await;
        let before = world.files.names();
        world.run_blobs.insert(&format!("rogo/{name}"), "{}");
        let stop = world.finalize().await.unwrap_err();
        assert!(stop.message.contains(&format!("memory://run/rogo/{name} is no writer")), "{stop}");
        assert_eq!(world.files.names(), before);
    }
}

#[tokio::test]
async fn listing_orphans_changes_nothing_and_deleting_them_retires_first() {
    let world = world_with_orphans().await;
    let files: Arc<dyn Blobs> = Arc::new(world.files.clone());
    let (before, documents) = (world.files.names(), world.run_blobs.names());
    let mut listed = Vec::new();
    let mut each = |blob: &rogo_migrate::ports::BlobInfo| listed.push(blob.name.clone());
    let found = list_orphans(&world.locked(), &files, &mut each).await.unwrap();
    assert_eq!(
        listed,
        ["LTI_Uploads/aaaaaaaaaaaa/1_2_orphan.pdf", "Marker_files/aaaaaaaaaaaa/1_3_orphan.docx"]
    );
    assert_eq!(found, Orphans { blobs: 2, bytes: 8 });
    assert_eq!((world.files.names(), world.run_blobs.names()), (before, documents));

    let deleted = delete_orphans(&world.locked(), &files, &decided()).await.unwrap();
    assert_eq!(deleted, found);
    assert_eq!(world.files.names(), ["LTI_Uploads/aaaaaaaaaaaa/1_1_named.pdf"]);
    assert!(world.run_blobs.names().contains(&"rogo/retired/aaaaaaaaaaaa".to_owned()));
}

#[tokio::test]
async fn nothing_is_published_once_the_lock_is_lost_although_there_is_nothing_to_sweep() {
    let world = World::new(1, 1);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    world.fence.lose_after(0);
    assert_eq!(world.finalize().await.unwrap_err().exit, Exit::Temporary);
    assert!(world.results().is_empty());
}

#[tokio::test]
async fn the_lock_is_held_until_the_caller_has_published_the_summary() {
    let world = World::new(1, 1);
    world.record(TRY_A, &[migrated(1, 1)]).await;
    let (_, quiet) = world.merge().await.unwrap();
    assert!(!world.results().is_empty());
    let is_released = || world.journal.entries().iter().any(|entry| entry == "fence: released");
    assert!(!is_released());
    quiet.end().await;
    assert!(is_released());
}

#[tokio::test]
async fn a_rollback_that_another_plans_run_began_is_not_gone_on_with() {
    let world = world_with_orphans().await;
    let mark = |plan| RolledBack { plan, decided: decided(), attempts: None };
    world.store.create(names::ROLLED_BACK, &mark("fa9876543210".parse().unwrap())).await.unwrap();
    let refused = Quiet::begin_rollback(&world.locked()).await.err().unwrap();
    assert!(refused.message.contains("rolled-back.json is of plan fa9876543210"), "{refused}");
    let retired = |name: &String| name.contains("/retired/");
    assert!(!world.run_blobs.names().iter().any(retired));
    world.store.replace(names::ROLLED_BACK, &mark(world.plan.id.clone())).await.unwrap();
    Quiet::begin_rollback(&world.locked()).await.unwrap().end().await;
    assert!(world.run_blobs.names().iter().any(retired));
}

#[tokio::test]
async fn what_a_process_recorded_after_the_merge_is_unmerged_although_its_clock_is_behind() {
    let world = World::new(2, 1);
    let begin = async |id: &str, minutes_ago: i64| {
        let started_at = Utc::now() - TimeDelta::minutes(minutes_ago);
        let record = WriterRecord {
            id: id.parse().unwrap(),
            shard: ShardIndex(0),
            started_at,
            host: format!("host of {id}"),
        };
        world.store.replace(&format!("writers/{id}.json"), &record).await.unwrap();
    };
    begin(TRY_A, 5).await;
    world.record(TRY_A, &[migrated(1, 1)]).await;
    let totals = world.finalize().await.unwrap();
    let (run, plan) = (&world.plan.run, &world.plan.id);
    let mut result = Summary::balance(run, plan, totals.rows, totals.books, Missing::default(), Utc::now());
    result.writers_merged = Some(totals.writers);
    assert!(unmerged(&world.store, &result).await.unwrap().is_empty());

    begin(TRY_B, 60).await;
    world.record(TRY_B, &[migrated(2, 2)]).await;
    let hosts: Vec<String> =
        unmerged(&world.store, &result).await.unwrap().into_iter().map(|found| found.host).collect();
    assert_eq!(hosts, [format!("host of {TRY_B}")]);
}
