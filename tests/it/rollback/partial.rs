//! `--attempts`: the run stays valid, its books say what was rolled back, and another run moves these attempts again.

use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::{attempts_file, moved, results, rollback, target};
use crate::support::{
    app::{Sample, TestApp, assert_same},
    azurite::Azurite,
    csv::Csv,
};

#[tokio::test]
async fn some_attempts_are_rolled_back_and_moved_again_by_another_run() {
    let sample = Sample::new(200, 56).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let one_run = moved(&app).await;
    let of_run = app.migrated();
    let chosen: Vec<&str> = of_run.iter().step_by(20).map(String::as_str).collect();
    let ids = attempts_file(&app, &chosen);

    let said = rollback(&app, &["--attempts", &ids, "--yes", "--reason", "three were wrong"]).await;
    // Attempts whose malpractice rule replaced another's are refused; the sample's dice decide whether one is among them.
    assert!([Some(0), Some(69)].contains(&said.code), "{}", said.stderr);
    let removed = results(&app, "removed");
    assert!(removed > 1 && removed + results(&app, "kept") == chosen.len(), "{}", said.stdout);
    assert_eq!(app.migrated().len() + removed, of_run.len(), "the books are up to date");
    assert_eq!(app.summary()["books"]["skipped"]["rolled_back"], json!(removed));
    assert!(app.result("skipped.csv").contains("three were wrong"));
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.starts_with("COMPLETE"), "{}", status.stdout);
    app.run(&["resume", "--redo", "lost", "--reason", "a test"]).await.expect(0);
    assert_eq!(app.migrated().len() + removed, of_run.len(), "what was rolled back is not lost");
    app.run_as(&app.database.verifiers_url(), &["verify", "--recheck", "0s"]).await.expect(0);
    let verified: Value = serde_json::from_str(&app.result("verification.json")).unwrap();
    let books = &app.summary()["books"];
    assert_eq!(verified["migrated"], books["migrated"], "it counts as the books do");
    assert_eq!(verified["migrated"], json!(of_run.len() - removed));
    let orphans = app.run(&["orphans"]).await.expect(0).stdout;
    assert!(
        orphans.starts_with("0 orphans, ") && orphans.contains("\n0 file rows without a blob"),
        "{orphans}"
    );

    let again = ["run", "--run", "again", "--attempts", &ids, "--out", "again"];
    app.run(&again).await.expect(0);
    assert_same(&moved(&app).await, &one_run);
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(
        app.summary()["books"]["skipped"]["rolled_back"],
        json!(removed),
        "they are another run's now"
    );

    rollback(&app, &["--run", "again", "--yes", "--reason", "a test"]).await.expect(0);
    rollback(&app, &["--yes", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &before);
}

#[tokio::test]
async fn attempts_that_were_never_migrated_are_named_and_nothing_is_removed() {
    let sample = Sample::new(60, 57).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let after = target(&app).await;
    let failed = sample.expected().iter().find(|(_, row)| row.code == "no_files").map(|(number, _)| *number);
    let submissions = Csv::read(&sample.path("submission_files.csv"));
    let row = usize::try_from(failed.unwrap()).unwrap() - 1;
    let failed = submissions.column("Attempt ID").nth(row).unwrap();
    let ids = attempts_file(&app, &[failed.trim(), "2147483647"]);
    let said = rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(0);
    assert!(said.stdout.contains("removed 0 submissions"), "{}", said.stdout);
    let named = format!(
        "2 attempts not migrated by this run: nothing of them is in the target (attempts {}, 2147483647)",
        failed.trim()
    );
    assert!(said.stdout.contains(&named), "{}", said.stdout);
    assert_same(&target(&app).await, &after);
    let bad = attempts_file(&app, &["x"]);
    let said = rollback(&app, &["--attempts", &bad]).await.expect(64);
    assert!(said.stderr.contains("line 1: not a whole number"), "{}", said.stderr);
}

