//! Telemetry as a real receiver gets it: Prometheus, which is built from its Go module.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use rogo_migrate::{
    domain::{Books, FailCode, Fate, Migrated, ShardIndex},
    ports::{Fault, FaultKind, LoadSign, Service},
    report::{
        events::{
            Beginning, Bounded, Consumer, Ended, Event, Guarded, Sample as Figures, Settled, StageTimes,
            Wait, Way,
        },
        invariants::Invariant,
    },
    run::State,
    settings::{ExportSettings, Signal},
    telemetry::{
        Exports,
        metrics::{METRICS, table},
    },
};

use crate::support::{
    app::{Sample, TestApp},
    prometheus::Prometheus,
};

#[test]
fn the_documents_table_is_the_programs() {
    let documented = include_str!("../../docs/metrics.md");
    assert!(documented.contains(&table()), "docs/metrics.md lacks this table:\n{}", table());
}

/// One event of each kind that is a metric.
pub(crate) fn tell_everything(consumer: &dyn Consumer) {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let fault = Fault::new(Service::TargetBlobs, FaultKind::Throttled(None), "planted-detail");
    let state = State::Throttled("503".into());
    let failed = Fate::Failed { code: FailCode::FileMissing, message: "planted-message".into() };
    let migrated = Fate::Migrated(Migrated { launch_id: "planted-launch-id".into(), ..Migrated::default() });
    let times = StageTimes {
        gather: second,
        decide: second,
        copy: Some(second),
        commit: Some(second),
        whole: Duration::from_secs(4),
    };
    let settled = |row, fate| {
        let attempt = Some(987_654_321.try_into().unwrap());
        Event::RowSettled(Settled { row, attempt, worker: 1, fate, times, breaker: None })
    };
    let slow = Guarded { share: 0.5, because: Some(LoadSign::LockWaits), changed: true, figures: "planted" };
    let full = Guarded { share: 1.0, because: None, ..slow };
    let shard = ShardIndex(0);
    let earlier = &Books::default();
    let beginning = Beginning { shard, rows: 2, last_row: 2, earlier, workers: 1 };
    for event in [
        Event::ShardBegan(beginning),
        Event::Gathered { rows: 2, took: second },
        Event::RowBegan { row: 1 },
        Event::RowBegan { row: 2 },
        settled(1, &migrated),
        settled(2, &failed),
        Event::BytesMoved { bytes: 700, way: Way::Streamed },
        Event::Recorded { took: second },
        Event::Guarded(slow),
        Event::Guarded(full),
        Event::Waited { on: Wait::Recorder, took: second * 2 },
        Event::Asked { service: Service::Database, took: second },
        Event::Asked { service: Service::TargetBlobs, took: second },
        Event::StageRetried { fault: &fault, tries: 1, wait: second },
        Event::ServiceTroubled { fault: &fault, state: &state },
        Event::Sized { queue: Bounded::Copies, usage: 3, limit: 16 },
        Event::Sized { queue: Bounded::Pool, usage: 2, limit: 3 },
        Event::PromiseBroken { invariant: Invariant::OneOutcome, row: Some(1) },
        Event::CheckDone { check: "rows_exist", compared: 2, different: 1 },
        Event::ShardEnded { shard, ended: Ended::Complete },
    ] {
        consumer.take(now, &event);
    }
    consumer.take(now + Duration::from_secs(2), &Event::Sampled(Figures::default()));
    let over = Event::ServiceAnswers { service: Service::TargetBlobs, after: &state };
    consumer.take(now + Duration::from_secs(5), &over);
}

