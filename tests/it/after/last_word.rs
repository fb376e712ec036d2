//! The last word: one line of JSON in the file that the pod's status is read from, on every end.

use std::fs;

use serde_json::Value;

use super::plain_sample;
use crate::support::{app::TestApp, process::output};

/// Runs it and reads its last word: the code is the process's own, and nothing secret is in it.
async fn last_word(app: &TestApp<'_>, arguments: &[&str], code: i32) -> (String, String) {
    let file = app.out.path().join("termination-log");
    // As the kubelet makes it.
    fs::write(&file, "").unwrap();
    let mut command = app.command(arguments);
    command.env("ROGO_TERMINATION_LOG", &file);
    let ended = output(command).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}");
    let line = fs::read_to_string(&file).unwrap();
    assert!(line.len() <= 4_096 && !line.contains('\n') && !line.contains("planted"), "{line}");
    let word: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(word["exit_code"], code);
    (word["meaning"].as_str().unwrap().to_owned(), word["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_command_leaves_its_last_word() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let planned = last_word(&app, &["plan", "--shards", "2"], 0).await;
    assert_eq!(planned, ("done".into(), "the plan of run rogo stands: 8 rows in 2 shards".into()));
    let moved = last_word(&app, &["shard", "--shard", "1"], 0).await;
    assert_eq!(moved.1, "every row of shard 1 has an outcome");
    app.set("ROGO_HELM_RELEASE", "r");
    app.set("ROGO_HELM_CHART", "charts/rogo-migrate");
    app.set("ROGO_NAMESPACE", "ns");
    let (meaning, message) = last_word(&app, &["finalize"], 69).await;
    assert_eq!(meaning, "INCOMPLETE: rows without an outcome");
    assert!(message.starts_with("INCOMPLETE: 4 of 8 rows have no outcome, in 1 shard(s): 0; "), "{message}");
    let line = "helm upgrade r charts/rogo-migrate --namespace ns --reset-then-reuse-values --set-literal shards.only=0";
    assert!(message.ends_with(line), "{message}");
    let (_, message) = last_word(&app, &["run", "--shards", "2"], 0).await;
    assert!(message.contains("8 rows = 8 migrated + 0 failed + 0 skipped"), "{message}");
    last_word(&app, &["settings"], 0).await;
}

#[tokio::test]
async fn an_end_before_any_setting_was_read_has_its_last_word_too() {
    let sample = plain_sample(8).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let (meaning, message) = last_word(&app, &["run", "--planted"], 64).await;
    assert_eq!(meaning, "wrong usage");
    assert!(message.contains("the command line cannot be read: unexpected argument"), "{message}");
    let (_, message) = last_word(&app, &["run", "--config", "/nonexistent.toml"], 64).await;
    assert!(message.contains("/nonexistent.toml cannot be read"), "{message}");
    let (_, message) = last_word(&app, &["run", "--workers", "many"], 64).await;
    assert!(message.contains("--workers: \"many\": a whole number"), "{message}");
    app.set(
        "DATABASE_URL",
        app.database.url().replace("://", "://nobody:planted@").replace("@postgres@", "@"),
    );
    app.set("ROGO_GIVE_UP_AFTER", "1s");
    let ended = app.run(&["plan"]).await;
    let code = ended.code.unwrap();
    let (_, message) = last_word(&app, &["plan"], code).await;
    assert!(message.contains("target database"), "{code}: {message}");
}
