//! The Job that verifies: its own account, credentials and store, and how it ends.

use rogo_migrate::exit::Exit;
use serde_json::{Value, json};

use super::{
    rendered::{component, render, text},
    table::{JOBS, PODS, check},
};

const ON: &str = "verify.enabled=true";

#[test]
fn the_job_is_made_only_if_it_is_asked_for_and_changes_no_other_name() {
    let without = render("").unwrap();
    assert!(without.find("verify").is_none());
    assert!(without.objects().all(|object| !text(object, "/metadata/name").contains("verify")));
    let with = render(ON).unwrap();
    let name = with.name("verify");
    assert!(name.starts_with("r-rogo-v-") && name.len() == "r-rogo-v-".len() + 8, "{name}");
    for job in JOBS.split(' ') {
        assert_eq!(with.name(job), without.name(job), "{job}");
    }
    for (set, changes) in [
        ("verify.activeDeadlineSeconds=60", false),
        ("verify.ttlSecondsAfterFinished=60", false),
        ("verify.serviceAccount.annotations.a=b", false),
        ("shards.parallelism=7", false),
        ("verify.count=3", true),
        ("verify.again=2", true),
        ("verify.level=blobs", true),
        ("verify.content=1/7", true),
        ("verify.store=az://verify", true),
        ("verify.credentials.existingSecret=s", true),
        ("verify.resources.memory=1Gi", true),
        ("generation=2", true),
    ] {
        let other = render(&format!("{ON} {set}")).unwrap();
        assert_eq!(other.name("verify") != name, changes, "{set}");
        if set.starts_with("verify.") {
            assert_eq!(other.name("shards"), with.name("shards"), "{set}");
        }
    }
}

#[test]
fn a_difference_fails_an_index_and_what_no_retry_mends_fails_the_job() {
    let on_exit = |action: &str, exits: &[Exit]| {
        let values: Value = exits.iter().map(|exit| *exit as u8).collect();
        json!({"action": action, "onExitCodes": {"containerName": "rogo-migrate", "operator": "In", "values": values}})
    };
    let rules = json!([
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        on_exit("Ignore", &[Exit::Stopped]),
        on_exit("FailJob", &[Exit::Usage, Exit::Incomplete, Exit::Configuration]),
        on_exit("FailIndex", &[Exit::Differences, Exit::DataRefused, Exit::Bug]),
    ]);
    check(&[
        (ON, "verify", "spec/podFailurePolicy/rules", rules),
        (ON, "verify", "spec/backoffLimitPerIndex", json!(3)),
        (ON, "verify", "spec/completionMode", json!("Indexed")),
        (ON, "verify", "spec/completions", json!(1)),
        ("verify.enabled=true verify.count=5", "verify", "spec/completions", json!(5)),
        ("verify.enabled=true verify.count=5", "verify", "spec/parallelism", json!(5)),
        (ON, "verify", "spec/podReplacementPolicy", json!("Failed")),
        (ON, "verify", "spec/ttlSecondsAfterFinished", Value::Null),
        (ON, "verify", "pod/restartPolicy", json!("Never")),
        (
            "verify.enabled=true verify.activeDeadlineSeconds=9",
            "verify",
            "spec/activeDeadlineSeconds",
            json!(9),
        ),
        (ON, "verify", "container/terminationMessagePolicy", json!("FallbackToLogsOnError")),
        (ON, "verify", "container/resources/requests/cpu", json!("100m")),
    ]);
}

#[test]
fn its_pods_take_their_part_and_the_settings_of_verify() {
    let all = "verify.enabled=true verify.count=3 verify.level=content verify.content=1/7 verify.store=az://verify/x";
    let args = json!([
        "verify",
        "--shard=$(JOB_COMPLETION_INDEX)/3",
        "--content=1/7",
        "--database-auth=password",
        "--source-auth=auto"
    ]);
    let uid = "metadata.labels['batch.kubernetes.io/controller-uid']";
    check(&[
        (all, "verify", "container/args", args),
        (all, "verify", "env/ROGO_VERIFY_LEVEL/value", json!("content")),
        (all, "verify", "env/ROGO_VERIFY_STORE/value", json!("az://verify/x")),
        (all, "verify", "env/ROGO_JOB_UID/valueFrom/fieldRef/fieldPath", json!(uid)),
        (all, "verify", "env/ROGO_RUN/value", json!("rogo")),
        (all, "verify", "env/ROGO_OUT/value", json!("/results")),
        (all, PODS, "env/ROGO_VERIFY_LEVEL", Value::Null),
        (all, PODS, "env/ROGO_JOB_UID", Value::Null),
        (ON, "verify", "env/ROGO_VERIFY_LEVEL/value", json!("rows")),
        (ON, "verify", "env/ROGO_VERIFY_STORE", Value::Null),
    ]);
}

