//! Whether the receiver takes what is sent: noted, said in the log if it changes, and the reason to end sooner.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry_otlp::{MetricExporter, SpanExporter as OtlpSpans};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanExporter},
};

/// Pauses between the tries of one batch of spans; then the batch is lost.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// What one signal knows of its receiver.
#[derive(Debug)]
pub(super) struct Reach {
    signal: &'static str,
    was_reached: AtomicBool,
    ending: Mutex<Ending>,
    ends: Condvar,
    /// Spans that the receiver has taken.
    pub taken: AtomicU64,
}

/// Whether the process ends, and the receiver did not take what was sent since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotYet,
    Began,
    Refused,
}

impl Reach {
    pub(super) fn of(signal: &'static str) -> Arc<Self> {
        Arc::new(Self {
            signal,
            was_reached: AtomicBool::new(true),
            ending: Mutex::new(Ending::NotYet),
            ends: Condvar::new(),
            taken: AtomicU64::new(0),
        })
    }

    /// Whether the receiver took what was sent the last time.
    pub(super) fn is_reached(&self) -> bool {
        self.was_reached.load(Ordering::Relaxed)
    }

    /// From now on nothing is tried twice.
    pub(super) fn end(&self) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Ending::Began;
        self.ends.notify_all();
    }

    fn note(&self, sent: &OTelSdkResult) {
        let was_reached = self.was_reached.swap(sent.is_ok(), Ordering::Relaxed);
        let signal = self.signal;
        match sent {
            // The error may name the endpoint with its query.
            Err(_) if was_reached => {
                tracing::warn!(
                    "the receiver of telemetry does not take {signal}; rows are moved all the same"
                );
            }
            Ok(()) if !was_reached => tracing::info!("the receiver of telemetry takes {signal} again"),
            _ => {}
        }
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.is_err() && *ending == Ending::Began {
            *ending = Ending::Refused;
        }
    }

    /// Whether the process ends and the receiver is known to be unreachable.
    fn has_given_up(&self) -> bool {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) == Ending::Refused
    }

    /// Waits before another try; `false` if the process ends.
    fn pause(&self, time: Duration) -> bool {
        let ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ends.wait_timeout_while(ending, time, |ending| *ending == Ending::NotYet);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Ending::NotYet
    }
}

/// Metrics are sums: what is not sent is part of the next export, so that nothing is tried twice.
pub(super) struct Metrics {
    pub exporter: MetricExporter,
    pub reach: Arc<Reach>,
}

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let sent = self.exporter.export(metrics).await;
        self.reach.note(&sent);
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

/// Spans are sent once: a batch is tried again, a few times.
#[derive(Debug)]
pub(super) struct Spans {
    pub exporter: OtlpSpans,
    pub reach: Arc<Reach>,
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut pauses = PAUSES.into_iter();
        loop {
            if self.reach.has_given_up() {
                return Err(OTelSdkError::InternalFailure("the receiver is not reachable".to_owned()));
            }
            let sent = self.exporter.export(batch.clone()).await;
            self.reach.note(&sent);
            if sent.is_ok() {
                self.reach.taken.fetch_add(batch.len() as u64, Ordering::Relaxed);
                return sent;
            }
            match pauses.next() {
                Some(pause) if self.reach.pause(pause) => {}
                _ => return sent,
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
