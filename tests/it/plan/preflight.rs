//! What stops a run before it begins, all of it at once.

use std::{sync::atomic::Ordering, time::Duration};

use rogo_migrate::{
    domain::Facts,
    exit::Exit,
    plan::{self, PlanState},
    ports::{BlobInfo, FaultKind},
};
use tokio::time::Instant;

use super::{World, five};

#[tokio::test]
async fn every_reason_that_stops_a_run_is_told_at_once() {
    let mut world = five();
    world.target.preflight = vec!["table submission_files is missing".into()];
    world.warehouse.fault = Some(FaultKind::Denied);
    world.files.fail_all("check", FaultKind::NotFound);
    let words = ["table submission_files is missing", "warehouse: no", "target blobs: no"];
    world.check_refused(Exit::Configuration, &words).await;
    assert_eq!(world.target.asked(), 5 * 3, "one process × workers × pool");
}

#[tokio::test]
async fn beside_a_plan_that_stands_all_is_checked_but_room_for_connections() {
    let mut world = five();
    world.make().await.unwrap();
    let writes = world.files.writes();
    world.target.preflight = vec!["a pooler stands before the database".into()];
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert_eq!(stop.message, "target database: a pooler stands before the database");
    assert_eq!(world.store().refusal(&"0".parse().unwrap()).await.unwrap().unwrap().reasons, [stop.message]);
    assert_eq!(world.rehearse().await.unwrap_err().exit, Exit::Configuration);
    world.target.preflight = Vec::new();
    world.warehouse.shape.max_connections = Some(1);
    assert_eq!(world.make().await.unwrap().state, PlanState::Stood);
    assert_eq!((world.target.asked(), world.files.writes()), (0, writes));
}

#[tokio::test]
async fn what_may_pass_by_itself_is_75_and_no_refusal() {
    let mut world = five();
    world.warehouse.fault = Some(FaultKind::Unavailable);
    assert_eq!(world.make().await.unwrap_err().exit, Exit::Temporary);
    assert!(world.documents.names().is_empty());
}

#[tokio::test]
async fn too_few_warehouse_connections_are_refused() {
    let mut world = five();
    world.warehouse.shape.max_connections = Some(14);
    world.check_refused(Exit::Configuration, &["allows 14 connections and the run would open 15"]).await;
}

#[tokio::test]
async fn a_warehouse_that_holds_each_process_to_a_few_connections_is_counted_so() {
    let mut world = five();
    world.settings.shards = 8;
    world.settings.parallelism = 7;
    world.warehouse.shape.connections_per_process = Some(2);
    world.make().await.unwrap();
    world.settings.run = "second".parse().unwrap();
    world.warehouse.shape.max_connections = Some(14);
    world.make().await.unwrap();
    world.settings.run = "third".parse().unwrap();
    world.warehouse.shape.max_connections = Some(13);
    let refused = world.make().await.unwrap_err();
    assert!(refused.message.contains("allows 13 connections and the run would open 14"), "{refused}");
}

#[tokio::test]
async fn a_warehouse_without_any_report_is_another_one() {
    let mut world = five();
    world.warehouse.facts = Facts::default();
    world.check_refused(Exit::Configuration, &["none of the newest 5 eligible rows has a report"]).await;
}

#[tokio::test]
async fn facts_of_rows_that_are_not_eligible_prove_no_warehouse() {
    let mapping = &[("1", "21_01", "Attempt 1"), ("2", "24_01", "Attempt 1")];
    let mut world = World::new(&[("1", ""), ("2", "")], mapping);
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = vec![(1, "a grade")];
    world.check_refused(Exit::Configuration, &["none of the newest 1 eligible rows has a report"]).await;
    world.warehouse.scanned = vec![(2, "a grade")];
    world.make().await.unwrap();
}

