//! Logs, metrics and traces; set up once, sent before exit.

mod export;
pub mod metrics;
pub mod traces;
mod steps;
mod log_ids;

use std::sync::{Arc, OnceLock};

use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::Registry,
    util::SubscriberInitExt,
};

use crate::{
    exit::{Exit, Stop},
    report::{
        events::{Consumer, Events},
        progress::{Stderr, Style},
        tell_in_json,
    },
    settings::{ExportSettings, LogFormat, LogSettings, Terminal},
};

pub use export::{Exports, Receivers};
pub use steps::{Step, shard_step, step, trace_parent};

use self::{log_ids::WithIds, traces::Traces};

/// Where this program's own words come from.
const OWN: &str = "rogo_migrate";

/// What a crate of others may say at most, even if the filter names it: at `trace` some write out requests,
/// with their signatures, and answers.
const MOST_OF_OTHERS: Level = Level::DEBUG;

/// Keeps telemetry alive; dropping it sends what was not sent yet, for 3 s at most.
#[must_use = "telemetry ends when its guard is dropped"]
pub struct Guard {
    _exports: Exports,
}

/// What turns events into metrics. There is one receiver for the process, as there is one log.
static METRICS: OnceLock<Arc<dyn Consumer>> = OnceLock::new();
/// What turns events and steps into traces.
static TRACES: OnceLock<Arc<Traces>> = OnceLock::new();

/// The log, and the receiver of telemetry if there is one.
pub fn events() -> Events {
    with_receivers(&Events::to_log())
}

/// The same stream, and the receiver of telemetry if there is one.
pub fn with_receivers(events: &Events) -> Events {
    let traces = TRACES.get().cloned().map(|traces| traces as Arc<dyn Consumer>);
    events.and(METRICS.get().cloned().into_iter().chain(traces))
}

impl LogSettings {
    /// Text on a terminal, else JSON, unless it was chosen.
    pub fn effective_format(&self) -> LogFormat {
        effective(self.format)
    }

    /// How progress is shown beside the log.
    pub fn progress(&self) -> Style {
        Style::choose(self.effective_format() == LogFormat::Json, self.terminal == Terminal::Full)
    }

    /// Beside live progress only what needs a person is logged, unless the person chose.
    fn effective_filter(&self) -> &str {
        let is_quiet = !self.filter_is_given && self.progress() == Style::Live;
        if is_quiet { "warn" } else { &self.filter }
    }
}

fn effective(chosen: Option<LogFormat>) -> LogFormat {
    chosen.unwrap_or_else(|| if Stderr.is_terminal() { LogFormat::Text } else { LogFormat::Json })
}

/// From now on errors, and all else that a person should know, are told in the form of the log, if this is chosen for it.
pub fn tell_as_the_log(chosen: Option<LogFormat>) {
    tell_in_json(effective(chosen) == LogFormat::Json);
}

/// Begins to log to standard error, and to send telemetry if there is a receiver. Must not be called in the runtime.
pub fn start(settings: &LogSettings, export: Option<&ExportSettings>) -> Result<Guard, Stop> {
    let shown = shown(settings)?;
    let (exports, Receivers { metrics, traces }) =
        export.map(Exports::begin).transpose()?.unwrap_or_default();
    let tracer = traces.as_ref().map(|(_, tracer)| tracer.clone());
    Registry::default()
        .with(layers(shown, tracer))
        .try_init()
        .map_err(|error| Stop::new(Exit::Bug, format!("logging was set up twice: {error}")))?;
    if let Some(metrics) = metrics {
        METRICS.get_or_init(|| Arc::new(metrics));
    }
    if let Some((traces, _)) = traces {
        TRACES.get_or_init(|| traces);
    }
    Ok(Guard { _exports: exports })
}

/// A layer of the one registry.
type Shown = Box<dyn Layer<Registry> + Send + Sync>;

