//! `status`, `resume` and `results`: a person who has the run store's account, and no more, sees a run through.

use std::{collections::BTreeMap, fs, time::Duration};

use chrono::{TimeDelta, Utc};
use rogo_migrate::{
    domain::{Books, ShardIndex},
    run::{Heartbeat, State, Work},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{at_laptop, laptop, plain_sample, write};
use crate::support::{
    app::{Ended, TestApp},
    documents::shell,
    results::RESULTS,
};

#[tokio::test]
async fn a_run_is_followed_resumed_and_fetched() {
    let sample = plain_sample(24).await;
    let app = TestApp::without_cluster(&sample).await;
    let status = at_laptop(&app, &["status"]).await.expect(75);
    assert!(status.stdout.starts_with("planning: run rogo: there is no plan at az://"), "{}", status.stdout);

    app.run(&["plan", "--shards", "3"]).await.expect(0);
    for (command, exit) in [("status", 75), ("finalize", 78), ("report", 78)] {
        let unknown = app.run(&[command, "--run", "roggo"]).await.expect(exit);
        let said = unknown.stdout + &unknown.stderr;
        assert!(said.contains("; runs that have one there: rogo (--run)"), "{command}: {said}");
    }
    let status = at_laptop(&app, &["status"]).await.expect(75);
    assert!(status.stdout.contains("0 of 24 rows (0.0%)"), "{}", status.stdout);
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    let status = at_laptop(&app, &["status", "--json"]).await.expect(75);
    let json: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(json["state"], json!("running"));
    assert_eq!(json["rows"], json!({"total": 24, "migrated": 8, "failed": 0, "skipped": 0}));
    let done: Vec<_> = json["shards"].as_array().unwrap().iter().map(|shard| shard["done"].clone()).collect();
    assert_eq!(done, [json!(false), json!(true), json!(false)]);

    let early = at_laptop(&app, &["results", "--to", "early"]).await.expect(69);
    for file in RESULTS {
        assert!(early.stderr.contains(file), "{}", early.stderr);
    }
    let incomplete = app.run(&["finalize"]).await.expect(69);
    assert!(incomplete.stderr.contains("in 2 shard(s): 0,2\n"), "{}", incomplete.stderr);
    let (store, out) = (app.variable("ROGO_RUN_STORE"), app.variable("ROGO_OUT"));
    let again = format!("rogo-migrate resume --run rogo --run-store {store} --out {out}");
    assert!(incomplete.stderr.contains(&format!("run them again: {again}\n")), "{}", incomplete.stderr);
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(summary["next_command"], json!(again));
    let status = at_laptop(&app, &["status"]).await.expect(69);
    assert!(status.stdout.starts_with("INCOMPLETE: run rogo: rows of shards 0,2"), "{}", status.stdout);
    assert!(status.stdout.ends_with(&format!("next: {again}\n")), "{}", status.stdout);

    app.run(&["resume"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 25);
    let status = at_laptop(&app, &["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE: run rogo:"), "{}", status.stdout);
    assert!(status.stdout.contains("24 of 24 rows (100.0%): 24 migrated"), "{}", status.stdout);

    let fetched = at_laptop(&app, &["results", "--to", "fetched"]).await.expect(0);
    for file in RESULTS {
        assert!(fetched.stdout.contains(&format!("fetched/{file}\n")), "{}", fetched.stdout);
        let copy = fs::read_to_string(app.out.path().join("fetched").join(file)).unwrap();
        assert_eq!(copy, app.result(file), "{file}");
    }
    let others = fs::read_dir(app.out.path().join("fetched")).unwrap().count();
    assert_eq!(others, RESULTS.len(), "no part of a file is left");
    // A run that is complete: nothing changes but the moment.
    let summary = || {
        let mut summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
        let at = summary["at"].take();
        (summary, at)
    };
    let first = summary();
    let page = app.result("report.html");
    app.run(&["resume"]).await.expect(0);
    let second = summary();
    assert_eq!(app.result("report.html"), page, "the same bytes for the same run");
    assert_eq!(second.0, first.0);
    assert_ne!(second.1, first.1);
}

#[tokio::test]
async fn the_next_line_as_it_is_printed_puts_the_results_where_those_before_went() {
    let sample = plain_sample(6).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.unset("ROGO_OUT");
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let incomplete = app.run(&["finalize", "--out", "my results"]).await.expect(69);
    let status = app.run(&["status"]).await.expect(69);
    let next = status.stdout.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
    assert!(incomplete.stderr.contains(&format!("{next}\n")), "{next}\n{}", incomplete.stderr);

    shell(&app, next, &[]).await.expect(0);
    assert_eq!(app.migrated_in("my results").len(), 6);
    assert!(!app.out.path().join("migrated.csv").exists(), "nothing lands in the working directory");
}

#[tokio::test]
async fn a_watched_run_ends_the_watch_with_its_own_result() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    let watch = laptop(&app, &["status", "--watch"]).spawn().unwrap();
    app.run(&["run"]).await.expect(0);
    let watched = timeout(Duration::from_mins(2), watch.wait_with_output()).await.unwrap().unwrap();
    let watched = Ended::of(watched).expect(0);
    assert!(watched.stdout.contains("COMPLETE: run rogo:"), "{}", watched.stdout);

    let none = ["status", "--watch", "--wait-plan", "0s", "--run", "other"];
    at_laptop(&app, &none).await.expect(75);
}

#[tokio::test]
async fn a_refused_plan_is_told_with_its_reason_and_exit_code() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_SUBMISSIONS", "/nonexistent/submissions.csv");
    let refused = app.run(&["plan"]).await;
    let status = at_laptop(&app, &["status"]).await.expect(refused.code.unwrap());
    assert!(status.stdout.starts_with("refused: run rogo:"), "{}", status.stdout);
    assert!(status.stdout.contains("submissions.csv"), "{}", status.stdout);
}

