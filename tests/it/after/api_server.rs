//! A laptop whose kubeconfig names a cluster: what `status` and `resume` make of its answers, and of none.

use std::fs;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{plain_sample, write};
use crate::support::{
    app::TestApp,
    http_stub::{HttpStub, Response},
    port::Port,
};

/// Makes this API server the one of the current context.
pub(super) fn choose(app: &mut TestApp<'_>, server: &str) {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "of-context"}}],
        "users": [{"name": "u", "user": {}}],
    });
    let path = app.out.path().join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    app.set("KUBECONFIG", path.display().to_string());
}

pub(super) fn answer(status: u16, body: &Value) -> Response {
    Response::new(status).header("content-type", "application/json").body(body.to_string())
}

pub(super) fn list(items: &[Value]) -> Response {
    answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
}

#[tokio::test]
async fn resume_begins_nothing_while_the_cluster_does_not_say_whether_it_has_the_run() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let forbidden = HttpStub::start(|_, _| {
        answer(403, &json!({"kind": "Status", "code": 403, "message": "no", "reason": "Forbidden"}))
    })
    .await;
    let closed = Port::hold();
    let nobody = closed.address();
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let way_out = format!("KUBECONFIG=/dev/null rogo-migrate resume --run rogo --run-store {store}");
    for (server, says) in [(format!("http://{nobody}"), "no answer"), (forbidden.endpoint.clone(), "403")] {
        choose(&mut app, &server);
        let ended = app.run(&["resume"]).await.expect(75);
        for part in ["Kubernetes API: ", says, "not known whether run rogo has Jobs there", &way_out] {
            assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
        }
        app.run(&["status"]).await.expect(75);
    }
    assert_eq!(app.database.number("select count(*) from lti_session_records").await, 0);
    // It has no Job of this run: then the laptop goes on, wherever it was told to look.
    let empty = HttpStub::start(|_, _| list(&[])).await;
    choose(&mut app, &empty.endpoint);
    app.run(&["resume"]).await.expect(0);
    app.set("ROGO_NAMESPACE", "elsewhere");
    app.run(&["resume"]).await.expect(0);
    let asked: Vec<String> = empty.requests().into_iter().map(|request| request.target).collect();
    let namespaces: Vec<_> = asked.iter().map(|target| target.split('/').nth(5).unwrap()).collect();
    assert_eq!(namespaces, ["of-context", "elsewhere"], "{asked:?}");
    app.set("KUBECONFIG", "/dev/null");
    app.run(&["resume"]).await.expect(0);
}

/// A run of the chart whose shards are paused in another namespace than the context's.
#[tokio::test]
async fn resume_begins_nothing_beside_a_run_of_the_chart_because_an_unchosen_namespace_has_no_job_of_it() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_EPOCH", "1-a");
    app.run(&["plan"]).await.expect(0);
    app.unset("ROGO_EPOCH");
    let empty = HttpStub::start(|_, _| list(&[])).await;
    choose(&mut app, &empty.endpoint);

    let status = app.run(&["status"]).await.expect(75).stdout;
    for part in ["namespace of-context of the cluster", "is not known", "ROGO_NAMESPACE"] {
        assert!(status.contains(part), "{part:?} is not said in {status}");
    }
    for (redo, again) in [
        (&[][..], "resume"),
        (&["--redo", "lost", "--reason", "failover"], "resume --redo lost --reason '<why>'"),
    ] {
        let ended = app.run(&[&["resume"], redo].concat()).await.expect(75);
        let store = app.variable("ROGO_RUN_STORE");
        let line =
            format!("ROGO_NAMESPACE='<namespace>' rogo-migrate {again} --run rogo --run-store {store}");
        for part in ["namespace of-context of the cluster", &line] {
            assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
        }
    }
    let moved = "select count(*) from lti_session_records";
    assert_eq!(app.database.number(moved).await, 0);
    assert_eq!(app.run_blobs().list("rogo/writers/").count().await, 0, "no process was to write");

    // A person names the namespace: the chart was uninstalled.
    app.set("ROGO_NAMESPACE", "of-context");
    let status = app.run(&["status"]).await.expect(69).stdout;
    assert!(
        status.contains("namespace of-context of the cluster has no Job of this run (any more)"),
        "{status}"
    );
    app.run(&["resume"]).await.expect(0);
    assert_eq!(app.database.number(moved).await, 8);
}

