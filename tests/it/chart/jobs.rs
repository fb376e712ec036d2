//! Rows about Jobs: what is tried again, what changes in place, what they may use.

use rogo_migrate::exit::Exit;
use serde_json::{Value, json};

use super::{
    rendered::{render, text},
    table::{JOBS, PODS, check},
};

fn codes(exits: &[Exit]) -> Value {
    exits.iter().map(|exit| *exit as u8).collect()
}

fn on_exit(action: &str, exits: &[Exit]) -> Value {
    json!({"action": action, "onExitCodes": {"containerName": "rogo-migrate", "operator": "In", "values": codes(exits)}})
}

#[test]
fn jobs_retry_what_may_pass_and_nothing_else() {
    let disruption =
        json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
    let stopped = on_exit("Ignore", &[Exit::Stopped]);
    let single = json!([
        disruption,
        stopped,
        on_exit("FailJob", &[Exit::Usage, Exit::DataRefused, Exit::Incomplete, Exit::Configuration])
    ]);
    let shards = json!([
        disruption,
        stopped,
        on_exit("FailJob", &[Exit::Usage, Exit::Configuration]),
        on_exit("FailIndex", &[Exit::DataRefused, Exit::Bug])
    ]);
    check(&[
        ("", "plan finalize", "spec/podFailurePolicy/rules", single),
        ("shards.only=3", "shards shards-again", "spec/podFailurePolicy/rules", shards),
        ("", "plan finalize", "spec/backoffLimit", json!(6)),
        ("", "plan finalize", "spec/completions", json!(1)),
        ("shards.only=3", "shards shards-again", "spec/backoffLimitPerIndex", json!(3)),
        ("", "shards", "spec/backoffLimit", Value::Null),
        ("shards.only=3", "shards shards-again", "spec/completionMode", json!("Indexed")),
        ("", JOBS, "spec/podReplacementPolicy", json!("Failed")),
        ("", PODS, "pod/restartPolicy", json!("Never")),
        ("", PODS, "pod/terminationGracePeriodSeconds", json!(30)),
        ("", JOBS, "spec/ttlSecondsAfterFinished", Value::Null),
        ("", JOBS, "spec/activeDeadlineSeconds", Value::Null),
        ("plan.ttlSecondsAfterFinished=0", "plan", "spec/ttlSecondsAfterFinished", json!(0)),
        ("shards.activeDeadlineSeconds=9", "shards", "spec/activeDeadlineSeconds", json!(9)),
        ("finalize.ttlSecondsAfterFinished=9", "finalize", "spec/ttlSecondsAfterFinished", json!(9)),
        (
            "shards.ttlSecondsAfterFinished=9 shards.only=3",
            "shards shards-again",
            "spec/ttlSecondsAfterFinished",
            json!(9),
        ),
    ]);
}

