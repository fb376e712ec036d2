//! What a later run compares with and from, what of it is replaced, and what is created again.

use super::{gone, plain_sample, skipped, summary, target, write};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

#[tokio::test]
async fn rows_of_an_exported_warehouse_are_compared_from_their_facts_files() {
    let sample = plain_sample(24, 62).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.unset("DATA_WAREHOUSE_CONNECTION_STRING");
    let first = format!("file://{}", sample.path("warehouse").display());
    app.run(&["run", "--run", "first", "--warehouse", &first, "--out", "first"]).await.expect(0);

    let folder = tempfile::tempdir().unwrap();
    let reports = Csv::read(&sample.path("warehouse/Rogo_AssessmentReport.csv"));
    reports.write(&folder.path().join("Rogo_AssessmentReport.csv"));
    let mut scores = Csv::read(&sample.path("warehouse/Rogo_AssessmentReportScores.csv"));
    scores.rows.reverse();
    let attempt = scores.rows[0][scores.place("AttemptId")].clone();
    scores.cell("AttemptId", &attempt, "MarkerComment").push_str(" Remarked.");
    scores.write(&folder.path().join("Rogo_AssessmentReportScores.csv"));
    let before = target(&app).await;
    let second = format!("file://{}", folder.path().display());
    let arguments = [
        "run",
        "--run",
        "second",
        "--after",
        "first",
        "--warehouse",
        &second,
        "--shards",
        "2",
        "--out",
        "second",
    ];
    let said = app.run(&arguments).await.expect(0);
    assert!(said.stderr.contains("24  to be compared with the earlier run"), "{}", said.stderr);
    let rows = skipped(&app, "second");
    assert_eq!(rows.len(), 24);
    for (id, (code, detail)) in rows {
        if id == attempt {
            assert_eq!(code, "changed_at_source");
            assert!(detail.contains("input: the scores; the target holds"), "{detail}");
        } else {
            assert_eq!(code, "already_migrated", "{detail}");
        }
    }
    assert_eq!(target(&app).await, before);

    // Only a part of the rows: the others are not said to be gone.
    let arguments =
        ["run", "--run", "part", "--after", "first", "--warehouse", &second, "--limit", "5", "--out", "part"];
    app.run(&arguments).await.expect(0);
    assert_eq!(skipped(&app, "part").len(), 5);
}

#[tokio::test]
async fn what_was_changed_is_replaced_by_two_commands_and_a_third_export_knows_all_of_it() {
    let sample = plain_sample(20, 63).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    let ids: Vec<String> = export.rows.iter().map(|row| row[place].clone()).collect();
    export.cell("Attempt ID", &ids[3], "Course Title").push_str(" (revised)");
    export.cell("Attempt ID", &ids[4], "Course Title").push_str(" (revised)");
    let gone_row = export.rows.remove(7);
    app.set("ROGO_SUBMISSIONS", write(&sample, "second.csv", export.text()));
    app.run(&["run", "--run", "second", "--after", "first", "--out", "second"]).await.expect(0);

    // A third export as the second: what the first run moved is compared with that, not with what the second only saw.
    app.run(&["run", "--run", "third", "--after", "second", "--out", "third"]).await.expect(0);
    let rows = skipped(&app, "third");
    assert_eq!(rows, skipped(&app, "second"));
    for id in &ids[3..5] {
        assert_eq!(rows[id].0, "changed_at_source", "the target still holds what the first run moved");
    }
    assert_eq!(rows[&gone_row[place]].0, "withdrawn");

    let one = write(&sample, "one.txt", &ids[3]);
    let reason = ["--yes", "--reason", "remarked"];
    // The first run's books are merged again, and so from its own input.
    app.set("ROGO_SUBMISSIONS", sample.path("submission_files.csv").display().to_string());
    let rollback = ["rollback", "--run", "first", "--attempts", &one, "--out", "first"];
    app.run_as(&app.database.removers_url(), &[&rollback[..], &reason].concat()).await.expect(0);
    app.set("ROGO_SUBMISSIONS", sample.path("second.csv").display().to_string());
    app.run(&["run", "--run", "repair", "--attempts", &one, "--out", "repair"]).await.expect(0);
    assert_eq!(app.migrated_in("repair"), [ids[3].clone()]);
    app.run(&["run", "--run", "fourth", "--after", "second,repair", "--out", "fourth"]).await.expect(0);
    let rows = skipped(&app, "fourth");
    assert_eq!(rows[&ids[3]].0, "already_migrated");
    assert!(rows[&ids[3]].1.starts_with("unchanged since run repair "), "{}", rows[&ids[3]].1);
    assert_eq!(rows[&ids[4]].0, "changed_at_source");
}

