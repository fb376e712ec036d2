//! Two runs over one target: what one lost and the other migrated counts once, for the run that wrote it.

use std::collections::BTreeSet;

use rogo_migrate::ports::PutOptions;
use serde_json::json;

use super::plain_sample;
use crate::support::{app::TestApp, documents::follow};

/// The line of the report that makes room for lost rows.
fn rollback_of_b(app: &TestApp<'_>) -> String {
    let page = app.result("report.html");
    let from = page.find("<span>rogo-migrate rollback").unwrap();
    let line = page[from..].split("</pre>").next().unwrap().replace("<span>", "").replace("</span>", "");
    let line = line.replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    line.replace("<the other run>", "b").replace("<its folder>", "b")
}

#[tokio::test]
async fn a_row_that_another_run_migrated_again_is_lost_for_this_run_and_counts_once() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "a"]).await.expect(0);
    let all = app.migrated();
    app.lose(&all[0]).await;
    app.lose(&all[1]).await;
    // What the application writes into rows that stand, and files that it took away, make them no other run's.
    app.database
        .run(&format!(
            "update assignment_submissions set total_file_size = total_file_size;
             delete from submission_files where submission_id in
                (select id from assignment_submissions where lti_launch_id like 'rogo\\_{}\\_%')",
            all[2]
        ))
        .await;
    app.run(&["finalize", "--run", "a"]).await.expect(69);
    assert_eq!(app.summary()["lost"]["rows"], json!(2));
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    let of_b: BTreeSet<String> = app.migrated_in("b").into_iter().collect();
    assert_eq!(of_b, all[..2].iter().cloned().collect());

    let submissions = "select count(*) from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    for redo in [false, true] {
        if redo {
            app.run(&["resume", "--redo", "lost", "--reason", "a test", "--run", "a"]).await.expect(69);
        }
        let ended = app.run(&["finalize", "--run", "a"]).await.expect(69);
        assert!(ended.stderr.contains("of 2 of them another run's submission stands"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("move them again"), "{}", ended.stderr);
        let summary = app.summary();
        assert_eq!((&summary["lost"]["rows"], &summary["lost"]["of_another_run"]), (&json!(2), &json!(2)));
        assert!(summary["next_command"].as_str().unwrap().contains("finalize --accept lost"), "{summary}");
        assert_eq!(app.result("lost.csv").lines().count(), 3);
        let named = app.result("lost_to_another_run.csv");
        assert_eq!(named, app.result("lost.csv"));
        assert!(summary["results"].to_string().contains("lost_to_another_run.csv"), "{summary}");
        assert!(ended.stdout.contains("roll them back in the other run"), "{}", ended.stdout);
        let page = app.result("report.html");
        assert!(page.contains("Of all of the lost rows another run"), "{page}");
        assert!(!page.contains("move them again"), "no command does");
        assert_eq!(app.migrated().len(), 10);
        assert_eq!(app.database.number(submissions).await, 12, "nothing is moved twice");
    }
    let dry = follow(&app, &rollback_of_b(&app), &app.database.removers_url()).await;
    assert!(dry.stdout.contains("would remove 2 submissions"), "{}", dry.stdout);
    app.run(&["finalize", "--run", "a", "--accept", "lost", "--reason", "they are b's"]).await.expect(0);
    assert!(!app.out.path().join("lost_to_another_run.csv").exists(), "it is no longer true");
    for _ in 0..2 {
        assert_eq!(app.result("skipped.csv").matches(",deleted_in_target,").count(), 2);
        assert_eq!(app.migrated().len(), 10);
        app.run(&["finalize", "--run", "a"]).await.expect(0);
    }
    app.run(&["finalize", "--run", "b", "--out", "b"]).await.expect(0);
    assert_eq!(app.migrated_in("b").len(), 2, "they are b's");
}

#[tokio::test]
async fn rows_that_are_gone_and_rows_of_another_run_are_told_apart() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "a"]).await.expect(0);
    let all = app.migrated();
    app.lose(&all[0]).await;
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    app.lose(&all[1]).await;
    let ended = app.run(&["finalize", "--run", "a"]).await.expect(69);
    let named = app.result("lost_to_another_run.csv");
    assert_eq!(named.lines().count(), 2);
    assert!(named.contains(&format!("rogo_{}_", all[0])), "{named}");
    assert!(ended.stderr.contains("lost_to_another_run.csv names them"), "{}", ended.stderr);
    let page = app.result("report.html");
    for part in ["move them again:", "Of 1 of the lost rows another run", "; of 1 of them another run"] {
        assert!(page.contains(part), "{part}");
    }
    app.run(&["resume", "--redo", "lost", "--reason", "a test", "--run", "a"]).await.expect(69);
    assert_eq!((&app.summary()["lost"]["rows"], app.migrated().len()), (&json!(1), 11));
}

#[tokio::test]
async fn what_was_accepted_as_lost_before_another_run_migrated_it_stays_deleted_in_target() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "a"]).await.expect(0);
    app.lose(&app.migrated()[0]).await;
    app.run(&["finalize", "--run", "a", "--accept", "lost", "--reason", "asked to be erased"])
        .await
        .expect(0);
    let skipped = app.result("skipped.csv");
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    app.run(&["finalize", "--run", "a"]).await.expect(0);
    assert_eq!(app.result("skipped.csv"), skipped);
    app.run(&["verify", "--run", "a", "--recheck", "0s"]).await.expect(0);
    // Results of earlier programs do not say which rows the target lacked.
    app.run_blobs().delete_many(&["a/absent.json".to_owned()]).await.unwrap();
    app.run(&["verify", "--run", "a", "--recheck", "0s"]).await.expect(0);
}

#[tokio::test]
async fn rows_for_which_the_other_run_made_room_are_moved_again() {
    let sample = plain_sample(8).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "a"]).await.expect(0);
    let (before, attempt) = (app.migrated(), app.migrated().swap_remove(0));
    app.lose(&attempt).await;
    app.run(&["run", "--run", "b", "--out", "b"]).await.expect(0);
    let told = app.run(&["finalize", "--run", "a"]).await.expect(69);
    assert!(told.stderr.contains("then run finalize again"), "{}", told.stderr);
    let line = rollback_of_b(&app) + " --yes --reason 'it is a again'";
    follow(&app, &line, &app.database.removers_url()).await;
    assert_eq!(app.migrated().len(), 7, "the results of a are a's");
    let told = app.run(&["finalize", "--run", "a"]).await.expect(69);
    assert!(told.stderr.contains("move them again"), "{}", told.stderr);
    app.run(&["resume", "--redo", "lost", "--reason", "room was made", "--run", "a"]).await.expect(0);
    assert_eq!(app.migrated(), before);
    app.run(&["verify", "--run", "a", "--recheck", "0s"]).await.expect(0);

    // A merge that is stopped before its summary: what it had written of the target is of no result.
    let (blobs, name) = (app.run_blobs(), "a/results/summary.json");
    let result = app.document(name).await;
    app.lose(&before[0]).await;
    let accept = ["finalize", "--run", "a", "--accept", "lost", "--reason", "a test"];
    app.run(&accept).await.expect(0);
    let newer = app.document(name).await;
    blobs.put(name, result.into(), &PutOptions::replace("application/json")).await.unwrap();
    let told = app.run(&["verify", "--run", "a", "--recheck", "0s"]).await.expect(75);
    assert!(told.stderr.contains("run finalize again; then verify the run"), "{}", told.stderr);
    blobs.put(name, newer.into(), &PutOptions::replace("application/json")).await.unwrap();
    app.run(&["verify", "--run", "a", "--recheck", "0s"]).await.expect(0);
}
