//! Events as OpenTelemetry metrics. The instruments are [`METRICS`], which `docs/metrics.md` repeats.

mod guard;

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter},
};

use guard::GuardMetrics;

use crate::{
    ports::{Fault, Service},
    report::events::{Bounded, Consumer, Event, Server, Settled},
    run::State,
};

/// A metric as the documentation has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in OpenTelemetry.
    pub name: &'static str,
    /// Kind of instrument.
    pub kind: &'static str,
    /// Unit as UCUM writes it.
    pub unit: &'static str,
    /// Names of its attributes, separated by commas.
    pub attributes: &'static str,
    /// What it counts or measures.
    pub what: &'static str,
}

macro_rules! metrics {
    ($($name:literal $kind:literal $unit:literal [$attributes:literal] $what:literal;)+) => {
        /// Every metric of the program.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: $kind,
            unit: $unit,
            attributes: $attributes,
            what: $what,
        }),+];
    };
}

metrics! {
    "rogo_migrate.rows" "counter" "{row}" ["outcome, code"] "rows with an outcome";
    "rogo_migrate.row.active" "updowncounter" "{row}" [""] "rows under way";
    "rogo_migrate.stage.duration" "histogram" "s" ["stage"] "time of a row in decide, copy and commit, of a chunk of rows in gather, and of a segment of outcomes in record";
    "rogo_migrate.copy.io" "counter" "By" ["mode"] "bytes copied: streamed through the process, or by the storage service (server)";
    "rogo_migrate.queue.usage" "gauge" "{item}" ["queue"] "outcomes that wait for the recorder, copies in flight";
    "rogo_migrate.queue.limit" "gauge" "{item}" ["queue"] "the most there can be of them now";
    "rogo_migrate.retries" "counter" "{try}" ["service, error.type"] "failed tries that are repeated";
    "rogo_migrate.throttle.time" "counter" "s" ["service"] "time in which a service throttled the process";
    "rogo_migrate.pool.usage" "gauge" "{connection}" [""] "PostgreSQL connections in use";
    "rogo_migrate.pool.limit" "gauge" "{connection}" [""] "PostgreSQL connections that the process may open";
    "rogo_migrate.guard.speed" "gauge" "{percent}" [""] "share of full speed that the target guard allows, at least 1; 100: nothing is slowed";
    "rogo_migrate.guard.time" "counter" "s" ["sign"] "time in which the target guard slowed the process down, by the sign of load";
    "rogo_migrate.shard.active" "updowncounter" "{shard}" [""] "shards that a process works on";
    "rogo_migrate.invariant.violations" "counter" "{violation}" ["invariant"] "promises of its own that the program broke: a bug";
    "rogo_migrate.verify.differences" "counter" "{difference}" ["check"] "differences that stand after a verification";
    "db.client.operation.duration" "histogram" "s" ["db.system.name"] "answers of PostgreSQL (a commit, what the target holds) and SQL Server (the facts of a chunk)";
    "http.client.request.duration" "histogram" "s" ["http.request.method, server.address, server.port, rogo_migrate.service"] "answers of the storages to requests for files: a source file from the request until its body begins (GET); a file of up to 8 MiB stored, or a file copied by the storage service itself, from the request to the answer (PUT). Not timed: parts of larger files, listings, looks at properties, the run store, requests that failed; server: the hosts of the target and of --source-allow";
}

