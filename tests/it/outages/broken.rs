//! Faults that are not the whole service's: a file that is broken, a service that asks for less, too many rows
//! that fail.

use std::fs;

use rogo_migrate::sample::SampleOptions;

use super::World;
use crate::{
    crash::no_orphans_and_nothing_missing,
    readback::Target,
    report::told::told,
    support::{
        app::{Sample, TestApp, assert_same},
        http_stub::{HttpStub, Response},
        proxy::Reply,
    },
};

/// The path of the first learner file of this row.
fn file_of_row(app: &TestApp<'_>, row: usize) -> String {
    let mut reader = csv::Reader::from_path(app.sample.path("submission_files.csv")).unwrap();
    let place = reader.headers().unwrap().iter().position(|name| name == "Learner Azure Blob URLs").unwrap();
    let cell = reader.records().nth(row - 1).unwrap().unwrap()[place].to_owned();
    let url: url::Url = cell.split(',').next().unwrap().parse().unwrap();
    url.path().to_owned()
}

#[tokio::test]
async fn a_file_that_its_server_cannot_give_fails_its_own_row_and_delays_nobody() {
    let world = World::plain(30, 58).await;
    let mut app = world.app().await;
    let broken = file_of_row(&app, 20);
    let to = format!("GET {broken} ").into_bytes();
    let bytes = b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n".to_vec();
    world.source.reply(Some(Reply { to, bytes, times: usize::MAX }));
    let ended = app.run(&["run"]).await.expect(0);
    assert!(ended.stdout.contains("30 rows = 29 migrated + 1 failed + 0 skipped"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("the process waits"), "{}", ended.stderr);
    let failed = app.result("submissions_failed_migration.csv");
    assert!(
        failed.contains("unavailable: file 1 of the submission (a learner file, from http://127.0.0.1:"),
        "{failed}"
    );
    assert!(failed.contains("failed at each try, and answered before and after"), "{failed}");
    assert_eq!(app.outcomes()[&20], ("failed".to_owned(), "unavailable".to_owned()));
    no_orphans_and_nothing_missing(&app).await;

    // The only row left in a queue ends too, long before anyone gives up.
    fs::write(app.out.path().join("again.csv"), failed).unwrap();
    app.set("ROGO_SUBMISSIONS", app.out.path().join("again.csv").display().to_string());
    let ended = app.run(&["run", "--run", "alone"]).await.expect(0);
    assert!(ended.stdout.contains("1 rows = 0 migrated + 1 failed + 0 skipped"), "{}", ended.stdout);
    world.source.reply(None);
    let ended = app.run(&["run", "--run", "mended"]).await.expect(0);
    assert!(ended.stdout.contains("1 rows = 1 migrated"), "{}", ended.stdout);
}

#[tokio::test]
async fn storage_that_asks_for_less_is_given_time_and_blames_no_row() {
    let world = World::plain(40, 59).await;
    let expected = world.undisturbed().await;
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    let bytes =
        b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\nx-ms-error-code: ServerBusy\r\ncontent-length: 0\r\n\r\n";
    let busy = |to: &str| Some(Reply { to: to.into(), bytes: bytes.to_vec(), times: 8 });
    world.source.reply(busy("GET "));
    world.target.reply(busy("/LTI_Uploads/"));
    let ended = app.run(&["shard", "--shard", "0"]).await.expect(0);
    for (service, proxy) in [("source blobs", &world.source), ("target blobs", &world.target)] {
        assert_eq!(proxy.replies(), 8, "{service}");
        let throttled = ended.stderr.lines().any(|line| {
            line.contains("the process waits")
                && line.contains(&format!("\"service\":\"{service}\""))
                && line.contains("\"throttled\":true")
        });
        assert!(throttled, "{service}: {}", ended.stderr);
    }
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &expected);
}