/// The same run, from a machine without a kubeconfig.
#[tokio::test]
async fn resume_begins_nothing_beside_a_run_of_the_chart_from_a_machine_that_knows_no_cluster() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_EPOCH", "1-a");
    app.run(&["plan"]).await.expect(0);
    app.unset("ROGO_EPOCH");
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let line = |before: &str, command: &str| {
        format!("{before} rogo-migrate {command} --run rogo --run-store {store}")
    };
    let there = "KUBECONFIG='<file>' ROGO_NAMESPACE='<namespace>'";

    let status = app.run(&["status"]).await.expect(75).stdout;
    assert!(status.contains("this machine knows no cluster") && status.contains("is not known"), "{status}");
    // A namespace alone says nothing of a cluster.
    app.set("ROGO_NAMESPACE", "ns");
    for (redo, again) in [
        (&[][..], "resume"),
        (&["--redo", "lost", "--reason", "failover"], "resume --redo lost --reason '<why>'"),
    ] {
        let ended = app.run(&[&["resume"], redo].concat()).await.expect(75);
        for part in [
            "run rogo was begun by the chart, but this machine knows no cluster",
            &line(there, again),
            &line("KUBECONFIG=/dev/null", again),
        ] {
            assert!(ended.stderr.contains(part), "{part:?} is not said in {}", ended.stderr);
        }
    }
    let moved = "select count(*) from lti_session_records";
    assert_eq!(app.database.number(moved).await, 0);
    assert_eq!(app.run_blobs().list("rogo/writers/").count().await, 0, "no process was to write");

    // A person says that there is no cluster any more.
    app.set("KUBECONFIG", "/dev/null");
    let status = app.run(&["status"]).await.stdout;
    assert!(!status.contains("this machine knows no cluster"), "{status}");
    app.run(&["resume"]).await.expect(0);
    assert_eq!(app.database.number(moved).await, 8);
}

/// A Job as the chart makes it.
pub(super) fn job(store: &str, component: &str, condition: &str) -> Value {
    let env = json!([{"name": "ROGO_RUN_STORE", "value": store}, {"name": "ROGO_EPOCH", "value": "1-a"}]);
    json!({
        "metadata": {
            "name": format!("r-{component}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/instance": "r", "app.kubernetes.io/component": component},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "rogo-migrate", "env": env}]}}},
        "status": {"conditions": [{"type": condition, "status": "True", "reason": "PodFailurePolicy"}]},
    })
}

#[tokio::test]
async fn resume_of_a_paused_run_prints_the_line_that_ends_the_pause() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let server = HttpStub::start(move |request, _| {
        let mut shards = job(&store, "shards", "Suspended");
        shards["spec"]["suspend"] = json!(true);
        list(if request.target.contains("/pods") { &[] } else { std::slice::from_ref(&shards) })
    })
    .await;
    choose(&mut app, &server.endpoint);
    let line = "helm upgrade r charts/rogo-migrate --namespace of-context --reset-then-reuse-values --set \
                shards.suspend=false\n";
    let status = app.run(&["status"]).await.expect(75);
    assert!(status.stdout.starts_with("paused: ") && status.stdout.ends_with(line), "{}", status.stdout);
    assert_eq!(app.run(&["resume"]).await.expect(0).stdout, line);
}

/// A run of a day has more failed pods than one page holds.
#[tokio::test]
async fn an_eviction_on_a_later_page_of_failed_pods_is_found() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let words = "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi.";
    let server = HttpStub::start(move |request, _| {
        let asked = &request.target;
        if asked.contains("/jobs") {
            let mut shards = job(&store, "shards", "FailureTarget");
            shards["status"]["active"] = json!(1);
            return list(&[shards]);
        }
        match (asked.contains("phase%3DFailed"), asked.contains("continue=second")) {
            (true, false) => {
                let page = json!({"continue": "second"});
                answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": page, "items": []}))
            }
            (true, true) => list(&[json!({
                "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"phase": "Failed", "reason": "Evicted", "message": words},
            })]),
            (false, _) => list(&[]),
        }
    })
    .await;
    choose(&mut app, &server.endpoint);
    let status = app.run(&["status"]).await.expect(75).stdout;
    assert!(status.contains(&format!("(ephemeral storage: Evicted: {words})")), "{status}");
}

