//! The failure CSV as an input: also without rows, because nothing failed, and with its header as the input had it.

use std::fs;

use serde_json::json;

use super::{summary, target};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

const EMPTY: &str = "submissions_failed_migration.csv";
const RESULTS: [&str; 6] = ["migrated.csv", EMPTY, "skipped.csv", "notes.csv", "summary.json", "report.html"];

/// A run has moved everything; its failure CSV has no rows.
async fn moved(sample: &Sample) -> TestApp<'_> {
    let app = TestApp::without_cluster(sample).await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.result(EMPTY).lines().count(), 1);
    app
}

fn assert_nothing_moved(app: &TestApp<'_>, folder: &str) {
    for file in RESULTS {
        assert!(!app.result(&format!("{folder}/{file}")).is_empty(), "{file}");
    }
    let summary = summary(app, folder);
    let books = ["migrated", "failed", "skipped"].map(|name| summary["books"][name].clone());
    assert_eq!((&summary["rows"], books), (&json!(0), [json!(0), json!({}), json!({})]), "{summary}");
    assert_eq!(summary["result"], "COMPLETE");
    assert_eq!(app.result(&format!("{folder}/{EMPTY}")), app.result(EMPTY), "an input of the next run");
}

#[tokio::test]
async fn a_run_over_it_is_complete_and_changes_nothing() {
    let sample = Sample::with(6, 91, |options| options.plain = true).await;
    let app = moved(&sample).await;
    let before = target(&app).await;
    let again = ["--run", "again", "--submissions", EMPTY, "--out", "again"];
    let with = |first: &[&'static str]| [first, &again].concat();
    let predicted = app.run(&with(&["plan", "--predict", "--dry-run"])).await.expect(0);
    assert!(predicted.stdout.contains("0 rows"), "{}", predicted.stdout);
    let ended = app.run(&with(&["run"])).await.expect(0);
    assert!(ended.stdout.contains("COMPLETE") && !ended.stdout.contains("INCOMPLETE"), "{}", ended.stdout);
    assert_nothing_moved(&app, "again");
    let status = app.run(&["status", "--run", "again"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
    for level in ["rows", "blobs", "content"] {
        app.run(&with(&["verify", "--level", level])).await.expect(0);
    }
    app.run(&["report", "--run", "again", "--out", "again/page.html"]).await.expect(0);
    app.run(&with(&["resume"])).await.expect(0);
    app.run(&["results", "--run", "again", "--bundle", "again.zip"]).await.expect(0);
    assert_eq!(target(&app).await, before);
}

#[tokio::test]
async fn so_it_is_in_three_steps_with_more_shards_than_rows_and_with_a_code() {
    let sample = Sample::with(6, 92, |options| options.plain = true).await;
    let app = moved(&sample).await;
    fs::create_dir(app.out.path().join("in")).unwrap();
    fs::copy(app.out.path().join(EMPTY), app.out.path().join("in").join(EMPTY)).unwrap();
    let input = format!("in/{EMPTY}");
    let of = |first: &[&'static str], run: &'static str| {
        let rest = ["--run", run, "--submissions", &input, "--out", run];
        first.iter().copied().chain(rest).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        app.run(&arguments).await.expect(0)
    };
    run(of(&["plan", "--shards", "3"], "steps")).await;
    for shard in ["0", "1", "2"] {
        run(of(&["shard", "--shard", shard], "steps")).await;
    }
    run(of(&["finalize"], "steps")).await;
    assert_nothing_moved(&app, "steps");
    run(of(&["run", "--code", "unavailable"], "code")).await;
    assert_nothing_moved(&app, "code");
}

#[tokio::test]
async fn its_header_is_the_inputs_as_it_came() {
    let sample = Sample::with(6, 94, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let mut input = Csv::read(&sample.path("submission_files.csv"));
    for (column, header) in [
        ("Surname", " Surname"),
        ("Learner Email", "Learner\u{a0} Email"),
        ("Timestamp", "Timestamp\u{a0}"),
        ("Error", "\u{200b}Error "),
    ] {
        let place = input.place(column);
        input.header[place] = header.to_owned();
    }
    let [email, own] = [3, input.header.len()];
    input.header.push(" an extra column ".to_owned());
    for row in &mut input.rows {
        row.push("kept".to_owned());
        assert_eq!(row.len(), own + 1);
    }
    input.rows[2][email].clear();
    let path = app.out.path().join("odd.csv");
    input.write(&path);
    app.set("ROGO_SUBMISSIONS", path.display().to_string());
    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await.expect(0);
    let failed = Csv::of(app.result(EMPTY).trim_start_matches('\u{feff}'));
    assert_eq!((failed.rows.len(), &failed.header), (1, &input.header));
    let mut second = failed;
    second.rows[0][email] = "a@b.example".to_owned();
    second.write(&path);
    app.run(&["run", "--run", "second", "--out", "second"]).await.expect(0);
    assert_eq!(summary(&app, "second")["books"]["migrated"], 1);
}

#[tokio::test]
async fn an_export_without_rows_is_refused_still() {
    let sample = Sample::with(3, 93, |options| options.plain = true).await;
    let app = moved(&sample).await;
    fs::copy(app.out.path().join(EMPTY), app.out.path().join("export.csv")).unwrap();
    let refused = app.run(&["run", "--run", "again", "--submissions", "export.csv"]).await.expect(65);
    for part in ["export.csv holds a header and no rows; export it again", EMPTY] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
}
