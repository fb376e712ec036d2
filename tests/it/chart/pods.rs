//! Rows about pods: what they may do, and where they run.

use serde_json::{Value, json};

use super::{
    rendered::{Rendered, render, text},
    table::{JOBS, PODS, check},
};

#[test]
fn pods_are_locked_down() {
    let locked = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
    });
    let pod = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}
    });
    let rules = |rendered: &Rendered| rendered.find("Role").and_then(|role| role.get("rules")).cloned();
    check(&[
        ("", PODS, "container/securityContext", locked),
        ("", PODS, "pod/securityContext", pod),
        ("runAsUser=1000", PODS, "pod/securityContext/fsGroup", json!(1000)),
        (
            "openshift=true",
            PODS,
            "pod/securityContext",
            json!({
                "runAsNonRoot": true, "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}
            }),
        ),
        ("", "finalize", "pod/automountServiceAccountToken", json!(true)),
        ("shards.only=3", "finalize-again", "pod/automountServiceAccountToken", json!(true)),
        ("", "plan shards test", "pod/automountServiceAccountToken", json!(false)),
        ("", "ServiceAccount", "automountServiceAccountToken", json!(false)),
        ("", PODS, "pod/enableServiceLinks", json!(false)),
        ("", PODS, "pod/serviceAccountName", json!("r-rogo-migrate")),
        ("serviceAccount.name=own serviceAccount.create=false", PODS, "pod/serviceAccountName", json!("own")),
        ("serviceAccount.name=own", "RoleBinding", "subjects/own/namespace", json!("ns")),
        ("", "Role RoleBinding", "metadata/name", json!("r-rogo-migrate")),
        ("", "RoleBinding", "roleRef/kind", json!("Role")),
        ("", "RoleBinding", "roleRef/name", json!("r-rogo-migrate")),
        ("", PODS, "container/terminationMessagePolicy", json!("FallbackToLogsOnError")),
        ("", PODS, "env/ROGO_TERMINATION_LOG/value", json!("/dev/termination-log")),
        ("", PODS, "container/terminationMessagePath", json!("/dev/termination-log")),
        // What the volumes may hold is no more than that.
        (
            "verify.enabled=true",
            "plan shards finalize test verify",
            "env/ROGO_DISK_LIMIT/valueFrom/resourceFieldRef",
            json!({"containerName": "rogo-migrate", "resource": "limits.ephemeral-storage", "divisor": "1"}),
        ),
    ]);
    for set in ["", "shards.only=3"] {
        let rendered = render(set).unwrap();
        let mut watched = vec![rendered.name("shards")];
        watched.extend(rendered.find("shards-again").map(|again| text(again, "/metadata/name")));
        let expected = json!([
            {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": watched, "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["list"]}
        ]);
        assert_eq!(rules(&rendered), Some(expected));
    }
    // The only right to write anything through the API, and only if it is asked for.
    let events = rules(&render("notify.event=true").unwrap()).unwrap();
    assert_eq!(events[2], json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}));
    assert_eq!(events.as_array().map(Vec::len), Some(3));
    assert!(render("rbac.create=false").unwrap().find("Role").is_none());
    assert!(render("serviceAccount.create=false").unwrap().find("ServiceAccount").is_none());
}