#[tokio::test]
async fn a_disk_without_room_for_the_facts_is_refused_before_a_source_is_asked_or_the_warehouse_is_scanned() {
    let url = "https://rogo.blob.example/files/a.docx";
    let mut world = World::new(&[("1", url)], &[("1", "24_01", "Attempt 1")]);
    world.warehouse.shape.lookups_are_cheap = false;
    world.warehouse.scanned = vec![(1, "Pass")];
    world.warehouse.shape.scan_bytes = Some(1 << 60);
    // A server that refuses all would be told as well, if it had been asked.
    world.source.fail("", FaultKind::Denied);
    let words = ["the plan keeps about 1024.0 PiB of the warehouse's rows in TMPDIR (", "more are needed"];
    world.check_refused(Exit::Configuration, &words).await;
    assert_eq!(world.warehouse.scans.load(Ordering::SeqCst), 0);
    world.source.mend();
    world.warehouse.shape.scan_bytes = Some(1);
    world.make().await.unwrap();
    assert_eq!(world.warehouse.scans.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_missing_file_stops_nothing_but_a_source_that_denies_all_does() {
    let url = "https://rogo.blob.example/files/a.docx, https://rogo.blob.example/files/b.docx";
    let world = World::new(&[("1", url), ("2", url)], &[("1", "24", "Attempt 1"), ("2", "24", "Attempt 1")]);
    world.source.fail("", FaultKind::Denied);
    world.check_refused(Exit::Configuration, &["source blobs: no"]).await;
    world.source.mend();
    world.source.fail("", FaultKind::Unsupported);
    world.check_refused(Exit::Configuration, &["must answer HEAD requests"]).await;
    world.source.mend();
    world.source.fail("", FaultKind::NotFound);
    world.make().await.unwrap();
}

#[tokio::test]
async fn a_file_that_no_allowed_source_holds_is_not_looked_at() {
    let url = "https://rogo.blob.example/files-of-others/a.docx";
    let mut world = World::new(&[("1", url)], &[("1", "24", "Attempt 1")]);
    world.settings.source.allow = vec!["https://rogo.blob.example/files".parse().unwrap()];
    world.source.fail("", FaultKind::Denied);
    world.make().await.unwrap();
}

#[tokio::test]
async fn a_file_that_its_server_cannot_give_stops_nothing_while_it_gives_another() {
    let [broken, sound, alone] = [
        "https://rogo.blob.example/files/broken.docx",
        "https://rogo.blob.example/files/sound.docx",
        "https://rogo.blob.example/files/broken.pdf",
    ];
    let mapping = &[("1", "24", "Attempt 1"), ("2", "24", "Attempt 1")];
    for (urls, ends) in [([broken, sound], None), ([broken, alone], Some(Exit::Temporary))] {
        let world = World::new(&[("1", urls[1]), ("2", urls[0])], mapping);
        world.source.fail("broken", FaultKind::Unavailable);
        assert_eq!(world.make().await.err().map(|stop| stop.exit), ends, "{urls:?}");
    }
}

const THREE_MINUTES: Duration = Duration::from_mins(3);

/// How long the work took, of which `mend` is called after three minutes.
async fn mended_after_three_minutes<T>(work: impl Future<Output = T>, mend: impl FnOnce()) -> (T, Duration) {
    let begun = Instant::now();
    let mending = async {
        tokio::time::sleep(THREE_MINUTES).await;
        mend();
    };
    let (ended, ()) = tokio::join!(async { (work.await, begun.elapsed()) }, mending);
    ended
}

#[tokio::test(start_paused = true)]
async fn a_role_for_the_sources_that_was_assigned_just_now_is_waited_for() {
    let url = "https://rogo.blob.example/files/a.docx";
    let world = World::new(&[("1", url)], &[("1", "24", "Attempt 1")]);
    let lost = || world.source.fail("", FaultKind::NoRole);
    let soon = THREE_MINUTES..THREE_MINUTES + Duration::from_secs(15);
    lost();
    let (rehearsed, took) =
        Box::pin(mended_after_three_minutes(world.rehearse(), || world.source.mend())).await;
    assert!(rehearsed.is_ok() && soon.contains(&took), "{took:?} {:?}", rehearsed.err());

    // A role that does not arrive is refused, and one beside a reason that lasts is not waited for.
    lost();
    let begun = Instant::now();
    world.check_refused(Exit::Configuration, &["source blobs: no"]).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_mins(9) && took < Duration::from_mins(11), "{took:?}");
    let mut other = World::new(&[("1", url)], &[("1", "24", "Attempt 1")]);
    other.source.fail("", FaultKind::NoRole);
    other.warehouse.facts = Facts::default();
    let begun = Instant::now();
    other.check_refused(Exit::Configuration, &["has a report", "source blobs: no"]).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let (made, took) = Box::pin(mended_after_three_minutes(world.make(), || world.source.mend())).await;
    assert!(made.is_ok() && soon.contains(&took), "{took:?} {:?}", made.err());
}

#[tokio::test(start_paused = true)]
async fn a_role_for_the_sources_is_waited_for_before_they_are_listed() {
    let urls = ["https://rogo.blob.example/files/a.docx", "https://rogo.blob.example/files/b.docx"];
    for lookups_are_cheap in [true, false] {
        let mapping = &[("1", "24", "Attempt 1"), ("2", "24", "Attempt 1")];
        let mut world = World::new(&[("1", urls[0]), ("2", urls[1])], mapping);
        world.warehouse.shape.lookups_are_cheap = lookups_are_cheap;
        world.warehouse.scanned = vec![(1, "a grade"), (2, "a grade")];
        world.files.may_copy = true;
        let blob = |name: &str| BlobInfo { name: name.into(), etag: Some("1".into()), ..BlobInfo::default() };
        world.source.listed = Some(vec![blob("a.docx"), blob("b.docx")]);
        world.source.fail("", FaultKind::NoRole);
        let (made, _) = Box::pin(mended_after_three_minutes(world.make(), || world.source.mend())).await;
        let listed = made.unwrap().listed.unwrap();
        assert_eq!(listed.not_listed, [""; 0], "look-ups are cheap: {lookups_are_cheap}");
        assert_eq!((listed.pages, listed.known), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn roles_for_our_own_places_are_waited_for_ten_minutes_in_all() {
    let world = five();
    let places: [&dyn rogo_migrate::ports::Blobs; 2] = [&world.documents, &world.files];
    let begun = Instant::now();
    plan::roles_arrive(&places).await;
    world.files.fail_all("answers", FaultKind::Denied);
    plan::roles_arrive(&places).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "no role is missing");

    world.files.fail_all("answers", FaultKind::NoRole);
    let ((), took) = mended_after_three_minutes(plan::roles_arrive(&places), || world.files.fail(None)).await;
    assert!(took >= THREE_MINUTES && took < THREE_MINUTES + Duration::from_secs(15), "{took:?}");

    world.documents.fail_all("answers", FaultKind::NoRole);
    world.files.fail_all("answers", FaultKind::NoRole);
    let begun = Instant::now();
    plan::roles_arrive(&places).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_mins(9) && took < Duration::from_mins(11), "{took:?}");
}
