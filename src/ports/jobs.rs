//! The shard Job as the Kubernetes API reports it: only a hint, because the done markers in the run store decide.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Fault;
use crate::ids::Epoch;

/// One Job at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobState {
    /// Kubernetes UID; a Job that was created again under the same name has another.
    pub uid: String,
    /// Resource version; [`Jobs::look`] waits until it changes.
    pub version: String,
    /// Pods that run or are about to.
    pub active: u32,
    /// Number of pods that are ready.
    pub ready: u32,
    /// Number of pods whose deletion was requested.
    pub terminating: u32,
    /// Indexes that ended well.
    pub succeeded: u32,
    /// Indexes that the Job has.
    pub completions: u32,
    /// Indexes that failed, as `1,3-4`: places in the Job, which are shards only if it runs them all.
    pub failed_indexes: String,
    /// Whether it is paused, or waits in a queue.
    pub suspended: bool,
    /// Whether its deletion was requested: another Job may be created under its name.
    pub deleting: bool,
    /// How it ended; `None` while it has not.
    pub end: Option<JobEnd>,
}

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Every index ended well.
    Complete,
    /// Some indexes failed; holds the message of the Kubernetes API.
    Failed(String),
}

/// What keeps pods of a Job from starting or from ending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Why they do not start.
    pub obstacles: Vec<Obstacle>,
    /// How often pods of one shard were evicted for [`ObstacleKind::Disk`]; of several shards the most.
    pub disk_evictions: usize,
    /// Pods whose deletion was requested and that still exist.
    pub terminating: Vec<TerminatingPod>,
}

/// Why a pod does not start, or is not even made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Kind of the obstacle.
    pub kind: ObstacleKind,
    /// The pod; `None` if the Job can make none.
    pub pod: Option<String>,
    /// Message of the Kubernetes API.
    pub what: String,
}

/// Kind of an obstacle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObstacleKind {
    /// The image cannot be pulled.
    Image,
    /// A Secret, a ConfigMap or a key of one does not exist.
    Configuration,
    /// No node has room, or none is allowed.
    Scheduling,
    /// The namespace's quota, or another rule of the cluster, forbids new pods.
    Quota,
    /// A volume cannot be mounted, or a node cannot start the pod.
    Node,
    /// The pod was evicted because it used more disk than it asked for. If its log filled the disk, the program ends in order
    /// (143), which costs no retry, so that the Job starts it again without end; the finalizer stops waiting after some evictions.
    Disk,
}

impl ObstacleKind {
    /// Whether the obstacle stays until a person acts, so that it is reported at once.
    pub fn is_certain(self) -> bool {
        match self {
            Self::Image | Self::Configuration | Self::Disk => true,
            Self::Scheduling | Self::Quota | Self::Node => false,
        }
    }

    /// Short name of the kind, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Configuration => "secret or configuration",
            Self::Scheduling => "scheduling",
            Self::Quota => "quota",
            Self::Node => "node or volume",
            Self::Disk => "ephemeral storage",
        }
    }
}

/// A pod whose deletion was requested and that still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminatingPod {
    /// Name of the pod.
    pub name: String,
    /// Node that the pod runs on, if it is scheduled.
    pub node: Option<String>,
    /// When it should have been gone (UTC).
    pub due: DateTime<Utc>,
}

/// One Job of the cluster.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// The Job, or `None` if there is none: at once where it is not at `version`, else as soon as it
    /// changes, and within about a minute in any case.
    async fn look(&self, version: Option<&str>) -> Result<Option<JobState>, Fault>;

    /// What keeps its pods from starting or ending.
    async fn survey(&self) -> Result<Survey, Fault>;
}

/// The Jobs of one run, as the chart made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunJobs {
    /// Helm's name of the release.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
    /// The chart, as Helm found it.
    pub chart: Option<String>,
    /// Prefix of the chart's value names, with its dot.
    pub values_prefix: String,
    /// The newest Job's epoch.
    pub epoch: Option<Epoch>,
    /// The run's Jobs, oldest first.
    pub jobs: Vec<RunJob>,
}

/// The answer of a cluster that was asked for a run's Jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundJobs {
    /// The namespace that was asked.
    pub namespace: String,
    /// What it has; `None` if it has no Job of the run.
    pub jobs: Option<RunJobs>,
}

/// One Kubernetes Job of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunJob {
    /// Name of the Job.
    pub name: String,
    /// `plan`, `shards`, `finalize`, `shards-again`, `finalize-again`.
    pub component: String,
    /// Its epoch; `None` if the Job does not say one.
    pub epoch: Option<Epoch>,
    /// State of the Job as a whole.
    pub state: JobState,
    /// The queue that starts it, if it waits in one (Kueue).
    pub queue: Option<String>,
    /// The shard Job that a finalizer waits for.
    pub shard_job: Option<String>,
    /// Whether it is of lost rows that are moved again: the shards, or their finalizer.
    pub redo: bool,
    /// Why its pods do not start, or do not stay, if it has not ended and the API reports a reason.
    pub obstacles: Vec<Obstacle>,
    /// Termination message of a failed finalizer, if the API still reports it.
    pub last_word: Option<LastWord>,
}

/// How a pod's program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWord {
    /// Exit code of the container.
    pub exit_code: i32,
    /// What happened and what to do.
    pub message: String,
}
