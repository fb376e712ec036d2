//! The way of telemetry to an OpenTelemetry receiver: OTLP over HTTP, from threads of its own, and bounded at the end.

mod reach;

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use opentelemetry::{KeyValue, metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use reqwest::{Url, blocking::Client};

use self::reach::Reach;
use super::{metrics::Metrics, traces::Traces};
use crate::{
    exit::{Exit, Stop},
    settings::{ExportSettings, Signal},
};

/// How long the end of the process may wait for what was not sent yet …
const END_WITHIN: Duration = Duration::from_secs(3);
/// … if the receiver answered the last time; else so long.
const END_UNREACHED_WITHIN: Duration = Duration::from_millis(800);
/// Time for one request, if `OTEL_EXPORTER_OTLP_TIMEOUT` sets no other.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// A receiver that cannot be reached is not waited for longer.
const CONNECT_WITHIN: Duration = Duration::from_millis(700);
/// Spans that wait to be sent, if `OTEL_BSP_MAX_QUEUE_SIZE` sets no other number: enough for thousands of failures at once.
const SPANS_WAITING: usize = 16_384;

/// Sends telemetry until it is dropped.
#[derive(Default)]
pub struct Exports {
    meters: Option<(SdkMeterProvider, Arc<Reach>)>,
    spans: Option<(SdkTracerProvider, Arc<Reach>)>,
    traces: Option<Arc<Traces>>,
}

/// What turns events into telemetry, and the steps of the run into spans.
#[derive(Default)]
pub struct Receivers {
    /// If metrics are sent.
    pub metrics: Option<Metrics>,
    /// If traces are sent.
    pub traces: Option<(Arc<Traces>, SdkTracer)>,
}

impl Exports {
    /// Begins to send to the endpoints.
    pub fn begin(settings: &ExportSettings) -> Result<(Self, Receivers), Stop> {
        let (mut exports, mut receivers) = (Self::default(), Receivers::default());
        if let Some(signal) = &settings.metrics {
            receivers.metrics = Some(exports.send_metrics(signal, settings)?);
        }
        if let Some(signal) = &settings.traces {
            receivers.traces = Some(exports.send_traces(signal, settings)?);
        }
        Ok((exports, receivers))
    }

    fn send_metrics(&mut self, signal: &Signal, settings: &ExportSettings) -> Result<Metrics, Stop> {
        let exporter = MetricExporter::builder().with_http();
        let exporter = to_receiver(exporter, signal)?.build().map_err(|error| refused(&error))?;
        let reach = Reach::of("metrics");
        let reader = PeriodicReader::builder(reach::Metrics { exporter, reach: reach.clone() }).build();
        let meters =
            SdkMeterProvider::builder().with_reader(reader).with_resource(resource(settings)).build();
        let metrics = Metrics::new(&meters.meter("rogo_migrate"));
        self.meters = Some((meters, reach));
        Ok(metrics)
    }

    fn send_traces(
        &mut self,
        signal: &Signal,
        settings: &ExportSettings,
    ) -> Result<(Arc<Traces>, SdkTracer), Stop> {
        let exporter = SpanExporter::builder().with_http();
        let exporter = to_receiver(exporter, signal)?.build().map_err(|error| refused(&error))?;
        let reach = Reach::of("traces");
        let mut batches = BatchConfigBuilder::default();
        if !settings.queue_is_set {
            batches = batches.with_max_queue_size(SPANS_WAITING);
        }
        let sending = BatchSpanProcessor::builder(reach::Spans { exporter, reach: reach.clone() })
            .with_batch_config(batches.build())
            .build();
        let spans = SdkTracerProvider::builder()
            .with_span_processor(sending)
            .with_resource(resource(settings))
            .build();
        let tracer = spans.tracer("rogo_migrate");
        let consumer = Arc::new(Traces::new(tracer.clone(), settings.trace_sample));
        self.spans = Some((spans, reach));
        self.traces = Some(consumer.clone());
        Ok((consumer, tracer))
    }

    fn reaches(&self) -> impl Iterator<Item = &Arc<Reach>> {
        let meters = self.meters.as_ref().map(|(_, reach)| reach);
        meters.into_iter().chain(self.spans.as_ref().map(|(_, reach)| reach))
    }
}

/// An exporter that posts to the receiver, and leaves further tries to [`Reach`].
fn to_receiver<B: WithExportConfig + WithHttpConfig>(exporter: B, signal: &Signal) -> Result<B, Stop> {
    // The exporter's own refusal would repeat the endpoint, which may hold a key.
    let endpoint = Url::parse(&signal.endpoint)
        .map_err(|error| refused(&format_args!("an endpoint is not a URL: {error}")))?;
    Ok(exporter
        .with_http_client(client(signal)?)
        .with_retry_policy(RetryPolicy::disabled())
        .with_endpoint(endpoint.as_str()))
}

fn refused(error: &dyn Display) -> Stop {
    let what =
        format!("telemetry cannot be sent: {error}; correct the OTEL_* variables, or unset the endpoint");
    Stop::new(Exit::Configuration, what)
}

/// A client whose requests block: it is made, and used, by threads outside of the runtime.
fn client(signal: &Signal) -> Result<Client, Stop> {
    let limit = signal.timeout.unwrap_or(REQUEST_WITHIN);
    let builder = Client::builder().connect_timeout(CONNECT_WITHIN).timeout(limit);
    let making = thread::spawn(move || builder.build());
    // A thread that panics passes its panic on.
    let made = making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    made.map_err(|error| refused(&error))
}

impl Drop for Exports {
    fn drop(&mut self) {
        let is_reached = self.reaches().all(|reach| reach.is_reached());
        let limit = if is_reached { END_WITHIN } else { END_UNREACHED_WITHIN };
        self.reaches().for_each(|reach| reach.end());
        let (done, ended) = mpsc::channel();
        let mut sending = 0;
        // The threads end with the process, if a receiver lets them wait longer.
        let mut end = |work: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            let began = thread::Builder::new().name("telemetry-end".into()).spawn(move || {
                work();
                let _ = done.send(());
            });
            sending += usize::from(began.is_ok());
        };
        if let Some((meters, _)) = &self.meters {
            let meters = meters.clone();
            end(Box::new(move || drop(meters.shutdown())));
        }
        if let Some((spans, _)) = &self.spans {
            let spans = spans.clone();
            end(Box::new(move || drop(spans.shutdown())));
        }
        let deadline = std::time::Instant::now() + limit;
        for _ in 0..sending {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if ended.recv_timeout(left).is_err() {
                break;
            }
        }
        if let (Some(traces), Some((_, reach))) = (&self.traces, &self.spans) {
            let (made, taken) = (traces.made(), reach.taken.load(Ordering::Relaxed));
            if taken < made {
                tracing::warn!(spans = made, taken, "the receiver of telemetry did not take every span");
            }
        }
    }
}

