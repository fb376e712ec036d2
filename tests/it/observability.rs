//! The dashboard and the alert rules, asked of a real Prometheus that got the metrics of a run.

use std::{fs, path::PathBuf, process::Command, time::Instant};

use rogo_migrate::{
    report::events::{Consumer, Event, Invariant},
    settings::{ExportSettings, Signal},
    telemetry::Exports,
};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{
    app::{Sample, TestApp},
    process,
    prometheus::{Prometheus, program},
};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "deploy/observability", name].iter().collect()
}

/// Metrics without a value after a run that goes well: `telemetry` asks for them after one that is throttled, and whose
/// target was changed.
pub(crate) const OF_TROUBLE: [&str; 3] = [
    "rogo_migrate_retries_total",
    "rogo_migrate_throttle_time_seconds_total",
    "rogo_migrate_verify_differences_total",
];

/// The metric of a bug of the program. No run of a test has one: a debug build panics.
const OF_A_BUG: &str = "rogo_migrate_invariant_violations_total";

/// The expressions of all panels, each with its panel's title.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(file("dashboard.json")).unwrap()).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            found.push((panel["title"].to_string(), expression));
        }
    }
    found
}

/// The expressions of all alerts, without the threshold: of a run that goes well nothing is above it.
fn alerts() -> Vec<(String, String)> {
    let rules = fs::read_to_string(file("alerts.yaml")).unwrap();
    let of = |key: &str| -> Vec<String> {
        rules.lines().filter_map(|line| line.split_once(key)).map(|(_, value)| value.to_owned()).collect()
    };
    let measured = of(" expr: ").into_iter().map(|expression| {
        let (measured, threshold) = expression.rsplit_once([' ']).unwrap();
        threshold.parse::<f64>().unwrap();
        measured.trim_end_matches([' ', '<', '>']).to_owned()
    });
    of(" alert: ").into_iter().zip(measured).collect()
}

/// Demands that a panel and an alert show this metric, and that each of them answers.
pub(crate) async fn assert_shown(prometheus: &Prometheus, metric: &str) {
    let of_metric = |asked: Vec<(String, String)>| -> Vec<(String, String)> {
        asked.into_iter().filter(|(_, expression)| expression.contains(metric)).collect()
    };
    let (panels, alerts) = (of_metric(panels()), of_metric(alerts()));
    assert!(!panels.is_empty() && !alerts.is_empty(), "{metric}: {panels:?} {alerts:?}");
    for (title, expression) in panels.into_iter().chain(alerts) {
        let found = prometheus.query(&expression).await;
        // What was counted in one go has a rate of 0.
        let is_rate = expression.contains("rate(");
        let answers = |value: f64| if is_rate { value >= 0.0 } else { value > 0.0 };
        assert!(found.iter().any(|(_, value)| answers(*value)), "{title}: {expression}: {found:?}");
    }
}

#[tokio::test]
async fn every_panel_and_every_alert_answers_after_a_sample_run() {
    let prometheus = Prometheus::start().await;
    let sample = Sample::new(120, 83).await;
    let mut app = TestApp::new(&sample).await;
    app.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", prometheus.endpoint());
    app.set("OTEL_METRIC_EXPORT_INTERVAL", "500");
    app.set("ROGO_TARGET_GUARD", "on");
    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await.expect(0);
    let (panels, alerts) = (panels(), alerts());
    assert!(panels.len() > 12 && alerts.len() > 5, "{panels:?} {alerts:?}");
    let asked: Vec<(String, String)> = panels.into_iter().chain(alerts).collect();
    for (title, expression) in &asked {
        if !OF_TROUBLE.iter().chain([&OF_A_BUG]).any(|metric| expression.contains(metric)) {
            let found = prometheus.query(expression).await;
            assert!(
                found.iter().any(|(_, value)| !value.is_nan()),
                "of a run: {title}: {expression}: {found:?}"
            );
        }
    }
    let settings = ExportSettings {
        metrics: Some(Signal { endpoint: prometheus.endpoint(), ..Signal::default() }),
        instance: Uuid::new_v4(),
        ..ExportSettings::default()
    };
    let telling = move || {
        let (exports, receivers) = Exports::begin(&settings).unwrap();
        let broken = Event::PromiseBroken { invariant: Invariant::OneOutcome, row: Some(1) };
        receivers.metrics.unwrap().take(Instant::now(), &broken);
        drop(exports);
    };
    tokio::task::spawn_blocking(telling).await.unwrap();
    assert_shown(&prometheus, OF_A_BUG).await;
}

#[test]
fn the_alert_rules_fire_when_they_should_and_not_when_all_is_well() {
    for (action, name) in [("check", "alerts.yaml"), ("test", "alerts_test.yaml")] {
        let mut promtool = Command::new(program("promtool"));
        let ended = process::blocking(promtool.args([action, "rules"]).arg(file(name)));
        assert!(
            ended.status.success(),
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
