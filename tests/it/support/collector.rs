//! A private OpenTelemetry Collector for a test, which takes OTLP and prints each span. It is built once per machine by
//! `tests/need.sh`, and ends with the test.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
};

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::{
    cache,
    port::Port,
    process::{Killed, until},
    prometheus::cached,
};

/// A running Collector.
pub struct Collector {
    process: Option<Killed>,
    port: Port,
    endpoint: String,
    folder: TempDir,
}

/// A span as the Collector got it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    pub trace: String,
    pub parent: String,
    pub id: String,
    pub name: String,
    pub status: String,
    /// Values without their type.
    pub attributes: BTreeMap<String, String>,
    /// Trace and span of each.
    pub links: Vec<(String, String)>,
    pub began: Option<DateTime<Utc>>,
    pub ended: Option<DateTime<Utc>>,
}

impl Collector {
    /// Starts one on a free port, after building it if it is not there, which takes minutes.
    pub async fn start() -> Self {
        let collector = tokio::task::spawn_blocking(Self::begin).await.unwrap();
        until("the Collector listens", async || TcpStream::connect(collector.port.address()).is_ok()).await;
        collector
    }

    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::hold();
        let address = port.address();
        let config = folder.path().join("config.yaml");
        fs::write(&config, configuration(address)).unwrap();
        let process = Command::new(program())
            .arg(format!("--config=file:{}", config.display()))
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("received")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process: Some(Killed(process)), port, endpoint: format!("http://{address}"), folder }
    }

    /// Ends it, as a receiver goes away in the middle of a run. What it got can still be read.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The endpoint of all signals.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Everything that it got, as it prints it.
    pub fn received(&self) -> String {
        fs::read_to_string(self.folder.path().join("received")).unwrap()
    }

    /// Every span that it got: a request is answered once its spans are printed.
    pub fn spans(&self) -> Vec<Span> {
        spans_of(&self.received())
    }
}

/// The program, which is built if it is not there.
pub fn program() -> PathBuf {
    cached(&format!("otelcol-{}", cache::version("COLLECTOR_VERSION")), "need_collector", "otelcol")
}

/// What makes it listen at this address and print all that it gets.
pub fn configuration(address: impl Display) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}}}\n\
         exporters: {{debug: {{verbosity: detailed, use_internal_logger: false, sending_queue: {{enabled: false}}}}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
         traces: {{receivers: [otlp], exporters: [debug]}}\n    \
         metrics: {{receivers: [otlp], exporters: [debug]}}\n"
    )
}

/// The spans that it has printed.
pub fn spans_of(received: &str) -> Vec<Span> {
    let (mut spans, mut part) = (Vec::<Span>::new(), String::new());
    for line in received.lines() {
        if !line.starts_with(' ') {
            line.clone_into(&mut part);
            if line.starts_with("Span #") {
                spans.push(Span::default());
            }
            continue;
        }
        let Some(span) = spans.last_mut() else { continue };
        let of_span = part.starts_with("Span #");
        let Some((name, value)) = line.trim().trim_start_matches("-> ").split_once(':') else { continue };
        let value = value.trim();
        match (name.trim(), part.as_str()) {
            ("Trace ID", _) if of_span => value.clone_into(&mut span.trace),
            ("Parent ID", _) if of_span => value.clone_into(&mut span.parent),
            ("ID", _) if of_span => value.clone_into(&mut span.id),
            ("Name", _) if of_span => value.clone_into(&mut span.name),
            ("Start time", _) if of_span => span.began = Some(time(value)),
            ("End time", _) if of_span => span.ended = Some(time(value)),
            ("Status code", _) if of_span => value.clone_into(&mut span.status),
            ("Trace ID", _) => span.links.push((value.to_owned(), String::new())),
            ("ID", _) => value.clone_into(&mut span.links.last_mut().unwrap().1),
            (name, "Attributes:") => {
                let (_, value) = value.split_once('(').unwrap();
                span.attributes.insert(name.to_owned(), value.trim_end_matches(')').to_owned());
            }
            _ => {}
        }
    }
    spans
}

/// `2024-05-01 12:00:00.5 +0000 UTC`.
fn time(value: &str) -> DateTime<Utc> {
    let time = DateTime::parse_from_str(value.trim_end_matches(" UTC"), "%Y-%m-%d %H:%M:%S%.f %z");
    time.unwrap_or_else(|error| panic!("{value}: {error}")).to_utc()
}
