//! Promises of `report` and of bundles, with the built program.

use std::fs;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    app::{Ended, Sample, TestApp},
    process::output,
    results::entries,
};

/// The program on a machine that has the bundle and nothing else.
async fn elsewhere(app: &TestApp<'_>, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    command.args(arguments).env_clear().env("TMPDIR", app.out.path()).current_dir(app.out.path());
    output(command).await
}

#[tokio::test]
async fn a_bundle_tells_the_run_on_a_machine_without_its_run_store() {
    let sample = Sample::new(90, 13).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let page = app.result("report.html");
    app.run(&["report", "--out", "again"]).await.expect(0);
    assert_eq!(app.result("again/report.html"), page, "the report of the run store");

    app.run(&["results", "--bundle", "run.zip"]).await.expect(0);
    app.run(&["results", "--bundle", "same.zip"]).await.expect(0);
    let read = |file: &str| fs::read(app.out.path().join(file)).unwrap();
    assert_eq!(read("run.zip"), read("same.zip"), "the same bytes");
    elsewhere(&app, &["report", "--bundle", "run.zip", "--out", "far/away.html"]).await.expect(0);
    assert_eq!(app.result("far/away.html"), page, "the report of the bundle");
    let here = app.run(&["status"]).await.expect(0);
    let there = elsewhere(&app, &["status", "--bundle", "run.zip"]).await.expect(0);
    assert_eq!(there.stdout.lines().nth(1), here.stdout.lines().nth(1), "{}{}", here.stdout, there.stdout);
    assert!(there.stdout.contains("90 of 90 rows (100.0%)"), "{}", there.stdout);

    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    let (code, rows) = summary["books"]["failed"].as_object().unwrap().iter().next().unwrap();
    let explained = elsewhere(&app, &["explain", code, "--bundle", "run.zip"]).await.expect(0);
    let says = format!("Run rogo (run.zip) has {rows} rows with it, for example ");
    assert!(explained.stdout.contains(&says), "{says}: {}", explained.stdout);

    let names: Vec<String> =
        entries(&app.out.path().join("run.zip")).into_iter().map(|(name, _)| name).collect();
    for name in
        ["plan.json", "telemetry.json", "results/summary.json", "results/report.html", "results/migrated.csv"]
    {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    let failed = "results/submissions_failed_migration.csv";
    assert!(!names.iter().any(|name| name == failed || name.starts_with("queues/")), "{names:?}");
    app.run(&["results", "--bundle", "all.zip", "--with-personal-data"]).await.expect(0);
    let all = entries(&app.out.path().join("all.zip"));
    let (_, rows) = all.iter().find(|(name, _)| name == failed).unwrap();
    assert_eq!(*rows, app.result("submissions_failed_migration.csv"));
    app.run(&["results", "--with-personal-data", "--to", "x"]).await.expect(64);
    fs::write(app.out.path().join("broken.zip"), "PK").unwrap();
    let broken = elsewhere(&app, &["status", "--bundle", "broken.zip"]).await.expect(78);
    assert!(broken.stderr.contains("broken.zip cannot be read as a bundle"), "{}", broken.stderr);
}

/// The top of the page.
fn top(page: &str) -> &str {
    page.split_once("</header>").unwrap().0
}

#[tokio::test]
async fn a_bundle_holds_the_sums_and_the_transformations() {
    let sample = Sample::with(6, 14, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan", "--predict"]).await.expect(0);
    let predicted = ["controls.csv", "transformations.csv"].map(|file| (file, app.result(file)));
    app.run(&["run"]).await.expect(0);
    app.run(&["results", "--bundle", "run.zip"]).await.expect(0);
    let bundled = entries(&app.out.path().join("run.zip"));
    for (file, text) in predicted {
        let found = bundled.iter().find(|(name, _)| *name == format!("results/{file}"));
        assert_eq!(found.map(|(_, bundled)| bundled), Some(&text), "{file}");
    }
    elsewhere(&app, &["status", "--bundle", "run.zip"]).await.expect(0);
    // Without a prediction the sums are those that a verification counted.
    app.run(&["run", "--run", "later", "--out", "later"]).await.expect(0);
    let place = format!("{}-verify", app.variable("ROGO_RUN_STORE"));
    let verified = ["--run", "later", "--verify-store", &place];
    app.run(&[&["verify", "--out", "later"], &verified[..]].concat()).await.expect(0);
    app.run(&[&["results", "--bundle", "later.zip"], &verified[..]].concat()).await.expect(0);
    let bundled = entries(&app.out.path().join("later.zip"));
    let found = bundled.iter().find(|(name, _)| name == "results/controls.csv");
    assert_eq!(found.map(|(_, bundled)| bundled.as_str()), Some(app.result("later/controls.csv").as_str()));
}

/// The page that `report`, `results --to` and the bundle hold; they must agree.
async fn pages(app: &TestApp<'_>, verified: &[&str]) -> String {
    app.run(&[&["report", "--out", "again"], verified].concat()).await.expect(0);
    let page = app.result("again/report.html");
    app.run(&[&["results", "--to", "fetched"], verified].concat()).await.expect(0);
    assert_eq!(app.result("fetched/report.html"), page, "{}", top(&app.result("fetched/report.html")));
    app.run(&[&["results", "--bundle", "run.zip"], verified].concat()).await.expect(0);
    let entries = entries(&app.out.path().join("run.zip"));
    let (_, bundled) = entries.iter().find(|(name, _)| name == "results/report.html").unwrap();
    assert_eq!(*bundled, page, "{}", top(bundled));
    elsewhere(app, &["report", "--bundle", "run.zip", "--out", "far.html"]).await.expect(0);
    assert_eq!(app.result("far.html"), page, "the bundle holds the verification");
    page
}

#[tokio::test]
async fn every_page_says_whether_the_results_as_they_are_now_were_verified() {
    let sample = Sample::with(40, 47, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    assert!(top(&pages(&app, &[]).await).contains("Not verified"));
    let place = format!("file://{}", app.out.path().join("verified").display());
    let verified = ["--verify-store", place.as_str()];
    let verify = async |more: &[&str]| {
        app.run(&[&["verify", "--recheck", "0s"], &verified[..], more].concat()).await.expect(0);
    };
    verify(&[]).await;
    let page = pages(&app, &verified).await;
    let is_green = |page: &str| top(page).contains("<header class=\"good\">");
    assert!(is_green(&page) && top(&page).contains("VERIFIED at level rows: 40 rows"), "{}", top(&page));
    assert!(!page.contains("Compare what the target holds"), "it is done");

    let ids = app.out.path().join("ids.txt");
    fs::write(&ids, &app.migrated()[0]).unwrap();
    let ids = ["--attempts", ids.to_str().unwrap()];
    let outdated = async || {
        let page = pages(&app, &verified).await;
        let says = "Verified before the results last changed, or only in part: VERIFIED at level rows";
        assert!(!is_green(&page) && top(&page).contains(says), "{}", top(&page));
        assert!(page.contains("Compare all rows of the results as they are now"));
        let status = app.run(&[&["status"], &verified[..]].concat()).await.expect(0);
        assert!(status.stdout.contains(says), "{}", status.stdout);
    };
    verify(&ids).await;
    outdated().await;
    verify(&[]).await;
    assert!(is_green(&pages(&app, &verified).await));
    let rollback = [&["rollback", "--yes", "--reason", "it was wrong"], &ids[..]].concat();
    app.run_as(&app.database.removers_url(), &rollback).await.expect(0);
    outdated().await;
    verify(&[]).await;
    let page = pages(&app, &verified).await;
    assert!(is_green(&page), "{}", top(&page));
    app.run(&["finalize"]).await.expect(0);
    assert!(is_green(&pages(&app, &verified).await), "nothing was moved since");

    // The counts are the same afterwards.
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize"]).await.expect(69);
    app.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    outdated().await;
    verify(&[]).await;
    assert!(is_green(&pages(&app, &verified).await));
}

#[tokio::test]
async fn results_that_are_copied_hold_the_verification_of_its_own_store() {
    let sample = Sample::with(12, 48, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--predict"]).await.expect(0);
    app.run(&["run"]).await.expect(0);
    // An earlier verification, in the run store, is not the one that is named.
    app.run(&["verify", "--recheck", "0s", "--out", "there"]).await.expect(0);
    let place = format!("file://{}", app.out.path().join("verified").display());
    let level =
        ["verify", "--recheck", "0s", "--level", "content", "--out", "here", "--verify-store", &place];
    app.run(&level).await.expect(0);
    app.run(&["results", "--to", "fetched", "--verify-store", &place]).await.expect(0);
    for file in ["verification.json", "verification_failures.csv", "manifest.csv", "controls.sql"] {
        assert_eq!(app.result(&format!("fetched/{file}")), app.result(&format!("here/{file}")), "{file}");
    }
    assert!(top(&app.result("fetched/report.html")).contains("VERIFIED TO THE BYTE"));
    // Predicted and counted sums stand beside each other.
    assert_eq!(app.result("fetched/verify-store/controls.csv"), app.result("here/controls.csv"));
    assert_eq!(app.result("fetched/controls.csv"), app.document("rogo/results/controls.csv").await);
    let beside = fs::read_dir(app.out.path().join("fetched/verify-store")).unwrap().count();
    assert_eq!(beside, 1, "what only one of them has is not put there");

    // Without it: the verification of the run store, and nothing from elsewhere.
    app.run(&["results", "--to", "without"]).await.expect(0);
    assert_eq!(app.result("without/verification.json"), app.result("there/verification.json"));
    assert!(!app.out.path().join("without/verify-store").exists());

    // Every page of the run tells it, also that of a second finalize, and a store that cannot be read stops none.
    app.set("ROGO_VERIFY_STORE", &place);
    app.run(&["finalize"]).await.expect(0);
    let page = app.result("report.html");
    assert!(top(&page).contains("VERIFIED TO THE BYTE"), "{}", top(&page));
    assert_eq!(app.document("rogo/results/report.html").await, page);
    fs::write(app.out.path().join("verified/rogo/results/verification.json"), "{").unwrap();
    let said = app.run(&["finalize"]).await.expect(0);
    assert!(said.stderr.contains("the verification cannot be read"), "{}", said.stderr);
    assert!(top(&app.result("report.html")).contains("Not verified"));
}

#[tokio::test]
async fn an_incomplete_run_has_its_report_too_and_a_run_without_results_has_none() {
    let sample = Sample::with(24, 44, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan", "--shards", "3"]).await.expect(0);
    let early = app.run(&["report"]).await.expect(69);
    assert!(early.stderr.contains("summary.json is not there"), "{}", early.stderr);
    app.run(&["results", "--bundle", "early.zip"]).await.expect(69);
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    app.run(&["finalize"]).await.expect(69);
    let page = app.result("report.html");
    assert!(page.contains("<title>INCOMPLETE: run rogo</title>"), "{page:.400}");
    assert!(page.contains("16 rows have no outcome, in shard(s) 0,2"), "{page:.3000}");
    app.run(&["results", "--bundle", "run.zip"]).await.expect(0);
    let there = elsewhere(&app, &["status", "--bundle", "run.zip"]).await.expect(69);
    assert!(there.stdout.starts_with("INCOMPLETE: run rogo"), "{}", there.stdout);
    assert!(there.stdout.contains("8 of 24 rows"), "{}", there.stdout);
}