#[test]
fn the_shard_job_is_throttled_and_paused_in_place() {
    check(&[
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/completions", json!(1000)),
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/parallelism", json!(20)),
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/maxFailedIndexes", json!(10)),
        ("shards.count=1000 shards.parallelism=1", "shards", "spec/maxFailedIndexes", json!(10)),
        ("shards.count=8 shards.parallelism=20", "shards", "spec/maxFailedIndexes", json!(7)),
        ("shards.count=1", "shards", "spec/maxFailedIndexes", json!(0)),
        ("shards.count=1000 shards.maxFailed=40", "shards", "spec/maxFailedIndexes", json!(40)),
        ("shards.maxFailed=0", "shards", "spec/maxFailedIndexes", json!(0)),
        ("shards.maxFailed=5 shards.parallelism=1", "shards", "spec/maxFailedIndexes", json!(5)),
        ("shards.count=4 shards.maxFailed=40", "shards", "spec/maxFailedIndexes", json!(3)),
        ("", "shards", "spec/suspend", Value::Null),
        ("shards.suspend=true", "shards", "spec/suspend", json!(true)),
        ("shards.suspend=true", "plan finalize", "spec/suspend", Value::Null),
        ("shards.parallelism=4", "plan test", "env/ROGO_PARALLELISM/value", json!("4")),
        (
            "shards.parallelism=4 shards.checkedParallelism=20",
            "plan",
            "env/ROGO_PARALLELISM/value",
            json!("20"),
        ),
        ("shards.only=3\\,6-7", "shards-again", "spec/completions", json!(3)),
        ("shards.only=3\\,6-7", "shards-again", "spec/maxFailedIndexes", json!(2)),
        ("shards.only=7-7\\,3", "shards-again", "env/SHARD_INDEXES/value", json!("3,7")),
        ("shards.only=3", "shards-again", "env/SHARD_INDEXES/value", json!("3")),
        (
            "shards.count=100000 shards.only=08-0010\\,99999",
            "shards-again",
            "env/SHARD_INDEXES/value",
            json!("8-10,99999"),
        ),
        ("shards.only=0", "shards-again", "env/SHARD_INDEXES/value", json!("0")),
        ("shards.only=3", "shards", "env/SHARD_INDEXES", Value::Null),
        ("shards.only=3", "shards-again", "metadata/annotations/rogo-migrate~1try", json!("1")),
    ]);
}

#[test]
fn a_queue_admits_shards_alone_and_places_them_itself() {
    let queue = "metadata/labels/kueue.x-k8s.io~1queue-name";
    let set = "shards.queueName=q shards.suspend=true shards.spot=true shards.only=3";
    check(&[
        (set, "shards shards-again", queue, json!("q")),
        (set, "plan finalize", queue, Value::Null),
        (set, "shards shards-again", "spec/suspend", Value::Null),
        (set, "shards shards-again", "pod/tolerations", Value::Null),
        (
            "shards.queueName=q shards.queueMinParallelism=2 shards.only=3",
            "shards shards-again",
            "metadata/annotations/kueue.x-k8s.io~1job-min-parallelism",
            json!("2"),
        ),
        (
            "shards.queueMinParallelism=2",
            "shards",
            "metadata/annotations/kueue.x-k8s.io~1job-min-parallelism",
            Value::Null,
        ),
        ("", "shards", queue, Value::Null),
    ]);
}

#[test]
fn objects_are_whole_and_labelled_as_kubernetes_recommends() {
    let api = |kind: &str| match kind {
        "Job" => "batch/v1",
        "Role" | "RoleBinding" => "rbac.authorization.k8s.io/v1",
        "NetworkPolicy" => "networking.k8s.io/v1",
        "Pod" | "ServiceAccount" => "v1",
        other => panic!("{other:?} is no kind that the chart makes"),
    };
    for object in render("networkPolicy.enabled=true shards.only=3").unwrap().objects() {
        assert_eq!(text(object, "/apiVersion"), api(&text(object, "/kind")));
        assert!(text(object, "/metadata/name").starts_with("r-rogo"), "{object}");
        for (label, value) in [
            ("name", "rogo-migrate"),
            ("instance", "r"),
            ("version", "0.1.0"),
            ("managed-by", "Helm"),
            ("part-of", "rogo-migrate"),
        ] {
            assert_eq!(
                text(object, &format!("/metadata/labels/app.kubernetes.io~1{label}")),
                value,
                "{object}"
            );
        }
    }
}

