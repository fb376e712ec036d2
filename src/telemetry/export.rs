//! The way of metrics to an OpenTelemetry receiver: OTLP over HTTP, from a thread of its own, and bounded at the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use opentelemetry::{KeyValue, metrics::MeterProvider};
use opentelemetry_otlp::{MetricExporter, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{
        PeriodicReader, SdkMeterProvider, Temporality, data::ResourceMetrics, exporter::PushMetricExporter,
    },
};
use reqwest::blocking::Client;
use uuid::Uuid;

use super::metrics::Metrics;
use crate::{
    exit::{Exit, Stop},
    settings::ExportSettings,
};

/// How long the end of the process may wait for what was not sent yet …
const END_WITHIN: Duration = Duration::from_secs(3);
/// … if the receiver answered the last time; else so long.
const END_UNREACHED_WITHIN: Duration = Duration::from_millis(800);
/// Time for one request, if `OTEL_EXPORTER_OTLP_TIMEOUT` sets no other.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// A receiver that cannot be reached is not waited for longer.
const CONNECT_WITHIN: Duration = Duration::from_millis(700);

/// Sends metrics until it is dropped.
pub struct Exports {
    meters: SdkMeterProvider,
    reached: Arc<AtomicBool>,
}

impl Exports {
    /// Begins to send to the endpoint.
    pub fn begin(settings: &ExportSettings) -> Result<(Self, Metrics), Stop> {
        let refused = |error: &dyn std::fmt::Display| {
            let what = format!(
                "telemetry cannot be sent: {error}; correct the OTEL_* variables, or unset the endpoint"
            );
            Stop::new(Exit::Configuration, what)
        };
        // What is not sent is part of the next export, because all metrics are sums: nothing is sent twice.
        let mut exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(client(settings).map_err(|error| refused(&error))?)
            .with_retry_policy(RetryPolicy::disabled())
            .with_endpoint(&settings.endpoint);
        if !settings.timeout_is_set {
            exporter = exporter.with_timeout(REQUEST_WITHIN);
        }
        let exporter = exporter.build().map_err(|error| refused(&error))?;
        let reached = Arc::new(AtomicBool::new(true));
        let reader = PeriodicReader::builder(Watched { exporter, reached: reached.clone() }).build();
        let meters =
            SdkMeterProvider::builder().with_reader(reader).with_resource(resource(settings)).build();
        let metrics = Metrics::new(&meters.meter("rogo_migrate"));
        Ok((Self { meters, reached }, metrics))
    }
}

/// A client whose requests block: it is made, and used, by threads outside of the runtime.
fn client(settings: &ExportSettings) -> Result<Client, reqwest::Error> {
    let builder = Client::builder().connect_timeout(CONNECT_WITHIN);
    let builder = if settings.timeout_is_set { builder } else { builder.timeout(REQUEST_WITHIN) };
    let making = thread::spawn(move || builder.build());
    // A thread that panics passes its panic on.
    making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Drop for Exports {
    fn drop(&mut self) {
        let limit = if self.reached.load(Ordering::Relaxed) { END_WITHIN } else { END_UNREACHED_WITHIN };
        let meters = self.meters.clone();
        let (done, ended) = mpsc::channel();
        // The thread ends with the process, if the receiver lets it wait longer.
        let sending = thread::Builder::new().name("telemetry-end".into()).spawn(move || {
            let _ = done.send(meters.shutdown());
        });
        if sending.is_ok() {
            let _ = ended.recv_timeout(limit);
        }
    }
}

/// What the receiver shows beside every metric. `OTEL_RESOURCE_ATTRIBUTES` adds to it: the chart names pod and node there.
fn resource(settings: &ExportSettings) -> Resource {
    let mut attributes = vec![KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    if !settings.service_is_named {
        attributes.push(KeyValue::new("service.name", "rogo-migrate"));
    }
    if !settings.instance_is_named {
        // Without it the series of two processes would be one.
        attributes.push(KeyValue::new("service.instance.id", Uuid::new_v4().to_string()));
    }
    Resource::builder().with_attributes(attributes).build()
}

/// Notes whether the receiver takes what is sent, and says so in the log when that changes.
struct Watched {
    exporter: MetricExporter,
    reached: Arc<AtomicBool>,
}

impl PushMetricExporter for Watched {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let sent = self.exporter.export(metrics).await;
        let was_reached = self.reached.swap(sent.is_ok(), Ordering::Relaxed);
        match &sent {
            Err(_) if was_reached => {
                // The error may name the endpoint with its query.
                tracing::warn!(
                    "the receiver of telemetry does not take metrics; rows are moved all the same"
                );
            }
            Ok(()) if !was_reached => tracing::info!("the receiver of telemetry takes metrics again"),
            _ => {}
        }
        sent
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
