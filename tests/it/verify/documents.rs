//! The commands of deploy/RUNNING.md on predicting and on verifying by hand do what it says.

use serde_json::Value;

use super::small;
use crate::support::{
    app::{Ended, Sample, TestApp},
    azurite::Azurite,
    documents::{commands, follow},
};

const RUNNING: &str = "deploy/RUNNING.md";

#[tokio::test]
async fn the_commands_of_the_chapter_on_predicting_do_what_it_says() {
    let sample = Sample::with(12, 93, small).await;
    let app = TestApp::without_cluster(&sample).await;
    let lines = commands(RUNNING, Some("Predict"));
    let [rehearsed, kept] = lines.as_slice() else { panic!("two commands: {lines:?}") };
    follow(&app, rehearsed, &app.database.url()).await;
    assert!(app.result("prediction/controls.csv").lines().count() > 1);
    app.run(&["status"]).await.expect(75);
    follow(&app, kept, &app.database.url()).await;
    let left: Vec<String> = app.blobs().await.into_iter().map(|blob| blob.name).collect();
    assert!(left.is_empty(), "the probe's copies are removed again: {left:?}");
    app.run(&["run"]).await.expect(0);
    let summary: Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(summary["prediction"]["same"], true, "{}", summary["prediction"]);
}

#[tokio::test]
async fn the_commands_of_the_chapter_on_verifying_by_hand_do_what_it_says() {
    let sample = Sample::with(24, 94, small).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let store = Azurite::shared().await.container().await;
    let lines = commands(RUNNING, Some("By hand"));
    let lines: Vec<String> =
        lines.iter().map(|line| line.replace("az://verify/", &format!("az://{store}/"))).collect();
    let [one, several, status] = lines.as_slice() else { panic!("three commands: {lines:?}") };
    assert!(lines.iter().all(|line| line.contains(&store)), "{lines:?}");
    let url = app.database.verifiers_url();
    let alone = follow(&app, one, &url).await;
    assert!(alone.stdout.starts_with("VERIFIED at level rows: 24 rows"), "{}", alone.stdout);
    let written: Value = serde_json::from_str(&app.result("verified/verification.json")).unwrap();
    // The account's key writes the target and the run store too.
    assert_eq!(written["independent"], false, "{written}");

    let parts: Vec<String> = (0..4).map(|part| several.replace("0/4", &format!("{part}/4"))).collect();
    assert_ne!(parts[0], parts[1], "the line names the part");
    let together = parts.iter().map(|line| follow(&app, line, &url));
    let said: Vec<Ended> = futures_util::future::join_all(together).await;
    let merged = said.iter().filter(|ended| ended.stdout.starts_with("VERIFIED at level rows: 24 rows"));
    assert_eq!(merged.count(), 1, "{said:#?}");
    let shown = follow(&app, status, &url).await;
    assert!(shown.stdout.contains("VERIFIED at level rows: 24 rows"), "{}", shown.stdout);
}
