//! A run with the target guard, and without.

use std::time::Duration;

use rogo_migrate::ports::LoadSign;
use serde_json::Value;
use sqlx::Executor;

use crate::support::{
    app::{Sample, TestApp},
    postgres::TestServer,
    process::until,
    prometheus::Prometheus,
    proxy::{Cut, Proxy},
};

/// What only the guard's query holds.
const LOOK: &[u8] = b"pg_stat_replication";

async fn sample() -> Sample {
    Sample::with(30, 61, |options| options.plain = true).await
}

#[tokio::test]
async fn only_a_guarded_run_asks_for_the_load_and_a_look_that_is_lost_blames_no_row() {
    let sample = sample().await;
    for (guard, looks) in [("off", 0), ("on", 1)] {
        let proxy = Proxy::start(TestServer::get().address()).await;
        proxy.cut(Cut::BeforeAnswerTo(LOOK.to_vec()));
        let mut app = TestApp::without_cluster(&sample).await;
        app.set("DATABASE_URL", app.database.url_through(proxy.address()));
        let ended = app.run(&["run", "--target-guard", guard]).await.expect(0);
        assert_eq!(proxy.cuts(), looks, "--target-guard {guard}");
        assert_eq!(app.database.number("select count(*) from assignment_submissions").await, 30);
        assert_eq!(ended.stderr.contains("the target guard could not look at the target"), looks > 0);
    }
}

#[tokio::test]
async fn a_lock_that_others_wait_for_slows_the_run_down_and_is_named_wherever_people_look() {
    let sample = sample().await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_TARGET_GUARD", "on");
    let prometheus = Prometheus::start().await;
    app.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", prometheus.endpoint());
    let proxy = Proxy::start(TestServer::get().address()).await;
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    // The state is told every second: the shard lasts longer.
    proxy.delay(Duration::from_millis(10));
    let mut holder = TestServer::get().connect(app.database.name()).await;
    holder.execute("begin").await.unwrap();
    holder.execute("select 1 from users for update").await.unwrap();
    let mut waits = TestServer::get().connect(app.database.name()).await;
    let waiting = tokio::spawn(async move {
        waits.execute("update users set username = username").await.unwrap();
    });
    let long =
        "select count(*) from pg_locks join pg_stat_activity using (pid) where datname = current_database()
        and not granted and clock_timestamp() - waitstart > interval '1 s'";
    until("another session has waited for a lock for a second", || async {
        app.database.number(long).await == 1
    })
    .await;
    let ended = app.run(&["shard", "--shard", "0"]).await.expect(0);
    holder.execute("rollback").await.unwrap();
    waiting.await.unwrap();
    let sign = LoadSign::LockWaits;
    let said = ended.stderr;
    for words in [
        format!("\"because\":\"{}\"", sign.name()),
        "\"percent\":0.390625".to_owned(),
        format!("slowed: target guard, 0.4 % of full speed: {sign}"),
        // Sessions of other roles are on this server: what the ordinary role does not see is said once.
        "grant pg_read_all_stats".to_owned(),
    ] {
        assert!(said.contains(&words), "{words}\n{said}");
    }
    assert_eq!(said.matches("grant pg_read_all_stats").count(), 1, "{said}");
    proxy.delay(Duration::ZERO);
    app.run(&["finalize"]).await.expect(0);
    for expression in
        ["rogo_migrate_guard_speed == 1", r#"rogo_migrate_guard_time_seconds_total{sign="lock_waits"} > 0"#]
    {
        assert!(!prometheus.query(expression).await.is_empty(), "{expression}");
    }
    let marker = app.document("rogo/done/0.json").await;
    assert!(marker.contains("\"lock_waits\":"), "the time is counted by its sign");
    assert!(said.contains("\"limits\":\"target_guard"), "progress: {said}");
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let is_guard = |limit: &&Value| limit["code"] == "target_guard";
    let limits = summary["limits"].as_array().unwrap();
    let text = limits.iter().find(is_guard).unwrap_or_else(|| panic!("{summary}"))["text"].as_str().unwrap();
    assert!(text.starts_with("target guard: it slowed the process down "), "{text}");
    let status = app.run(&["status", "--json"]).await.expect(0);
    let standing: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(standing["limits"], summary["limits"]);
    assert!(app.result("report.html").contains("<li><code>target_guard</code> target guard: it slowed "));
}
