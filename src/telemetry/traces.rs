//! Events as traces: a trace for a choice of submissions, and the waits of a step as spans below it.

mod choice;
mod waits;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanBuilder, SpanContext, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;

use self::{
    choice::{Choice, Submission, Why},
    waits::{Wait, Waits},
};
use super::steps;
use crate::{
    domain::Fate,
    report::events::{Consumer, Event, Settled},
    run::State,
};

/// The spans of all shards at most, one of each at least: with a plan, a wait, a merge and a verification, each with its
/// waits, a run of up to 1,000 shards stays below 3,000 spans.
const SPANS_OF_SHARDS: usize = 2_500;
/// The waits of one step at most.
const WAITS_OF_A_STEP: usize = 100;

/// What turns events into spans, and counts the spans that were made.
pub struct Traces {
    tracer: SdkTracer,
    seen: Mutex<Seen>,
    made: AtomicU64,
}

#[derive(Default)]
struct Seen {
    /// The shard under way.
    shard: Option<i64>,
    choice: Choice,
    waits: Waits,
}

impl Traces {
    /// Traces 1 in `sample` of the ordinary submissions, 0: none of them.
    pub fn new(tracer: SdkTracer, sample: u64) -> Self {
        let seen = Seen { choice: Choice::of(sample), ..Seen::default() };
        Self { tracer, seen: Mutex::new(seen), made: AtomicU64::new(0) }
    }

    /// How many spans were made that a receiver should get.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// A step has begun, which is a span.
    pub(super) fn began(&self, step: &SpanContext) {
        self.count(step, 1);
    }

    /// Makes spans of the longest waits, and of the slowest submissions that are kept; returns how many waits are left out.
    pub fn step_ended(&self, step: &Context, steps: usize) -> usize {
        let most = (SPANS_OF_SHARDS / steps.max(1)).saturating_sub(1).min(WAITS_OF_A_STEP);
        let (slowest, (waits, left_out)) = {
            let mut seen = self.seen();
            seen.shard = None;
            (seen.choice.end(), seen.waits.end(SystemTime::now(), most))
        };
        for one in &slowest {
            self.submission(one, step.span().span_context());
        }
        for wait in &waits {
            self.wait(wait, step);
        }
        left_out
    }

    fn wait(&self, wait: &Wait, step: &Context) {
        let attributes =
            wait.service.map(|service| KeyValue::new("rogo_migrate.service", service.to_string()));
        self.span(wait.name, wait.began, wait.began + wait.took, step, attributes);
        self.count(step.span().span_context(), 1);
    }

    /// The trace of a submission, from the times that were noted: gather ends when the row begins.
    fn submission(&self, one: &Submission, step: &SpanContext) {
        let times = one.times;
        let before = |time: SystemTime, by: Duration| time.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH);
        let began = before(one.ended, times.whole);
        let mut attributes = vec![
            KeyValue::new("rogo_migrate.row", i64::try_from(one.row).unwrap_or(i64::MAX)),
            KeyValue::new("rogo_migrate.worker", i64::try_from(one.worker).unwrap_or(i64::MAX)),
            KeyValue::new("rogo_migrate.outcome", one.outcome),
            KeyValue::new("rogo_migrate.sampled", one.why.name()),
        ];
        attributes.extend(one.shard.map(|shard| KeyValue::new("rogo_migrate.shard", shard)));
        attributes.extend(one.code.map(|code| KeyValue::new("rogo_migrate.code", code)));
        let root = SpanBuilder::from_name("submission")
            .with_start_time(before(began, times.gather))
            .with_attributes(attributes)
            .with_links(vec![Link::with_context(step.clone())]);
        let root = Context::new().with_span(self.tracer.build_with_context(root, &Context::new()));
        if let (Why::Failure, Some(code)) = (one.why, one.code) {
            root.span().set_status(Status::error(code));
        }
        let stages = [("decide", Some(times.decide)), ("copy", times.copy), ("commit", times.commit)];
        self.span("gather", before(began, times.gather), began, &root, None);
        let (mut at, mut spans) = (began, 2);
        for (stage, took) in stages {
            if let Some(took) = took {
                self.span(stage, at, at + took, &root, None);
                at += took;
                spans += 1;
            }
        }
        root.span().end_with_timestamp(one.ended);
        self.count(root.span().span_context(), spans);
    }

    fn span(
        &self,
        name: &'static str,
        from: SystemTime,
        to: SystemTime,
        parent: &Context,
        attribute: Option<KeyValue>,
    ) {
        let span = SpanBuilder::from_name(name).with_start_time(from).with_attributes(attribute);
        let span = self.tracer.build_with_context(span, parent);
        opentelemetry::trace::Span::end_with_timestamp(&mut { span }, to);
    }

    /// A trace that the caller or a sampler leaves out is not sent.
    fn count(&self, span: &SpanContext, spans: u64) {
        if span.is_sampled() {
            self.made.fetch_add(spans, Ordering::Relaxed);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settled(&self, at: Instant, settled: &Settled<'_>) {
        let (outcome, code) = settled.fate.words();
        let chosen = {
            let mut seen = self.seen();
            let one = Submission {
                row: settled.row,
                worker: settled.worker,
                shard: seen.shard,
                ended: SystemTime::now(),
                times: settled.times,
                outcome,
                code: (!code.is_empty()).then_some(code),
                why: if matches!(settled.fate, Fate::Failed { .. }) { Why::Failure } else { Why::Slow },
            };
            seen.choice.take(at, one)
        };
        self.trace(&chosen);
    }

    fn trace(&self, chosen: &[Submission]) {
        if chosen.is_empty() {
            return;
        }
        let step = steps::now().unwrap_or(SpanContext::NONE);
        for one in chosen {
            self.submission(one, &step);
        }
    }
}

impl Consumer for Traces {
    fn take(&self, at: Instant, event: &Event<'_>) {
        match event {
            Event::ShardBegan(beginning) => self.seen().shard = Some(i64::from(beginning.shard.0)),
            Event::RowSettled(settled) => self.settled(at, settled),
            Event::Sampled(_) => {
                let slowest = self.seen().choice.minute(at);
                self.trace(&slowest);
            }
            Event::Waited { on, took } => self.seen().waits.waited(on.name(), SystemTime::now(), *took),
            Event::ServiceTroubled { fault, state } => {
                let name = if matches!(state, State::Throttled(_)) { "throttled" } else { "service away" };
                self.seen().waits.troubled(fault.service, name, SystemTime::now());
            }
            Event::ServiceAnswers { service, .. } => {
                self.seen().waits.answers(*service, SystemTime::now());
            }
            Event::Gathered { .. }
            | Event::RowBegan { .. }
            | Event::RowDropped { .. }
            | Event::FileCopied { .. }
            | Event::Committed { .. }
            | Event::Guarded(_)
            | Event::BytesMoved { .. }
            | Event::Recorded { .. }
            | Event::Sized { .. }
            | Event::PromiseBroken { .. }
            | Event::Asked { .. }
            | Event::StageRetried { .. }
            | Event::StateChanged { .. }
            | Event::Raised(_)
            | Event::ShardEnded { .. }
            | Event::MergeProgressed { .. }
            | Event::CheckDone { .. } => {}
        }
    }
}
