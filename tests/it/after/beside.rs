//! Commands by hand beside a run of the chart: the cluster that the machine knows is asked, and nothing waits for it.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::{
    api_server::{answer, choose, job, list},
    plain_sample,
};
use crate::support::{app::TestApp, http_stub::HttpStub};

const WARNING: &str = "the cluster has a Job of this run";

/// An API server that has this shard Job.
async fn with_job(store: &str, change: impl Fn(&mut Value)) -> HttpStub {
    let mut shards = job(store, "shards", "");
    change(&mut shards);
    HttpStub::start(move |request, _| {
        list(if request.target.contains("/pods") { &[] } else { std::slice::from_ref(&shards) })
    })
    .await
}

#[tokio::test]
async fn what_is_begun_by_hand_warns_of_a_job_that_has_not_ended_and_goes_on() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let paused = with_job(&store, |job| {
        job["spec"]["suspend"] = json!(true);
        job["status"] = json!({"conditions": [{"type": "Suspended", "status": "True"}]});
    });
    let under_way = with_job(&store, |job| job["status"] = json!({"active": 1, "ready": 1}));
    for (server, state) in [(paused.await, "paused"), (under_way.await, "not ended")] {
        choose(&mut app, &server.endpoint);
        let (moves, merges) = ("the same rows as this process", "count as missing");
        for (command, may) in
            [(&["shard", "--shard", "0"][..], moves), (&["finalize"][..], merges), (&["run"][..], moves)]
        {
            let ended = app.run(command).await.expect(0);
            for part in [WARNING, "r-shards", "of-context", state, may] {
                assert!(ended.stderr.contains(part), "{part:?} is not said of {command:?}: {}", ended.stderr);
            }
        }
    }
    assert_eq!(app.database.number("select count(*) from lti_session_records").await, 2);
}

#[tokio::test]
async fn nothing_is_said_of_jobs_that_ended_of_a_cluster_that_does_not_answer_and_in_a_pod_of_the_chart() {
    let sample = plain_sample(2).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let store = app.variable("ROGO_RUN_STORE").to_owned();
    let ended = with_job(&store, |job| {
        job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    });
    let ended = ended.await;
    let forbidden = HttpStub::start(|_, _| {
        answer(403, &json!({"kind": "Status", "code": 403, "message": "no", "reason": "Forbidden"}))
    })
    .await;
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let of_silent = format!("http://{}", silent.local_addr().unwrap());
    for server in [&ended.endpoint, &forbidden.endpoint, &of_silent] {
        choose(&mut app, server);
        for command in ["run", "finalize"] {
            let said = app.run(&[command]).await.expect(0).stderr;
            assert!(!said.contains(WARNING), "{command}: {said}");
        }
    }
    let under_way = with_job(&store, |job| job["status"] = json!({"active": 1})).await;
    choose(&mut app, &under_way.endpoint);
    for (pod, command) in [("r-shards-0", &["shard", "--shard", "0"][..]), ("r-finalize", &["finalize"][..])]
    {
        app.set("ROGO_POD", pod);
        let said = app.run(command).await.expect(0).stderr;
        assert!(!said.contains(WARNING), "{said}");
        assert!(under_way.requests().iter().all(|request| !request.target.contains("/jobs?")), "{said}");
    }
}