#[tokio::test]
async fn nothing_is_removed_if_the_input_that_the_books_are_made_of_cannot_be_read() {
    let sample = Sample::with(12, 58, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let (before, books) = (target(&app).await, app.migrated());
    let ids = attempts_file(&app, &[&books[0]]);
    let arguments = ["--attempts", ids.as_str(), "--yes", "--reason", "a test"];
    let input = app.variable("ROGO_SUBMISSIONS").to_owned();
    app.set("ROGO_SUBMISSIONS", sample.path("gone.csv").display().to_string());
    let said = rollback(&app, &arguments).await.expect(64);
    assert!(said.stderr.contains("gone.csv cannot be read"), "{}", said.stderr);
    assert_same(&target(&app).await, &before);

    app.set("ROGO_SUBMISSIONS", input);
    rollback(&app, &arguments).await.expect(0);
    assert_eq!(app.migrated(), books[1..]);
}

#[tokio::test]
async fn a_later_run_does_not_come_after_one_whose_books_still_list_what_was_rolled_back() {
    let sample = Sample::with(12, 59, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let books = app.document("rogo/results/summary.json").await;
    let listed = app.document("rogo/results/migrated.csv").await;
    let ids = attempts_file(&app, &[&app.migrated()[0]]);
    rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(0);

    // As if it had been killed before it brought the books up to date.
    for (name, text) in [("summary.json", books), ("migrated.csv", listed)] {
        let options = rogo_migrate::ports::PutOptions::replace("text/plain");
        app.run_blobs().put(&format!("rogo/results/{name}"), text.into(), &options).await.unwrap();
    }
    let later = ["run", "--run", "later", "--after", "rogo", "--out", "later"];
    let refused = app.run(&later).await.expect(78);
    let says = "--after rogo: attempts of it were rolled back at ";
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
    assert!(refused.stderr.contains("rogo-migrate finalize --run rogo"), "{}", refused.stderr);
    app.run(&["finalize"]).await.expect(0);
    app.run(&later).await.expect(0);
    assert_eq!(app.migrated_in("later").len(), 1, "what was rolled back is moved again");
}

#[tokio::test]
async fn a_rollback_after_which_a_complete_run_lacks_other_rows_says_so_and_ends_with_69() {
    let sample = Sample::with(12, 61, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let of_run = app.migrated();
    app.lose(&of_run[5]).await;
    let ids = attempts_file(&app, &[&of_run[0]]);
    let arguments = ["--attempts", ids.as_str(), "--yes", "--reason", "a test"];
    let said = rollback(&app, &arguments).await.expect(69);
    assert!(said.stdout.contains("removed 1 submissions"), "{}", said.stdout);
    for says in [
        "the attempts were rolled back, and the run's results say so",
        "INCOMPLETE: 1 of 12 rows were migrated, and the target no longer holds them",
        "resume --redo lost",
    ] {
        assert!(said.stderr.contains(says), "{says}: {}", said.stderr);
    }
    let now = app.summary();
    assert_eq!((&now["result"], &now["lost"]["rows"]), (&json!("INCOMPLETE"), &json!(1)));
    assert_eq!(now["books"]["skipped"]["rolled_back"], json!(1));

    // What was lost before is no news; one more row is.
    let ids = attempts_file(&app, &[&of_run[1]]);
    rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(0);
    app.lose(&of_run[6]).await;
    let ids = attempts_file(&app, &[&of_run[2]]);
    let said = rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test"]).await.expect(69);
    assert!(said.stderr.contains("INCOMPLETE: 2 of 12 rows were migrated"), "{}", said.stderr);
}

#[tokio::test]
async fn a_rollback_that_leaves_orphans_of_killed_processes_says_that_the_results_stand() {
    let sample = Sample::with(8, 62, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    // A killed process left a blob, and another client holds a lease on it.
    let azurite = Azurite::shared().await;
    let writer = "0123456789ab";
    let record = json!({"id": writer, "shard": 0, "started_at": "2026-01-02T03:04:05Z", "host": "there"});
    let options = rogo_migrate::ports::PutOptions::replace("application/json");
    let name = format!("rogo/writers/{writer}.json");
    app.run_blobs().put(&name, record.to_string().into(), &options).await.unwrap();
    let orphan = format!("LTI_Uploads/{writer}/1_1_left.docx");
    azurite.put(&app.container, &orphan, "left").await;
    azurite.blob(&app.container, &orphan).acquire_lease(-1, None).await.unwrap();

    let of_run = app.migrated();
    let ids = attempts_file(&app, &[&of_run[0]]);
    let said =
        rollback(&app, &["--attempts", &ids, "--yes", "--reason", "a test", "--give-up-after", "1s"]).await;
    let said = said.expect(75);
    assert!(said.stdout.contains("removed 1 submissions"), "{}", said.stdout);
    assert!(said.stderr.contains("and the run's results say so"), "{}", said.stderr);
    assert!(
        said.stderr.contains("the results stand, but blobs that killed processes left"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("do not say so yet"), "{}", said.stderr);
    assert_eq!(app.migrated(), of_run[1..]);
    assert_eq!(app.summary()["books"]["skipped"]["rolled_back"], json!(1));
}

#[tokio::test]
async fn no_blob_stays_of_attempts_that_no_finalize_had_named_as_lost() {
    let sample = Sample::with(12, 63, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let of_run = app.migrated();
    let chosen = [&of_run[0], &of_run[3], &of_run[6], &of_run[9]].map(String::as_str);
    let [lost, deleted, without_a_file, whole] = chosen;
    app.lose(lost).await;
    app.delete_submission(deleted).await;
    app.database
        .run(&format!(
            "delete from submission_files f using assignment_submissions s where s.id = f.submission_id and \
             f.upload_order = 1 and s.lti_launch_id like 'rogo\\_{without_a_file}\\_%'"
        ))
        .await;
    let is_chosen = |name: &str| {
        let attempt = rogo_migrate::domain::attempt_of_blob(name).unwrap().to_string();
        chosen.contains(&attempt.as_str())
    };
    let names = || async { app.blobs().await.into_iter().map(|blob| blob.name).collect::<Vec<_>>() };
    let (gone, kept): (Vec<_>, Vec<_>) = names().await.into_iter().partition(|name| is_chosen(name));
    assert!(gone.len() >= chosen.len(), "{gone:?}");

    let ids = attempts_file(&app, &chosen);
    let said =
        rollback(&app, &["--attempts", &ids, "--force-touched", "--yes", "--reason", "they were wrong"])
            .await;
    let said = said.expect(0);
    assert_eq!(names().await, kept, "{whole}: {}", said.stdout);
    // The processes count as ended in order again: no later sweep has to list what they wrote.
    let documents: Vec<_> =
        app.run_blobs().list("rogo/writers/").map_ok(|info| info.name).try_collect().await.unwrap();
    let ended = |end: &str| documents.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(ended(".clean"), ended(".json"), "{documents:?}");
}

#[tokio::test]
async fn no_blob_stays_of_a_whole_run_of_which_rows_were_lost() {
    let sample = Sample::with(12, 64, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = target(&app).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    app.lose(&app.migrated()[4]).await;
    rollback(&app, &["--yes", "--reason", "it was called off"]).await.expect(0);
    assert_same(&target(&app).await, &before);
}
