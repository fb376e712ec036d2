//! Traces as a real receiver gets them: an OpenTelemetry Collector, which is built from its Go modules.

mod submission;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::repeat_n,
    time::{Duration, Instant},
};

use opentelemetry::{
    Context,
    trace::{TraceContextExt, Tracer},
};
use rogo_migrate::{
    report::events::{Consumer, Event, Wait},
    settings::{ExportSettings, Signal},
    telemetry::Exports,
};
use serde_json::Value;

use crate::{
    crash::submissions,
    support::{
        app::{Sample, TestApp},
        collector::{Collector, Span},
        process::{ended, signal, until},
        results,
    },
};

const CALLER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// What `plan.json` hands on to the other processes.
async fn trace_parent(app: &TestApp<'_>) -> String {
    let plan = results::read(&*app.run_blobs(), "rogo/plan.json").await;
    serde_json::from_slice::<Value>(&plan).unwrap()["traceparent"].as_str().unwrap().to_owned()
}

fn row(span: &Span) -> u64 {
    span.attributes["rogo_migrate.row"].parse().unwrap()
}

/// Rows of the submissions that are traced for this reason.
fn sampled(spans: &[Span], why: &str) -> BTreeSet<u64> {
    let submissions = named(spans, "submission");
    submissions.into_iter().filter(|span| span.attributes["rogo_migrate.sampled"] == why).map(row).collect()
}

#[tokio::test]
async fn a_run_is_one_trace_below_its_caller_and_each_chosen_submission_one_that_leads_there() {
    let collector = Collector::start().await;
    let sample = Sample::new(120, 80).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    app.set("TRACEPARENT", format!("00-{}-{}-01", CALLER.0, CALLER.1));
    app.set("ROGO_LOG_FORMAT", "json");
    let ended =
        app.run(&["run", "--trace-sample", "3", "--breaker", "off", "--reason", "a test"]).await.expect(0);
    assert_eq!(trace_parent(&app).await, format!("00-{}-{}-01", CALLER.0, CALLER.1), "for all pods");
    let spans = collector.spans();
    for step in ["plan", "shard", "finalize"] {
        let found = named(&spans, step);
        let places: Vec<_> = found.iter().map(|span| (span.trace.as_str(), span.parent.as_str())).collect();
        assert_eq!(places, [CALLER], "{step}: {spans:#?}");
    }
    let shard = named(&spans, "shard")[0];
    let link = (shard.trace.clone(), shard.id.clone());
    for submission in named(&spans, "submission") {
        assert_eq!((submission.parent.as_str(), &submission.links), ("", &vec![link.clone()]));
        assert_ne!(submission.trace, shard.trace);
        let stages: BTreeSet<_> =
            spans.iter().filter(|span| span.parent == submission.id).map(|span| span.name.as_str()).collect();
        assert!(stages.is_superset(&BTreeSet::from(["gather", "decide"])), "{stages:?}");
        let failed = submission.attributes["rogo_migrate.outcome"] == "failed";
        assert_eq!(submission.status == "Error", failed, "{submission:?}");
        let migrated = submission.attributes["rogo_migrate.outcome"] == "migrated";
        assert!(!migrated || stages.contains("commit") || stages.len() == 2, "{submission:?} {stages:?}");
    }
    let of_kind = |kind: &str| -> BTreeSet<u64> {
        app.outcomes().iter().filter(|(_, outcome)| outcome.0 == kind).map(|(row, _)| *row).collect()
    };
    let (failed, all) = (of_kind("failed"), app.outcomes());
    assert!(!failed.is_empty());
    assert_eq!(sampled(&spans, "failure"), failed);
    let slow = sampled(&spans, "slow");
    assert!(slow.len() >= 10, "{slow:?}");
    let rest: BTreeSet<_> = all
        .keys()
        .filter(|row| !failed.contains(row) && !slow.contains(row) && row.is_multiple_of(3))
        .copied()
        .collect();
    assert_eq!(sampled(&spans, "sample"), rest);
    let lines: Vec<Value> = ended.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_shard = lines.iter().filter(|line| line["span_id"] == shard.id.as_str());
    assert!(
        of_shard.clone().count() > 0 && of_shard.clone().all(|line| line["trace_id"] == CALLER.0),
        "{lines:?}"
    );
    nothing_personal(&sample, &collector, &spans);
}

#[tokio::test]
async fn every_failure_is_traced_at_the_default_rate() {
    let collector = Collector::start().await;
    let sample = Sample::new(120, 84).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint()));
    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await.expect(0);
    let outcomes = app.outcomes();
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.0 == "failed").map(|(row, _)| *row);
    let (failed, spans) = (failed.collect::<BTreeSet<u64>>(), collector.spans());
    assert!(failed.iter().any(|row| !row.is_multiple_of(100)), "{failed:?}");
    assert_eq!(sampled(&spans, "failure"), failed);
    assert!(sampled(&spans, "sample").is_subset(&BTreeSet::from([100])), "one in 100");
}