#[tokio::test]
async fn a_container_or_an_identity_that_is_refused_as_a_whole_is_held_and_blames_no_row() {
    let world = World::plain(8, 62).await;
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    // A role that was removed and came back.
    let bytes =
        b"HTTP/1.1 403 No\r\nx-ms-error-code: AuthorizationPermissionMismatch\r\ncontent-length: 0\r\n\r\n";
    let to = b" /devstoreaccount1/".to_vec();
    world.source.reply(Some(Reply { to: to.clone(), bytes: bytes.to_vec(), times: 60 }));
    let ended = app.run(&["shard", "--shard", "0"]).await.expect(0);
    assert!(ended.stderr.contains("so is every other file in that container"), "{}", ended.stderr);
    let ended = app.run(&["finalize"]).await.expect(0);
    assert!(ended.stdout.contains("8 rows = 8 migrated + 0 failed + 0 skipped"), "{}", ended.stdout);

    // A container that stays away: no row has an outcome.
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    let bytes =
        b"HTTP/1.1 404 No\r\nx-ms-error-code: ContainerNotFound\r\ncontent-length: 0\r\n\r\n".to_vec();
    world.source.reply(Some(Reply { to, bytes, times: usize::MAX }));
    let ended = app.run(&["shard", "--shard", "0", "--give-up-after", "2s"]).await.expect(75);
    for part in ["there is no such container", "No row was blamed"] {
        assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
    }
    assert_eq!(super::recorded(&app).concat().len(), 0);
}

#[tokio::test]
async fn a_private_container_that_is_read_without_credentials_is_refused_or_held_and_blames_no_row() {
    let world = World::plain(8, 66).await;
    let app = world.app().await;
    let to = b" /devstoreaccount1/".to_vec();
    let bytes = b"HTTP/1.1 404 No\r\nx-ms-error-code: ResourceNotFound\r\ncontent-length: 0\r\n\r\n".to_vec();
    let private = Reply { to, bytes, times: usize::MAX };
    world.source.reply(Some(private.clone()));
    let says = "may not be read without credentials; correct its name, give a connection string";
    let refused = app.run(&["plan"]).await.expect(78);
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
    world.source.reply(None);
    app.run(&["plan"]).await.expect(0);
    world.source.reply(Some(private));
    let ended = app.run(&["shard", "--shard", "0", "--give-up-after", "2s"]).await.expect(75);
    for part in [says, "No row was blamed"] {
        assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
    }
    assert_eq!(super::recorded(&app).concat().len(), 0);
}

#[tokio::test]
async fn a_source_that_answers_as_no_storage_does_is_held_and_blames_no_row() {
    let world = World::plain(8, 64).await;
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    // A gateway in between wants a login.
    let bytes = b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n".to_vec();
    world.source.reply(Some(Reply { to: b" /devstoreaccount1/".to_vec(), bytes, times: usize::MAX }));
    let ended = app.run(&["shard", "--shard", "0", "--give-up-after", "2s"]).await.expect(75);
    for part in ["it redirects", "No row was blamed"] {
        assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
    }
    assert_eq!(super::recorded(&app).concat().len(), 0);
    world.source.reply(None);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let ended = app.run(&["finalize"]).await.expect(0);
    assert!(ended.stdout.contains("8 rows = 8 migrated + 0 failed + 0 skipped"), "{}", ended.stdout);
}

#[tokio::test]
async fn folders_of_source_and_target_that_are_gone_are_held_or_refused_and_nothing_is_made_in_their_place() {
    let small = |options: &mut SampleOptions| options.plain = true;
    let sample = Sample::in_folder(6, 65, small).await;
    let mut app = TestApp::new(&sample).await;
    Target::folder(&mut app);
    let warehouse = format!("file://{}", sample.path("warehouse").display());
    let rehearsed = app.run(&["plan", "--dry-run", "--warehouse", &warehouse]).await.expect(0);
    assert!(rehearsed.stderr.contains("the target's folder is not there yet"), "{}", rehearsed.stderr);
    let is_new = "the target's folder is new; if it should hold files already, its mount is missing";
    for (run, says) in [("first", true), ("second", false)] {
        let planned = app.run(&["plan", "--run", run, "--warehouse", &warehouse]).await.expect(0);
        assert_eq!(planned.stderr.contains(is_new), says, "{}", planned.stderr);
    }
    app.set("ROGO_RUN", "second");
    let shard = ["shard", "--shard", "0", "--warehouse", &warehouse, "--give-up-after", "2s"];

    // A mount that is gone leaves its place, or not even that.
    let (files, aside) = (sample.path("files"), sample.path("aside"));
    fs::rename(&files, &aside).unwrap();
    for _ in 0..2 {
        let ended = app.run(&shard).await.expect(75);
        for part in ["is gone; mount it", "No row was blamed"] {
            assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
        }
        fs::create_dir_all(&files).unwrap();
    }
    fs::remove_dir(&files).unwrap();
    fs::rename(&aside, &files).unwrap();

    let (target, aside) = (app.out.path().join("target-blobs"), app.out.path().join("aside"));
    fs::rename(&target, &aside).unwrap();
    for _ in 0..2 {
        for command in [&shard[..], &["plan", "--warehouse", &warehouse]] {
            let ended = app.run(command).await.expect(78);
            assert!(ended.stderr.contains("or is not mounted"), "{}", ended.stderr);
        }
        assert!(!target.exists() || fs::read_dir(&target).unwrap().next().is_none());
        fs::create_dir_all(&target).unwrap();
    }
    fs::remove_dir(&target).unwrap();
    fs::rename(&aside, &target).unwrap();
    app.run(&shard).await.expect(0);
    let ended = app.run(&["finalize", "--warehouse", &warehouse]).await.expect(0);
    assert!(ended.stdout.contains("6 rows = 6 migrated + 0 failed + 0 skipped"), "{}", ended.stdout);

    // Of a target that is not mounted nothing is known, and so no blob is called missing.
    let verify = ["verify", "--level", "blobs", "--warehouse", &warehouse];
    fs::rename(&target, &aside).unwrap();
    let ended = app.run(&verify).await.expect(78);
    assert!(ended.stderr.contains("or is not mounted"), "{}", ended.stderr);
    fs::rename(&aside, &target).unwrap();
    app.run(&verify).await.expect(0);
}

