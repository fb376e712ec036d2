//! Promises of `rollback`: the target is as before the run, table by table and blob by blob, and what the application
//! has worked on since is left and named.

mod decided;
mod killed;
mod partial;
mod rules;
mod touched;

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{
    app::{Ended, Sample, TestApp, assert_same, everything},
    process::{ended, signal, until},
};

/// Everything in the target: every column of every row, and every blob.
async fn target(app: &TestApp<'_>) -> String {
    let mut text = app.database.dump_tables(&[]).await;
    for mut blob in app.blobs().await {
        blob.metadata.sort();
        writeln!(text, "blob {blob:?}").unwrap();
    }
    text
}

/// What two runs of one sample must agree on, without their results.
async fn moved(app: &TestApp<'_>) -> String {
    of_any_run(&everything(&app.database, &app.target_blobs(), &app.container, |_| String::new()).await)
}

/// Blobs name their run.
fn of_any_run(text: &str) -> String {
    ["second", "again"]
        .iter()
        .fold(text.to_owned(), |text, run| text.replace(&format!("\"run\": \"{run}\""), "\"run\": \"rogo\""))
}

/// The program as the role that may roll back.
async fn rollback(app: &TestApp<'_>, arguments: &[&str]) -> Ended {
    app.run_as(&app.database.removers_url(), &[&["rollback"], arguments].concat()).await
}

/// Writes a file of attempts; its path.
fn attempts_file(app: &TestApp<'_>, attempts: &[&str]) -> String {
    let path = app.out.path().join("ids.txt");
    std::fs::write(&path, attempts.join("\n")).unwrap();
    path.display().to_string()
}

/// Number of attempts that `rolled_back.csv` gives this result.
fn results(app: &TestApp<'_>, result: &str) -> usize {
    app.result("rolled_back.csv").matches(&format!(",{result},")).count()
}

#[tokio::test]
async fn the_target_is_as_before_and_a_second_run_equals_one() {
    let sample = Sample::new(300, 51).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let (after, one_run) = (target(&app).await, app.everything().await);

    let said = rollback(&app, &[]).await.expect(0);
    assert!(said.stdout.contains("would remove"), "{}", said.stdout);
    assert!(said.stdout.contains("nothing was written: a dry run"), "{}", said.stdout);
    assert_same(&target(&app).await, &after);
    let said = rollback(&app, &["--json"]).await.expect(0);
    let would: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(would["removed"]["attempts"], app.migrated().len());
    let said = rollback(&app, &["--yes"]).await.expect(64);
    assert!(said.stderr.contains("say why with --reason"), "{}", said.stderr);
    assert_same(&target(&app).await, &after);

    let said = rollback(&app, &["--yes", "--reason", "go-live was called off", "--json"]).await.expect(0);
    assert_same(&target(&app).await, &before);
    let mut done: Value = serde_json::from_str(&said.stdout).unwrap();
    done["dry_run"] = true.into();
    assert_eq!(done, would, "a dry run says what will be done");
    assert_eq!(results(&app, "removed"), app.migrated().len());
    let status = app.run(&["status"]).await.expect(78);
    assert!(status.stdout.contains("it was rolled back"), "{}", status.stdout);
    for command in ["finalize", "run", "results"] {
        let arguments: &[&str] = if command == "results" { &["results", "--to", "r"] } else { &[command] };
        let refused = app.run(arguments).await.expect(78);
        assert!(refused.stderr.contains("was rolled back"), "{command}: {}", refused.stderr);
    }
    let again = rollback(&app, &["--yes", "--reason", "again"]).await.expect(0);
    assert!(again.stdout.contains("removed 0 submissions"), "{}", again.stdout);

    app.run(&["run", "--run", "second", "--shards", "3"]).await.expect(0);
    assert_same(&of_any_run(&app.everything().await), &one_run);
}

#[tokio::test]
async fn it_waits_for_processes_that_still_write_and_names_them() {
    let sample = Sample::with(120, 52, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["plan"]).await.expect(0);
    let mut process = app.start(&["shard", "--shard", "0"]);
    until("rows stand", || async { crate::crash::submissions(&app).await > 5 }).await;
    signal(&process, "STOP");
    let arguments = ["--yes", "--reason", "a test", "--give-up-after", "1s"];
    let waiting = rollback(&app, &arguments).await.expect(75);
    assert!(waiting.stderr.contains("rogo/0/"), "the holder is named: {}", waiting.stderr);
    assert!(crate::crash::submissions(&app).await > 5);
    signal(&process, "KILL");
    ended(&mut process).await;

    // Rows that no segment names, blobs that no row names.
    rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &before);
    let late = app.run(&["shard", "--shard", "0"]).await.expect(78);
    assert!(late.stderr.contains("was rolled back"), "{}", late.stderr);
}

#[tokio::test]
async fn a_role_that_may_not_delete_is_told_which_rights_it_lacks() {
    let sample = Sample::with(6, 53, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let after = target(&app).await;
    for arguments in [&["rollback"][..], &["rollback", "--yes", "--reason", "a test"]] {
        let refused = app.run(arguments).await.expect(78);
        for said in [
            "this user may not delete submission_files; grant it",
            "this user may not delete submission_section_marks; grant it",
            "this user may not delete malpractice_enforcements; grant it",
        ] {
            assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
        }
    }
    app.database.run("revoke update on malpractice_enforcements from remover").await;
    let refused = rollback(&app, &[]).await.expect(78);
    assert!(
        refused.stderr.contains("may not update (context_title, malpractice_level_id,"),
        "{}",
        refused.stderr
    );
    assert_same(&target(&app).await, &after);
    let nothing = rollback(&app, &["--run", "none"]).await.expect(78);
    assert!(nothing.stderr.contains("this run wrote nothing"), "{}", nothing.stderr);
}