#[tokio::test]
async fn what_was_deleted_is_created_again_only_by_redo_and_never_if_that_was_accepted() {
    let sample = plain_sample(12, 64).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let ids = app.migrated_in("first");
    app.lose(&ids[0]).await;
    let accept = [
        "finalize",
        "--run",
        "first",
        "--accept",
        "lost",
        "--reason",
        "asked to be erased",
        "--out",
        "first",
    ];
    app.run(&accept).await.expect(0);
    app.lose(&ids[1]).await;
    app.delete_submission(&ids[2]).await;
    let before = target(&app).await;
    app.run(&["run", "--run", "second", "--after", "first", "--shards", "2", "--out", "second"])
        .await
        .expect(0);
    assert_eq!(gone(&target(&app).await, &before), Vec::<String>::new(), "nothing is created");
    let rows = skipped(&app, "second");
    ids[..3].iter().for_each(|id| assert_eq!(rows[id].0, "deleted_in_target", "{id}"));
    assert!(rows[&ids[0]].1.ends_with("and a person has accepted that"), "{}", rows[&ids[0]].1);

    let redo = ["resume", "--run", "second", "--redo", "lost", "--reason", "failover", "--out", "second"];
    app.run(&redo).await.expect(0);
    let mut moved = app.migrated_in("second");
    moved.sort();
    let mut expected = ids[1..3].to_vec();
    expected.sort();
    assert_eq!(moved, expected);
    assert_eq!(skipped(&app, "second")[&ids[0]].0, "deleted_in_target");
}

#[tokio::test]
async fn a_failure_csv_is_taken_by_a_list_of_codes() {
    let sample = Sample::new(120, 69).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let failed = app.out.path().join("first/submissions_failed_migration.csv");
    let expected = sample.expected();
    let of = |code: &str| expected.values().filter(|row| row.code == code).count() as u64;
    app.set("ROGO_SUBMISSIONS", failed.display().to_string());
    let codes = ["run", "--run", "second", "--code", "no_files, grade_missed", "--out", "second"];
    app.run(&codes).await.expect(0);
    let failed = &summary(&app, "second")["books"]["failed"];
    assert!(of("no_files") > 0 && of("grade_missed") > 0);
    let expected = serde_json::json!({"no_files": of("no_files"), "grade_missed": of("grade_missed")});
    assert_eq!(failed, &expected);
    let said = app.run(&["plan", "--run", "third", "--code", "no_files,already_migrated"]).await.expect(64);
    assert!(said.stderr.contains("a code of failed rows is expected"), "{}", said.stderr);
}

#[tokio::test]
async fn a_changed_column_is_named_although_an_older_row_of_the_attempt_failed() {
    let sample = plain_sample(6, 79).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let title = export.place("Course Title");
    let older = export.rows.iter().map(|row| {
        let mut row = row.clone();
        row[title].push('\0');
        row
    });
    export.rows = older.chain(export.rows.clone()).collect();
    app.set("ROGO_SUBMISSIONS", write(&sample, "first.csv", export.text()));
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let ids = app.migrated_in("first");
    assert_eq!(ids.len(), 6);
    export.rows.drain(..6);
    export.rows.iter_mut().for_each(|row| row[title].push_str(" (revised)"));
    app.set("ROGO_SUBMISSIONS", write(&sample, "second.csv", export.text()));
    app.run(&["run", "--run", "second", "--after", "first", "--out", "second"]).await.expect(0);
    let rows = skipped(&app, "second");
    for id in ids {
        let (code, detail) = &rows[&id];
        assert!(code == "changed_at_source" && detail.contains(": Course Title;"), "{id}: {code}, {detail}");
    }
}