#[tokio::test]
async fn a_namespace_whose_quota_lets_in_no_pod_is_named_by_status() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let words =
        "pods \"r-shards-0-x\" is forbidden: exceeded quota: team, requested: pods=1, limited: pods=8";
    let server = HttpStub::start(move |request, _| {
        let asked = &request.target;
        if asked.contains("/jobs") {
            let mut shards = job(&store, "shards", "");
            shards["status"] = json!({});
            return list(&[shards]);
        }
        let is_of_job = asked.contains("/events") && asked.contains("involvedObject.name%3Dr-shards");
        let event = json!({
            "metadata": {"name": "e"}, "involvedObject": {"name": "r-shards"}, "type": "Warning",
            "reason": "FailedCreate", "message": words, "lastTimestamp": "2026-01-01T00:00:00Z",
        });
        list(if is_of_job { std::slice::from_ref(&event) } else { &[] })
    })
    .await;
    choose(&mut app, &server.endpoint);
    let status = app.run(&["status"]).await.expect(75).stdout;
    let said = format!("Job r-shards has no pod just now (quota: FailedCreate: {words})");
    assert!(status.contains(&said), "{status}");
}

/// An API server whose Jobs of the run are complete, without a pod.
async fn of_ended_jobs(store: &str) -> HttpStub {
    let jobs = [job(store, "shards", "Complete"), job(store, "finalize", "Complete")];
    HttpStub::start(move |request, _| list(if request.target.contains("/pods") { &[] } else { &jobs })).await
}

/// A pod whose program ended so.
fn ended_pod(exit_code: i32, message: &str) -> Value {
    let word = json!({"exit_code": exit_code, "meaning": "m", "message": message}).to_string();
    let ended = json!({"exitCode": exit_code, "message": word, "finishedAt": "2026-01-01T00:01:00Z"});
    json!({
        "metadata": {"name": "p"},
        "status": {"containerStatuses": [{
            "name": "rogo-migrate", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": ended},
        }]},
    })
}

#[tokio::test]
async fn a_finalizer_that_failed_ends_the_run_with_its_own_words_and_code() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let server = HttpStub::start(move |request, _| {
        if request.target.contains("/pods") {
            return list(&[ended_pod(78, "the setting lms-name changed")]);
        }
        list(&[job(&store, "shards", "Complete"), job(&store, "finalize", "Failed")])
    })
    .await;
    choose(&mut app, &server.endpoint);
    let words = "every shard is done, but Job r-finalize failed: the setting lms-name changed";
    let line = "helm upgrade r charts/rogo-migrate --namespace of-context --reset-then-reuse-values --set-literal shards.only=0\n";
    let status = app.run(&["status", "--watch"]).await.expect(78);
    assert!(status.stdout.starts_with(&format!("INCOMPLETE: run rogo: {words}\n")), "{}", status.stdout);
    assert!(status.stdout.ends_with(&format!("next: {line}")), "{}", status.stdout);
    let resume = app.run(&["resume"]).await.expect(78);
    let said = format!("{words}\nwhen that is mended: {line}");
    assert!(resume.stderr.contains(&said), "{}", resume.stderr);
}

