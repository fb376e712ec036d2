//! Logs (later: traces and metrics); set up once, flushed before exit.

use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::Registry, util::SubscriberInitExt,
};

use crate::{
    exit::{Exit, Stop},
    report::progress::Stderr,
    settings::{LogFormat, LogSettings},
};

/// Crates that say at `info` what only their authors want to know. A filter that names one of them wins.
const QUIET: [&str; 11] = [
    "azure_core",
    "azure_identity",
    "azure_storage_blob",
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "sqlx",
    "tiberius",
    "typespec_client_core",
];

/// Keeps telemetry alive; dropping it flushes what is still held back.
#[must_use = "telemetry ends when its guard is dropped"]
#[derive(Debug)]
pub struct Guard(());

impl LogSettings {
    /// Text on a terminal, else JSON, unless it was chosen.
    pub fn effective_format(&self) -> LogFormat {
        self.format.unwrap_or_else(|| if Stderr.is_terminal() { LogFormat::Text } else { LogFormat::Json })
    }
}

/// Begins to log to standard error.
pub fn start(settings: &LogSettings) -> Result<Guard, Stop> {
    let filter = filter(&settings.filter)?;
    // Further layers (OpenTelemetry) stand beside this one, each with a filter of its own.
    Registry::default()
        .with(lines(settings.effective_format()).with_filter(filter))
        .try_init()
        .map_err(|error| Stop::new(Exit::Bug, format!("logging was set up twice: {error}")))?;
    Ok(Guard(()))
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(|| Stderr);
    match format {
        LogFormat::Text => lines.with_ansi(Stderr.is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
}

/// The person's filter, after the quiet crates', so that it has the last word on each of them.
fn filter(wanted: &str) -> Result<EnvFilter, Stop> {
    let named = |name: &str| wanted.split(',').any(|directive| directive.trim().starts_with(name));
    let quiet = QUIET.iter().filter(|name| !named(name)).map(|name| format!("{name}=warn"));
    let directives: Vec<String> = quiet.chain([wanted.to_owned()]).collect();
    EnvFilter::try_new(directives.join(","))
        .map_err(|error| Stop::new(Exit::Usage, format!("log filter \"{wanted}\": {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noisy_crates_are_quiet_unless_they_are_named() {
        let quiet = filter("info").unwrap().to_string();
        assert!(quiet.contains("sqlx=warn") && quiet.contains("info"), "{quiet}");
        let asked = filter("info,sqlx=debug").unwrap().to_string();
        assert!(asked.contains("sqlx=debug") && !asked.contains("sqlx=warn"), "{asked}");
        assert!(asked.contains("tiberius=warn"), "{asked}");
    }
}
