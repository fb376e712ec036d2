//! The steps of a run as spans of its trace. The steps of a process follow one another, so that there is one under way at most.

use std::sync::{PoisonError, RwLock};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TRACES, traces::Traces};
use crate::{
    domain::ShardIndex,
    exit::{Exit, Stop},
    run::{Plan, TraceParent},
};

/// Target of the spans that are exported; no other span of the program is.
pub(super) const TARGET: &str = "rogo_migrate::steps";

/// A part of a run that is a span of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The plan is made.
    Plan,
    /// One try of one shard.
    Shard {
        /// Index of the shard.
        index: ShardIndex,
        /// Shards of the plan.
        of: usize,
    },
    /// The finalizer waits for the shard Job.
    AwaitShards,
    /// Outcomes are merged and published.
    Finalize,
    /// The run is verified.
    Verify,
}

impl Step {
    /// Name of its span.
    fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Shard { .. } => "shard",
            Self::AwaitShards => "await shards",
            Self::Finalize => "finalize",
            Self::Verify => "verify",
        }
    }

    /// How many steps like it the run has at least.
    fn count(self) -> usize {
        match self {
            Self::Shard { of, .. } => of,
            Self::Plan | Self::AwaitShards | Self::Finalize | Self::Verify => 1,
        }
    }
}

/// The span of the step under way.
static NOW: RwLock<Option<SpanContext>> = RwLock::new(None);

/// The span of the step under way, if traces are sent.
pub(super) fn now() -> Option<SpanContext> {
    NOW.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What other processes take as the parent of their steps, if a step is under way and traces are sent.
pub fn trace_parent() -> Option<TraceParent> {
    let now = now()?;
    let (trace, span, flags) = (now.trace_id(), now.span_id(), now.trace_flags().to_u8());
    format!("00-{trace}-{span}-{flags:02x}").parse().ok()
}

/// Does the work as a span below `parent`; without one it begins a trace.
pub async fn step<T>(
    step: Step,
    parent: Option<&TraceParent>,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let Some(traces) = TRACES.get() else { return work.await };
    let under_way = UnderWay::begin(traces, step, parent);
    let result = work.await;
    under_way.end(result.as_ref().err().map(|stop| stop.exit));
    result
}

/// The same for one try of a shard.
pub async fn shard_step<T>(
    plan: &Plan,
    index: ShardIndex,
    work: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    step(Step::Shard { index, of: plan.shards.len() }, plan.traceparent.as_ref(), work).await
}

/// A step that has begun; dropping it ends its span, also if SIGTERM dropped the work.
struct UnderWay {
    span: Span,
    traces: &'static Traces,
    step: Step,
    has_ended: bool,
}

impl UnderWay {
    fn begin(traces: &'static Traces, step: Step, parent: Option<&TraceParent>) -> Self {
        let span = tracing::info_span!(target: TARGET, parent: None, "step", otel.name = step.name());
        if let Some(parent) = parent.and_then(remote) {
            // It can only be refused once the span has begun, or without a receiver.
            let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        }
        if let Step::Shard { index, .. } = step {
            span.set_attribute("rogo_migrate.shard", i64::from(index.0));
        }
        let now = span.context().span().span_context().clone();
        traces.began(&now);
        *NOW.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Self { span, traces, step, has_ended: false }
    }

    /// The exit code stands for the message, which may name sources.
    fn end(mut self, failed: Option<Exit>) {
        self.has_ended = true;
        self.span.set_attribute("process.exit.code", failed.map_or(0, |exit| i64::from(exit as u8)));
        if let Some(exit) = failed.filter(|exit| *exit != Exit::Stopped) {
            self.span.set_status(Status::error(exit.meaning()));
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.has_ended {
            self.span.set_attribute("process.exit.code", i64::from(Exit::Stopped as u8));
        }
        let left_out = self.traces.step_ended(&self.span.context(), self.step.count());
        if left_out > 0 {
            self.span
                .set_attribute("rogo_migrate.waits.left_out", i64::try_from(left_out).unwrap_or(i64::MAX));
        }
        *NOW.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A parent in another process.
fn remote(parent: &TraceParent) -> Option<SpanContext> {
    let mut parts = parent.as_str().split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}