#[tokio::test]
async fn prometheus_gets_every_metric_under_its_documented_name_and_nothing_personal() {
    let prometheus = Prometheus::start().await;
    let metrics = Some(Signal { endpoint: prometheus.endpoint(), ..Signal::default() });
    let settings = ExportSettings { metrics, ..ExportSettings::default() };
    let sending = move || {
        let (exports, receivers) = Exports::begin(&settings).unwrap();
        tell_everything(&receivers.metrics.unwrap());
        drop(exports);
    };
    tokio::task::spawn_blocking(sending).await.unwrap();
    for metric in METRICS {
        let name = metric.in_prometheus();
        let name = if metric.kind == "histogram" { name + "_count" } else { name };
        let found = prometheus.query(&name).await;
        assert!(!found.is_empty(), "{name}");
        for attribute in metric.attributes.split(", ").filter(|attribute| !attribute.is_empty()) {
            let label = attribute.replace('.', "_");
            assert!(
                found.iter().all(|(labels, _)| labels.get(&label).is_some() || label == "code"),
                "{found:?}"
            );
        }
    }
    let value = async |expression: &str| prometheus.query(expression).await[0].1;
    assert!((value("sum(rogo_migrate_rows_total)").await - 2.0).abs() < 1e-9);
    assert!((value(r#"rogo_migrate_rows_total{code="file_missing"}"#).await - 1.0).abs() < 1e-9);
    assert!((value("rogo_migrate_throttle_time_seconds_total").await - 5.0).abs() < 1e-9);
    assert!(value("rogo_migrate_row_active").await.abs() < 1e-9);
    let everything = format!("{:?}", prometheus.query(r#"{__name__=~".+"}"#).await);
    for planted in ["planted", "987654321"] {
        assert!(!everything.contains(planted), "{planted}: {everything}");
    }
}

#[tokio::test]
async fn a_run_sends_all_of_its_rows_before_it_ends() {
    let prometheus = Prometheus::start().await;
    let sample = Sample::with(40, 78, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", prometheus.endpoint());
    app.run(&["run"]).await.expect(0);
    let rows = prometheus.query(r#"sum(rogo_migrate_rows_total{outcome="migrated"})"#).await;
    assert!((rows[0].1 - 40.0).abs() < 1e-9, "{rows:?}");
    let stages = prometheus.query("sum by (stage) (rogo_migrate_stage_duration_seconds_count)").await;
    assert_eq!(stages.len(), 5, "{stages:?}");
    for expression in [
        "rogo_migrate_copy_io_bytes_total",
        "rogo_migrate_pool_limit",
        r#"rogo_migrate_queue_limit{queue="copies"}"#,
        r#"db_client_operation_duration_seconds_count{db_system_name="postgresql"}"#,
        r#"target_info{job="rogo-migrate"}"#,
    ] {
        assert!(!prometheus.query(expression).await.is_empty(), "{expression}");
    }
}

/// How long metrics and traces take to end, of which some were told.
async fn ending(endpoint: String) -> Duration {
    let signal = Some(Signal { endpoint, ..Signal::default() });
    let settings = ExportSettings {
        metrics: signal.clone(),
        traces: signal,
        trace_sample: 1,
        ..ExportSettings::default()
    };
    let sending = move || {
        let (exports, receivers) = Exports::begin(&settings).unwrap();
        let (metrics, (traces, _)) = (receivers.metrics.unwrap(), receivers.traces.unwrap());
        // More than one batch.
        for _ in 0..300 {
            tell_everything(&metrics);
            tell_everything(traces.as_ref());
        }
        let began = Instant::now();
        drop(exports);
        began.elapsed()
    };
    tokio::task::spawn_blocking(sending).await.unwrap()
}

#[tokio::test]
async fn the_end_waits_for_a_receiver_that_is_away_or_silent_no_longer_than_it_may() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = ending(format!("http://{free}/v1/metrics")).await;
    assert!(away < Duration::from_secs(1), "{away:?}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let took = ending(format!("http://{}/v1/metrics", silent.local_addr().unwrap())).await;
    assert!(took < Duration::from_millis(3_500), "{took:?}");
}

#[tokio::test]
async fn a_receiver_that_is_away_changes_no_row() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sample = Sample::with(12, 79, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{free}"));
    let ended = app.run(&["run"]).await.expect(0);
    assert!(ended.stdout.contains("12 rows = 12 migrated"), "{}", ended.stdout);
    assert!(ended.stderr.contains("the receiver of telemetry does not take metrics"), "{}", ended.stderr);
    app.set("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url");
    let ended = app.run(&["run"]).await.expect(78);
    assert!(ended.stderr.contains("correct the OTEL_* variables"), "{}", ended.stderr);
}
