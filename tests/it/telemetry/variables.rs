//! The standard variables of OpenTelemetry: what they change, and that without an endpoint nothing is made.

use std::time::Duration;

use tokio::process::Child;

use crate::support::{
    app::{Sample, TestApp},
    http_stub::{HttpStub, Response},
    process::{ended, said, signal},
};

/// Names of the threads of a process; Linux keeps 15 letters of each.
fn threads(process: &Child) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id().unwrap())).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_made_for_telemetry() {
    let sample = Sample::with(2, 87, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let receiver = HttpStub::start(|_, _| Response::new(200)).await;
    for endpoint in [None, Some(&receiver.endpoint)] {
        if let Some(endpoint) = endpoint {
            app.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        }
        let mut waiting = app.start(&["shard", "--shard", "0"]);
        said(&mut waiting, "waiting for the plan").await;
        let threads = threads(&waiting);
        signal(&waiting, "TERM");
        ended(&mut waiting).await.expect(143);
        let of_telemetry = threads.iter().filter(|name| name.starts_with("OpenTelemetry")).count();
        assert_eq!(of_telemetry, if endpoint.is_some() { 2 } else { 0 }, "{threads:?}");
    }
}

#[tokio::test]
async fn the_standard_variables_name_the_service_and_open_the_receiver() {
    let sample = Sample::with(2, 88, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let receiver = HttpStub::start(|_, _| Response::new(200)).await;
    for (name, value) in [
        ("ENDPOINT", receiver.endpoint.as_str()),
        ("HEADERS", "api-key=opens"),
        ("TRACES_HEADERS", "api-key=opens,tenant=seven"),
    ] {
        app.set(&format!("OTEL_EXPORTER_OTLP_{name}"), value);
    }
    app.set("OTEL_SERVICE_NAME", "night-run");
    app.set("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=pod-7,k8s.namespace.name=exams");
    app.run(&["run"]).await.expect(0);
    let requests = receiver.requests();
    for (path, tenant) in [("/v1/metrics", None), ("/v1/traces", Some("seven"))] {
        let sent: Vec<_> = requests.iter().filter(|request| request.target == path).collect();
        assert!(!sent.is_empty(), "{path}");
        for request in sent {
            assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
            assert_eq!((request.header("api-key"), request.header("tenant")), (Some("opens"), tenant));
            let body = String::from_utf8_lossy(&request.body);
            for word in ["night-run", "k8s.pod.name", "pod-7", "k8s.namespace.name", "exams"] {
                assert!(body.contains(word), "{path}: {word}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_lasts_no_longer_than_the_variable_says() {
    let sample = Sample::with(2, 89, |options| options.plain = true).await;
    let slow = HttpStub::start(|_, _| Response::new(200).after(Duration::from_millis(200))).await;
    for (limit, is_taken) in [("100", false), ("5000", true)] {
        let mut app = TestApp::new(&sample).await;
        app.set("OTEL_EXPORTER_OTLP_ENDPOINT", &slow.endpoint);
        app.set("OTEL_EXPORTER_OTLP_TIMEOUT", limit);
        let ended = app.run(&["run"]).await.expect(0);
        let is_refused = ended.stderr.contains("the receiver of telemetry does not take");
        assert_eq!(is_refused, !is_taken, "{limit} ms: {}", ended.stderr);
    }
}

#[tokio::test]
async fn so_many_spans_wait_as_the_variable_says_and_what_finds_no_room_is_counted() {
    let sample = Sample::with(40, 90, |options| options.plain = true).await;
    // The first request is refused: that the receiver is back is said too.
    let receiver = HttpStub::start(|_, number| Response::new(if number == 0 { 503 } else { 200 })).await;
    for (size, is_lost) in [(None, false), (Some("2"), true)] {
        let mut app = TestApp::new(&sample).await;
        app.set("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
        app.set("OTEL_METRIC_EXPORT_INTERVAL", "100");
        if let Some(size) = size {
            app.set("OTEL_BSP_MAX_QUEUE_SIZE", size);
        }
        let ended = app.run(&["run"]).await.expect(0);
        let says = |words| ended.stderr.contains(words);
        assert_eq!(says("did not take every span"), is_lost, "{size:?}: {}", ended.stderr);
        let is_back = says("receiver of telemetry takes metrics again")
            || says("receiver of telemetry takes traces again");
        assert_eq!(is_back, size.is_none(), "{size:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_sampler_that_takes_no_trace_sends_no_span_and_no_span_is_called_lost() {
    let sample = Sample::with(12, 97, |options| options.plain = true).await;
    for (sampler, is_sent) in [("always_on", true), ("always_off", false)] {
        let receiver = HttpStub::start(|_, _| Response::new(200)).await;
        let mut app = TestApp::new(&sample).await;
        app.set("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
        app.set("OTEL_TRACES_SAMPLER", sampler);
        let ended = app.run(&["run", "--trace-sample", "1"]).await.expect(0);
        let requests = receiver.requests();
        let has = |path: &str| requests.iter().any(|request| request.target == path);
        assert!(has("/v1/metrics"), "{sampler}");
        assert_eq!(has("/v1/traces"), is_sent, "{sampler}");
        assert!(!ended.stderr.contains("did not take every span"), "{sampler}: {}", ended.stderr);
    }
}
