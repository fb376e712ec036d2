//! Commands beside a plan that is not there yet: being made, given up, or never begun.

use std::time::Duration;

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use rogo_migrate::ports::PutOptions;
use tokio::time::timeout;

use super::{Day, plain_sample, run_store};
use crate::support::{
    app::{Sample, TestApp},
    process::{ended, said, signal, until},
    tds::script::BatchFault,
};

/// Commands that read a run, and how each ends if there is no plan and no process that makes one.
const READERS: [(&str, i32); 14] = [
    ("verify", 78),
    ("verify --self-test", 78),
    ("finalize", 78),
    ("resume", 78),
    ("rollback", 78),
    ("orphans", 78),
    ("report", 78),
    ("explain --attempt 1234567", 78),
    ("results --evidence evidence.zip", 78),
    ("results --to copies", 69),
    ("results --bundle bundle.zip", 69),
    ("purge", 78),
    ("purge --attempts attempts.csv", 78),
    ("status", 75),
];

/// The warehouse does not answer for minutes, so a plan goes on being made.
fn silence(sample: &Sample) {
    for _ in 0..5 {
        sample.tds.script.fail_batch(BatchFault::Stall { after_rows: 0 });
    }
}

/// The heartbeat of a process that makes the plan, of some time ago.
async fn beat(app: &TestApp<'_>, ago: TimeDelta) {
    let at = (Utc::now() - ago).to_rfc3339();
    let beat = Bytes::from(format!("{{\"at\": {at:?}}}"));
    let options = PutOptions::replace("application/json");
    run_store(app).put("rogo/planning/0.json", beat, &options).await.unwrap();
}

async fn read_with(app: &TestApp<'_>, code: Option<i32>, says: Option<&str>) {
    for (command, without) in READERS {
        let arguments: Vec<&str> = command.split(' ').collect();
        let ended = app.run(&arguments).await;
        let Some(says) = says else {
            ended.expect(code.unwrap_or(without));
            continue;
        };
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code.unwrap_or(without)), "{command}: {told}");
        // `purge` names any process of the run.
        let is_told = told.contains(says) || (command.starts_with("purge") && told.contains("is under way"));
        assert!(is_told, "{command}: {told}");
    }
}

#[tokio::test]
async fn beside_a_plan_that_is_being_made_every_reading_command_says_not_yet() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    std::fs::write(app.out.path().join("attempts.csv"), "Attempt ID\n1234567\n").unwrap();
    let store = run_store(&app);
    read_with(&app, None, None).await;

    silence(&sample);
    let mut plan = app.start(&["plan"]);
    until("it is being made", || async { store.head("rogo/planning/0.json").await.unwrap().is_some() }).await;
    read_with(&app, Some(75), Some("the plan is being made since ")).await;
    signal(&plan, "TERM");
    ended(&mut plan).await.expect(143);
    assert!(store.head("rogo/planning/0.json").await.unwrap().is_none(), "it says that it makes it no more");
    read_with(&app, None, None).await;

    // It was killed long ago, or its clock was wrong.
    beat(&app, TimeDelta::minutes(11)).await;
    read_with(&app, None, None).await;
    beat(&app, TimeDelta::hours(-5)).await;
    app.run(&["verify"]).await.expect(78);
    beat(&app, TimeDelta::minutes(11)).await;
    read_with(&app, None, None).await;
    let status = app.run(&["status"]).await.expect(75);
    assert!(status.stdout.contains("no process makes it: `rogo-migrate plan` does"), "{}", status.stdout);
}

/// A second signal ends a plan at once, like a kill: its heartbeat stays.
#[tokio::test]
async fn what_waits_for_a_plan_that_may_have_been_killed_says_until_when_and_the_next_plan_does_not_wait() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    let at = Utc::now() - TimeDelta::minutes(2);
    beat(&app, Utc::now() - at).await;
    let told = app.run(&["verify"]).await.expect(75).stderr;
    let until =
        |second: i64| (at + TimeDelta::minutes(10) + TimeDelta::seconds(second)).format("%T UTC").to_string();
    let says = |second| {
        told.contains(&format!("if its process was killed, this counts until {}, or ", until(second)))
    };
    assert!(says(0) || says(1), "{told}");
    app.run(&["plan"]).await.expect(0);
    assert!(!app.run(&["verify"]).await.stderr.contains("is being made"));
}

