//! The table: values, and the fields that they lead to.

use std::collections::BTreeSet;

use rogo_migrate::{exit::Exit, settings};
use serde_json::{Value, json};

use super::rendered::{Rendered, component, render, text};

/// Components, separated by spaces; the three Jobs, or all that runs a pod.
const JOBS: &str = "plan shards finalize";
const PODS: &str = "plan shards finalize test";

/// Values, of what, where, and what must stand there; null: nothing.
type Row = (&'static str, &'static str, &'static str, Value);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (set, of, at, expected) in rows {
        let rendered = match render(set) {
            Ok(rendered) => rendered,
            Err(refusal) => {
                wrong.push(format!("{set:?}: refused: {refusal}"));
                continue;
            }
        };
        for of in of.split_whitespace() {
            let found = rendered.field(of, at).cloned().unwrap_or_default();
            if rendered.find(of).is_none() || found != *expected {
                wrong.push(format!("{set:?}, {of} {at}: {found}, expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

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
    ]);
}

#[test]
fn the_shard_job_is_throttled_and_paused_in_place() {
    check(&[
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/completions", json!(1000)),
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/parallelism", json!(20)),
        ("shards.count=1000 shards.parallelism=20", "shards", "spec/maxFailedIndexes", json!(20)),
        ("shards.count=8 shards.parallelism=20", "shards", "spec/maxFailedIndexes", json!(7)),
        ("shards.count=1", "shards", "spec/maxFailedIndexes", json!(0)),
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
        ("", "shards", queue, Value::Null),
    ]);
}

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
        ("", "finalize", "pod/automountServiceAccountToken", json!(true)),
        ("shards.only=3", "finalize-again", "pod/automountServiceAccountToken", json!(true)),
        ("", "plan shards test", "pod/automountServiceAccountToken", json!(false)),
        ("", "ServiceAccount", "automountServiceAccountToken", json!(false)),
        ("", PODS, "pod/enableServiceLinks", json!(false)),
        ("", PODS, "pod/serviceAccountName", json!("r-rogo-migrate")),
        ("serviceAccount.name=own serviceAccount.create=false", PODS, "pod/serviceAccountName", json!("own")),
        ("serviceAccount.name=own", "RoleBinding", "subjects/own/namespace", json!("ns")),
        ("", PODS, "container/terminationMessagePolicy", json!("FallbackToLogsOnError")),
        ("", PODS, "env/ROGO_TERMINATION_LOG/value", json!("/dev/termination-log")),
        ("", PODS, "container/terminationMessagePath", json!("/dev/termination-log")),
    ]);
    for set in ["", "shards.only=3"] {
        let rendered = render(set).unwrap();
        let mut watched = vec![rendered.name("shards")];
        watched.extend(rendered.find("shards-again").map(|again| text(again, "/metadata/name")));
        let expected = json!([{
            "apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": watched, "verbs": ["get", "list", "watch"]
        }]);
        assert_eq!(rules(&rendered), Some(expected));
    }
    assert!(render("rbac.create=false").unwrap().find("Role").is_none());
    assert!(render("serviceAccount.create=false").unwrap().find("ServiceAccount").is_none());
}

