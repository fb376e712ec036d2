//! Jobs, pods and events of the cluster into what the finalizer reads of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ContainerStatus, Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::ports::{JobEnd, JobState, LastWord, Obstacle, ObstacleKind, TerminatingPod};

/// The Job at an instant.
pub(super) fn job(job: &Job) -> JobState {
    let status = job.status.clone().unwrap_or_default();
    let spec = job.spec.as_ref();
    let holds = |wanted: &str| {
        status.conditions.iter().flatten().find(|found| found.type_ == wanted && found.status == "True")
    };
    let failed = holds("Failed").map(|found| {
        let words = [found.reason.clone(), found.message.clone()];
        JobEnd::Failed(
            words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": "),
        )
    });
    JobState {
        uid: job.metadata.uid.clone().unwrap_or_default(),
        version: job.metadata.resource_version.clone().unwrap_or_default(),
        active: count(status.active),
        ready: count(status.ready),
        terminating: count(status.terminating),
        succeeded: count(status.succeeded),
        completions: count(spec.and_then(|spec| spec.completions)),
        failed_indexes: status.failed_indexes.clone().unwrap_or_default(),
        suspended: spec.and_then(|spec| spec.suspend).unwrap_or(false),
        deleting: job.metadata.deletion_timestamp.is_some(),
        end: holds("Complete").map(|_| JobEnd::Complete).or(failed),
    }
}

fn count(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

/// A moment as this program has it.
pub(super) fn moment(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or_default()
}

/// When an event happened, for choosing the newest.
pub(super) fn happened(event: &Event) -> i64 {
    let last = event.last_timestamp.as_ref().map(|time| time.0.as_second());
    let first = event.event_time.as_ref().map(|time| time.0.as_second());
    last.or(first).unwrap_or_default()
}

/// What the program said last in the newest of these pods that ended.
pub(super) fn last_word(pods: &[Pod]) -> Option<LastWord> {
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref());
    let ended = statuses
        .flat_map(|status| status.container_statuses.iter().flatten())
        .filter(|container| container.name == "rogo-migrate")
        .filter_map(|container| container.state.as_ref()?.terminated.as_ref())
        .max_by_key(|ended| ended.finished_at.as_ref().map(|time| time.0.as_second()))?;
    let line = ended.message.as_deref().unwrap_or_default();
    let word: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let message = word.as_ref().and_then(|word| word.get("message")?.as_str());
    let reason = ended.reason.as_deref().unwrap_or_default();
    // If the container wrote no termination message, the end of its log.
    let message = message.map_or_else(|| said(reason, Some(line)), str::to_owned);
    Some(LastWord { exit_code: ended.exit_code, message })
}

/// The pod, if its deletion was requested and it still exists.
pub(super) fn terminating(pod: &Pod) -> Option<TerminatingPod> {
    let due = moment(pod.metadata.deletion_timestamp.as_ref()?);
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    Some(TerminatingPod { name: pod.metadata.name.clone()?, node, due })
}

/// Why the pod does not start, if its own status says it.
pub(super) fn obstacle(pod: &Pod) -> Option<Obstacle> {
    let status = pod.status.as_ref()?;
    let name = pod.metadata.name.clone();
    let mut containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let of_container = containers.find_map(of_container);
    let of_scheduler = || {
        let unscheduled = |kind: &str| kind == "PodScheduled";
        let found = status.conditions.iter().flatten().find(|found| unscheduled(&found.type_))?;
        (found.status == "False").then(|| {
            let reason = found.reason.clone().unwrap_or_default();
            (ObstacleKind::Scheduling, said(&reason, found.message.as_deref()))
        })
    };
    let (kind, what) = of_container.or_else(of_scheduler)?;
    Some(Obstacle { kind, pod: name, what })
}

/// The newest of these failed pods that its node evicted because it used more disk than it may, and how many of one index were.
/// Node pressure is another matter: the Job knows it by the condition `DisruptionTarget`.
pub(super) fn evicted_for_disk(failed: &[Pod]) -> (Option<Obstacle>, usize) {
    let evicted = failed.iter().filter_map(|pod| Some((pod, of_own_disk(pod)?)));
    let evicted: Vec<(&Pod, &str)> = evicted.collect();
    let mut of_index: BTreeMap<Option<&String>, usize> = BTreeMap::new();
    for (pod, _) in &evicted {
        let labels = pod.metadata.labels.as_ref();
        let index = labels.and_then(|labels| labels.get("batch.kubernetes.io/job-completion-index"));
        *of_index.entry(index).or_default() += 1;
    }
    let most = of_index.into_values().max().unwrap_or_default();
    let made = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
    let newest = evicted.into_iter().max_by_key(|(pod, _)| made(pod)).map(|(pod, message)| {
        let what = said("Evicted", Some(message));
        Obstacle { kind: ObstacleKind::Disk, pod: pod.metadata.name.clone(), what }
    });
    (newest, most)
}

/// Whether [`evicted_for_disk`] counts this failed pod.
pub(super) fn was_evicted_for_disk(pod: &Pod) -> bool {
    of_own_disk(pod).is_some()
}

/// The words of the eviction, if the node evicted the pod because it used more disk than it may.
fn of_own_disk(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref().filter(|status| status.reason.as_deref() == Some("Evicted"))?;
    let message = status.message.as_deref()?;
    // "Pod ephemeral local storage usage exceeds…", "Container … exceeded its local ephemeral storage limit",
    // "Usage of EmptyDir volume … exceeds the limit".
    let own = ["ephemeral local storage", "local ephemeral storage limit", "EmptyDir volume"];
    own.iter().any(|words| message.contains(words)).then_some(message)
}

fn of_container(container: &ContainerStatus) -> Option<(ObstacleKind, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let message = waiting.message.as_deref();
    match reason {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => {
            Some((ObstacleKind::Image, format!("{}: {}", container.image, said(reason, message))))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            Some((ObstacleKind::Configuration, said(reason, message)))
        }
        _ => None,
    }
}

/// Whether the pod waits on its node for what only its events tell.
pub(super) fn waits_unexplained(pod: &Pod) -> bool {
    let pending = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Pending"));
    pending && pod.metadata.deletion_timestamp.is_none() && obstacle(pod).is_none()
}

/// What a warning about a pod says.
pub(super) fn of_pod_event(pod: &str, event: &Event) -> Obstacle {
    let message = event.message.as_deref();
    let lacks = message.is_some_and(|text| text.contains("secret") || text.contains("configmap"));
    let kind = match event.reason.as_deref() {
        Some("FailedMount") if lacks => ObstacleKind::Configuration,
        Some("FailedScheduling") => ObstacleKind::Scheduling,
        _ => ObstacleKind::Node,
    };
    let what = said(event.reason.as_deref().unwrap_or_default(), message);
    Obstacle { kind, pod: Some(pod.to_owned()), what }
}

/// What a warning about a Job says, if it makes no pods.
pub(super) fn of_job_event(event: &Event) -> Option<Obstacle> {
    let reason = event.reason.as_deref()?;
    let what = said(reason, event.message.as_deref());
    (reason == "FailedCreate").then_some(Obstacle { kind: ObstacleKind::Quota, pod: None, what })
}

/// The cluster's words, in one line that is not endless.
fn said(reason: &str, message: Option<&str>) -> String {
    let message = message.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let text = if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") };
    text.chars().take(400).collect()
}

#[cfg(test)]
mod tests;