#[test]
fn the_surroundings_are_as_the_values_say() {
    check(&[
        ("image.repository=x/y", PODS, "container/image", json!("x/y:0.1.0")),
        ("image.repository=x/y image.tag=v1", PODS, "container/image", json!("x/y:v1")),
        (
            "image.repository=x/y image.tag=v1 image.digest=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            PODS,
            "container/image",
            json!("x/y@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ),
        ("image.pullPolicy=Never", PODS, "container/imagePullPolicy", json!("Never")),
        ("imagePullSecrets={p}", PODS, "pod/imagePullSecrets/p/name", json!("p")),
        ("", PODS, "pod/dnsConfig/options/ndots/value", json!("2")),
        (
            "caBundle.configMap=c",
            PODS,
            "pod/volumes/ca/configMap",
            json!({"name": "c", "items": [{"key": "ca.crt", "path": "ca.crt"}]}),
        ),
        (
            "caBundle.secret=s caBundle.key=k",
            PODS,
            "pod/volumes/ca/secret/items",
            json!([{"key": "k", "path": "ca.crt"}]),
        ),
        ("caBundle.secret=s", PODS, "env/SSL_CERT_DIR/value", json!("/etc/rogo-migrate/ca")),
        ("caBundle.secret=s", PODS, "container/volumeMounts/ca/mountPath", json!("/etc/rogo-migrate/ca")),
        (
            "volumes[0].name=v volumeMounts[0].name=v volumeMounts[0].mountPath=/v",
            PODS,
            "container/volumeMounts/v/mountPath",
            json!("/v"),
        ),
        (
            "volumes[0].name=v volumes[0].emptyDir.medium=Memory",
            PODS,
            "pod/volumes/v/emptyDir/medium",
            json!("Memory"),
        ),
        ("initContainers[0].name=i", PODS, "pod/initContainers/i/name", json!("i")),
        (
            "storage.sharedVolume.existingClaim=c",
            PODS,
            "pod/volumes/shared/persistentVolumeClaim/claimName",
            json!("c"),
        ),
        (
            "storage.sharedVolume.existingClaim=c",
            PODS,
            "container/volumeMounts/shared/mountPath",
            json!("/data"),
        ),
    ]);
}

#[test]
fn labels_and_annotations_of_pods_keep_identities_sidecars_and_autoscalers_in_their_place() {
    let identity = "workloadIdentity.enabled=true workloadIdentity.clientId=c workloadIdentity.tenantId=t";
    check(&[
        (identity, JOBS, "template/labels/azure.workload.identity~1use", json!("true")),
        (identity, "test", "metadata/labels/azure.workload.identity~1use", json!("true")),
        (identity, "ServiceAccount", "metadata/annotations/azure.workload.identity~1client-id", json!("c")),
        (identity, "ServiceAccount", "metadata/annotations/azure.workload.identity~1tenant-id", json!("t")),
        ("serviceAccount.annotations.a=b", "ServiceAccount", "metadata/annotations/a", json!("b")),
        ("", JOBS, "template/labels/azure.workload.identity~1use", Value::Null),
        ("", JOBS, "template/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict", json!("false")),
        ("", JOBS, "template/annotations/karpenter.sh~1do-not-disrupt", json!("true")),
        ("", JOBS, "template/annotations/sidecar.istio.io~1inject", json!("false")),
        ("", JOBS, "template/labels/sidecar.istio.io~1inject", json!("false")),
        ("", "test", "metadata/labels/sidecar.istio.io~1inject", json!("false")),
        (identity, PODS, "env/ROGO_WORKLOAD_IDENTITY/value", json!("required")),
        ("", PODS, "env/ROGO_WORKLOAD_IDENTITY", Value::Null),
        ("plan.podLabels.a=b", "plan", "template/labels/a", json!("b")),
        (
            "plan.podLabels.sidecar\\.istio\\.io/inject=x",
            "plan",
            "template/labels/sidecar.istio.io~1inject",
            json!("x"),
        ),
        (
            "plan.podLabels.app\\.kubernetes\\.io/name=x",
            "plan",
            "template/labels/app.kubernetes.io~1name",
            json!("rogo-migrate"),
        ),
        ("plan.podAnnotations.a=b", "plan", "template/annotations/a", json!("b")),
        ("shards.podLabels.a=b", "shards", "template/labels/a", json!("b")),
        ("finalize.podLabels.a=b", "finalize", "template/labels/a", json!("b")),
        ("finalize.podAnnotations.a=b", "finalize", "template/annotations/a", json!("b")),
        ("shards.podAnnotations.a=b", "shards", "template/annotations/a", json!("b")),
    ]);
}

#[test]
fn telemetry_of_every_pod_names_its_namespace_node_pod_and_job() {
    let attributes = "service.instance.id=$(ROGO_POD),k8s.namespace.name=$(ROGO_NAMESPACE),k8s.pod.name=$(ROGO_POD),\
        k8s.node.name=$(ROGO_NODE),k8s.job.name=$(ROGO_JOB)";
    let all = "shards.only=3 verify.enabled=true";
    let of_all = "plan shards finalize test shards-again finalize-again verify";
    let job = "metadata.labels['batch.kubernetes.io/job-name']";
    check(&[
        (all, of_all, "env/OTEL_RESOURCE_ATTRIBUTES/value", json!(attributes)),
        (all, of_all, "env/ROGO_NAMESPACE/valueFrom/fieldRef/fieldPath", json!("metadata.namespace")),
        (all, of_all, "env/ROGO_POD/valueFrom/fieldRef/fieldPath", json!("metadata.name")),
        (all, of_all, "env/ROGO_NODE/valueFrom/fieldRef/fieldPath", json!("spec.nodeName")),
        (all, of_all, "env/ROGO_JOB/valueFrom/fieldRef/fieldPath", json!(job)),
    ]);
}

#[test]
fn pods_are_scheduled_as_the_values_say() {
    let spread = |of: &str| json!({"app.kubernetes.io/name": "rogo-migrate", "app.kubernetes.io/instance": "r", "app.kubernetes.io/component": of});
    check(&[
        ("", "shards", "pod/topologySpreadConstraints/1/topologyKey", json!("kubernetes.io/hostname")),
        ("", "shards", "pod/topologySpreadConstraints/0/labelSelector/matchLabels", spread("shards")),
        (
            "",
            "shards",
            "template/labels",
            json!({
                "app.kubernetes.io/name": "rogo-migrate", "app.kubernetes.io/instance": "r",
                "app.kubernetes.io/component": "shards", "sidecar.istio.io/inject": "false"
            }),
        ),
        (
            "shards.spot=true",
            "shards",
            "pod/tolerations/0",
            json!({"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"}),
        ),
        (
            "shards.spot=true",
            "shards",
            "pod/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight",
            json!(100),
        ),
        ("shards.spot=true", "plan finalize", "pod/tolerations", Value::Null),
        ("plan.priorityClassName=p", "plan", "pod/priorityClassName", json!("p")),
        ("finalize.priorityClassName=p", "finalize", "pod/priorityClassName", json!("p")),
        ("finalize.tolerations[0].key=k", "finalize", "pod/tolerations", json!([{"key": "k"}])),
        ("shards.nodeSelector.a=b", "shards", "pod/nodeSelector", json!({"a": "b"})),
        ("plan.affinity.podAffinity.x=y", "plan", "pod/affinity", json!({"podAffinity": {"x": "y"}})),
        // A person's own affinity is not mixed with that for spot nodes.
        (
            "shards.spot=true shards.affinity.podAffinity.x=y",
            "shards",
            "pod/affinity",
            json!({"podAffinity": {"x": "y"}}),
        ),
        (
            "plan.topologySpread[0].topologyKey=zone finalize.topologySpread[0].topologyKey=zone",
            "plan finalize",
            "pod/topologySpreadConstraints/0/topologyKey",
            json!("zone"),
        ),
        ("dnsPolicy=None", PODS, "pod/dnsPolicy", json!("None")),
        (
            "storage.sharedVolume.existingClaim=c storage.sharedVolume.mountPath=/shared",
            PODS,
            "container/volumeMounts/shared/mountPath",
            json!("/shared"),
        ),
        ("finalize.nodeSelector.a=b", "finalize", "pod/nodeSelector", json!({"a": "b"})),
        ("finalize.nodeSelector.a=b", "plan shards", "pod/nodeSelector", Value::Null),
        ("plan.tolerations[0].key=k", "plan", "pod/tolerations", json!([{"key": "k"}])),
        ("finalize.affinity.podAffinity.x=y", "finalize", "pod/affinity", json!({"podAffinity": {"x": "y"}})),
    ]);
}