#[test]
fn settings_reach_the_pods_by_the_programs_names() {
    let given = [
        ("inputs.submissions=az://i/s.csv", "ROGO_SUBMISSIONS", "az://i/s.csv"),
        ("inputs.mapping=az://i/m.csv", "ROGO_MAPPING", "az://i/m.csv"),
        ("inputs.encoding=windows-1252", "ROGO_ENCODING", "windows-1252"),
        ("warehouse.folder=az://warehouse", "DATA_WAREHOUSE_CONNECTION_STRING", "az://warehouse"),
        ("target.container=az://other", "ROGO_TARGET", "az://other"),
        ("source.allow={https://a/b,https://c}", "ROGO_SOURCE_ALLOW", "https://a/b,https://c"),
        ("storage.accountUrl=https://a.example", "AZURE_STORAGE_ACCOUNT_URL", "https://a.example"),
        ("storage.runStore=az://runs/x", "ROGO_RUN_STORE", "az://runs/x"),
        ("run=second", "ROGO_RUN", "second"),
        ("organisation.lmsName=$(HOME)", "ROGO_LMS_NAME", "$$(HOME)"),
        ("organisation.returnUrl=https://x.example", "ROGO_RETURN_URL", "https://x.example"),
        ("", "ROGO_LMS_INSTANCE", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
        ("rules.unitVersions={24,25}", "ROGO_UNIT_VERSIONS", "24,25"),
        ("rules.instructionSet=X", "ROGO_INSTRUCTION_SET", "X"),
        ("rules.assignmentTitle=Area", "ROGO_ASSIGNMENT_TITLE", "Area"),
        ("rules.ruleOwner=o", "ROGO_RULE_OWNER", "o"),
        ("rules.markerOnly=migrate", "ROGO_MARKER_ONLY", "migrate"),
        ("rules.warehouseTimeZone=Europe/London", "ROGO_WAREHOUSE_TIME_ZONE", "Europe/London"),
        ("shards.count=100000", "ROGO_SHARDS", "100000"),
        ("work.workers=6", "ROGO_WORKERS", "6"),
        ("work.inFlight=4", "ROGO_IN_FLIGHT", "4"),
        ("", "ROGO_IN_FLIGHT", "adaptive"),
        ("work.pool=4", "ROGO_POOL", "4"),
        ("work.warehousePool=4", "ROGO_WAREHOUSE_POOL", "4"),
        ("work.flush=1m", "ROGO_FLUSH", "1m"),
        ("", "ROGO_GIVE_UP_AFTER", "2h"),
        ("work.breaker=off", "ROGO_BREAKER", "off"),
        ("work.waitPlan=1h", "ROGO_WAIT_PLAN", "1h"),
        ("log.format=text", "ROGO_LOG_FORMAT", "text"),
        ("log.filter=debug", "RUST_LOG", "debug"),
        ("otel.endpoint=http://o:4318", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://o:4318"),
        ("proxy.http=http://p", "HTTP_PROXY", "http://p"),
        ("proxy.https=http://p", "HTTPS_PROXY", "http://p"),
        (
            "proxy.https=http://p proxy.exceptions=.corp",
            "NO_PROXY",
            "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,169.254.169.254,.svc,.cluster.local,.corp",
        ),
    ];
    for (set, name, value) in given {
        let field: &'static str = Box::leak(format!("env/{name}/value").into_boxed_str());
        check(&[(set, PODS, field, json!(value))]);
    }
    check(&[
        ("", PODS, "env/ROGO_ENCODING", Value::Null),
        ("", PODS, "env/ROGO_RULE_OWNER", Value::Null),
        ("", PODS, "env/NO_PROXY", Value::Null),
        ("", "plan", "container/args", json!(["plan", "--database-auth=password", "--source-auth=auto"])),
        (
            "target.databaseAuth=entra source.auth=entra",
            "shards",
            "container/args",
            json!(["shard", "--database-auth=entra", "--source-auth=entra"]),
        ),
        (
            "inputs.limit=100",
            "finalize",
            "container/args",
            json!(["finalize", "--database-auth=password", "--source-auth=auto"]),
        ),
        (
            "inputs.limit=100 inputs.attempts=/in/a",
            "plan",
            "container/args",
            json!([
                "plan",
                "--database-auth=password",
                "--source-auth=auto",
                "--limit=100",
                "--attempts=/in/a"
            ]),
        ),
        (
            "",
            "test",
            "container/args",
            json!(["plan", "--dry-run", "--database-auth=password", "--source-auth=auto"]),
        ),
        ("", PODS, "env/ROGO_NAMESPACE/valueFrom/fieldRef/fieldPath", json!("metadata.namespace")),
        ("extraEnv[0].name=X extraEnv[0].value=y", PODS, "env/X/value", json!("y")),
        (
            "envFrom[0].configMapRef.name=c",
            PODS,
            "container/envFrom",
            json!([{"configMapRef": {"name": "c"}}]),
        ),
    ]);
    let rendered = render("").unwrap();
    let named = rendered.field("finalize", "env/ROGO_SHARD_JOB/value").and_then(Value::as_str);
    assert_eq!(named, Some(rendered.name("shards").as_str()));
}

/// A variable that the program does not know would be a value without effect.
#[test]
fn every_variable_of_the_chart_is_one_that_somebody_reads() {
    let mut known: BTreeSet<String> =
        settings::ALL.iter().filter_map(|s| s.environment).map(str::to_owned).collect();
    known.extend(known.clone().into_iter().map(|name| format!("{name}_FILE")));
    let others = "ROGO_NAMESPACE ROGO_POD ROGO_NODE ROGO_JOB ROGO_SHARD_JOB ROGO_TERMINATION_LOG TMPDIR \
                  OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES";
    known.extend(others.split_whitespace().map(str::to_owned));
    let rendered = render("shards.only=3").unwrap();
    for object in rendered.objects() {
        let Some(of) = component(object) else { continue };
        let env = rendered.field(&of, "env").and_then(Value::as_object).unwrap();
        let unknown: Vec<_> = env.keys().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{of}: {unknown:?}");
    }
}

#[test]
fn credentials_are_files_that_follow_their_secret_or_variables() {
    let mount =
        json!({"name": "credentials", "mountPath": "/etc/rogo-migrate/credentials", "readOnly": true});
    let source = |secret: &str, key: &str, name: &str| json!({"secret": {"name": secret, "items": [{"key": key, "path": name}]}});
    let all = json!([
        source("own", "url", "DATABASE_URL"),
        source("rogo-migrate", "DATA_WAREHOUSE_CONNECTION_STRING", "DATA_WAREHOUSE_CONNECTION_STRING"),
        source("rogo-migrate", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"),
        source("rogo-migrate", "SOURCE_STORAGE_CONNECTION_STRING", "SOURCE_STORAGE_CONNECTION_STRING"),
        source("rogo-migrate", "ROGO_CONSUMER_KEY", "ROGO_CONSUMER_KEY"),
    ]);
    let own = "credentials.database.existingSecret=own credentials.database.key=url credentials.source.enabled=true";
    let env = "credentials.as=env";
    let file = "credentials.database.file=/csi/url";
    let entra = "storage.accountUrl=https://a.example warehouse.folder=az://warehouse";
    check(&[
        (own, PODS, "pod/volumes/credentials/projected/sources", all),
        ("", PODS, "pod/volumes/credentials/projected/defaultMode", json!(0o440)),
        ("", PODS, "container/volumeMounts/credentials", mount),
        ("", PODS, "env/DATABASE_URL_FILE/value", json!("/etc/rogo-migrate/credentials/DATABASE_URL")),
        ("", PODS, "env/DATABASE_URL", Value::Null),
        ("", PODS, "env/SOURCE_STORAGE_CONNECTION_STRING_FILE", Value::Null),
        (
            env,
            PODS,
            "env/DATABASE_URL/valueFrom/secretKeyRef",
            json!({"name": "rogo-migrate", "key": "DATABASE_URL"}),
        ),
        (env, PODS, "env/DATABASE_URL_FILE", Value::Null),
        (env, PODS, "pod/volumes/credentials", Value::Null),
        (env, PODS, "container/volumeMounts/credentials", Value::Null),
        (file, PODS, "env/DATABASE_URL_FILE/value", json!("/csi/url")),
        (entra, PODS, "env/AZURE_STORAGE_CONNECTION_STRING_FILE", Value::Null),
        (entra, PODS, "env/DATA_WAREHOUSE_CONNECTION_STRING_FILE", Value::Null),
    ]);
}

#[test]
fn the_surroundings_are_as_the_values_say() {
    let identity = "workloadIdentity.enabled=true workloadIdentity.clientId=c workloadIdentity.tenantId=t";
    let spread = |of: &str| json!({"app.kubernetes.io/name": "rogo-migrate", "app.kubernetes.io/instance": "r", "app.kubernetes.io/component": of});
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
        (identity, JOBS, "template/labels/azure.workload.identity~1use", json!("true")),
        (identity, "test", "metadata/labels/azure.workload.identity~1use", json!("true")),
        (identity, "ServiceAccount", "metadata/annotations/azure.workload.identity~1client-id", json!("c")),
        (identity, "ServiceAccount", "metadata/annotations/azure.workload.identity~1tenant-id", json!("t")),
        ("", JOBS, "template/labels/azure.workload.identity~1use", Value::Null),
        ("", JOBS, "template/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict", json!("false")),
        ("plan.podLabels.a=b", "plan", "template/labels/a", json!("b")),
        ("shards.podAnnotations.a=b", "shards", "template/annotations/a", json!("b")),
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
        ("", "shards", "pod/topologySpreadConstraints/1/topologyKey", json!("kubernetes.io/hostname")),
        ("", "shards", "pod/topologySpreadConstraints/0/labelSelector/matchLabels", spread("shards")),
        ("", "shards", "template/labels", spread("shards")),
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
        ("finalize.nodeSelector.a=b", "finalize", "pod/nodeSelector", json!({"a": "b"})),
        ("finalize.nodeSelector.a=b", "plan shards", "pod/nodeSelector", Value::Null),
        ("plan.tolerations[0].key=k", "plan", "pod/tolerations", json!([{"key": "k"}])),
        ("finalize.affinity.podAffinity.x=y", "finalize", "pod/affinity", json!({"podAffinity": {"x": "y"}})),
    ]);
}

#[test]
fn memory_and_disk_are_bounded_and_folders_are_on_the_disk_that_is_counted() {
    let mut rows = Vec::new();
    for (of, cpu, memory, disk) in [
        ("plan", "100m", "512Mi", "4Gi"),
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
        ("", PODS, "env/TMPDIR/value", json!("/tmp")),
        ("", PODS, "container/volumeMounts/tmp/mountPath", json!("/tmp")),
        ("", "finalize", "env/ROGO_OUT/value", json!("/results")),
        ("", "finalize", "container/volumeMounts/results/mountPath", json!("/results")),
        ("", "finalize", "pod/volumes/results/emptyDir/sizeLimit", json!("8Gi")),
    ]);
    check(&rows);
}

#[test]
fn objects_are_labelled_as_kubernetes_recommends() {
    for object in render("networkPolicy.enabled=true").unwrap().objects() {
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
            "networkPolicy.enabled=true networkPolicy.egress[0].to[0].ipBlock.cidr=10.0.0.0/8",
            "NetworkPolicy",
            "spec/egress/1/to/0/ipBlock/cidr",
            json!("10.0.0.0/8"),
        ),
        ("", "test", "metadata/annotations/helm.sh~1hook", json!("test")),
        (
            "",
            "test",
            "metadata/annotations/helm.sh~1hook-delete-policy",
            json!("before-hook-creation,hook-succeeded,hook-failed"),
        ),
        ("", JOBS, "metadata/annotations/helm.sh~1hook", Value::Null),
    ]);
}
