//! What the chart tells a pod about itself: no settings, but read from the environment like them.

use std::path::PathBuf;

use super::Sources;

/// The variables that [`PodSettings`] reads.
pub const POD_VARIABLES: [&str; 8] = [
    "ROGO_NAMESPACE",
    "ROGO_POD",
    "ROGO_NODE",
    "ROGO_JOB",
    "ROGO_SHARD_JOB",
    "ROGO_TERMINATION_LOG",
    "ROGO_HELM_RELEASE",
    "ROGO_HELM_CHART",
];

/// Where this process runs; all empty outside of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSettings {
    /// Its pod's name: set in every pod of the chart.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// The shard Job that a finalizer waits for.
    pub shard_job: Option<String>,
    /// The release that it belongs to: for the line that runs shards again.
    pub release: Option<HelmRelease>,
}

/// What `helm upgrade` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmRelease {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The chart, as Helm finds it.
    pub chart: String,
}

impl PodSettings {
    /// As the environment has them.
    pub fn of(sources: &Sources) -> Self {
        let text = |name: &str| sources.environment(name).map(str::to_owned);
        let namespace = text("ROGO_NAMESPACE");
        let release = match (text("ROGO_HELM_RELEASE"), namespace.clone(), text("ROGO_HELM_CHART")) {
            (Some(name), Some(namespace), Some(chart)) => Some(HelmRelease { name, namespace, chart }),
            _ => None,
        };
        Self { name: text("ROGO_POD"), namespace, shard_job: text("ROGO_SHARD_JOB"), release }
    }
}

/// The file that takes the pod's last word. Needed before anything else can be read.
pub fn termination_log() -> Option<PathBuf> {
    std::env::var_os("ROGO_TERMINATION_LOG").filter(|path| !path.is_empty()).map(PathBuf::from)
}