/// Exports the steps of the run, and no other span or line: those of libraries hold URLs.
fn spans(tracer: SdkTracer) -> Shown {
    let is_step = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == steps::TARGET;
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(is_step).with_max_level_hint(LevelFilter::INFO))
        .boxed()
}

/// What lines and steps are given to. An absent layer beside the others would ask for every line of every crate, to no end:
/// it is left out.
fn layers(lines: Shown, tracer: Option<SdkTracer>) -> Vec<Shown> {
    [Some(lines), tracer.map(spans)].into_iter().flatten().collect()
}

/// The lines that the person's filter lets through. Both filters bound the level: most of the other lines then cost nothing.
fn shown(settings: &LogSettings) -> Result<Shown, Stop> {
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    Ok(lines(settings).with_filter(filter(settings.effective_filter())?.and(harmless)).boxed())
}

fn lines(settings: &LogSettings) -> Shown {
    let lines = fmt::layer().with_writer(|| Stderr);
    let has_colours = settings.terminal == Terminal::Full && Stderr.is_terminal();
    match settings.effective_format() {
        LogFormat::Text => {
            let format = fmt::format().with_ansi(has_colours).with_target(false);
            lines.with_ansi(has_colours).event_format(WithIds(format)).boxed()
        }
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).map_event_format(WithIds).boxed()
        }
    }
}

/// The person's filter. A level that stands alone speaks of this program; the crates it is made of say at `info`
/// and below what only their authors want to know, and URLs with learners' file names: warnings only, unless named. The
/// warnings of `tiberius` repeat, for each connection, what the connection string chose.
fn filter(wanted: &str) -> Result<EnvFilter, Stop> {
    let directives = wanted.split(',').map(|directive| match directive.trim().parse::<LevelFilter>() {
        Ok(level) => {
            let others = level.min(LevelFilter::WARN);
            format!("{others},tiberius={},{OWN}={level}", level.min(LevelFilter::ERROR))
        }
        Err(_) => directive.to_owned(),
    });
    EnvFilter::try_new(directives.collect::<Vec<_>>().join(","))
        .map_err(|error| Stop::new(Exit::Usage, format!("log filter \"{wanted}\": {error}")))
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(OWN) || *metadata.level() <= MOST_OF_OTHERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_not_shown_are_not_made() {
        for (wanted, most) in [("info", LevelFilter::INFO), ("rogo_migrate::shard=debug", LevelFilter::DEBUG)]
        {
            let settings = LogSettings {
                format: None,
                filter: wanted.into(),
                filter_is_given: true,
                terminal: Terminal::Plain,
                trace_sample: 100,
            };
            let subscriber = Registry::default().with(layers(shown(&settings).unwrap(), None));
            assert_eq!(tracing::Subscriber::max_level_hint(&subscriber), Some(most));
            tracing::subscriber::with_default(subscriber, || {
                assert!(!tracing::enabled!(target: "typespec_client_core::http", Level::DEBUG));
            });
        }
    }

    #[test]
    fn other_crates_are_quiet_unless_they_are_named() {
        for (wanted, expected) in [
            ("info", "rogo_migrate=info,tiberius=error,warn"),
            ("TRACE", "rogo_migrate=trace,tiberius=error,warn"),
            ("error", "rogo_migrate=error,tiberius=error,error"),
            ("off", "rogo_migrate=off,tiberius=off,off"),
            ("info,sqlx=debug", "rogo_migrate=info,sqlx=debug,tiberius=error,warn"),
            ("rogo_migrate::shard=debug", "rogo_migrate::shard=debug"),
        ] {
            let parsed = filter(wanted).unwrap().to_string();
            let sorted = |text: &str| {
                let mut directives: Vec<_> = text.split(',').map(str::to_owned).collect();
                directives.sort();
                directives
            };
            assert_eq!(sorted(&parsed), sorted(expected), "{wanted}");
        }
        assert!(filter("info,=what").is_err());
    }
}