#[tokio::test]
async fn of_a_run_that_was_rolled_back_only_status_tells() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    write(&app, "rolled-back.json", "{}").await;
    let status = at_laptop(&app, &["status"]).await.expect(78);
    assert!(status.stdout.starts_with("rolled back: run rogo:"), "{}", status.stdout);
    for ended in [at_laptop(&app, &["results", "--to", "x"]).await, app.run(&["resume"]).await] {
        let ended = ended.expect(78);
        assert!(ended.stderr.contains("was rolled back"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn resume_without_a_plan_says_what_to_do_first() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    let ended = app.run(&["resume"]).await.expect(78);
    assert!(ended.stderr.contains("run `rogo-migrate plan` first"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_file_that_would_leave_the_folder_is_not_fetched() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    write(&app, "results/deeper/planted.csv", "x").await;
    write(&app, "results/.profile", "x").await;
    let fetched = at_laptop(&app, &["results", "--to", "fetched"]).await.expect(0);
    assert!(!fetched.stdout.contains("planted") && !fetched.stdout.contains("profile"), "{}", fetched.stdout);
    assert_eq!(fs::read_dir(app.out.path().join("fetched")).unwrap().count(), RESULTS.len());
}

/// The process with the wrong clock was killed, and another one works on its shard.
#[tokio::test]
async fn a_heartbeat_of_a_clock_that_is_far_ahead_hides_no_newer_one() {
    let sample = plain_sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let status = app.run(&["status", "--json"]).await.expect(75);
    let plan: Value = serde_json::from_str(&status.stdout).unwrap();
    for (writer, ahead) in [("aaaaaaaaaaaa", TimeDelta::days(1)), ("bbbbbbbbbbbb", TimeDelta::zero())] {
        let beat = Heartbeat {
            plan: serde_json::from_value(plan["plan"].clone()).unwrap(),
            shard: ShardIndex(0),
            writer: writer.parse().unwrap(),
            at: Utc::now() + ahead,
            books: Books::default(),
            rows: 4,
            rows_per_second: 0.0,
            state: State::Running,
            work: Work::default(),
            violations: BTreeMap::new(),
            waits: Vec::new(),
        };
        write(&app, &format!("heartbeats/0/0-{writer}.json"), &serde_json::to_string(&beat).unwrap()).await;
    }
    let status = app.run(&["status"]).await.expect(75).stdout;
    assert!(status.contains("1 process is at work"), "{status}");
    assert!(!status.contains("of a clock that is"), "{status}");
}
