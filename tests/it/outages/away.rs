//! A service is away, by refusal or by silence: for a while, and for longer than anyone waits.

use std::{fs, time::Duration};

use super::{SHARD, World, recorded};
use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    support::{
        app::{Ended, TestApp, assert_same},
        azurite::Azurite,
        csv::Csv,
        process::{ended, said, signal, until},
        proxy::{Cut, Proxy, Reply},
    },
};

/// How long a silent service is silent: less than any timeout of the program.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a shard may take once nothing disturbs it.
const LONGEST: Duration = Duration::from_mins(5);

/// New connections are refused, those that stand are cut, until some have come in vain.
pub(super) async fn is_refused_for_a_while(proxy: &Proxy) {
    proxy.refuse(true);
    proxy.cut_all();
    let before = proxy.accepted();
    until("it is tried again and again", || async { proxy.accepted() >= before + 20 }).await;
    proxy.refuse(false);
}

/// Nothing comes through, without a word.
pub(super) async fn is_silent_for_a_while(proxy: &Proxy) {
    let before = proxy.swallowed();
    proxy.swallow(true);
    until("something comes in vain", || async { proxy.swallowed() > before }).await;
    tokio::time::sleep(SILENCE).await;
    proxy.swallow(false);
}

/// A shard during which each service goes away once; the warehouse first, which is asked ahead of all rows.
async fn runs_through(world: &World, leave: impl AsyncFn(&Proxy)) -> Ended {
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let asked = world.warehouse.accepted();
    world.warehouse.refuse(true);
    let mut process = app.start(&SHARD);
    until("the warehouse is asked", || async { world.warehouse.accepted() > asked }).await;
    world.warehouse.refuse(false);
    leave(&world.warehouse).await;
    for (rows, proxy) in [(3, &world.database), (12, &world.target), (24, &world.source)] {
        until("rows stand", || async { submissions(&app).await >= rows }).await;
        leave(proxy).await;
    }
    let shard = ended(&mut process).await;
    world.take_no_time();
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
    no_orphans_and_nothing_missing(&app).await;
    shard
}

#[tokio::test]
async fn a_service_that_refuses_for_a_while_is_waited_for() {
    let world = World::plain(40, 51).await;
    let shard = runs_through(&world, is_refused_for_a_while).await;
    for service in ["target database", "target blobs", "source blobs"] {
        let waits = shard.stderr.lines().any(|line| {
            line.contains("the process waits") && line.contains(&format!("\"service\":\"{service}\""))
        });
        assert!(waits, "{service} is waited for: {}", shard.stderr);
    }
}

#[tokio::test]
async fn a_service_that_is_silent_for_a_while_is_waited_for() {
    let world = World::plain(40, 52).await;
    runs_through(&world, is_silent_for_a_while).await;
}

