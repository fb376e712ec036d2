//! SIGTERM while a service is silent: the end comes all the same, and what may have taken effect is found again.

use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::time::Instant;

use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    support::{
        app::{Sample, TestApp, assert_same},
        postgres::TestServer,
        process::{ended, signal, until},
        proxy::Proxy,
    },
};

#[tokio::test]
async fn commits_that_are_not_answered_are_cut_off_within_twenty_seconds_and_settled_by_the_next_process() {
    let sample = Sample::with(40, 77, |options| options.plain = true).await;
    let (mut app, undisturbed) = (TestApp::new(&sample).await, TestApp::new(&sample).await);
    app.run(&["plan"]).await.expect(0);
    let direct = app.variable("DATABASE_URL").to_owned();
    let proxy = Proxy::start(TestServer::get().address()).await;
    proxy.delay(Duration::from_millis(15));
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    // It is far from its end, however late the test hears of its first rows.
    app.commit_slowly("0.5").await;
    let mut process =
        app.start(&["shard", "--shard", "0", "--same-database", "--workers", "2", "--in-flight", "2"]);
    until("rows stand", || async { submissions(&app).await >= 3 }).await;
    proxy.swallow(true);
    let began = Instant::now();
    signal(&process, "TERM");
    let stopped = ended(&mut process).await;
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(took > Duration::from_secs(8), "commits under way are given some seconds: {took:?}");
    let names: Vec<String> =
        app.run_blobs().list("rogo/writers/").map_ok(|info| info.name).try_collect().await.unwrap();
    assert!(!names.iter().any(|name| name.contains(".clean")), "what was cut off is not clean: {names:?}");

    app.set("DATABASE_URL", direct);
    drop(proxy);
    app.commit_at_once().await;
    app.run(&["run"]).await.expect(0);
    undisturbed.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed.everything().await);
    no_orphans_and_nothing_missing(&app).await;
}
