//! A row that the target lost, that was moved again, and that failed then: every later command knows it as failed.

use std::fs;

use serde_json::json;

use super::{
    blobs::{files, source_of},
    corruptions::in_folders,
    failures, small, verify,
};
use crate::support::app::Sample;

#[tokio::test]
async fn a_lost_row_that_fails_when_it_is_moved_again_is_failed_for_every_command() {
    let sample = Sample::in_folder(12, 47, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let lost = files(&app).await.remove(5);
    let attempt = lost.attempt.as_str();
    app.lose(attempt).await;
    app.run(&["finalize"]).await.expect(69);
    let (source, aside) = (source_of(&app, &lost), sample.path("aside"));
    fs::rename(&source, &aside).unwrap();
    app.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    assert_eq!(app.failed_in("."), [(attempt.to_owned(), "file_missing".to_owned())]);
    assert_eq!(app.migrated().len(), 11);

    for level in ["rows", "blobs"] {
        let ended = verify(&app, &["--level", level]).await;
        assert_eq!(ended.code, Some(0), "{level}: {:?}\n{}\n{}", failures(&app), ended.stdout, ended.stderr);
    }
    let said = app.run(&["explain", "--attempt", attempt]).await.expect(0).stdout;
    assert!(said.contains("In short: failed, file_missing"), "{said}");

    fs::rename(&aside, &source).unwrap();
    app.run(&["run", "--run", "later", "--after", "rogo", "--out", "later"]).await.expect(0);
    assert_eq!(app.migrated_in("later"), [attempt], "no run holds it, so it is tried as a new row");

    // The same run moves it again too, once the other one's submission is gone.
    app.lose(attempt).await;
    app.run(&["resume", "--redo", "lost", "--reason", "the file is back"]).await.expect(0);
    assert_eq!((app.migrated().len(), &app.summary()["lost"]["rows"]), (12, &json!(0)));
    verify(&app, &["--level", "blobs"]).await.expect(0);
}