#[tokio::test]
async fn a_plan_that_was_refused_is_not_being_made_and_one_that_is_made_anew_is() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    let refused =
        Day::new("no such file", &["plan"], 64).set("ROGO_SUBMISSIONS", "/nonexistent/submissions.csv");
    refused.ends(&app).await;
    let store = run_store(&app);
    assert!(store.head("rogo/planning/0.json").await.unwrap().is_none(), "it makes it no more");
    // One that was refused by an older program, or could not delete it.
    beat(&app, TimeDelta::minutes(2)).await;
    app.run(&["verify"]).await.expect(78);
    app.run(&["status"]).await.expect(64);

    silence(&sample);
    let mut plan = app.start(&["plan"]);
    until("it is made anew", || async { app.run(&["verify"]).await.code == Some(75) }).await;
    let status = app.run(&["status"]).await.expect(75);
    assert!(status.stdout.contains("the plan is being made since "), "{}", status.stdout);
    signal(&plan, "TERM");
    ended(&mut plan).await.expect(143);
}

#[tokio::test]
async fn a_shard_that_finds_no_plan_says_at_once_what_it_waits_for_and_how_it_ends() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--run", "may"]).await.expect(0);
    let mut shard = app.start(&["shard", "--shard", "0"]);
    let tells = async {
        said(&mut shard, " s of 1800 s (wait-plan): there is none at az://").await;
        said(&mut shard, "/rogo/plan.json yet, and no process makes it: `rogo-migrate plan` does").await;
        said(&mut shard, "to end at once when there is no plan: --wait-plan 0s").await;
        said(&mut shard, "runs that have one there: may").await;
    };
    timeout(Duration::from_mins(1), tells).await.expect("the first line comes at once");
    beat(&app, TimeDelta::zero()).await;
    said(&mut shard, "waiting for the plan for ").await;
    // Else the line says that no process makes it.
    timeout(Duration::from_secs(10), said(&mut shard, " s: the plan is being made since "))
        .await
        .expect("the next line knows it");
    app.run(&["plan"]).await.expect(0);
    ended(&mut shard).await.expect(0);
}

#[tokio::test]
async fn a_run_that_comes_after_one_whose_plan_is_being_made_is_told_to_wait() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    beat(&app, TimeDelta::minutes(2)).await;
    let later = ["plan", "--run", "later", "--after", "rogo"];
    let wait = Day::new("it is being planned", &later, 75);
    wait.says(["--after rogo: it has no plan yet: the plan is being made since "]).ends(&app).await;
    beat(&app, TimeDelta::minutes(11)).await;
    Day::new("nobody plans it", &later, 78).says(["--after rogo: there is no plan at"]).ends(&app).await;
}

#[tokio::test]
async fn an_expectation_that_a_plan_cannot_compare_ends_waiting_shards_and_harms_no_plan_that_stands() {
    let sample = plain_sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    let path = app.out.path().join("expected.toml");
    let plan = |run| ["plan", "--run", run, "--expect", "expected.toml"];
    for (run, text) in [("files", "[files]\nfiles = 1\n"), ("broken", "[files\n")] {
        std::fs::write(&path, text).unwrap();
        let mut shard = app.start(&["shard", "--run", run, "--shard", "0"]);
        said(&mut shard, "(wait-plan)").await;
        let refused = app.run(&plan(run)).await.expect(64);
        let shard = timeout(Duration::from_mins(1), ended(&mut shard)).await.expect("it ends at once");
        let shard = shard.expect(78);
        let reason = refused.stderr.lines().find(|line| line.contains("--expect")).unwrap();
        let reason = &reason[reason.find("--expect").unwrap()..];
        assert!(shard.stderr.contains("the plan was refused: "), "{}", shard.stderr);
        assert!(shard.stderr.contains(reason), "{reason}\n{}", shard.stderr);
    }
    std::fs::write(&path, "[files]\nfiles = 1\n").unwrap();
    app.run(&["plan", "--run", "files", "--expect", "expected.toml", "--dry-run"]).await.expect(64);
    app.run(&["plan", "--run", "files"]).await.expect(0);
    let stands = app.run(&plan("files")).await.expect(0);
    assert!(stands.stderr.contains("only `plan --predict` compares [files]"), "{}", stands.stderr);
    app.run(&["shard", "--run", "files", "--shard", "0"]).await.expect(0);
}
