//! `--exclude`: rows that their owner leaves out for good.

use futures_util::TryStreamExt;

use super::{skipped, summary, write};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

#[tokio::test]
async fn excluded_rows_are_left_out_of_everything_whatever_becomes_of_the_file() {
    let sample = Sample::new(120, 67).await;
    let app = TestApp::without_cluster(&sample).await;
    let export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    let expected = sample.expected();
    let of = |kind: &str, code: &str| {
        let row = expected.iter().find(|(_, row)| row.kind == kind && row.code == code).unwrap().0;
        export.rows[usize::try_from(row - 1).unwrap()][place].trim().to_owned()
    };
    let (plain, invalid) = (of("migrated", ""), of("failed", "row_invalid"));
    let list = format!("Attempt ID,Reason\n{plain},asked to be erased\n{invalid},REQ-7\n2147483646,REQ-8\n");
    let file = write(&sample, "exclude.csv", list);
    let exclude = ["--exclude", file.as_str(), "--shards", "2", "--out", "one"];

    let said = app.run(&[&["run"], &exclude[..]].concat()).await.expect(64);
    assert!(said.stderr.contains("plan --exclude exclude.csv is a decision"), "{}", said.stderr);
    let said = app.run(&[&["plan", "--dry-run"], &exclude[..]].concat()).await.expect(0);
    let listed = "--exclude names 1 attempt ids that no row of submission_files.csv has: 2147483646";
    assert!(said.stdout.contains(listed), "{}", said.stdout);
    let reason = ["--reason", "letters of the owner"];
    let said = app.run(&[&["plan"], &exclude[..], &reason].concat()).await.expect(0);
    assert!(said.stdout.contains(listed) && said.stdout.contains("2  excluded_by_owner"), "{}", said.stdout);

    // Neither shards nor finalize read the file, and another content is another run's.
    write(&sample, "exclude.csv", "Attempt ID,Reason\n1,x\n");
    let said = app.run(&[&["plan"], &exclude[..]].concat()).await.expect(78);
    assert!(
        said.stderr.contains("the excluded rows (--exclude) changed since the run began"),
        "{}",
        said.stderr
    );
    app.run(&["resume", "--out", "one"]).await.expect(0);

    let rows = skipped(&app, "one");
    let excluded = |reason: &str| ("excluded_by_owner".to_owned(), format!("--exclude names it: {reason}"));
    assert_eq!((&rows[&plain], &rows[&invalid]), (&excluded("asked to be erased"), &excluded("REQ-7")));
    assert_eq!(summary(&app, "one")["books"]["skipped"]["excluded_by_owner"], 2);
    assert!(!app.migrated_in("one").contains(&plain));
    let failed = app.result("one/submissions_failed_migration.csv");
    assert!(!failed.contains(&format!(",{invalid},")), "an excluded row must not reach the failure CSV");
    let logged = app.document("rogo/decisions.jsonl").await;
    assert_eq!(logged.lines().count(), 1, "{logged}");
    for part in ["\"plan --exclude exclude.csv\"", "letters of the owner", "\"attempts\":2"] {
        assert!(logged.contains(part), "{part}: {logged}");
    }
    let verified = app.run(&["verify", "--recheck", "0s", "--out", "one"]).await;
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);
}

#[tokio::test]
async fn a_plan_without_the_reason_for_its_decision_ends_the_shards_that_wait_for_it() {
    let sample = super::plain_sample(4, 77).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let file = write(&sample, "exclude.csv", "Attempt ID,Reason\n2147483646,REQ-1\n");
    // As the chart's pods have them.
    app.set("ROGO_EPOCH", "1-0123abcd");
    app.set("ROGO_EXCLUDE", file);
    app.run(&["plan"]).await.expect(64);
    let refused = app.document("rogo/refused/1-0123abcd.json").await;
    assert!(refused.contains("say why with --reason, or ROGO_REASON"), "{refused}");
    let waiting = app.run(&["shard", "--shard", "0"]).await.expect(78);
    assert!(waiting.stderr.contains("the plan was refused"), "{}", waiting.stderr);
    app.run(&["plan", "--predict"]).await.expect(64);

    app.set("ROGO_REASON", "letters of the owner");
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
}

#[tokio::test]
async fn an_erased_learner_does_not_come_back_with_a_later_export() {
    let sample = super::plain_sample(10, 68).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "first", "--out", "first"]).await.expect(0);
    let ids = app.migrated_in("first");
    let one = write(&sample, "erase.txt", &ids[0]);
    let rollback =
        ["rollback", "--run", "first", "--attempts", &one, "--yes", "--reason", "REQ-9", "--out", "first"];
    app.run_as(&app.database.removers_url(), &rollback).await.expect(0);
    let file = write(&sample, "exclude.csv", format!("Attempt ID,Reason\n{},REQ-9\n", ids[0]));
    let later = [
        "run",
        "--run",
        "second",
        "--after",
        "first",
        "--exclude",
        &file,
        "--reason",
        "REQ-9",
        "--out",
        "second",
    ];
    app.run(&later).await.expect(0);
    assert_eq!(skipped(&app, "second")[&ids[0]].0, "excluded_by_owner");
    assert_eq!(app.migrated_in("second"), Vec::<String>::new());
}

#[tokio::test]
async fn a_decision_that_was_not_recorded_when_the_plan_was_made_is_recorded_when_it_is_asked_for_again() {
    let sample = super::plain_sample(4, 76).await;
    let app = TestApp::without_cluster(&sample).await;
    let file = write(&sample, "exclude.csv", "Attempt ID,Reason\n2147483646,REQ-1\n");
    let plan = ["plan", "--exclude", &file, "--reason", "letters of the owner"];
    app.run(&plan).await.expect(0);
    // As if the process had ended once the plan stood.
    let folder = "rogo/decisions";
    let named: Vec<String> =
        app.run_blobs().list(folder).map_ok(|document| document.name).try_collect().await.unwrap();
    assert_eq!(named.len(), 2, "{named:?}");
    app.run_blobs().delete_many(&named).await.unwrap();
    let said = app.run(&plan).await.expect(0);
    assert!(said.stdout.contains("nothing changed"), "{}", said.stdout);
    let logged = app.document("rogo/decisions.jsonl").await;
    assert_eq!(logged.lines().count(), 1, "{logged}");
    for part in ["\"plan --exclude exclude.csv\"", "letters of the owner", "\"attempts\":1"] {
        assert!(logged.contains(part), "{part}: {logged}");
    }
}
