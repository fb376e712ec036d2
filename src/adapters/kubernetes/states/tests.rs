//! Answers of a real API server, cut to what is read of them.

use serde_json::{Value, json};

use super::*;

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_job_is_read_with_its_end() {
    let made = |status: Value| {
        let metadata = json!({"name": "j", "uid": "u", "resourceVersion": "7"});
        let spec = json!({"completions": 8, "suspend": true, "template": {}});
        job(&parsed(json!({"metadata": metadata, "spec": spec, "status": status})))
    };
    let running =
        made(json!({"active": 3, "ready": 2, "terminating": 1, "succeeded": 4, "failedIndexes": "1,3-4"}));
    let expected = JobState {
        uid: "u".into(),
        version: "7".into(),
        active: 3,
        ready: 2,
        terminating: 1,
        succeeded: 4,
        completions: 8,
        failed_indexes: "1,3-4".into(),
        suspended: true,
        deleting: false,
        end: None,
    };
    assert_eq!(running, expected);
    let deleted = json!({"metadata": {"name": "j", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert!(job(&parsed(deleted)).deleting);
    let condition = |kind: &str, status: &str| {
        made(json!({"conditions": [
            {"type": "SuccessCriteriaMet", "status": "True"},
            {"type": kind, "status": status, "reason": "FailedIndexes", "message": "Job has failed indexes"}
        ]}))
    };
    assert_eq!(condition("Complete", "True").end, Some(JobEnd::Complete));
    let failed = JobEnd::Failed("FailedIndexes: Job has failed indexes".into());
    assert_eq!(condition("Failed", "True").end, Some(failed));
    assert_eq!(condition("Failed", "False").end, None);
    assert_eq!(condition("FailureTarget", "True").end, None, "its pods still run");
    assert_eq!(job(&Job::default()), JobState::default());
}

fn pod(status: &Value) -> Pod {
    parsed(json!({"metadata": {"name": "p"}, "spec": {"containers": [], "nodeName": "n"}, "status": status}))
}

fn waiting(reason: &str, message: &str) -> Value {
    json!([{"name": "rogo-migrate", "image": "r/i:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}}}])
}

#[test]
fn a_pod_that_does_not_start_says_why() {
    let table = [
        (
            json!({"containerStatuses": waiting("ImagePullBackOff", "Back-off pulling image")}),
            ObstacleKind::Image,
            "r/i:1: ImagePullBackOff: Back-off pulling image",
        ),
        (
            json!({"initContainerStatuses": waiting("ErrImagePull", "not\nfound")}),
            ObstacleKind::Image,
            "r/i:1: ErrImagePull: not found",
        ),
        (
            json!({"containerStatuses": waiting("CreateContainerConfigError", "secret \"s\" not found")}),
            ObstacleKind::Configuration,
            "CreateContainerConfigError: secret \"s\" not found",
        ),
        (
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                   "message": "0/3 nodes are available: 3 Insufficient cpu."}]}),
            ObstacleKind::Scheduling,
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
        ),
    ];
    for (status, kind, what) in table {
        let expected = Obstacle { kind, pod: Some("p".into()), what: what.into() };
        assert_eq!(obstacle(&pod(&status)), Some(expected));
    }
    let creating = pod(&json!({"phase": "Pending", "containerStatuses": waiting("ContainerCreating", "")}));
    assert_eq!(obstacle(&creating), None);
    assert!(waits_unexplained(&creating), "its events may tell");
    assert!(!waits_unexplained(&pod(&json!({"phase": "Running"}))));
}

#[test]
fn events_tell_what_a_status_does_not() {
    let event = |reason: &str, message: &str| -> Event {
        parsed(json!({"metadata": {}, "involvedObject": {}, "reason": reason, "message": message}))
    };
    let kind = |reason: &str, message: &str| of_pod_event("p", &event(reason, message)).kind;
    let missing = "MountVolume.SetUp failed for volume \"credentials\": secret \"s\" not found";
    assert_eq!(kind("FailedMount", missing), ObstacleKind::Configuration);
    assert_eq!(kind("FailedAttachVolume", "Multi-Attach error"), ObstacleKind::Node);
    assert_eq!(kind("FailedScheduling", "0/1 nodes"), ObstacleKind::Scheduling);
    let quota = of_job_event(&event("FailedCreate", "exceeded quota: q")).unwrap();
    assert_eq!((quota.kind, quota.what.as_str()), (ObstacleKind::Quota, "FailedCreate: exceeded quota: q"));
    assert_eq!(of_job_event(&event("BackoffLimitExceeded", "")), None);
    let at = |second: &str| -> Event {
        parsed(
            json!({"metadata": {}, "involvedObject": {}, "lastTimestamp": format!("2026-01-01T00:00:{second}Z")}),
        )
    };
    assert!(happened(&at("02")) > happened(&at("01")));
}

#[test]
fn a_pod_that_was_told_to_end_is_named_with_its_node() {
    let metadata = json!({"name": "p", "deletionTimestamp": "2026-01-01T00:00:30Z"});
    let ending: Pod = parsed(json!({"metadata": metadata, "spec": {"containers": [], "nodeName": "n"}}));
    let expected = TerminatingPod {
        name: "p".into(),
        node: Some("n".into()),
        due: "2026-01-01T00:00:30Z".parse().unwrap(),
    };
    assert_eq!(terminating(&ending), Some(expected));
    assert_eq!(terminating(&pod(&json!({}))), None);
}

#[test]
fn a_pod_that_was_evicted_for_its_own_disk_is_told_from_one_under_node_pressure() {
    let evicted_of = |index: &str, name: &str, second: u32, message: &str| -> Pod {
        let labels = json!({"batch.kubernetes.io/job-completion-index": index});
        let made = format!("2026-01-01T00:00:0{second}Z");
        parsed(json!({
            "metadata": {"name": name, "creationTimestamp": made, "labels": labels},
            "status": {"phase": "Failed", "reason": "Evicted", "message": message}
        }))
    };
    let evicted = |name: &str, second, message: &str| evicted_of("0", name, second, message);
    let own = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi.";
    let volume = "Usage of EmptyDir volume \"tmp\" exceeds the limit \"2Gi\".";
    let pressure = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 0.";
    let pods = [evicted("old", 1, own), evicted("new", 2, volume), evicted("other", 3, pressure)];
    let (found, most) = evicted_for_disk(&pods);
    let found = found.unwrap();
    assert_eq!(most, 2);
    let of_two = [evicted_of("0", "a", 1, own), evicted_of("1", "b", 2, own), evicted_of("1", "c", 3, own)];
    assert_eq!(evicted_for_disk(&of_two).1, 2, "of the shard that was evicted most often");
    assert_eq!((found.kind, found.pod.as_deref()), (ObstacleKind::Disk, Some("new")));
    assert_eq!(found.what, format!("Evicted: {volume}"));
    assert_eq!(evicted_for_disk(pods.get(2..).unwrap()), (None, 0));
}
