//! The finalizer in a pod whose cluster does not answer: the run store alone decides.

use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::{
    api_server::{answer, choose},
    plain_sample, write,
};
use crate::support::{
    app::{Ended, Sample, TestApp},
    http_stub::HttpStub,
    process::{ended, said, signal},
};

/// What the chart tells a finalizer.
fn finalizer(app: &mut TestApp<'_>) {
    app.set("ROGO_SHARD_JOB", "r-rogo-s-1");
    app.set("ROGO_NAMESPACE", "ns");
    app.set("ROGO_POD", "r-rogo-f-1-x");
    app.set("ROGO_EPOCH", "2-abc");
    app.set("ROGO_HELM_RELEASE", "r");
    app.set("ROGO_HELM_CHART", "charts/rogo-migrate");
}

/// A finalizer of two shards that have not begun.
async fn planned(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::without_cluster(sample).await;
    finalizer(&mut app);
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app
}

async fn stopped_while_it_waits(app: &TestApp<'_>, code: i32) -> Ended {
    let mut child = app.start(&["finalize"]);
    said(&mut child, "waiting for the shards").await;
    signal(&child, "TERM");
    ended(&mut child).await.expect(code)
}

#[tokio::test]
async fn done_markers_are_enough_and_the_results_are_told_where_they_can_be_fetched() {
    let sample = plain_sample(8).await;
    let app = planned(&sample).await;
    for shard in ["0", "1"] {
        app.run(&["shard", "--shard", shard]).await.expect(0);
    }
    let ended = app.run(&["finalize"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE");
    for part in [
        format!("  {store}/rogo/results/migrated.csv\n"),
        format!("next: rogo-migrate results --run rogo --run-store {store} --to .\n"),
    ] {
        assert!(ended.stdout.contains(&part), "{part}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains(&app.out.path().display().to_string()), "{}", ended.stdout);
}

#[tokio::test]
async fn a_finalizer_that_is_stopped_while_it_waits_merges_nothing() {
    let sample = plain_sample(8).await;
    let app = planned(&sample).await;
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    stopped_while_it_waits(&app, 143).await;
    let results: Vec<_> = app.run_blobs().list("rogo/results/").try_collect().await.unwrap();
    assert!(results.is_empty(), "{results:?}");
}

/// Kubernetes evicts a pod that fills its disk without a condition: as an end in order it would cost no retry, and the Job would
/// start it again without end.
#[tokio::test]
async fn a_pod_that_is_stopped_with_a_full_disk_costs_a_retry_and_says_what_to_raise() {
    let sample = plain_sample(8).await;
    let mut app = planned(&sample).await;
    let own = tempfile::tempdir().unwrap();
    std::fs::write(own.path().join("merged"), vec![1; 2 << 20]).unwrap();
    app.set("TMPDIR", own.path().to_str().unwrap());
    for (limit, code) in [("2097152", 75), ("1073741824", 143)] {
        app.set("ROGO_DISK_LIMIT", limit);
        let ended = stopped_while_it_waits(&app, code).await;
        let is_told = ended.stderr.contains("fill the disk that the pod may use (2.0 MiB)");
        assert_eq!(is_told, code == 75, "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("raise resources.ephemeralStorage"), code == 75, "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_is_told_of_and_waited_for() {
    let sample = plain_sample(8).await;
    let app = planned(&sample).await;
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let mut child = app.start(&["finalize"]);
    said(&mut child, "cannot look at Job r-rogo-s-1: Kubernetes API: neither is this a pod").await;
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    ended(&mut child).await.expect(0);
}

#[tokio::test]
async fn a_refusal_of_the_finalizers_own_epoch_ends_it_and_an_older_one_does_not() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    finalizer(&mut app);
    let refusal = r#"{"reasons": ["planted reason"], "exit_code": 78, "at": "2026-01-01T00:00:00Z"}"#;
    write(&app, "refused/1-abc.json", refusal).await;
    let waited = app.run(&["finalize", "--wait-plan", "0s"]).await.expect(75);
    assert!(waited.stderr.contains("no plan at az://"), "{}", waited.stderr);
    let anew = "; when that is mended: helm upgrade r charts/rogo-migrate --namespace ns --reset-then-reuse-values \
                --set generation='<the next number>' --set replaceRunning=true";
    assert!(waited.stderr.contains(anew), "{}", waited.stderr);
    assert!(
        waited.stderr.contains("see why the plan's Job did not make it: kubectl --namespace ns logs -l ")
    );
    assert!(!waited.stderr.contains("rogo-migrate plan"), "{}", waited.stderr);
    write(&app, "refused/2-abc.json", refusal).await;
    let refused = app.run(&["finalize"]).await.expect(78);
    assert!(refused.stderr.contains("the plan was refused: planted reason"), "{}", refused.stderr);
}

#[tokio::test]
async fn an_event_on_the_shard_job_tells_the_verdict_if_it_is_asked_for_and_a_refusal_changes_nothing() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    finalizer(&mut app);
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let server = HttpStub::start(|request, _| {
        if request.method == "POST" {
            return answer(201, &serde_json::from_slice(&request.body).unwrap());
        }
        let metadata = json!({"name": "r-rogo-s-1", "uid": "of-the-job", "resourceVersion": "1"});
        answer(200, &json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "items": []}))
    })
    .await;
    choose(&mut app, &server.endpoint);
    let told = |server: &HttpStub| -> Vec<Value> {
        let posts = server.requests().into_iter().filter(|request| request.method != "GET");
        posts.map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    };
    app.run(&["finalize"]).await.expect(0);
    assert!(told(&server).is_empty(), "nothing is written unless it is asked for");

    app.set("ROGO_NOTIFY_EVENT", "true");
    app.run(&["finalize"]).await.expect(0);
    let events = told(&server);
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let of = &event["involvedObject"];
    assert_eq!(
        (&of["kind"], &of["name"], &of["uid"]),
        (&json!("Job"), &json!("r-rogo-s-1"), &json!("of-the-job"))
    );
    assert_eq!((&event["type"], &event["reason"]), (&json!("Normal"), &json!("RunComplete")));
    assert!(event["message"].as_str().unwrap().contains("8 rows = 8 migrated"), "{event}");

    let refusing = HttpStub::start(|_, _| {
        answer(403, &json!({"kind": "Status", "code": 403, "message": "no", "reason": "Forbidden"}))
    })
    .await;
    choose(&mut app, &refusing.endpoint);
    let ended = app.run(&["finalize"]).await.expect(0);
    assert!(ended.stderr.contains("no Event tells how the run ended"), "{}", ended.stderr);
}

/// The lines of `next`, without the condition in front of some.
fn next_lines(text: &str) -> Vec<String> {
    let next = text.lines().find_map(|line| line.strip_prefix("next: ")).unwrap_or_else(|| panic!("{text}"));
    next.split("; ").map(|step| step.split_once(": ").map_or(step, |(_, line)| line).to_owned()).collect()
}

/// A person at a laptop has Helm and perhaps the run store, but not the settings of the pods.
#[tokio::test]
async fn every_next_line_of_a_run_in_a_cluster_is_helms_or_fetches_the_results() {
    let sample = Sample::new(60, 43).await;
    let mut app = TestApp::without_cluster(&sample).await;
    finalizer(&mut app);
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let ended = app.run(&["finalize"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let helm = "helm upgrade r charts/rogo-migrate --namespace ns --reset-then-reuse-values";
    let failed = format!(
        "{helm} --set run='<another name>' --set-literal \
         inputs.submissions={store}/rogo/results/submissions_failed_migration.csv"
    );
    let fetch = format!("rogo-migrate results --run rogo --run-store {store} --to .");
    assert_eq!(next_lines(&ended.stdout), [fetch, failed.clone()], "{}", ended.stdout);

    let page = app.result("report.html");
    let commands = page.split("<pre>").skip(1).map(|line| line.split("</pre>").next().unwrap());
    let commands: Vec<&str> = commands.filter(|line| line.contains("rogo-migrate")).collect();
    assert!(commands.iter().any(|line| line.contains("inputs.submissions=")), "{commands:?}");
    assert!(commands.iter().any(|line| line.contains("verify.enabled=true")), "{commands:?}");
    for of_settings in ["rogo-migrate run", "rogo-migrate verify", "rogo-migrate resume"] {
        assert!(!commands.iter().any(|line| line.contains(of_settings)), "{of_settings}: {commands:?}");
    }

    app.lose(&app.migrated()[0]).await;
    let lost = app.run(&["finalize"]).await.expect(69);
    let redo = format!(
        "{helm} --set shards.redo=lost --set-literal shards.reason='<why>' --set-literal shards.only=0"
    );
    assert_eq!(next_lines(&lost.stdout), [redo], "{}", lost.stdout);
    let accept = format!(
        "accept that, with the run's settings on a machine that has them, for no value of the chart does it: rogo-migrate \
         finalize --accept lost --reason '<why>' --run rogo --run-store {store}\n"
    );
    assert!(lost.stderr.contains(&accept), "{}", lost.stderr);
}