/// Small rows in a folder; of every tenth from the `first` (from 0) on, a file is gone.
async fn lacking_files(rows: u64, first: usize) -> Sample {
    let small = |options: &mut SampleOptions| {
        options.plain = true;
        options.file_bytes = "10".parse().unwrap();
    };
    let sample = Sample::in_folder(rows, 60, small).await;
    for (path, _) in sample.files().into_iter().skip(3 * first).step_by(30) {
        fs::remove_file(sample.path(&path)).unwrap();
    }
    sample
}

#[tokio::test]
async fn a_shard_whose_breaker_opens_keeps_no_other_from_its_rows() {
    // The even rows, of which one in five fails, are shard 0's.
    let sample = lacking_files(1_600, 1).await;
    let mut app = TestApp::new(&sample).await;
    Target::folder(&mut app);
    app.set("KUBECONFIG", "/nonexistent");
    let warehouse = format!("file://{}", sample.path("warehouse").display());
    // Rows that are under way when it opens are settled: it must not be all that are left.
    let few = ["--shards", "2", "--in-flight", "20"];
    let ended = app.run(&[&["run", "--warehouse", &warehouse], &few[..]].concat()).await.expect(69);
    for part in ["error: shard 0: circuit breaker: ", "INCOMPLETE: ", "have no outcome, in 1 shard(s): 0\n"] {
        assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
    }
    assert!(app.result("migrated.csv").lines().count() > 800, "shard 1 is moved and merged");
    // What is left is too little to judge by.
    let rest = app.run(&["resume", "--warehouse", &warehouse]).await.expect(0);
    assert!(rest.stdout.contains("1,600 rows = 1,440 migrated + 160 failed + 0 skipped"), "{}", rest.stdout);
}

#[tokio::test]
async fn too_many_rows_that_fail_in_copy_open_the_breaker() {
    let sample = lacking_files(560, 0).await;
    let mut app = TestApp::new(&sample).await;
    Target::folder(&mut app);
    let warehouse = format!("file://{}", sample.path("warehouse").display());
    let receiver = HttpStub::start(|_, _| Response::new(204)).await;
    app.set("ROGO_NOTIFY", &receiver.endpoint);
    let open = app.run(&["run", "--warehouse", &warehouse]).await.expect(65);
    assert_eq!(told(&receiver), ["STOPPED 65"]);
    for part in [
        "circuit breaker: ",
        "rows that reached copy failed there or at commit, more than 5 %",
        "correct the cause and run again, or set --breaker",
    ] {
        assert!(open.stderr.contains(part), "{part:?} is not said in {}", open.stderr);
    }
    let through = app
        .run(&["run", "--warehouse", &warehouse, "--breaker", "off", "--reason", "a test"])
        .await
        .expect(0);
    assert_eq!(told(&receiver), ["STOPPED 65", "COMPLETE 0"]);
    assert!(through.stdout.contains("560 rows = 504 migrated + 56 failed + 0 skipped"), "{}", through.stdout);
    let failed = app.result("submissions_failed_migration.csv");
    assert_eq!(failed.matches("file_missing: ").count(), 56, "{failed}");
}