/// No cell of the inputs is part of a value that the receiver got, and nothing that the environment holds.
fn nothing_personal(sample: &Sample, collector: &Collector, spans: &[Span]) {
    let mut planted = BTreeSet::new();
    for file in ["submission_files.csv", "attempt_number_mapping.csv"] {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(sample.path(file)).unwrap();
        for record in reader.byte_records() {
            let cells: Vec<String> =
                record.unwrap().iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
            planted.extend(cells.into_iter().filter(|cell| cell.len() >= 5));
        }
    }
    assert!(planted.len() > 100, "{planted:?}");
    let values: BTreeSet<&String> = spans.iter().flat_map(|span| span.attributes.values()).collect();
    for value in values {
        let words: Vec<&str> = value.split(|letter: char| !letter.is_alphanumeric()).collect();
        for cell in &planted {
            assert!(value != cell && !words.contains(&cell.as_str()), "{cell:?} in {value:?}");
        }
    }
    let received = collector.received();
    for secret in ["a-consumer-key", "example.org", "sig=", "@", "AccountKey"] {
        assert!(!received.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn processes_of_a_run_without_a_caller_share_the_trace_that_the_plan_began() {
    let collector = Collector::start().await;
    let sample = Sample::with(12, 81, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint()));
    app.set("ROGO_TRACE_SAMPLE", "0");
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    for index in ["0", "1"] {
        app.run(&["shard", "--shard", index]).await.expect(0);
    }
    app.run(&["finalize"]).await.expect(0);
    app.run(&["verify"]).await.expect(0);
    let spans = collector.spans();
    let plan = named(&spans, "plan")[0];
    assert_eq!(plan.parent, "");
    assert_eq!(trace_parent(&app).await, format!("00-{}-{}-01", plan.trace, plan.id), "for all pods");
    let mut below: BTreeMap<&str, usize> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.trace == plan.trace && span.id != plan.id) {
        if !span.attributes.contains_key("process.exit.code") {
            // A slow machine makes a shard wait.
            assert!(named(&spans, "shard").iter().any(|shard| shard.id == span.parent), "{span:?}");
            continue;
        }
        assert_eq!(span.parent, plan.id, "{span:?}");
        assert_eq!(span.attributes["process.exit.code"], "0", "{span:?}");
        *below.entry(&span.name).or_default() += 1;
    }
    assert_eq!(below, BTreeMap::from([("finalize", 1), ("shard", 2), ("verify", 1)]));
}

#[tokio::test]
async fn what_was_not_sent_yet_is_sent_after_sigterm() {
    let collector = Collector::start().await;
    let sample = Sample::with(400, 82, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    app.set("ROGO_TRACE_SAMPLE", "1");
    app.set("OTEL_BSP_SCHEDULE_DELAY", "600000");
    app.set("OTEL_METRIC_EXPORT_INTERVAL", "600000");
    app.run(&["plan"]).await.expect(0);
    let seeded = submissions(&app).await;
    let mut process = app.start(&["shard", "--shard", "0", "--workers", "1", "--in-flight", "1"]);
    until("rows stand", || async { submissions(&app).await >= seeded + 10 }).await;
    signal(&process, "TERM");
    let stopped = ended(&mut process).await;
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    let spans = collector.spans();
    let shard = named(&spans, "shard")[0];
    assert_eq!(shard.attributes["process.exit.code"], "143");
    assert_ne!(shard.status, "Error", "a stop that was asked for is none");
    let migrated = named(&spans, "submission")
        .into_iter()
        .filter(|span| span.attributes["rogo_migrate.outcome"] == "migrated")
        .count();
    assert_eq!(i64::try_from(migrated).unwrap(), submissions(&app).await - seeded);
    assert!(collector.received().contains("rogo_migrate.shard.active"), "metrics are sent too");
}

/// Traces go to this receiver, and nothing else does.
fn traces_to(endpoint: &str) -> ExportSettings {
    let signal = Signal { endpoint: format!("{endpoint}/v1/traces"), ..Signal::default() };
    ExportSettings { traces: Some(signal), ..ExportSettings::default() }
}

/// Steps of a run with so many shards, each of which waited often: how many spans its trace has.
fn spans_of_a_run(collector: &Collector, shards: usize) -> usize {
    let settings = traces_to(collector.endpoint());
    let (exports, receivers) = Exports::begin(&settings).unwrap();
    let (consumer, tracer) = receivers.traces.unwrap();
    let run = Context::new().with_span(tracer.start_with_context("run", &Context::new()));
    // Plan, wait, merge and verification are one each.
    for steps in [1; 4].into_iter().chain(repeat_n(shards, shards)) {
        let step = run.with_span(tracer.start_with_context("step", &run));
        for _ in 0..150 {
            let (on, took) = (Wait::Recorder, Duration::from_secs(2));
            consumer.take(Instant::now(), &Event::Waited { on, took });
        }
        consumer.step_ended(&step, steps);
    }
    let trace = run.span().span_context().trace_id().to_string();
    drop((run, exports));
    collector.spans().iter().filter(|span| span.trace == trace).count()
}

#[tokio::test]
async fn the_trace_of_a_run_stays_small_however_many_shards_wait() {
    let collector = Collector::start().await;
    let counting = move || [1, 29, 100, 1_000].map(|shards| (shards, spans_of_a_run(&collector, shards)));
    for (shards, spans) in tokio::task::spawn_blocking(counting).await.unwrap() {
        assert!(spans <= 3_000, "{shards} shards: {spans} spans");
        assert!(spans > shards + 4, "{shards} shards: {spans} spans, with waits");
    }
}