#[test]
fn the_network_policy_and_the_test_pod() {
    assert!(render("").unwrap().find("NetworkPolicy").is_none());
    let ports = render("networkPolicy.enabled=true").unwrap();
    let ports =
        ports.field("NetworkPolicy", "spec/egress/0/ports").and_then(Value::as_array).unwrap().clone();
    for expected in [
        json!({"port": 53, "protocol": "UDP"}),
        json!({"port": 443, "protocol": "TCP"}),
        json!({"port": 11000, "endPort": 11999, "protocol": "TCP"}),
    ] {
        assert!(ports.contains(&expected), "{expected} is not among {ports:?}");
    }
    check(&[
        ("networkPolicy.enabled=true", "NetworkPolicy", "spec/policyTypes", json!(["Ingress", "Egress"])),
        ("networkPolicy.enabled=true", "NetworkPolicy", "spec/ingress", Value::Null),
        (
            "networkPolicy.enabled=true networkPolicy.ports={443} networkPolicy.portRanges[0].from=7 \
             networkPolicy.portRanges[0].to=9",
            "NetworkPolicy",
            "spec/egress/0/ports/3",
            json!({"port": 7, "endPort": 9, "protocol": "TCP"}),
        ),
        (
            "networkPolicy.enabled=true",
            "NetworkPolicy",
            "spec/podSelector/matchLabels",
            json!({"app.kubernetes.io/name": "rogo-migrate", "app.kubernetes.io/instance": "r"}),
        ),
        (
            "networkPolicy.enabled=true",
            "NetworkPolicy",
            "spec/egress/1",
            json!({
                "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80, "protocol": "TCP"}]
            }),
        ),
        (
            "networkPolicy.enabled=true networkPolicy.imds=false",
            "NetworkPolicy",
            "spec/egress/1",
            Value::Null,
        ),
        (
            "networkPolicy.enabled=true networkPolicy.egress[0].to[0].ipBlock.cidr=10.0.0.0/8",
            "NetworkPolicy",
            "spec/egress/2/to/0/ipBlock/cidr",
            json!("10.0.0.0/8"),
        ),
        ("", "test", "metadata/annotations/helm.sh~1hook", json!("test")),
        (
            "",
            "test",
            "metadata/annotations/helm.sh~1hook-delete-policy",
            json!("before-hook-creation,hook-succeeded,hook-failed"),
        ),
        (
            "",
            "test",
            "metadata/annotations/helm.sh~1hook-output-log-policy",
            json!("hook-succeeded,hook-failed"),
        ),
        ("", JOBS, "metadata/annotations/helm.sh~1hook", Value::Null),
    ]);
}

#[test]
fn memory_and_disk_are_bounded_and_folders_are_on_the_disk_that_is_counted() {
    let mut rows = Vec::new();
    for (of, cpu, memory, disk) in [
        ("plan", "100m", "512Mi", "12Gi"),
        ("shards", "500m", "512Mi", "2Gi"),
        ("finalize", "100m", "512Mi", "8Gi"),
    ] {
        rows.push((
            "",
            of,
            "container/resources/requests",
            json!({"cpu": cpu, "memory": memory, "ephemeral-storage": disk}),
        ));
        rows.push((
            "",
            of,
            "container/resources/limits",
            json!({"memory": memory, "ephemeral-storage": disk}),
        ));
        rows.push(("", of, "pod/volumes/tmp", json!({"name": "tmp", "emptyDir": {"sizeLimit": disk}})));
    }
    rows.extend([
        ("shards.resources.memory=1Gi", "shards", "container/resources/requests/memory", json!("1Gi")),
        ("shards.resources.memory=1Gi", "shards", "container/resources/limits/memory", json!("1Gi")),
        ("", PODS, "container/resources/limits/cpu", Value::Null),
        ("plan.resources.cpuLimit=1", "plan test", "container/resources/limits/cpu", json!("1")),
        ("shards.resources.cpuLimit=1500m", "shards", "container/resources/limits/cpu", json!("1500m")),
        ("finalize.resources.cpuLimit=500m", "finalize", "container/resources/limits/cpu", json!("500m")),
        ("", PODS, "env/TMPDIR/value", json!("/tmp")),
        ("", PODS, "container/volumeMounts/tmp/mountPath", json!("/tmp")),
        ("", "finalize", "env/ROGO_OUT/value", json!("/results")),
        ("", "finalize", "container/volumeMounts/results/mountPath", json!("/results")),
        ("", "finalize", "pod/volumes/results/emptyDir/sizeLimit", json!("8Gi")),
    ]);
    check(&rows);
}