/// What the receiver shows beside every metric and span. `OTEL_RESOURCE_ATTRIBUTES` adds to it: the chart names pod and node
/// there.
fn resource(settings: &ExportSettings) -> Resource {
    let mut attributes = vec![KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    if !settings.service_is_named {
        attributes.push(KeyValue::new("service.name", "rogo-migrate"));
    }
    if !settings.instance_is_named {
        // Without it the series of two processes would be one.
        attributes.push(KeyValue::new("service.instance.id", settings.instance.to_string()));
    }
    Resource::builder().with_attributes(attributes).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_not_a_url_is_refused_and_not_repeated() {
        for endpoint in ["planted", "http://planted@[o/v1/traces?key=planted", "http://o:planted/"] {
            let signal = Some(Signal { endpoint: endpoint.into(), ..Signal::default() });
            for settings in [
                ExportSettings { metrics: signal.clone(), ..ExportSettings::default() },
                ExportSettings { traces: signal.clone(), ..ExportSettings::default() },
            ] {
                let stop = Exports::begin(&settings).err().unwrap();
                assert_eq!(stop.exit, Exit::Configuration);
                assert!(stop.message.contains("an endpoint is not a URL"), "{stop}");
                assert!(!stop.message.contains("planted"), "{stop}");
            }
        }
    }
}