impl Metric {
    /// Its name in Prometheus, of which a histogram has `_bucket`, `_sum` and `_count`.
    pub fn in_prometheus(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.kind == "counter" { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

/// The table of the documentation.
pub fn table() -> String {
    let mut text = String::from(
        "| metric | kind | unit | attributes | in Prometheus | what |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for metric in METRICS {
        let attributes = if metric.attributes.is_empty() { "-" } else { metric.attributes };
        let Metric { name, kind, unit, what, .. } = metric;
        let prometheus = metric.in_prometheus();
        let _ = writeln!(text, "| `{name}` | {kind} | `{unit}` | {attributes} | `{prometheus}` | {what} |");
    }
    text
}

/// Boundaries of the histograms in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The instruments, and what is needed between two events.
pub struct Metrics {
    rows: Counter<u64>,
    row_active: UpDownCounter<i64>,
    stage: Histogram<f64>,
    copy_io: Counter<u64>,
    queue_usage: Gauge<u64>,
    queue_limit: Gauge<u64>,
    retries: Counter<u64>,
    throttle_time: Counter<f64>,
    pool_usage: Gauge<u64>,
    pool_limit: Gauge<u64>,
    shard_active: UpDownCounter<i64>,
    violations: Counter<u64>,
    differences: Counter<u64>,
    guard: GuardMetrics,
    db: Histogram<f64>,
    http: Histogram<f64>,
    /// Services that throttle, each with the time until which that is counted.
    throttled: Mutex<BTreeMap<Service, Instant>>,
}

impl Metrics {
    /// Makes every instrument of [`METRICS`], so that a metric without a value yet is one that did not happen.
    pub fn new(meter: &Meter) -> Self {
        let of = |name: &'static str| METRICS.iter().find(|metric| metric.name == name);
        let unit = |name| of(name).map_or("", |metric| metric.unit);
        let what = |name| of(name).map_or("", |metric| metric.what);
        let counter =
            |name| meter.u64_counter(name).with_unit(unit(name)).with_description(what(name)).build();
        let up_down =
            |name| meter.i64_up_down_counter(name).with_unit(unit(name)).with_description(what(name)).build();
        let gauge = |name| meter.u64_gauge(name).with_unit(unit(name)).with_description(what(name)).build();
        let histogram = |name| {
            let histogram = meter.f64_histogram(name).with_unit(unit(name)).with_description(what(name));
            histogram.with_boundaries(SECONDS.into()).build()
        };
        let seconds =
            |name| meter.f64_counter(name).with_unit(unit(name)).with_description(what(name)).build();
        let guard = GuardMetrics {
            speed: gauge("rogo_migrate.guard.speed"),
            time: seconds("rogo_migrate.guard.time"),
            slowed: Mutex::default(),
        };
        Self {
            rows: counter("rogo_migrate.rows"),
            row_active: up_down("rogo_migrate.row.active"),
            stage: histogram("rogo_migrate.stage.duration"),
            copy_io: counter("rogo_migrate.copy.io"),
            queue_usage: gauge("rogo_migrate.queue.usage"),
            queue_limit: gauge("rogo_migrate.queue.limit"),
            retries: counter("rogo_migrate.retries"),
            throttle_time: seconds("rogo_migrate.throttle.time"),
            pool_usage: gauge("rogo_migrate.pool.usage"),
            pool_limit: gauge("rogo_migrate.pool.limit"),
            shard_active: up_down("rogo_migrate.shard.active"),
            violations: counter("rogo_migrate.invariant.violations"),
            differences: counter("rogo_migrate.verify.differences"),
            guard,
            db: histogram("db.client.operation.duration"),
            http: histogram("http.client.request.duration"),
            throttled: Mutex::default(),
        }
    }

    fn settled(&self, settled: &Settled<'_>) {
        let (outcome, code) = settled.fate.words();
        self.rows.add(1, &[KeyValue::new("outcome", outcome), KeyValue::new("code", code)]);
        self.row_active.add(-1, &[]);
        let times = &settled.times;
        self.took("decide", times.decide);
        times.copy.into_iter().for_each(|time| self.took("copy", time));
        times.commit.into_iter().for_each(|time| self.took("commit", time));
    }

    fn took(&self, stage: &'static str, time: Duration) {
        self.stage.record(time.as_secs_f64(), &[KeyValue::new("stage", stage)]);
    }

    fn asked(&self, service: Service, server: Option<&Server>, took: Duration) {
        let seconds = took.as_secs_f64();
        // A folder is asked without a request.
        let request = |method: &'static str| {
            let Some(Server { address, port }) = server else { return };
            let attributes = [
                KeyValue::new("http.request.method", method),
                KeyValue::new("server.address", address.clone()),
                KeyValue::new("server.port", i64::from(*port)),
                KeyValue::new("rogo_migrate.service", service.to_string()),
            ];
            self.http.record(seconds, &attributes);
        };
        let system = |name: &'static str| [KeyValue::new("db.system.name", name)];
        match service {
            Service::Database => self.db.record(seconds, &system("postgresql")),
            Service::Warehouse => self.db.record(seconds, &system("microsoft.sql_server")),
            Service::SourceBlobs => request("GET"),
            Service::TargetBlobs => request("PUT"),
            Service::Inputs | Service::RunStore | Service::Cluster | Service::LocalDisk => {}
        }
    }

    fn retried(&self, fault: &Fault) {
        let kind = KeyValue::new("error.type", fault.kind.name());
        self.retries.add(1, &[KeyValue::new("service", fault.service.to_string()), kind]);
    }

    fn sized(&self, queue: Bounded, usage: usize, limit: usize) {
        let (usage, limit) = (usage as u64, limit as u64);
        let of = |name: &'static str| [KeyValue::new("queue", name)];
        match queue {
            Bounded::Pool => {
                self.pool_usage.record(usage, &[]);
                self.pool_limit.record(limit, &[]);
            }
            Bounded::Outcomes | Bounded::Copies => {
                let of_queue = of(queue.name());
                self.queue_usage.record(usage, &of_queue);
                self.queue_limit.record(limit, &of_queue);
            }
        }
    }

    /// Counts the time that a service has throttled since it was counted last.
    fn count_throttled(&self, service: Service, since: Instant, at: Instant) {
        let seconds = at.saturating_duration_since(since).as_secs_f64();
        self.throttle_time.add(seconds, &[KeyValue::new("service", service.to_string())]);
    }

    fn throttled(&self) -> MutexGuard<'_, BTreeMap<Service, Instant>> {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer for Metrics {
    fn take(&self, at: Instant, event: &Event<'_>) {
        match event {
            Event::ShardBegan(_) => self.shard_active.add(1, &[]),
            Event::ShardEnded { .. } => {
                self.shard_active.add(-1, &[]);
                self.guard.ended(at);
                for (service, since) in std::mem::take(&mut *self.throttled()) {
                    self.count_throttled(service, since, at);
                }
            }
            Event::Guarded(guarded) => self.guard.guarded(at, guarded),
            Event::Gathered { took, .. } => self.took("gather", *took),
            Event::RowBegan { .. } => self.row_active.add(1, &[]),
            Event::RowSettled(settled) => self.settled(settled),
            Event::RowDropped { .. } => self.row_active.add(-1, &[]),
            Event::BytesMoved { bytes, way } => {
                self.copy_io.add(*bytes, &[KeyValue::new("mode", way.name())]);
            }
            Event::Recorded { took } => self.took("record", *took),
            Event::Asked { service, server, took } => self.asked(*service, *server, *took),
            Event::StageRetried { fault, .. } => self.retried(fault),
            Event::ServiceTroubled { fault, state: State::Throttled(_) } => {
                self.throttled().entry(fault.service).or_insert(at);
            }
            // A service that is away throttles no more.
            Event::ServiceTroubled { fault: Fault { service, .. }, .. }
            | Event::ServiceAnswers { service, .. } => {
                if let Some(since) = self.throttled().remove(service) {
                    self.count_throttled(*service, since, at);
                }
            }
            Event::Sampled(_) => {
                for (service, since) in &mut *self.throttled() {
                    self.count_throttled(*service, *since, at);
                    *since = at;
                }
            }
            Event::Sized { queue, usage, limit } => self.sized(*queue, *usage, *limit),
            Event::PromiseBroken { invariant, .. } => {
                self.violations.add(1, &[KeyValue::new("invariant", invariant.id())]);
            }
            Event::CheckDone { check, different, .. } => {
                self.differences.add(*different, &[KeyValue::new("check", (*check).to_owned())]);
            }
            Event::FileCopied { .. }
            | Event::Committed { .. }
            | Event::Waited { .. }
            | Event::StateChanged { .. }
            | Event::Raised(_)
            | Event::MergeProgressed { .. } => {}
        }
    }
}