#[test]
fn it_reads_with_an_account_and_credentials_of_its_own() {
    let own = "verify.enabled=true verify.credentials.existingSecret=reader verify.credentials.database.key=url \
               verify.credentials.account.file=/csi/account";
    let source = |secret: &str, key: &str, name: &str| json!({"secret": {"name": secret, "items": [{"key": key, "path": name}]}});
    let reader = json!([
        source("reader", "url", "DATABASE_URL"),
        source("reader", "DATA_WAREHOUSE_CONNECTION_STRING", "DATA_WAREHOUSE_CONNECTION_STRING"),
        source("reader", "ROGO_CONSUMER_KEY", "ROGO_CONSUMER_KEY"),
    ]);
    let run = source("rogo-migrate", "DATABASE_URL", "DATABASE_URL");
    let sources = "pod/volumes/credentials/projected/sources";
    check(&[
        (own, "verify", sources, reader),
        (own, "verify", "env/AZURE_STORAGE_CONNECTION_STRING_FILE/value", json!("/csi/account")),
        (own, PODS, "pod/volumes/credentials/projected/sources/0", run.clone()),
        // What is left blank is the run's.
        (ON, "verify", "pod/volumes/credentials/projected/sources/0", run),
        (ON, "verify", "pod/serviceAccountName", json!("r-rogo-migrate-verify")),
        (ON, PODS, "pod/serviceAccountName", json!("r-rogo-migrate")),
        (ON, "verify", "pod/automountServiceAccountToken", json!(false)),
        ("verify.enabled=true verify.serviceAccount.name=v", "verify", "pod/serviceAccountName", json!("v")),
        (
            "verify.enabled=true verify.serviceAccount.create=false",
            "verify",
            "pod/serviceAccountName",
            json!("default"),
        ),
    ]);
    let identity =
        "workloadIdentity.enabled=true workloadIdentity.clientId=mover storage.accountUrl=https://a.example";
    for (set, client) in [("", "mover"), ("verify.workloadIdentity.clientId=reader", "reader")] {
        let rendered = render(&format!("{ON} {identity} {set}")).unwrap();
        let account = rendered
            .objects()
            .find(|object| {
                text(object, "/metadata/name") == "r-rogo-migrate-verify" && component(object).is_none()
            })
            .unwrap();
        assert_eq!(text(account, "/kind"), "ServiceAccount");
        assert_eq!(text(account, "/metadata/annotations/azure.workload.identity~1client-id"), client);
    }
    let accounts = |set: &str| {
        let rendered = render(set).unwrap();
        rendered.objects().filter(|object| text(object, "/kind") == "ServiceAccount").count()
    };
    assert_eq!((accounts(ON), accounts("verify.enabled=true verify.serviceAccount.create=false")), (2, 1));
}

#[test]
fn its_store_is_a_place_that_its_pods_share() {
    let refusal =
        |set: &str| render(&format!("{ON} {set}")).err().unwrap_or_else(|| panic!("{set} is rendered"));
    assert!(refusal("verify.store=file:///tmp/x").contains("verify.store is a folder"));
    for bad in
        ["verify.level=all", "verify.count=0", "verify.content=7", "verify.store=s3://x", "verify.again=0"]
    {
        refusal(bad);
    }
    render("verify.enabled=true verify.store=file:///data/v storage.sharedVolume.existingClaim=c").unwrap();
}

