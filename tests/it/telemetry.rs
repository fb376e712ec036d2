//! Telemetry as a real receiver gets it: Prometheus, which is built from its Go module.

mod away;
mod under_way;
mod variables;

use std::time::{Duration, Instant};

use rogo_migrate::{
    domain::{Books, FailCode, Fate, Migrated, ShardIndex},
    ports::{Fault, FaultKind, LoadSign, Service},
    report::events::{
        Beginning, Bounded, Consumer, Ended, Event, Guarded, Invariant, Sample as Figures, Server, Settled,
        StageTimes, Wait, Way,
    },
    run::State,
    settings::{ExportSettings, Signal},
    telemetry::{
        Exports,
        metrics::{METRICS, table},
    },
};

use uuid::Uuid;

use crate::{
    observability::{OF_TROUBLE, assert_shown},
    support::{
        app::{Sample, TestApp},
        azurite::Azurite,
        collector::{Collector, Span},
        prometheus::Prometheus,
        proxy::{Proxy, Reply},
    },
};

#[test]
fn the_documents_table_is_the_programs() {
    let documented = include_str!("../../docs/metrics.md");
    assert!(documented.contains(&table()), "docs/metrics.md lacks this table:\n{}", table());
}

/// Metrics, attributes and values whose names are not the program's own: semantic conventions 1.44 of OpenTelemetry.
const CONVENTIONS: [(&str, &str, &str, &str); 3] = [
    (
        "http.client.request.duration",
        "histogram",
        "s",
        "http.request.method, server.address, server.port, rogo_migrate.service",
    ),
    ("db.client.operation.duration", "histogram", "s", "db.system.name"),
    ("rogo_migrate.retries", "counter", "{try}", "service, error.type"),
];

#[test]
fn names_of_the_semantic_conventions_are_theirs_in_program_and_documentation() {
    let documented = include_str!("../../docs/metrics.md");
    for (name, kind, unit, attributes) in CONVENTIONS {
        let metric = METRICS.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((metric.kind, metric.unit, metric.attributes), (kind, unit, attributes), "{name}");
        let row = format!("| `{name}` | {kind} | `{unit}` | {attributes} |");
        assert!(documented.contains(&row), "docs/metrics.md lacks {row}");
    }
    let own = METRICS.iter().filter(|metric| !CONVENTIONS.iter().any(|(name, ..)| *name == metric.name));
    for metric in own {
        assert!(metric.name.starts_with("rogo_migrate."), "not a name of this program: {metric:?}");
        assert!(!metric.attributes.contains('.'), "not its own attributes: {metric:?}");
    }
}

/// One event of each kind that is a metric.
fn tell_everything(consumer: &dyn Consumer) {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let fault = Fault::new(Service::TargetBlobs, FaultKind::Throttled(None), "planted-detail");
    let state = State::Throttled("503".into());
    let failed = Fate::Failed { code: FailCode::FileMissing, message: "planted-message".into() };
    let migrated = Fate::Migrated(Migrated { launch_id: "planted-launch-id".into(), ..Migrated::default() });
    let times = StageTimes {
        gather: second,
        decide: second,
        copy: Some(second * 2),
        commit: Some(second * 3),
        whole: Duration::from_secs(7),
    };
    let settled = |row, fate| {
        let attempt = Some(987_654_321.try_into().unwrap());
        Event::RowSettled(Settled { row, attempt, worker: 1, fate, times, breaker: None })
    };
    let slow = Guarded { share: 0.5, because: Some(LoadSign::LockWaits), changed: true, figures: "planted" };
    let full = Guarded { share: 1.0, because: None, ..slow };
    let server = &Server { address: "files.example".into(), port: 8443 };
    let shard = ShardIndex(0);
    let earlier = &Books::default();
    let beginning = Beginning { shard, rows: 2, last_row: 2, earlier, workers: 1 };
    for event in [
        Event::ShardBegan(beginning),
        Event::Gathered { rows: 2, took: second },
        Event::RowBegan { row: 1 },
        Event::RowBegan { row: 2 },
        Event::RowBegan { row: 3 },
        Event::RowDropped { row: 3 },
        settled(1, &migrated),
        settled(2, &failed),
        Event::BytesMoved { bytes: 700, way: Way::Streamed },
        Event::BytesMoved { bytes: 300, way: Way::ServerSide },
        Event::Recorded { took: second * 9 },
        Event::Waited { on: Wait::Recorder, took: second * 2 },
        Event::Asked { service: Service::Database, server: None, took: second },
        Event::Asked { service: Service::Warehouse, server: None, took: second * 3 },
        Event::Asked { service: Service::TargetBlobs, server: Some(server), took: second * 5 },
        Event::Asked { service: Service::SourceBlobs, server: Some(server), took: second * 7 },
        // A folder is no HTTP server.
        Event::Asked { service: Service::TargetBlobs, server: None, took: second * 11 },
        Event::StageRetried { fault: &fault, tries: 1, wait: second },
        Event::ServiceTroubled { fault: &fault, state: &state },
        Event::Sized { queue: Bounded::Copies, usage: 3, limit: 16 },
        Event::Sized { queue: Bounded::Pool, usage: 2, limit: 3 },
        Event::PromiseBroken { invariant: Invariant::OneOutcome, row: Some(1) },
        Event::CheckDone { check: "rows_exist", compared: 20, different: 4 },
    ] {
        consumer.take(now, &event);
    }
    consumer.take(now, &Event::Guarded(slow));
    consumer.take(now + Duration::from_secs(2), &Event::Guarded(full));
    consumer.take(now + Duration::from_secs(2), &Event::Sampled(Figures::default()));
    let over = Event::ServiceAnswers { service: Service::TargetBlobs, after: &state };
    consumer.take(now + Duration::from_secs(5), &over);
    let ended = Event::ShardEnded { shard, ended: Ended::Complete };
    consumer.take(now + Duration::from_secs(5), &ended);
}

