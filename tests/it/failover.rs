//! A database that crashes before it has written to disk what it answered, or that fails over to a standby that has not
//! received it.

use std::{collections::BTreeSet, time::Duration};

use tokio::process::Child;

use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    support::{
        app::{Sample, TestApp, assert_same},
        postgres::own::OwnServer,
        process::{ended, signal, until},
        proxy::Proxy,
    },
};

const ROWS: u64 = 40;

/// One row at a time.
const SHARD: [&str; 9] = ["shard", "--shard", "0", "--workers", "1", "--pool", "1", "--in-flight", "1"];

/// So long does a row take at least, twice: there and back.
const DELAY: Duration = Duration::from_millis(40);

/// Rows that all migrate, with small files.
async fn sample() -> Sample {
    let change = |options: &mut rogo_migrate::sample::SampleOptions| {
        options.plain = true;
        options.file_bytes = "100-3000".parse().unwrap();
    };
    Sample::with(ROWS, 71, change).await
}

/// A planned run whose database is this server, reached through the proxy, and its first process.
async fn begin<'sample>(
    sample: &'sample Sample,
    server: &OwnServer,
    proxy: &Proxy,
) -> (TestApp<'sample>, Child) {
    let mut app = TestApp::on(sample, server.database()).await;
    // The run is far from its end when rows stand, until `commit_at_once`.
    app.commit_slowly("0.2").await;
    // The seed is no part of what may be lost.
    app.database.run("checkpoint").await;
    app.set("DATABASE_URL", server.url_through(proxy.address()));
    app.set("KUBECONFIG", "/nonexistent");
    app.run(&["plan"]).await.expect(0);
    proxy.delay(DELAY);
    let process = app.start(&SHARD);
    until("rows stand", || async { submissions(&app).await >= 10 }).await;
    (app, process)
}

/// Launch ids that stand.
async fn standing(app: &TestApp<'_>) -> BTreeSet<String> {
    let ids = "select lti_launch_id from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    sqlx::query_scalar::<_, String>(ids).fetch_all(app.database.pool()).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_crash_takes_nothing_that_was_answered_although_the_role_does_not_wait_for_the_disk() {
    let sample = sample().await;
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);

    let mut server = OwnServer::start().await;
    let proxy = Proxy::start(server.address()).await;
    let (app, mut process) = begin(&sample, &server, &proxy).await;
    server.crash();
    assert!(process.try_wait().unwrap().is_none(), "the run is in its middle");
    server.restart().await;
    let stood = submissions(&app).await;
    assert!((10..40).contains(&stood), "{stood} rows stand after the crash");
    app.commit_at_once().await;
    proxy.delay(Duration::ZERO);
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);

    // The finalizer looks up every row that was recorded as migrated.
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
    no_orphans_and_nothing_missing(&app).await;
}

#[tokio::test]
async fn rows_that_a_failover_lost_are_named_and_moved_again() {
    let sample = sample().await;
    let undisturbed = TestApp::new(&sample).await;
    undisturbed.run(&["run"]).await.expect(0);
    let all = standing(&undisturbed).await;

    let mut primary = OwnServer::start().await;
    let standby = primary.standby().await;
    let proxy = Proxy::start(primary.address()).await;
    let (mut app, mut process) = begin(&sample, &primary, &proxy).await;
    signal(&process, "STOP");
    standby.stop_receiving().await;
    let received = submissions(&app).await;
    signal(&process, "CONT");
    until("more rows are answered", || async { submissions(&app).await >= received + 6 }).await;

    proxy.refuse(true);
    proxy.cut_all();
    let answered_at_most = standing(&app).await;
    primary.crash();
    standby.promote().await;
    assert!(process.try_wait().unwrap().is_none(), "the run is in its middle");
    app.database = standby.database();
    let kept = standing(&app).await;
    app.commit_at_once().await;
    proxy.lead_to(standby.address());
    proxy.delay(Duration::ZERO);
    proxy.refuse(false);
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);

    let finalized = app.run(&["finalize"]).await.expect(69);
    let lost: BTreeSet<String> = app
        .result("lost.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(2).unwrap().to_owned())
        .collect();
    assert!(lost.len() >= 4, "six were answered, two at most have got no answer: {lost:?}");
    let said = format!("{} of {ROWS} rows were migrated, and the target no longer holds them", lost.len());
    assert!(finalized.stderr.contains(&said), "{}", finalized.stderr);
    assert!(lost.is_subset(&answered_at_most) && lost.is_disjoint(&kept), "{lost:?}");
    let stands = standing(&app).await;
    assert!(lost.is_disjoint(&stands), "{lost:?}");
    assert_eq!(&lost | &stands, all, "every row stands or is named");

    app.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
    no_orphans_and_nothing_missing(&app).await;
}
