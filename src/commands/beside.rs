//! A warning of the run's Jobs in a cluster, for commands that a person starts outside of it.

use std::time::Duration;

use tokio::time::timeout;

use crate::{adapters::kubernetes::Cluster, ports::FoundJobs, settings::Settings};

/// How long the cluster may take to answer: what it says is a warning, for which nothing waits long.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a command by hand does beside the run's Jobs.
#[derive(Debug, Clone, Copy)]
pub(super) enum ByHand {
    /// Moves rows, which a Job may move too.
    Moves,
    /// Merges what was moved so far.
    Merges,
}

impl ByHand {
    /// What a Job that has not ended may do meanwhile.
    fn beside(self) -> &'static str {
        match self {
            Self::Moves => "may move the same rows as this process",
            Self::Merges => {
                "may move rows after this merge: they count as missing in its results until the next one"
            }
        }
    }
}

/// Warns if the cluster that this machine knows has a Job of the run that has not ended: it moves rows, or will once its pause
/// ends. In a pod of the chart nothing is asked; a machine without a cluster, and a cluster that does not answer in time, say
/// nothing.
pub(super) async fn warn_of_jobs(settings: &Settings, by_hand: ByHand) {
    if settings.pod.name.is_some() {
        return;
    }
    let (cluster, place) = (Cluster::default(), settings.run_store.to_string());
    let finding = cluster.find(settings.pod.namespace.as_deref(), settings.run.as_str(), &place);
    let found = match timeout(PATIENCE, finding).await {
        Ok(Ok(FoundJobs { jobs: Some(found), .. })) => found,
        Ok(Ok(FoundJobs { jobs: None, .. })) | Err(_) => return,
        Ok(Err(fault)) => {
            tracing::debug!(fault = %fault.chain(), "no cluster was asked for Jobs of this run");
            return;
        }
    };
    let Some(job) = found.jobs.iter().rev().find(|job| job.state.end.is_none()) else { return };
    tracing::warn!(
        job = job.name,
        namespace = found.namespace,
        state = if job.state.suspended { "paused" } else { "not ended" },
        "the cluster has a Job of this run, which {}: stop this process (Ctrl-C) unless that is meant; `rogo-migrate status` \
         says where the run stands, `rogo-migrate resume` what to type next",
        by_hand.beside()
    );
}
