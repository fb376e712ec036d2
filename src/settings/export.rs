//! Whether and how telemetry is sent: the standard variables of OpenTelemetry. What is not read here, the exporter reads itself.

use super::Sources;

/// How metrics are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportSettings {
    /// URL that metrics are posted to.
    pub endpoint: String,
    /// Whether a variable sets the time for a request.
    pub timeout_is_set: bool,
    /// Whether a variable names the service.
    pub service_is_named: bool,
    /// Whether a variable names this process among others.
    pub instance_is_named: bool,
}

impl ExportSettings {
    /// As the environment has them; `None`: nothing is sent, and nothing is made for it.
    pub fn of(sources: &Sources) -> Option<Self> {
        let says = |name: &str, word: &str| {
            sources.environment(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
        };
        if says("OTEL_SDK_DISABLED", "true") || says("OTEL_METRICS_EXPORTER", "none") {
            return None;
        }
        let of_metrics = sources.environment("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").map(str::to_owned);
        let of_all = sources
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT")
            .map(|base| format!("{}/v1/metrics", base.trim().trim_end_matches('/')));
        let is_set = |names: [&str; 2]| names.iter().any(|name| sources.environment(name).is_some());
        let attributes = sources.environment("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        Some(Self {
            endpoint: of_metrics.or(of_all)?,
            timeout_is_set: is_set(["OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]),
            service_is_named: sources.environment("OTEL_SERVICE_NAME").is_some()
                || attributes.contains("service.name="),
            instance_is_named: attributes.contains("service.instance.id="),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Flags;

    fn of(variables: &[(&str, &str)]) -> Option<ExportSettings> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ExportSettings::of(&Sources::new(Flags::default(), variables.collect(), None).unwrap())
    }

    #[test]
    fn nothing_is_sent_without_an_endpoint_or_if_it_is_switched_off() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:4318/");
        assert_eq!(of(&[endpoint, ("OTEL_SDK_DISABLED", "True")]), None);
        assert_eq!(of(&[endpoint, ("OTEL_METRICS_EXPORTER", "none")]), None);
    }

    #[test]
    fn the_endpoint_of_metrics_stands_before_the_one_of_all_signals_which_gets_a_path() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:4318/");
        assert_eq!(of(&[all]).unwrap().endpoint, "http://o:4318/v1/metrics");
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://p:9090/api/v1/otlp/v1/metrics");
        assert_eq!(of(&[all, own]).unwrap().endpoint, "http://p:9090/api/v1/otlp/v1/metrics");
        assert!(!of(&[all]).unwrap().service_is_named);
        assert!(of(&[all, ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=x")]).unwrap().service_is_named);
    }
}