/// A service that throttles and then is away, and one that throttles, as does the guard, until its shard ends.
fn tell_throttles_that_end_otherwise(consumer: &dyn Consumer) {
    let now = Instant::now();
    let tell = |seconds, event: &Event<'_>| consumer.take(now + Duration::from_secs(seconds), event);
    let (throttled, waiting) = (State::Throttled("503".into()), State::Waiting("no answer".into()));
    let fault = |service, kind| Fault::new(service, kind, "no");
    for service in [Service::TargetBlobs, Service::SourceBlobs] {
        let fault = fault(service, FaultKind::Throttled(None));
        tell(0, &Event::ServiceTroubled { fault: &fault, state: &throttled });
    }
    let slow = Guarded { share: 0.5, because: Some(LoadSign::LockWaits), changed: true, figures: "" };
    tell(1, &Event::Guarded(slow));
    let again = fault(Service::SourceBlobs, FaultKind::Throttled(None));
    let more = State::Throttled("429".into());
    tell(2, &Event::ServiceTroubled { fault: &again, state: &more });
    let away = fault(Service::TargetBlobs, FaultKind::Unavailable);
    tell(3, &Event::ServiceTroubled { fault: &away, state: &waiting });
    tell(4, &Event::ShardEnded { shard: ShardIndex(0), ended: Ended::Unfinished });
    tell(10, &Event::ServiceAnswers { service: Service::TargetBlobs, after: &waiting });
    tell(20, &Event::Sampled(Figures::default()));
}

