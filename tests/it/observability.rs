//! The dashboard and the alert rules, asked of a real Prometheus that got the metrics of a run.

use std::{fs, path::PathBuf, process::Command};

use rogo_migrate::{
    settings::{ExportSettings, Signal},
    telemetry::Exports,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    support::{
        app::{Sample, TestApp},
        prometheus::{Prometheus, program},
    },
    telemetry::tell_everything,
};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "deploy/observability", name].iter().collect()
}

/// Metrics without a value after a run that goes well: a panel or an alert of one of them has nothing to show then.
const NOT_OF_A_GOOD_RUN: [&str; 4] = [
    "rogo_migrate_retries_total",
    "rogo_migrate_throttle_time_seconds_total",
    "rogo_migrate_invariant_violations_total",
    "rogo_migrate_verify_differences_total",
];

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
        if !NOT_OF_A_GOOD_RUN.iter().any(|metric| expression.contains(metric)) {
            let found = prometheus.query(expression).await;
            assert!(
                found.iter().any(|(_, value)| !value.is_nan()),
                "of a run: {title}: {expression}: {found:?}"
            );
        }
    }
    // What no sample run has: throttles, broken promises, differences. Twice, for a rate needs two samples.
    let settings = ExportSettings {
        metrics: Some(Signal { endpoint: prometheus.endpoint(), ..Signal::default() }),
        instance: Uuid::new_v4(),
        ..ExportSettings::default()
    };
    let telling = move || {
        for _ in 0..2 {
            let (exports, receivers) = Exports::begin(&settings).unwrap();
            tell_everything(&receivers.metrics.unwrap());
            drop(exports);
        }
    };
    tokio::task::spawn_blocking(telling).await.unwrap();
    for (title, expression) in asked {
        assert!(!prometheus.query(&expression).await.is_empty(), "{title}: {expression}");
    }
}

#[test]
fn the_alert_rules_fire_when_they_should_and_not_when_all_is_well() {
    for (action, name) in [("check", "alerts.yaml"), ("test", "alerts_test.yaml")] {
        let mut promtool = Command::new(program("promtool"));
        let ended = promtool.args([action, "rules"]).arg(file(name)).output().unwrap();
        assert!(
            ended.status.success(),
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