#[test]
fn triggers_of_the_target_and_the_owners_numbers_reach_the_program() {
    check(&[
        (
            "target.alters={submission_grades.final_grade,submission_files.file_name}",
            PODS,
            "env/ROGO_TARGET_ALTERS/value",
            json!("submission_grades.final_grade,submission_files.file_name"),
        ),
        ("inputs.expect=/v/expect.toml", "plan", "env/ROGO_EXPECT/value", json!("/v/expect.toml")),
        ("inputs.expect=/v/expect.toml", "shards finalize test", "env/ROGO_EXPECT", Value::Null),
        ("", PODS, "env/ROGO_TARGET_ALTERS", Value::Null),
        ("", PODS, "env/ROGO_EXPECT", Value::Null),
    ]);
}

#[test]
fn each_credential_has_a_secret_a_key_or_a_file_of_its_own() {
    let sources = "pod/volumes/credentials/projected/sources";
    let secret =
        |name: &str, key: &str| json!({"secret": {"name": "s", "items": [{"key": key, "path": name}]}});
    let none = Value::Null;
    for (set, file, name) in [
        (
            "verify.enabled=true verify.credentials.database.existingSecret=s verify.credentials.database.key=k",
            "verify.enabled=true verify.credentials.database.file=/f",
            "DATABASE_URL",
        ),
        (
            "verify.enabled=true verify.credentials.warehouse.existingSecret=s verify.credentials.warehouse.key=k",
            "verify.enabled=true verify.credentials.warehouse.file=/f",
            "DATA_WAREHOUSE_CONNECTION_STRING",
        ),
        (
            "verify.enabled=true verify.credentials.account.existingSecret=s verify.credentials.account.key=k",
            "verify.enabled=true verify.credentials.account.file=/f",
            "AZURE_STORAGE_CONNECTION_STRING",
        ),
        (
            "verify.enabled=true credentials.source.enabled=true verify.credentials.source.existingSecret=s \
             verify.credentials.source.key=k",
            "verify.enabled=true verify.credentials.source.file=/f",
            "SOURCE_STORAGE_CONNECTION_STRING",
        ),
        (
            "verify.enabled=true verify.credentials.consumerKey.existingSecret=s verify.credentials.consumerKey.key=k",
            "verify.enabled=true verify.credentials.consumerKey.file=/f",
            "ROGO_CONSUMER_KEY",
        ),
    ] {
        let rendered = render(set).unwrap();
        let mounted = rendered.field("verify", sources).and_then(Value::as_array).unwrap();
        assert!(mounted.contains(&secret(name, "k")), "{set}: {mounted:?}");
        let run = rendered.field("shards", sources).and_then(Value::as_array).unwrap();
        assert!(!run.contains(&secret(name, "k")), "{set}: the run's own stay");
        let rendered = render(file).unwrap();
        let variable = format!("env/{name}_FILE/value");
        assert_eq!(rendered.field("verify", &variable), Some(&json!("/f")), "{file}");
        assert_ne!(rendered.field("shards", &variable).unwrap_or(&none), "/f", "{file}");
    }
}

/// The run reads with an identity, the verifier with a SAS.
#[test]
fn a_credential_that_only_the_verifier_names_is_used() {
    let entra = "verify.enabled=true storage.accountUrl=https://a.example source.auth=entra";
    let file = "verify.enabled=true storage.accountUrl=https://a.example source.auth=entra \
                verify.credentials.source.file=/s verify.credentials.account.file=/a";
    let secret = "verify.enabled=true storage.accountUrl=https://a.example source.auth=entra credentials.as=env \
                  verify.credentials.source.existingSecret=s verify.credentials.account.existingSecret=s";
    let of_secret = |key: &str| json!({"secretKeyRef": {"name": "s", "key": key}});
    let (source, account) = ("SOURCE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING");
    check(&[
        (file, "verify", "env/SOURCE_STORAGE_CONNECTION_STRING_FILE/value", json!("/s")),
        (file, "verify", "env/AZURE_STORAGE_CONNECTION_STRING_FILE/value", json!("/a")),
        (secret, "verify", "env/SOURCE_STORAGE_CONNECTION_STRING/valueFrom", of_secret(source)),
        (secret, "verify", "env/AZURE_STORAGE_CONNECTION_STRING/valueFrom", of_secret(account)),
        // The program takes one way, not both.
        (file, "verify", "env/AZURE_STORAGE_ACCOUNT_URL", Value::Null),
        (file, "verify", "container/args/3", json!("--source-auth=auto")),
        (file, PODS, "env/SOURCE_STORAGE_CONNECTION_STRING_FILE", Value::Null),
        (file, PODS, "env/AZURE_STORAGE_CONNECTION_STRING_FILE", Value::Null),
        (file, PODS, "env/AZURE_STORAGE_ACCOUNT_URL/value", json!("https://a.example")),
        (entra, "verify", "env/AZURE_STORAGE_ACCOUNT_URL/value", json!("https://a.example")),
        (entra, "verify", "container/args/3", json!("--source-auth=entra")),
        // One Secret for all of its credentials says nothing of those that the run has none of.
        (
            "verify.enabled=true storage.accountUrl=https://a.example verify.credentials.existingSecret=s",
            "verify",
            "env/AZURE_STORAGE_ACCOUNT_URL/value",
            json!("https://a.example"),
        ),
    ]);
}