/// What [`tell_everything`] makes of each metric; durations in seconds.
const VALUES: [(&str, f64); 30] = [
    ("sum(rogo_migrate_rows_total)", 2.0),
    (r#"rogo_migrate_rows_total{outcome="migrated"}"#, 1.0),
    (r#"rogo_migrate_rows_total{outcome="failed", code="file_missing"}"#, 1.0),
    ("rogo_migrate_row_active", 0.0),
    (r#"rogo_migrate_stage_duration_seconds_sum{stage="gather"}"#, 1.0),
    (r#"rogo_migrate_stage_duration_seconds_sum{stage="decide"}"#, 2.0),
    (r#"rogo_migrate_stage_duration_seconds_sum{stage="copy"}"#, 4.0),
    (r#"rogo_migrate_stage_duration_seconds_sum{stage="commit"}"#, 6.0),
    (r#"rogo_migrate_stage_duration_seconds_sum{stage="record"}"#, 9.0),
    (r#"rogo_migrate_stage_duration_seconds_count{stage="commit"}"#, 2.0),
    (r#"rogo_migrate_copy_io_bytes_total{mode="streamed"}"#, 700.0),
    (r#"rogo_migrate_copy_io_bytes_total{mode="server"}"#, 300.0),
    (r#"rogo_migrate_queue_usage{queue="copies"}"#, 3.0),
    (r#"rogo_migrate_queue_limit{queue="copies"}"#, 16.0),
    (r#"rogo_migrate_retries_total{service="target blobs", error_type="throttled"}"#, 1.0),
    (r#"rogo_migrate_throttle_time_seconds_total{service="target blobs"}"#, 5.0),
    ("rogo_migrate_pool_usage", 2.0),
    ("rogo_migrate_pool_limit", 3.0),
    ("rogo_migrate_guard_speed", 100.0),
    (r#"rogo_migrate_guard_time_seconds_total{sign="lock_waits"}"#, 2.0),
    ("rogo_migrate_shard_active", 0.0),
    (r#"rogo_migrate_invariant_violations_total{invariant="one_outcome"}"#, 1.0),
    (r#"rogo_migrate_verify_differences_total{check="rows_exist"}"#, 4.0),
    (r#"db_client_operation_duration_seconds_sum{db_system_name="postgresql"}"#, 1.0),
    (r#"db_client_operation_duration_seconds_sum{db_system_name="microsoft.sql_server"}"#, 3.0),
    (
        r#"http_client_request_duration_seconds_sum{http_request_method="PUT", server_address="files.example", server_port="8443"}"#,
        5.0,
    ),
    (
        r#"http_client_request_duration_seconds_sum{http_request_method="GET", rogo_migrate_service="source blobs"}"#,
        7.0,
    ),
    (r#"rogo_migrate_stage_duration_seconds_bucket{stage="gather", le="0.5"}"#, 0.0),
    (r#"rogo_migrate_stage_duration_seconds_bucket{stage="gather", le="1"}"#, 1.0),
    ("count(target_info)", 1.0),
];

#[tokio::test]
async fn prometheus_gets_every_metric_under_its_documented_name_and_nothing_personal() {
    let prometheus = Prometheus::start().await;
    let metrics = Some(Signal { endpoint: prometheus.endpoint(), ..Signal::default() });
    let settings = ExportSettings { metrics, instance: Uuid::new_v4(), ..ExportSettings::default() };
    let again = settings.clone();
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
        let documented = metric.attributes.replace('.', "_");
        let of_process = ["__name__", "job", "instance"];
        for label in found.iter().flat_map(|(labels, _)| labels.as_object().unwrap().keys()) {
            let is_documented = documented.split(", ").any(|attribute| attribute == label);
            assert!(is_documented || of_process.contains(&label.as_str()), "{name}: {label}: {found:?}");
        }
    }
    for (expression, expected) in VALUES {
        let found = prometheus.query(expression).await;
        let value = found.first().map_or(f64::NAN, |(_, value)| *value);
        assert!((value - expected).abs() < 1e-9, "{expression}: {value} instead of {expected}; {found:?}");
    }
    // Another process at the same time: its series are its own.
    let another = ExportSettings { instance: Uuid::new_v4(), ..again };
    let sending = move || {
        let (exports, receivers) = Exports::begin(&another).unwrap();
        tell_everything(&receivers.metrics.unwrap());
        drop(exports);
    };
    tokio::task::spawn_blocking(sending).await.unwrap();
    assert!((prometheus.query("sum(rogo_migrate_rows_total)").await[0].1 - 4.0).abs() < 1e-9);
    let everything = format!("{:?}", prometheus.query(r#"{__name__=~".+"}"#).await);
    for planted in ["planted", "987654321"] {
        assert!(!everything.contains(planted), "{planted}: {everything}");
    }
}

#[tokio::test]
async fn a_service_throttles_until_it_is_away_or_the_shard_ends_and_so_does_the_guard() {
    let prometheus = Prometheus::start().await;
    let metrics = Some(Signal { endpoint: prometheus.endpoint(), ..Signal::default() });
    let settings = ExportSettings { metrics, instance: Uuid::new_v4(), ..ExportSettings::default() };
    let sending = move || {
        let (exports, receivers) = Exports::begin(&settings).unwrap();
        tell_throttles_that_end_otherwise(&receivers.metrics.unwrap());
        drop(exports);
    };
    tokio::task::spawn_blocking(sending).await.unwrap();
    for (service, expected) in [("target blobs", 3.0), ("source blobs", 4.0)] {
        let counted = format!("rogo_migrate_throttle_time_seconds_total{{service=\"{service}\"}}");
        let found = prometheus.query(&counted).await;
        assert!((found[0].1 - expected).abs() < 1e-9, "{service}: {found:?}");
    }
    let slowed = prometheus.query(r#"rogo_migrate_guard_time_seconds_total{sign="lock_waits"}"#).await;
    assert!(slowed.len() == 1 && (slowed[0].1 - 3.0).abs() < 1e-9, "{slowed:?}");
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
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let bytes = prometheus.query(r#"rogo_migrate_copy_io_bytes_total{mode="streamed"}"#).await;
    let copied = summary["books"]["bytes"].as_f64().unwrap();
    assert!(copied > 0.0 && bytes.len() == 1 && (bytes[0].1 - copied).abs() < 1e-9, "{bytes:?} of {copied}");
    for expression in [
        "rogo_migrate_pool_usage",
        "rogo_migrate_pool_limit >= 1",
        r#"rogo_migrate_queue_usage{queue="copies"}"#,
        r#"rogo_migrate_queue_limit{queue="copies"} >= 32"#,
        r#"rogo_migrate_queue_usage{queue="outcomes"} < 1000"#,
        r#"rogo_migrate_queue_limit{queue="outcomes"} >= 1000"#,
        r#"db_client_operation_duration_seconds_count{db_system_name="postgresql"} >= 1"#,
        r#"db_client_operation_duration_seconds_count{db_system_name="microsoft.sql_server"} >= 1"#,
        r#"http_client_request_duration_seconds_count{http_request_method="GET"} >= 40"#,
        r#"http_client_request_duration_seconds_count{http_request_method="PUT"} >= 40"#,
        r#"target_info{job="rogo-migrate"}"#,
    ] {
        assert!(!prometheus.query(expression).await.is_empty(), "{expression}");
    }
}

#[tokio::test]
async fn throttles_retries_and_differences_of_a_real_run_are_counted() {
    let prometheus = Prometheus::start().await;
    let sample = Sample::with(40, 89, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let collector = Collector::start().await;
    app.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", prometheus.endpoint());
    app.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint()));
    // A rate needs two samples.
    app.set("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let azurite = Azurite::shared().await;
    let address = azurite.endpoint().split('/').nth(2).unwrap().parse().unwrap();
    let proxy = Proxy::start(address).await;
    let through = azurite.connection_string().replace(&format!("{address}"), &proxy.address().to_string());
    app.set("AZURE_STORAGE_CONNECTION_STRING", through);
    let bytes =
        b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\nx-ms-error-code: ServerBusy\r\ncontent-length: 0\r\n\r\n";
    proxy.reply(Some(Reply { to: b"/LTI_Uploads/".to_vec(), bytes: bytes.to_vec(), times: 8 }));
    // One row at a time: an answer to another row's copy would end the throttle at once.
    app.run(&["run", "--workers", "1", "--in-flight", "1"]).await.expect(0);
    assert_eq!(proxy.replies(), 8);
    let spans = collector.spans();
    let shard = spans.iter().find(|span| span.name == "shard").unwrap();
    let throttled = |span: &&Span| span.name == "throttled" && span.parent == shard.id;
    assert!(spans.iter().any(|span| throttled(&span)), "below its shard: {spans:?}");
    app.database.run("update submission_grades set overall_summary = concat(overall_summary, 'x')").await;
    app.run(&["verify"]).await.expect(1);
    let value = async |expression: &str| -> f64 {
        prometheus.query(expression).await.first().map_or(f64::NAN, |(_, value)| *value)
    };
    let retries = r#"rogo_migrate_retries_total{service="target blobs", error_type="throttled"}"#;
    assert!((1.0..=8.0).contains(&value(retries).await), "{}", value(retries).await);
    assert!(value(r#"rogo_migrate_throttle_time_seconds_total{service="target blobs"}"#).await > 0.0);
    assert!(value(r#"http_client_request_duration_seconds_count{http_request_method="PUT"}"#).await >= 40.0);
    assert!(value("sum(rogo_migrate_verify_differences_total)").await >= 1.0);
    for at_rest in ["sum(rogo_migrate_row_active)", "sum(rogo_migrate_shard_active)"] {
        assert!(value(at_rest).await.abs() < 1e-9, "{at_rest}");
    }
    for metric in OF_TROUBLE {
        assert_shown(&prometheus, metric).await;
    }
}
