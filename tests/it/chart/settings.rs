//! Rows about settings and credentials: how they reach the program.

use std::collections::BTreeSet;

use rogo_migrate::settings;
use serde_json::{Value, json};

use super::{
    rendered::{component, render},
    table::{PODS, check},
};

const REDO_ONLY: &str = "shards.redo=lost shards.only=3 shards.reason=failover";

#[test]
fn settings_reach_the_pods_by_the_programs_names() {
    let given = [
        ("inputs.submissions=az://i/s.csv", "ROGO_SUBMISSIONS", "az://i/s.csv"),
        ("inputs.mapping=az://i/m.csv", "ROGO_MAPPING", "az://i/m.csv"),
        ("inputs.encoding=windows-1252", "ROGO_ENCODING", "windows-1252"),
        ("warehouse.folder=az://warehouse", "DATA_WAREHOUSE_CONNECTION_STRING", "az://warehouse"),
        ("warehouse.nullText=none", "ROGO_WAREHOUSE_NULL", "none"),
        ("warehouse.escape=backslash", "ROGO_WAREHOUSE_ESCAPE", "backslash"),
        ("target.container=az://other", "ROGO_TARGET", "az://other"),
        ("target.expectHost=db.example", "ROGO_EXPECT_HOST", "db.example"),
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
        ("work.giveUpAfter=45m", "ROGO_GIVE_UP_AFTER", "45m"),
        ("work.breaker=off shards.reason=why", "ROGO_BREAKER", "off"),
        ("", "ROGO_TARGET_GUARD", "off"),
        ("target.guard=on", "ROGO_TARGET_GUARD", "on"),
        // YAML reads an unquoted on as true.
        ("target.guard=true", "ROGO_TARGET_GUARD", "on"),
        ("target.guard=false", "ROGO_TARGET_GUARD", "off"),
        ("work.waitPlan=1h", "ROGO_WAIT_PLAN", "1h"),
        ("log.format=text", "ROGO_LOG_FORMAT", "text"),
        ("log.filter=debug", "RUST_LOG", "debug"),
        ("otel.traceSample=0", "ROGO_TRACE_SAMPLE", "0"),
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
        ("shards.redo=lost shards.reason=failover", "shards", "env/ROGO_REDO/value", json!("lost")),
        ("shards.redo=lost shards.reason=failover", "shards", "env/ROGO_REASON/value", json!("failover")),
        ("shards.redo=lost shards.reason=failover", "plan test", "env/ROGO_REDO", Value::Null),
        // Done markers stand from before: the finalizer waits for the Job.
        ("shards.redo=lost shards.reason=failover", "finalize", "env/ROGO_REDO/value", json!("lost")),
        ("shards.redo=lost shards.reason=failover", "finalize", "env/ROGO_REASON", Value::Null),
        (REDO_ONLY, "shards-again finalize-again", "env/ROGO_REDO/value", json!("lost")),
        (REDO_ONLY, "shards-again", "env/ROGO_REASON/value", json!("failover")),
        (REDO_ONLY, "plan shards finalize test", "env/ROGO_REDO", Value::Null),
        (REDO_ONLY, "plan shards finalize finalize-again test", "env/ROGO_REASON", Value::Null),
        // The shards of the main Job need it too.
        (
            "work.breaker=off shards.reason=why shards.only=3",
            "shards shards-again",
            "env/ROGO_REASON/value",
            json!("why"),
        ),
        ("work.breaker=off shards.reason=why", "shards", "env/ROGO_REASON/value", json!("why")),
        ("work.breaker=off shards.reason=why", "plan finalize test", "env/ROGO_REASON", Value::Null),
        ("shards.reason=why", PODS, "env/ROGO_REASON", Value::Null),
        ("", "shards", "env/ROGO_REDO", Value::Null),
        ("", PODS, "env/ROGO_EXPECT_HOST", Value::Null),
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
}

#[test]
fn the_finalizer_knows_its_job_and_how_to_run_shards_again() {
    let rendered = render("").unwrap();
    let named = rendered.field("finalize", "env/ROGO_SHARD_JOB/value").and_then(Value::as_str);
    assert_eq!(named, Some(rendered.name("shards").as_str()));
    check(&[
        ("shards.only=3", "finalize finalize-again", "env/ROGO_HELM_RELEASE/value", json!("r")),
        (
            "shards.only=3",
            "finalize finalize-again",
            "env/ROGO_HELM_CHART/value",
            json!("charts/rogo-migrate"),
        ),
        ("chartReference=oci://a/b", "finalize", "env/ROGO_HELM_CHART/value", json!("oci://a/b")),
        ("", "finalize", "env/ROGO_HELM_PREFIX", Value::Null),
        ("valuesPrefix=a.b.", "finalize", "env/ROGO_HELM_PREFIX/value", json!("a.b.")),
        ("", "plan shards test", "env/ROGO_HELM_RELEASE", Value::Null),
        ("notify.event=true", "finalize", "env/ROGO_NOTIFY_EVENT/value", json!("true")),
        ("notify.event=true", "plan shards test", "env/ROGO_NOTIFY_EVENT", Value::Null),
        ("", "finalize", "env/ROGO_NOTIFY_EVENT", Value::Null),
    ]);
}

#[test]
fn what_makes_a_run_a_later_one_reaches_those_who_plan_and_its_reason_the_plan() {
    let later = "inputs.after={first,second} inputs.exclude=/v/e.csv inputs.reason=letter";
    check(&[
        (later, "plan test", "env/ROGO_AFTER/value", json!("first,second")),
        (later, "plan test", "env/ROGO_EXCLUDE/value", json!("/v/e.csv")),
        (later, "plan", "env/ROGO_REASON/value", json!("letter")),
        (later, "test", "env/ROGO_REASON", Value::Null),
        (later, "shards finalize", "env/ROGO_AFTER", Value::Null),
        (later, "shards finalize", "env/ROGO_EXCLUDE", Value::Null),
        (later, "shards finalize", "env/ROGO_REASON", Value::Null),
        ("inputs.reason=letter", PODS, "env/ROGO_REASON", Value::Null),
        ("", PODS, "env/ROGO_AFTER", Value::Null),
        ("", PODS, "env/ROGO_EXCLUDE", Value::Null),
        // Without a value of the chart they may be given as other variables are.
        ("extraEnv[0].name=ROGO_AFTER extraEnv[0].value=first", PODS, "env/ROGO_AFTER/value", json!("first")),
        (
            "inputs.exclude=/v/e.csv extraEnv[0].name=ROGO_REASON extraEnv[0].value=letter",
            "plan",
            "env/ROGO_REASON/value",
            json!("letter"),
        ),
        (
            "inputs.exclude=/v/e.csv envFrom[0].secretRef.name=s",
            "plan",
            "env/ROGO_EXCLUDE/value",
            json!("/v/e.csv"),
        ),
    ]);
}

/// A variable that the program does not know would be a value without effect.
#[test]
fn every_variable_of_the_chart_is_one_that_is_read() {
    let mut known: BTreeSet<String> =
        settings::ALL.iter().filter_map(|s| s.environment).map(str::to_owned).collect();
    known.extend(known.clone().into_iter().map(|name| format!("{name}_FILE")));
    let others = "TMPDIR OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES";
    known.extend(others.split_whitespace().chain(settings::POD_VARIABLES).map(str::to_owned));
    let rendered = render("shards.only=3 verify.enabled=true").unwrap();
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
        (
            "credentials.account.existingSecret=a credentials.account.key=k",
            PODS,
            "pod/volumes/credentials/projected/sources/2",
            source("a", "k", "AZURE_STORAGE_CONNECTION_STRING"),
        ),
        (
            "credentials.source.enabled=true credentials.source.existingSecret=s credentials.source.key=k",
            PODS,
            "pod/volumes/credentials/projected/sources/3",
            source("s", "k", "SOURCE_STORAGE_CONNECTION_STRING"),
        ),
        (
            "credentials.account.file=/csi/a",
            PODS,
            "env/AZURE_STORAGE_CONNECTION_STRING_FILE/value",
            json!("/csi/a"),
        ),
        (
            "credentials.warehouse.file=/csi/w",
            PODS,
            "env/DATA_WAREHOUSE_CONNECTION_STRING_FILE/value",
            json!("/csi/w"),
        ),
        ("credentials.consumerKey.file=/csi/c", PODS, "env/ROGO_CONSUMER_KEY_FILE/value", json!("/csi/c")),
    ]);
}

/// Whether a connection string is used follows from the other values, unless it is said.
#[test]
fn a_connection_string_is_used_if_it_is_said_to_be() {
    let account = "env/AZURE_STORAGE_CONNECTION_STRING/valueFrom/secretKeyRef/key";
    let warehouse = "env/DATA_WAREHOUSE_CONNECTION_STRING/valueFrom/secretKeyRef/key";
    check(&[
        (
            "credentials.as=env credentials.account.enabled=true",
            PODS,
            account,
            json!("AZURE_STORAGE_CONNECTION_STRING"),
        ),
        (
            "credentials.account.enabled=false storage.accountUrl=https://a.example",
            PODS,
            "env/AZURE_STORAGE_CONNECTION_STRING",
            Value::Null,
        ),
        (
            "credentials.as=env credentials.warehouse.enabled=true",
            PODS,
            warehouse,
            json!("DATA_WAREHOUSE_CONNECTION_STRING"),
        ),
        (
            "credentials.warehouse.enabled=false warehouse.folder=az://warehouse",
            PODS,
            "env/DATA_WAREHOUSE_CONNECTION_STRING/value",
            json!("az://warehouse"),
        ),
    ]);
}
