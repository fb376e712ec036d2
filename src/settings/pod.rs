//! Values that the chart sets in a pod's environment; they are not settings of the operator.

use std::path::{Path, PathBuf};

use super::Sources;
use crate::exit::{Exit, Stop};

/// The variables that [`PodSettings`] reads.
pub const POD_VARIABLES: [&str; 13] = [
    "ROGO_NAMESPACE",
    "ROGO_POD",
    "ROGO_NODE",
    "ROGO_JOB",
    "ROGO_JOB_UID",
    "ROGO_SHARD_JOB",
    "ROGO_NOTIFY_EVENT",
    "ROGO_TERMINATION_LOG",
    "ROGO_HELM_RELEASE",
    "ROGO_HELM_CHART",
    "ROGO_HELM_PREFIX",
    "ROGO_WORKLOAD_IDENTITY",
    DISK_LIMIT,
];

/// How much disk the pod may use, in bytes: the limit of its container's ephemeral storage.
const DISK_LIMIT: &str = "ROGO_DISK_LIMIT";

/// Where this process runs; all empty outside of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSettings {
    /// Its pod's name: set in every pod of the chart.
    pub name: Option<String>,
    /// Kubernetes namespace of the pod.
    pub namespace: Option<String>,
    /// Identity of its Job, if the chart names it: another Job of the same name has another one.
    pub job_uid: Option<String>,
    /// The shard Job that a finalizer waits for.
    pub shard_job: Option<String>,
    /// Whether the finalizer leaves an Event on the shard Job.
    pub notify_event: bool,
    /// How much disk the pod may use, in bytes.
    pub disk_bytes: Option<u64>,
    /// The release that it belongs to: for the line that runs shards again.
    pub release: Option<HelmRelease>,
}

/// The disk that a pod may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDisk {
    /// How much, in bytes.
    pub limit_bytes: u64,
    /// The folders that the program writes to.
    pub folders: Vec<PathBuf>,
}

/// Release, chart and value prefix of a `helm upgrade` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmRelease {
    /// The release's name.
    pub name: String,
    /// Kubernetes namespace of the release.
    pub namespace: String,
    /// The chart, as Helm finds it.
    pub chart: String,
    /// Prefix of the chart's value names, with its dot: empty unless it is a subchart.
    pub values_prefix: String,
}

impl PodSettings {
    /// Reads them from the environment variables that the chart sets.
    pub fn of(sources: &Sources) -> Self {
        let text = |name: &str| sources.environment(name).map(str::to_owned);
        let namespace = text("ROGO_NAMESPACE");
        let release = match (text("ROGO_HELM_RELEASE"), namespace.clone(), text("ROGO_HELM_CHART")) {
            (Some(name), Some(namespace), Some(chart)) => {
                let values_prefix = text("ROGO_HELM_PREFIX").unwrap_or_default();
                Some(HelmRelease { name, namespace, chart, values_prefix })
            }
            _ => None,
        };
        Self {
            name: text("ROGO_POD"),
            job_uid: text("ROGO_JOB_UID"),
            namespace,
            shard_job: text("ROGO_SHARD_JOB"),
            disk_bytes: text(DISK_LIMIT).as_deref().and_then(limit_bytes),
            notify_event: sources.environment("ROGO_NOTIFY_EVENT") == Some("true"),
            release,
        }
    }
}

/// Refuses to start without the workload identity that the chart asked for. The webhook that adds it to a pod may not answer, and
/// the cluster starts the pod nevertheless: another identity of the node would then be taken for it.
///
/// # Errors
/// [`Exit::Temporary`]: the Job makes another pod.
pub fn require_workload_identity(sources: &Sources) -> Result<(), Stop> {
    let required = sources.environment("ROGO_WORKLOAD_IDENTITY") == Some("required");
    let is_there =
        || sources.environment("AZURE_FEDERATED_TOKEN_FILE").is_some_and(|path| Path::new(path).exists());
    if !required || is_there() {
        return Ok(());
    }
    let message = "no workload identity: workloadIdentity.enabled is true, but AZURE_FEDERATED_TOKEN_FILE names no file in this \
                   pod. The webhook of Microsoft Entra Workload ID adds it when a pod is created: see its pods in the namespace \
                   kube-system, and that the service account has the annotation azure.workload.identity/client-id";
    Err(Stop::new(Exit::Temporary, message))
}

/// The disk of this pod, if the chart says how much it may use. Read without the other settings, because a pod may be told to
/// stop before they are read.
pub fn own_disk() -> Option<OwnDisk> {
    let limit_bytes = limit_bytes(&std::env::var(DISK_LIMIT).ok()?)?;
    let out = std::env::var_os("ROGO_OUT").map(PathBuf::from);
    Some(OwnDisk { limit_bytes, folders: std::iter::once(std::env::temp_dir()).chain(out).collect() })
}

/// A limit of 0 is none.
fn limit_bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0)
}

/// Path of the pod's termination message. Read first, because an error in the settings is written there too.
pub fn termination_log() -> Option<PathBuf> {
    std::env::var_os("ROGO_TERMINATION_LOG").filter(|path| !path.is_empty()).map(PathBuf::from)
}
