//! Promises of `--notify`, with the built program: who is told how a run ended, and what.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    app::{Ended, Sample, TestApp},
    http_stub::{HttpStub, Response},
    port::Port,
    process::{ended, output, said, signal},
};

fn bodies(receiver: &HttpStub) -> Vec<Value> {
    receiver.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

/// What the receiver was told so far: result and exit code.
pub fn told(receiver: &HttpStub) -> Vec<String> {
    let short = |body: Value| format!("{} {}", body["result"].as_str().unwrap(), body["exit_code"]);
    bodies(receiver).into_iter().map(short).collect()
}

/// All that was told last, but for the time.
fn last(receiver: &HttpStub) -> Value {
    let mut body = bodies(receiver).pop().unwrap();
    let at = body.as_object_mut().unwrap().remove("at").unwrap();
    assert!(at.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok(), "{at}");
    body
}

async fn receiver() -> HttpStub {
    HttpStub::start(|_, _| Response::new(204)).await
}

#[tokio::test]
async fn the_verdict_is_told_once_the_receiver_answers_and_names_nobody() {
    let sample = Sample::new(30, 14).await;
    let mut app = TestApp::new(&sample).await;
    let receiver = HttpStub::start(|_, number| Response::new(if number == 0 { 503 } else { 204 })).await;
    app.set("ROGO_NOTIFY", format!("{}/planted/path?sig=planted", receiver.endpoint));
    let ended = app.run(&["run"]).await.expect(0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    let verdict: Value = serde_json::from_slice(&requests[1].body).unwrap();
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(verdict["result"], json!("COMPLETE"));
    assert_eq!(verdict["exit_code"], json!(0));
    assert_eq!(verdict["receipts_root"], summary["receipts"]["root"]);
    let rows = |name: &str| verdict[name].as_u64().unwrap();
    assert_eq!(rows("migrated") + rows("failed") + rows("skipped"), rows("rows"));
    assert_eq!(
        (requests[1].method.as_str(), requests[1].header("content-type")),
        ("POST", Some("application/json"))
    );
    let names: Vec<&String> = verdict.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 15, "no more is told: {names:?}");
    for text in [ended.stderr, ended.stdout, app.result("report.html"), app.run(&["settings"]).await.stdout] {
        assert!(!text.contains("planted"), "the address may hold a secret: {text}");
    }
}

#[tokio::test]
async fn a_receiver_that_fails_changes_nothing() {
    let sample = Sample::with(8, 44, |options| options.plain = true).await;
    let mut app = TestApp::new(&sample).await;
    let receiver = HttpStub::start(|_, _| Response::new(500)).await;
    app.set("ROGO_NOTIFY", format!("{}/planted", receiver.endpoint));
    let ended = app.run(&["run"]).await.expect(0);
    assert_eq!(receiver.requests().len(), 3);
    assert!(
        ended.stderr.contains("was not told how the run ended in 3 tries: it answered 500"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("planted"), "{}", ended.stderr);
    assert!(ended.stdout.contains("COMPLETE"), "{}", ended.stdout);
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_the_end_of_a_run_too() {
    let receiver = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let program = async |arguments: &[&str]| -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
        command
            .args(arguments)
            .env_clear()
            .env("ROGO_NOTIFY", &receiver.endpoint)
            .env("KUBECONFIG", "/nonexistent");
        command.current_dir(folder.path());
        output(command).await
    };
    program(&["run", "--run", "night", "--lms-instance", "planted"]).await.expect(64);
    let expected = json!({
        "result": "STOPPED", "run": "night", "exit_code": 64, "meaning": "wrong usage", "service": null, "error_type": null,
        "next": "correct the command line or the settings that the log names, and run again",
    });
    assert_eq!(last(&receiver), expected);
    program(&["run", "--log", "=what"]).await.expect(64);
    program(&["finalize", "--run", "No Name"]).await.expect(64);
    assert_eq!(last(&receiver)["run"], Value::Null);
    // The finalizer tells how these end, and a person who looks knows.
    for command in ["plan", "shard", "status", "verify"] {
        assert_ne!(program(&[command]).await.code, Some(0), "{command}");
    }
    assert_eq!(told(&receiver).len(), 3);
}

#[tokio::test]
async fn a_run_that_stops_before_its_books_are_balanced_tells_the_service_and_nothing_personal() {
    let sample = Sample::with(8, 45, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let receiver = receiver().await;
    app.set("ROGO_NOTIFY", &receiver.endpoint);
    let database = app.variable("DATABASE_URL").to_owned();
    let closed = Port::hold();
    let address = closed.address();
    app.set("DATABASE_URL", format!("postgres://planted:planted@{address}/planted"));
    app.run(&["run"]).await.expect(75);
    let expected = json!({
        "result": "STOPPED", "run": "rogo", "exit_code": 75, "meaning": "temporary; run again", "service": "target database",
        "error_type": "unavailable",
        "next": "run the same command again; if it ends like this again, the log names the service",
    });
    assert_eq!(last(&receiver), expected);
    app.set("DATABASE_URL", database);
    let target = app.variable("ROGO_TARGET").to_owned();
    app.set("ROGO_TARGET", "az://planted-is-not-there");
    app.run(&["run"]).await.expect(78);
    app.set("ROGO_TARGET", target);
    app.run(&["resume"]).await.expect(78);
    assert_eq!(told(&receiver), ["STOPPED 75", "STOPPED 78", "STOPPED 78"]);
    app.run(&["run"]).await.expect(0);
    assert_eq!(told(&receiver)[3..], ["COMPLETE 0"], "once, at the end");
    let everything: String =
        receiver.requests().iter().map(|told| String::from_utf8_lossy(&told.body).into_owned()).collect();
    assert!(!everything.contains("planted"), "{everything}");
}

#[tokio::test]
async fn the_finalizer_of_a_cluster_tells_for_all_and_a_pod_that_is_stopped_tells_nothing() {
    let sample = Sample::with(8, 46, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let receiver = receiver().await;
    app.set("ROGO_NOTIFY", &receiver.endpoint);
    app.set("ROGO_EPOCH", "2-abc");
    app.set("ROGO_POD", "r-rogo-f-1-x");
    app.set("ROGO_SHARD_JOB", "r-rogo-s-1");
    let mut waiting = app.start(&["finalize", "--wait-plan", "30m", "--log", "debug"]);
    said(&mut waiting, "waiting for the plan").await;
    signal(&waiting, "TERM");
    ended(&mut waiting).await.expect(143);
    let target = app.variable("ROGO_TARGET").to_owned();
    app.set("ROGO_TARGET", "az://planted-is-not-there");
    app.run(&["plan"]).await.expect(78);
    app.run(&["shard", "--shard", "0"]).await.expect(78);
    assert_eq!(told(&receiver), [""; 0]);
    app.set("ROGO_TARGET", target);
    app.run(&["finalize"]).await.expect(78);
    assert_eq!(told(&receiver), ["STOPPED 78"]);
}