#[test]
fn beside_a_job_of_lost_rows_its_pods_wait_for_that_jobs_finalizer() {
    let awaited = "env/ROGO_SHARD_JOB/value";
    check(&[
        (ON, "verify", "env/ROGO_SHARD_JOB", Value::Null),
        ("verify.enabled=true shards.only=3", "verify", "env/ROGO_SHARD_JOB", Value::Null),
    ]);
    let redo = "verify.enabled=true shards.redo=lost shards.reason=failover";
    let all = render(redo).unwrap();
    assert_eq!(all.field("verify", awaited), Some(&json!(all.name("shards"))));
    let some = render(&format!("{redo} shards.only=3")).unwrap();
    assert_eq!(some.field("verify", awaited), Some(&json!(some.name("shards-again"))));
    let names = [render(ON).unwrap().name("verify"), all.name("verify"), some.name("verify")];
    assert!(names[0] != names[1] && names[1] != names[2], "what is new is verified anew: {names:?}");
}

#[test]
fn its_pods_are_sized_and_scheduled_as_its_values_say() {
    check(&[
        (
            "verify.enabled=true verify.resources.cpu=250m",
            "verify",
            "container/resources/requests/cpu",
            json!("250m"),
        ),
        (
            "verify.enabled=true verify.resources.cpuLimit=2",
            "verify",
            "container/resources/limits/cpu",
            json!("2"),
        ),
        (
            "verify.enabled=true verify.resources.ephemeralStorage=1Gi",
            "verify",
            "container/resources/limits/ephemeral-storage",
            json!("1Gi"),
        ),
        ("verify.enabled=true verify.nodeSelector.a=b", "verify", "pod/nodeSelector", json!({"a": "b"})),
        (
            "verify.enabled=true verify.tolerations[0].key=k",
            "verify",
            "pod/tolerations",
            json!([{"key": "k"}]),
        ),
        (
            "verify.enabled=true verify.affinity.podAffinity.x=y",
            "verify",
            "pod/affinity",
            json!({"podAffinity": {"x": "y"}}),
        ),
        (
            "verify.enabled=true verify.topologySpread[0].topologyKey=zone",
            "verify",
            "pod/topologySpreadConstraints/0/topologyKey",
            json!("zone"),
        ),
        ("verify.enabled=true verify.priorityClassName=p", "verify", "pod/priorityClassName", json!("p")),
        ("verify.enabled=true verify.podAnnotations.a=b", "verify", "template/annotations/a", json!("b")),
        ("verify.enabled=true verify.podLabels.a=b", "verify", "template/labels/a", json!("b")),
        ("verify.enabled=true verify.nodeSelector.a=b", "shards", "pod/nodeSelector", Value::Null),
    ]);
}

#[test]
fn the_account_that_verifies_has_annotations_of_its_own() {
    let rendered = render(&format!("{ON} verify.serviceAccount.annotations.a=b")).unwrap();
    let accounts = rendered.objects().filter(|object| text(object, "/kind") == "ServiceAccount");
    let annotated: Vec<(String, Option<&Value>)> = accounts
        .map(|account| (text(account, "/metadata/name"), account.pointer("/metadata/annotations")))
        .collect();
    let expected = json!({"a": "b"});
    assert_eq!(
        annotated,
        [("r-rogo-migrate".to_owned(), None), ("r-rogo-migrate-verify".to_owned(), Some(&expected))]
    );
}