/// A shard during which a service says nothing until the program's own timeout has ended its wait.
async fn outlasts_a_timeout(seed: u64, rows: i64, service: &str, proxy: impl Fn(&World) -> &Proxy) {
    let world = World::plain(24, seed).await;
    let mut app = world.app().await;
    let warehouse = format!("{};Connect Timeout=2", app.variable("DATA_WAREHOUSE_CONNECTION_STRING"));
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", warehouse);
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    let log = app.out.path().join("shard.log");
    // All reports are fetched ahead of the first row: that service falls silent before.
    proxy(&world).swallow(rows == 0);
    let mut process = app.command(&SHARD).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    until("rows stand", || async { submissions(&app).await >= rows }).await;
    proxy(&world).swallow(true);
    let waits = || {
        let said = fs::read_to_string(&log).unwrap();
        let of_service = format!("\"service\":\"{service}\"");
        said.lines().any(|line| line.contains("the process waits") && line.contains(&of_service))
    };
    until("the program's timeout has ended its wait", || async { waits() }).await;
    proxy(&world).swallow(false);
    world.take_no_time();
    let status = tokio::time::timeout(LONGEST, process.wait()).await.expect("the process ends").unwrap();
    assert_eq!(status.code(), Some(0), "{service}: {}", fs::read_to_string(&log).unwrap());
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn a_service_that_is_silent_for_longer_than_the_programs_timeouts_is_waited_for() {
    tokio::join!(
        outlasts_a_timeout(71, 0, "warehouse", |world| &world.warehouse),
        outlasts_a_timeout(72, 3, "target database", |world| &world.database),
        outlasts_a_timeout(73, 3, "target blobs", |world| &world.target),
        outlasts_a_timeout(74, 3, "source blobs", |world| &world.source),
    );
}

#[tokio::test]
async fn a_queue_that_breaks_off_is_read_on_where_it_was() {
    let world = World::plain(40, 63).await;
    // Cells that nothing is stored of, a megabyte each: of 40 MB the first 25 rows are certainly read when it breaks
    // off, whatever is still under way then.
    let path = world.sample.path("submission_files.csv");
    let mut submissions = Csv::read(&path);
    let name = submissions.place("Rogo User Name");
    submissions.rows.iter_mut().for_each(|row| row[name] = "x".repeat(1_000_000));
    submissions.write(&path);

    let mut app = world.app().await;
    app.set("ROGO_RUN_STORE", format!("az://{}/runs", Azurite::shared().await.container().await));
    app.run(&["plan"]).await.expect(0);
    // As often as a stream is taken up again: only the queue is large enough to be asked for by range.
    let bytes = b"HTTP/1.1 500 Away\r\ncontent-length: 0\r\n\r\n".to_vec();
    world.target.reply(Some(Reply { to: b"range: bytes=".to_vec(), bytes, times: 4 }));
    world.target.cut(Cut::AfterBytes(38_000_000));
    let shard = app.run(&SHARD).await.expect(0);
    assert_eq!((world.target.cuts(), world.target.replies()), (1, 4), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
}

/// Runs the shard until the service is away for longer than it waits.
async fn gives_up(app: &TestApp<'_>, proxy: &Proxy, rows: i64, service: &str) {
    let arguments = [&SHARD[..], &["--give-up-after", "2s"]].concat();
    let mut process = app.start(&arguments);
    if rows > 0 {
        until("rows stand", || async { submissions(app).await >= rows }).await;
    }
    proxy.refuse(true);
    proxy.cut_all();
    let shard = ended(&mut process).await;
    proxy.refuse(false);
    assert_eq!(shard.code, Some(75), "{service}: {}", shard.stderr);
    let says = [
        format!("(give-up-after): {service}: "),
        "No row was blamed; repair the service and run again".into(),
    ];
    for part in says {
        assert!(shard.stderr.contains(&part), "{part:?} is not said in {}", shard.stderr);
    }
}

#[tokio::test]
async fn a_service_that_stays_away_ends_the_process_with_75_and_leaves_its_rows_for_the_next() {
    let world = World::plain(40, 53).await;
    let expected = world.undisturbed().await;
    let app = world.app().await;
    app.run(&["plan"]).await.expect(0);
    world.take_time();
    world.warehouse.refuse(true);
    gives_up(&app, &world.warehouse, 0, "warehouse").await;
    assert_eq!((submissions(&app).await, recorded(&app).concat()), (0, Vec::new()), "no row was touched");
    for (rows, proxy, service) in [
        (3, &world.database, "target database"),
        (12, &world.target, "target blobs"),
        (24, &world.source, "source blobs"),
    ] {
        gives_up(&app, proxy, rows, service).await;
    }
    world.take_no_time();
    app.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &expected);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn the_one_pod_of_plan_or_finalize_waits_and_may_be_stopped_while_it_does() {
    let world = World::plain(12, 61).await;
    let mut app = world.app().await;
    app.set("ROGO_POD", "r-rogo-1-x");
    let waits = async |app: &TestApp<'_>, step: &str| {
        world.database.refuse(true);
        world.database.cut_all();
        let mut process = app.start(&[step]);
        said(&mut process, "the step is tried again").await;
        process
    };
    let mut stopped = waits(&app, "plan").await;
    signal(&stopped, "TERM");
    assert_eq!(ended(&mut stopped).await.code, Some(143));
    for step in ["plan", "finalize"] {
        let mut process = waits(&app, step).await;
        world.database.refuse(false);
        let ended = ended(&mut process).await;
        assert_eq!(ended.code, Some(0), "{step}: {}", ended.stderr);
        app.run(&["shard", "--shard", "0"]).await.expect(0);
    }
    assert_same(&app.everything().await, &world.undisturbed().await);
    world.database.refuse(true);
    app.run(&["plan", "--give-up-after", "1s"]).await.expect(75);
}
