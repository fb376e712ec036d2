//! Whether and how telemetry is sent: the standard variables of OpenTelemetry. What is not read here, the exporter reads itself.

use std::time::Duration;

use uuid::Uuid;

use super::Sources;

/// How telemetry is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportSettings {
    /// How metrics are sent, if they are.
    pub metrics: Option<Signal>,
    /// How traces are sent, if they are.
    pub traces: Option<Signal>,
    /// Of so many ordinary submissions one is traced; 0: none.
    pub trace_sample: u64,
    /// Whether a variable names the service.
    pub service_is_named: bool,
    /// Whether a variable names this process among others.
    pub instance_is_named: bool,
    /// Whether a variable sets how many spans may wait.
    pub queue_is_set: bool,
    /// Names this process among others, if no variable does.
    pub instance: Uuid,
}

/// How one kind of telemetry is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signal {
    /// URL that it is posted to.
    pub endpoint: String,
    /// How long a request may take, if a variable says so.
    pub timeout: Option<Duration>,
}

impl ExportSettings {
    /// As the environment has them; `None`: nothing is sent, and nothing is made for it.
    pub fn of(sources: &Sources, trace_sample: u64) -> Option<Self> {
        if says(sources, "OTEL_SDK_DISABLED", "true") {
            return None;
        }
        let metrics = signal(sources, "METRICS", "v1/metrics");
        let traces = signal(sources, "TRACES", "v1/traces");
        if metrics.is_none() && traces.is_none() {
            return None;
        }
        let attributes = sources.environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Some(Self {
            metrics,
            traces,
            trace_sample,
            service_is_named: sources.environment("OTEL_SERVICE_NAME").is_some()
                || attributes.contains("service.name="),
            instance_is_named: attributes.contains("service.instance.id="),
            queue_is_set: sources.environment("OTEL_BSP_MAX_QUEUE_SIZE").is_some(),
            instance: Uuid::new_v4(),
        })
    }
}

fn says(sources: &Sources, name: &str, word: &str) -> bool {
    sources.environment(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
}

/// The endpoint of one signal is taken as it is, the one of all signals gets a path.
fn signal(sources: &Sources, name: &str, path: &str) -> Option<Signal> {
    if says(sources, &format!("OTEL_{name}_EXPORTER"), "none") {
        return None;
    }
    let own = sources.environment(&format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT")).map(str::to_owned);
    let of_all = sources
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT")
        .map(|base| format!("{}/{path}", base.trim().trim_end_matches('/')));
    let timeout = |name: &str| {
        // Milliseconds. As the standard says, what cannot be read counts as not set.
        let value = sources.environment(name)?.trim().parse().ok()?;
        Some(Duration::from_millis(value))
    };
    let timeout = timeout(&format!("OTEL_EXPORTER_OTLP_{name}_TIMEOUT"))
        .or_else(|| timeout("OTEL_EXPORTER_OTLP_TIMEOUT"));
    Some(Signal { endpoint: own.or(of_all)?, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    fn of(variables: &[(&str, &str)]) -> Option<ExportSettings> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ExportSettings::of(&Sources::new(Flags::default(), variables.collect(), None).unwrap(), 100)
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint_or_if_it_is_switched_off() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:4318/");
        assert_eq!(of(&[endpoint, ("OTEL_SDK_DISABLED", "True")]), None);
        let no_metrics = ("OTEL_METRICS_EXPORTER", "none");
        let some = of(&[endpoint, no_metrics]).unwrap();
        assert!(some.metrics.is_none() && some.traces.is_some(), "{some:?}");
        assert_eq!(of(&[endpoint, no_metrics, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }

    #[test]
    fn what_is_said_of_a_signal_stands_before_what_is_said_of_all_whose_endpoint_gets_a_path() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:4318/");
        let both = of(&[all]).unwrap();
        assert_eq!(both.metrics.unwrap().endpoint, "http://o:4318/v1/metrics");
        assert_eq!(both.traces.unwrap().endpoint, "http://o:4318/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://p:9090/api/v1/otlp/v1/metrics");
        assert_eq!(of(&[all, own]).unwrap().metrics.unwrap().endpoint, own.1);
        assert_eq!(of(&[own]).unwrap().traces, None);
        let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "250");
        let timeouts = of(&[all, timeout, ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000")]).unwrap();
        assert_eq!(timeouts.metrics.unwrap().timeout, Some(Duration::from_millis(250)));
        assert_eq!(timeouts.traces.unwrap().timeout, Some(Duration::from_secs(1)));
        assert_eq!(of(&[all, (timeout.0, "soon")]).unwrap().traces.unwrap().timeout, None);
        assert!(!of(&[all]).unwrap().service_is_named);
        assert!(of(&[all, ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=x")]).unwrap().service_is_named);
    }
}
