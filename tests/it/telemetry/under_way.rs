//! Metrics of a run while its rows are under way, and once it was stopped in the middle.

use crate::{
    crash::submissions,
    support::{
        app::{Sample, TestApp},
        process::{ended, signal, until},
        prometheus::Prometheus,
    },
};

#[tokio::test]
async fn what_is_under_way_is_counted_up_and_down_and_a_stopped_shard_has_told_every_row_that_it_committed() {
    let prometheus = Prometheus::start().await;
    let sample = Sample::with(400, 93, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    // All rows together take longer than anything is waited for: the shard is in their middle whatever else the machine does.
    app.commit_slowly("0.5").await;
    app.run(&["plan"]).await.expect(0);
    let seeded = submissions(&app).await;
    app.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", prometheus.endpoint());
    app.set("OTEL_METRIC_EXPORT_INTERVAL", "50");
    let value = async |expression: &str| -> Option<f64> {
        prometheus.query(expression).await.first().map(|(_, value)| *value)
    };
    let mut shard = app.start(&["shard", "--shard", "0", "--workers", "1", "--in-flight", "1"]);
    for (under_way, least) in [
        ("rogo_migrate_shard_active == 1", 1.0),
        ("rogo_migrate_row_active == 1", 1.0),
        (r#"rogo_migrate_rows_total{outcome="migrated"}"#, 10.0),
    ] {
        until(under_way, async || value(under_way).await.is_some_and(|value| value >= least)).await;
    }
    // What is not sent every 50 ms from now on is sent at the end.
    signal(&shard, "TERM");
    let stopped = ended(&mut shard).await;
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    let committed = i32::try_from(submissions(&app).await - seeded).unwrap();
    assert!((10..400).contains(&committed), "it is the middle: {committed}");
    for (expression, expected) in [
        (r#"sum(rogo_migrate_rows_total{outcome="migrated"})"#, f64::from(committed)),
        ("rogo_migrate_row_active", 0.0),
        ("rogo_migrate_shard_active", 0.0),
    ] {
        let found = value(expression).await;
        assert_eq!(found, Some(expected), "{expression}");
    }
}
