//! Values that cannot work are refused before anything is made.

use std::{collections::BTreeSet, fmt::Write};

use rogo_migrate::settings;

use super::rendered::render;
use crate::settings::program;

fn refusal(set: &str) -> String {
    match render(set) {
        Ok(_) => panic!("{set:?} is rendered"),
        Err(refusal) => refusal.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn what_cannot_work_is_refused_with_a_sentence() {
    let table = [
        ("inputs.submissions=", "inputs.submissions is required."),
        ("inputs.mapping=", "inputs.mapping is required."),
        ("target.container=", "target.container is required."),
        ("storage.runStore=", "storage.runStore is required."),
        ("source.allow=null", "source.allow is required."),
        ("organisation.lmsInstance=", "organisation.lmsInstance is required."),
        ("organisation.lmsName=", "organisation.lmsName is required."),
        ("organisation.returnUrl=", "organisation.returnUrl is required."),
        (
            "credentials.existingSecret=",
            "credentials.database: name its Secret (credentials.database.existingSecret",
        ),
        ("credentials.existingSecret=", "credentials.consumerKey: name its Secret"),
        ("credentials.existingSecret=", "credentials.warehouse: name its Secret"),
        ("credentials.existingSecret=", "credentials.account: name its Secret"),
        ("credentials.database.enabled=false", "credentials.database is required."),
        ("credentials.consumerKey.enabled=false", "credentials.consumerKey is required."),
        (
            "warehouse.folder=az://warehouse credentials.warehouse.enabled=true",
            "warehouse.folder and credentials.warehouse both name the warehouse: leave one of them.",
        ),
        (
            "storage.accountUrl=https://a.example credentials.account.enabled=true",
            "storage.accountUrl and credentials.account both name the account of target and run store",
        ),
        (
            "target.maxConnections=44",
            "shards.parallelism 3 × work.workers 5 × work.pool 3 = 45 connections exceed target.maxConnections 44",
        ),
        (
            "warehouse.maxConnections=89 work.warehousePool=6",
            "shards.parallelism 3 × work.workers 5 × work.warehousePool 6 = 90 connections exceed warehouse.maxConnections 89",
        ),
        (
            "storage.runStore=file:///data/runs",
            "storage.runStore is a folder: it must be storage.sharedVolume.mountPath (/data) or lie below it",
        ),
        (
            "storage.runStore=file:///database storage.sharedVolume.existingClaim=c",
            "storage.runStore is a folder",
        ),
        (
            "storage.runStore=file:///data/../tmp/x storage.sharedVolume.existingClaim=c",
            "storage.runStore is a folder",
        ),
        (
            "storage.runStore=file:///data/x%2F.%2e storage.sharedVolume.existingClaim=c",
            "storage.runStore is a folder",
        ),
        (
            "target.container=file:///elsewhere storage.sharedVolume.existingClaim=c",
            "target.container is a folder",
        ),
        (
            "extraEnv[0].name=ROGO_TARGET extraEnv[0].value=x",
            "extraEnv: ROGO_TARGET is set by the chart itself",
        ),
        ("volumes[0].name=tmp", "volumes: the chart has a volume tmp itself"),
        (
            "initContainers[0].name=rogo-migrate",
            "initContainers: rogo-migrate is the program's own container",
        ),
        ("shards.only=8", "shards.only: 8 is no range of this run's shards, 0 to 7."),
        ("shards.only=5-3", "shards.only: 5-3 is no range of this run's shards"),
        ("shards.only=2-4\\,3", "shards.only: shard 3 is in it twice."),
        ("verify.content=5/4", "verify.content: 5/4 is no part, as 1/7 to 7/7 are."),
    ];
    for (set, sentence) in table {
        let refusal = refusal(set);
        assert!(refusal.contains(sentence), "{set}\n{refusal}");
    }
}

#[test]
fn limits_that_are_just_met_pass() {
    for set in [
        "target.maxConnections=45 warehouse.maxConnections=45",
        "warehouse.folder=az://warehouse warehouse.maxConnections=1",
        "storage.runStore=file:///data/runs storage.sharedVolume.existingClaim=c",
        "storage.runStore=file:///data storage.sharedVolume.existingClaim=c",
        "storage.runStore=file:///data/..x/y.. storage.sharedVolume.existingClaim=c",
        "shards.only=0-7",
        "run=a23456789012345678901234567890",
    ] {
        render(set).unwrap_or_else(|refusal| panic!("{set}\n{refusal}"));
    }
}

#[test]
fn a_value_that_the_schema_does_not_know_is_refused() {
    for set in [
        "unknown=1",
        "shards.unknown=1",
        "plan.resources.memoryLimit=1Gi",
        "shards.only=3;4",
        "shards.only=true",
        "shards.count=0",
        "shards.parallelism=0",
        "generation=0",
        "run=Upper",
        "run=-begin",
        "run=end-",
        "run=a234567890123456789012345678901",
        "plan.resources.cpu=101m",
        "finalize.resources.cpu=1",
        "work.giveUpAfter=2",
        "work.breaker=5",
        "target.databaseAuth=kerberos",
        "target.guard=maybe",
        "target.container=az://container/prefix",
        "source.allow[0]=https://a.example/?sig=1",
        "image.digest=sha256:12",
        "workloadIdentity.enabled=true",
    ] {
        let refusal = refusal(set);
        assert!(refusal.contains("schema"), "{set}\n{refusal}");
    }
}

/// The schema says the program's limits a second time. Each value is given to both.
#[test]
fn a_limited_value_is_taken_exactly_if_the_program_takes_it() {
    for (value, variable, texts) in [
        (
            "work.flush",
            "ROGO_FLUSH",
            "99ms 100ms 0100ms 300000ms 300001ms 0s 1s 99s 300s 301s 0m 1m 05m 6m 1h 1d 1w",
        ),
        (
            "work.giveUpAfter",
            "ROGO_GIVE_UP_AFTER",
            "999ms 1000ms 599999999ms 603999999ms 604799999ms 604800000ms 604800001ms 0s 1s 604799s 604800s 604801s 0m 9999m 10079m \
             10080m 10081m 0h 01h 159h 168h 169h 0d 7d 8d",
        ),
        (
            "work.waitPlan",
            "ROGO_WAIT_PLAN",
            "0ms 1ms 604800000ms 604800001ms 0s 1s 604800s 604801s 00m 10080m 10081m 0h 168h 169h 0d 7d 8d 1.5h",
        ),
        ("work.breaker", "ROGO_BREAKER", "0% 0.0% 0.05% 0.50% 05% 1% 99% 99.9% 100% 150% -1% 5 on"),
        ("warehouse.escape", "ROGO_WAREHOUSE_ESCAPE", "backslash none double"),
        ("warehouse.nullText", "ROGO_WAREHOUSE_NULL", "NULL n/a a\"b"),
        ("rules.unitVersions[0]", "ROGO_UNIT_VERSIONS", "24 24_01 [24 24] 2\"4 2'4"),
        ("verify.level", "ROGO_VERIFY_LEVEL", "rows blobs content bytes"),
    ] {
        for text in texts.split_whitespace() {
            let ended = program(&["settings"], &[(variable, text)]);
            let rendered = render(&format!("{value}={text}"));
            assert_eq!(rendered.is_ok(), ended.status.success(), "{value}={text}: {:?}", rendered.err());
        }
    }
}

#[test]
fn a_decision_has_one_reason_and_a_setting_one_value() {
    for (set, says) in [
        ("inputs.exclude=/v/e.csv", "say why with inputs.reason"),
        ("extraEnv[0].name=ROGO_EXCLUDE extraEnv[0].value=/v/e.csv", "say why with inputs.reason"),
        ("shards.redo=lost", "shards.redo is a decision that the run records: say why with shards.reason"),
        ("shards.redo=lost shards.only=3 inputs.reason=why", "shards.redo is a decision"),
        (
            "work.breaker=off",
            "work.breaker=off is a decision that the run records: say why with shards.reason",
        ),
        ("work.breaker=off shards.redo=lost shards.only=3 shards.reason=why", "Take the list back"),
    ] {
        let refused = refusal(set);
        assert!(refused.contains(says), "{set}: {refused}");
    }
    // The reason may come as a variable of its own, and the value reaches a plan that is told by a variable what to leave out.
    for set in [
        "shards.redo=lost extraEnv[0].name=ROGO_REASON extraEnv[0].value=why",
        "work.breaker=off envFrom[0].secretRef.name=decisions",
        "extraEnv[0].name=ROGO_EXCLUDE extraEnv[0].value=/v/e extraEnv[1].name=ROGO_REASON extraEnv[1].value=why",
    ] {
        render(set).unwrap_or_else(|refusal| panic!("{set}\n{refusal}"));
    }
    let by_variable =
        render("extraEnv[0].name=ROGO_EXCLUDE extraEnv[0].value=/v/e inputs.reason=why").unwrap();
    let reason = by_variable.field("plan", "env/ROGO_REASON/value").and_then(|reason| reason.as_str());
    assert_eq!(reason, Some("why"));
    let lines = "inputs.after={first} inputs.exclude=/v/e.csv inputs.reason=why extraEnv[0].name=ROGO_AFTER extraEnv[1].name=ROGO_EXCLUDE \
                 extraEnv[2].name=ROGO_REASON";
    let refused = refusal(lines);
    for name in ["ROGO_AFTER", "ROGO_EXCLUDE", "ROGO_REASON"] {
        assert!(
            refused.contains(&format!("extraEnv: {name} is set by the chart itself")),
            "{name}\n{refused}"
        );
    }
    let refused = refusal("shards.reason=why extraEnv[0].name=ROGO_REASON");
    assert!(refused.contains("extraEnv: ROGO_REASON is set by the chart itself"), "{refused}");
    for bad in ["inputs.after={Upper}", "inputs.exclude=e.csv"] {
        assert!(refusal(bad).contains("schema"), "{bad}");
    }
}

/// One refusal names them all.
#[test]
fn every_setting_of_the_program_is_refused_as_an_extra_variable() {
    let mut wanted = BTreeSet::new();
    // The address for the verdict (a secret, from wherever the cluster keeps those) has no value of the chart; reasons and
    // what makes a run a later one are free while theirs are blank.
    let free = ["reason", "after", "exclude", "notify"];
    for setting in settings::ALL.iter().filter(|setting| !free.contains(&setting.key)) {
        wanted.extend(setting.environment.map(str::to_owned));
        if setting.is_secret() {
            wanted.extend(setting.environment.map(|name| format!("{name}_FILE")));
        }
    }
    let rendered =
        render("otel.endpoint=http://o:4318 proxy.https=http://p caBundle.secret=ca verify.enabled=true")
            .unwrap();
    for job in ["plan", "shards", "finalize", "verify"] {
        let env = rendered.field(job, "env").and_then(|env| env.as_object()).unwrap();
        wanted.extend(env.keys().cloned());
    }

    let set = wanted.iter().enumerate().fold(String::new(), |mut set, (at, name)| {
        let _ = write!(set, "extraEnv[{at}].name={name} ");
        set
    });
    let refusal = refusal(&set);

    for name in wanted {
        assert!(
            refusal.contains(&format!("extraEnv: {name} is set by the chart itself")),
            "{name}\n{refusal}"
        );
    }
}