#[tokio::test]
async fn resume_that_is_to_move_lost_rows_again_prints_the_line_of_the_release() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let server = of_ended_jobs(app.variable("ROGO_RUN_STORE")).await;
    choose(&mut app, &server.endpoint);
    let line = |shards: &str| {
        format!(
            "helm upgrade r charts/rogo-migrate --namespace of-context --reset-then-reuse-values --set shards.redo=lost \
             --set-literal shards.reason='<why>' --set-literal shards.only={shards}\n"
        )
    };
    let redo = ["resume", "--redo", "lost", "--reason", "failover"];
    assert_eq!(app.run(&redo).await.expect(0).stdout, line("0-2"), "a later run may know what is lost");
    let nothing = app.run(&["resume"]).await.expect(0).stdout;
    assert!(nothing.starts_with("nothing is left to run"), "{nothing}");
    // Its finalizer was killed while it removed blobs of killed processes.
    let mut result: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    result["sweeping"] = true.into();
    write(&app, "results/summary.json", &result.to_string()).await;
    let unswept = app.run(&["resume"]).await.expect(0);
    assert!(
        unswept.stdout.ends_with(" --reset-then-reuse-values --set-literal shards.only=0\n"),
        "{}",
        unswept.stdout
    );
    assert!(unswept.stderr.contains("blobs that killed processes left"), "{}", unswept.stderr);

    let launch_id: String = sqlx::query_scalar("select lti_launch_id from assignment_submissions limit 1")
        .fetch_one(app.database.pool())
        .await
        .unwrap();
    app.lose(launch_id.split('_').nth(1).unwrap()).await;
    app.run(&["finalize"]).await.expect(69);
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let shard = summary["lost"]["shards"][0].to_string();
    assert_eq!(app.run(&redo).await.expect(0).stdout, line(&shard));
    assert!(!app.has_document("rogo/decisions.jsonl").await, "the shards of the Job record it");

    // Without --redo: first what is to be weighed, then the line. Nothing is "left to run" of rows that are only to be accepted.
    let asked = app.run(&["resume"]).await.expect(0);
    assert!(asked.stderr.contains("if they were deleted on purpose, accept that"), "{}", asked.stderr);
    assert!(asked.stdout.contains("--redo lost"), "{}", asked.stdout);
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    let last_word = app.out.path().join("last-word");
    app.set("ROGO_TERMINATION_LOG", last_word.display().to_string());
    let asked = app.run(&["resume"]).await.expect(0);
    let said = "if that is right, accept that this run's are gone";
    assert!(asked.stderr.contains(said), "{}", asked.stderr);
    let accept = "rogo-migrate finalize --accept lost";
    assert!(asked.stdout.starts_with(accept), "{}", asked.stdout);
    let word = fs::read_to_string(&last_word).unwrap();
    assert!(word.contains(&format!("what to type next: {accept}")), "{word}");
}

/// A finalizer that waits no longer for a Job whose pods are evicted again and again.
#[tokio::test]
async fn resume_says_that_the_shard_job_never_ends_before_lost_rows_can_be_moved_again() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let words = "pods of one shard were evicted 10 times";
    let server = HttpStub::start(move |request, _| {
        if request.target.contains("/pods") {
            return list(&[ended_pod(69, words)]);
        }
        let (mut shards, mut finalizer) = (job(&store, "shards", ""), job(&store, "finalize", "Failed"));
        shards["status"] = json!({"active": 1});
        let env = &mut finalizer["spec"]["template"]["spec"]["containers"][0]["env"];
        env.as_array_mut().unwrap().push(json!({"name": "ROGO_SHARD_JOB", "value": "r-shards"}));
        list(&[shards, finalizer])
    })
    .await;
    choose(&mut app, &server.endpoint);
    let line = "helm upgrade r charts/rogo-migrate --namespace of-context --reset-then-reuse-values --set \
                shards.resources.ephemeralStorage='<more>' --set replaceRunning=true\n";
    for command in [&["resume"][..], &["resume", "--redo", "lost", "--reason", "failover"]] {
        let ended = app.run(command).await.expect(0);
        assert_eq!(ended.stdout, line, "{command:?}");
        let said = format!("Job r-finalize waits no longer for Job r-shards: {words}");
        assert!(ended.stderr.contains(&said), "{command:?}: {}", ended.stderr);
    }
}

/// Only a merge finds out that the other run made room.
#[tokio::test]
async fn resume_of_rows_under_which_another_runs_submissions_stood_says_to_merge_and_not_to_give_them_up() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let attempt = app.migrated().swap_remove(0);
    app.lose(&attempt).await;
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    fs::write(app.out.path().join("ids.txt"), &attempt).unwrap();
    let rollback =
        ["rollback", "--run", "b", "--out", "b", "--attempts", "ids.txt", "--yes", "--reason", "room"];
    app.run_as(&app.database.removers_url(), &rollback).await.expect(0);

    let server = of_ended_jobs(app.variable("ROGO_RUN_STORE")).await;
    choose(&mut app, &server.endpoint);
    let line = "helm upgrade r charts/rogo-migrate --namespace of-context --reset-then-reuse-values";
    let redo = ["resume", "--redo", "lost", "--reason", "failover"];
    let told = app.run(&redo).await.expect(0);
    assert_eq!(told.stdout, format!("{line} --set-literal shards.only=0\n"));
    assert!(told.stderr.contains("were rolled back since, merge once more"), "{}", told.stderr);
    app.run(&["finalize"]).await.expect(69);
    let told = app.run(&redo).await.expect(0).stdout;
    assert!(told.starts_with(&format!("{line} --set shards.redo=lost")), "{told}");
}
