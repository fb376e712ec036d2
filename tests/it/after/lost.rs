//! Rows that the target lost after they were migrated: named, moved again, or accepted.

use std::collections::BTreeMap;

use rogo_migrate::{
    domain::{Books, ShardIndex},
    run::{Heartbeat, State, Work},
};
use serde_json::{Value, json};

use super::plain_sample;
use crate::support::{
    app::{TestApp, assert_same},
    postgres::TestDatabase,
    process,
};

/// The launch ids of this many submissions of the target, in the order of their ids.
async fn launch_ids(app: &TestApp<'_>, count: i64) -> Vec<String> {
    sqlx::query_scalar("select lti_launch_id from assignment_submissions order by 1 limit $1")
        .bind(count)
        .fetch_all(app.database.pool())
        .await
        .unwrap()
}

/// So many submissions are gone without a trace, as after a failover.
async fn lose(app: &TestApp<'_>, count: i64) {
    for launch_id in launch_ids(app, count).await {
        app.lose(attempt(&launch_id)).await;
    }
}

fn attempt(launch_id: &str) -> &str {
    launch_id.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn lost_rows_are_named_and_moved_again_until_all_is_as_it_was() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let undisturbed = app.everything().await;
    let lost = launch_ids(&app, 3).await;
    app.lose(attempt(&lost[0])).await;
    app.lose(attempt(&lost[1])).await;
    app.delete_submission(attempt(&lost[2])).await;

    let ended = app.run(&["finalize"]).await.expect(69);
    let said = "INCOMPLETE: 3 of 12 rows were migrated, and the target no longer holds them";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(ended.stderr.contains("resume --redo lost --reason '<why>' --run rogo"), "{}", ended.stderr);
    assert!(ended.stderr.contains("finalize --accept lost --reason"), "{}", ended.stderr);
    let rows = app.result("lost.csv");
    assert_eq!(rows.lines().next(), Some("Attempt ID,Row,Launch ID,Written at"));
    for launch_id in &lost {
        assert!(rows.contains(launch_id), "{rows}");
    }
    assert_eq!(rows.lines().count(), 4);
    assert_eq!(app.result("migrated.csv").lines().count(), 10);
    assert_eq!((&app.summary()["result"], &app.summary()["lost"]["rows"]), (&json!("INCOMPLETE"), &json!(3)));

    let ended = app.run(&["resume"]).await.expect(69);
    assert!(ended.stderr.contains(said), "done markers stand: {}", ended.stderr);
    let ended = app.run(&["resume", "--redo", "lost"]).await.expect(64);
    assert!(ended.stderr.contains("--reason"), "{}", ended.stderr);
    let of_no_run = ["resume", "--redo", "lost", "--reason", "failover", "--run", "typo"];
    app.run(&of_no_run).await.expect(78);
    assert!(!app.has_document("typo/decisions.jsonl").await, "there is no run that it concerns");

    app.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed);
    assert!(!app.out.path().join("lost.csv").exists(), "it is no longer true");
    let decided = app.decided("rogo").await;
    let [decided] = decided.as_slice() else { panic!("{decided:?}") };
    assert_eq!((decided.decision.as_str(), decided.reason.as_str()), ("resume --redo lost", "failover"));
    // As in a container, the environment names no user.
    let user = process::blocking(std::process::Command::new("id").arg("-un")).stdout;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let by = format!("{}@{}", String::from_utf8(user).unwrap().trim(), host.trim());
    assert_eq!((&decided.by, decided.attempts), (&by, 3));
}

/// Nine of twelve rows, as by a failover to a standby that was far behind.
async fn lose_most(app: &TestApp<'_>) {
    lose(app, 9).await;
    let refused = app.run(&["finalize"]).await.expect(78);
    for part in ["another database", "resume --redo lost", "finalize --accept lost"] {
        assert!(refused.stderr.contains(part), "{part:?} is not said in {}", refused.stderr);
    }
    app.run(&["resume"]).await.expect(78);
}

#[tokio::test]
async fn rows_are_moved_again_although_the_runs_own_database_lost_most_of_them() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let undisturbed = app.everything().await;
    lose_most(&app).await;
    // The decision is about the run's own database: the identity of any other is refused.
    let (own, other) = (app.variable("DATABASE_URL").to_owned(), TestDatabase::new().await);
    app.set("DATABASE_URL", other.url());
    let redo = ["resume", "--redo", "lost", "--reason", "failover"];
    for decided in [&redo[..], &["finalize", "--accept", "lost", "--reason", "failover"]] {
        let refused = app.run(decided).await.expect(78);
        assert!(
            refused.stderr.contains("the target database changed since the run began"),
            "{}",
            refused.stderr
        );
    }
    app.set("DATABASE_URL", own);
    // As the finalizer of the chart beside Jobs that have yet to move them.
    app.set("ROGO_REDO", "lost");
    app.run(&["finalize"]).await.expect(69);
    assert_eq!(app.result("lost.csv").lines().count(), 10);
    app.unset("ROGO_REDO");
    app.run(&redo).await.expect(0);
    assert_same(&app.everything().await, &undisturbed);
    app.run(&["finalize"]).await.expect(0);
}

#[tokio::test]
async fn most_rows_may_be_given_up_in_the_runs_own_database() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    lose_most(&app).await;
    app.run(&["finalize", "--accept", "lost", "--reason", "asked to be erased"]).await.expect(0);
    assert_eq!(app.result("skipped.csv").matches(",deleted_in_target,").count(), 9);
    app.run(&["finalize"]).await.expect(0);
}

#[tokio::test]
async fn shards_that_move_lost_rows_again_record_whose_decision_that_was_once() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let undisturbed = app.everything().await;
    lose(&app, 4).await;
    app.run(&["finalize"]).await.expect(69);
    // As the Jobs of the chart have it (`shards.redo`, `shards.reason`).
    app.set("ROGO_REDO", "lost");
    let refused = app.run(&["shard", "--shard", "0"]).await.expect(64);
    assert!(refused.stderr.contains("--redo lost is a decision"), "{}", refused.stderr);
    app.set("ROGO_REASON", "failover");
    for shard in ["0", "1", "2"] {
        app.run(&["shard", "--shard", shard]).await.expect(0);
    }
    app.run(&["finalize"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed);
    let decided = app.decided("rogo").await;
    let [decided] = decided.as_slice() else { panic!("{decided:?}") };
    assert_eq!((decided.decision.as_str(), decided.reason.as_str()), ("--redo lost", "failover"));
}

#[tokio::test]
async fn rows_that_were_deleted_on_purpose_are_accepted_and_stay_away() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    let deleted = launch_ids(&app, 2).await;
    app.delete_submission(attempt(&deleted[0])).await;
    app.lose(attempt(&deleted[1])).await;
    app.run(&["finalize"]).await.expect(69);
    let ended = app.run(&["finalize", "--accept", "lost"]).await.expect(64);
    assert!(ended.stderr.contains("--reason"), "{}", ended.stderr);

    app.run(&["finalize", "--accept", "lost", "--reason", "asked to be erased"]).await.expect(0);
    let skipped = app.result("skipped.csv");
    assert_eq!(skipped.matches(",deleted_in_target,").count(), 2, "{skipped}");
    assert!(skipped.contains("asked to be erased"), "{skipped}");
    assert_eq!(app.summary()["result"], json!("COMPLETE"));
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.result("skipped.csv"), skipped, "a second finalize says the same");

    app.run(&["resume", "--redo", "lost", "--reason", "a test"]).await.expect(0);
    let held = "select count(*) from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    assert_eq!(app.database.number(held).await, 10, "what was accepted is not moved again");
}

#[tokio::test]
async fn a_merge_by_hand_leaves_it_to_the_result_of_which_job_it_is() {
    let sample = plain_sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    // As the finalizer of a Job that moved lost rows again wrote it: `status` and `verify` wait for that Job's result.
    let mut summary = app.summary();
    assert_eq!(summary["shard_job"], Value::Null);
    summary["shard_job"] = json!("r-rogo-s-again");
    super::write(&app, "results/summary.json", &summary.to_string()).await;
    app.run(&["finalize"]).await.expect(0);
    assert_eq!(app.summary()["shard_job"], json!("r-rogo-s-again"));
}

#[tokio::test]
async fn one_submission_that_the_application_deleted_stops_no_later_process() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["plan", "--shards", "2"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.delete_submission(attempt(&launch_ids(&app, 1).await[0])).await;
    app.run(&["shard", "--shard", "1"]).await.expect(0);
    let ended = app.run(&["finalize"]).await.expect(69);
    assert!(ended.stderr.contains("1 of 12 rows were migrated"), "{}", ended.stderr);
}

#[tokio::test]
async fn blobs_of_lost_rows_are_swept_only_once_the_rows_are_moved_again_or_accepted() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let before = app.blobs().await.len();
    lose(&app, 2).await;
    for _ in 0..2 {
        app.run(&["finalize"]).await.expect(69);
        app.run(&["orphans", "--delete", "--reason", "a pod was killed"]).await.expect(0);
        assert_eq!(app.blobs().await.len(), before, "they may be all that is left");
    }
    app.run(&["resume", "--redo", "lost", "--reason", "a test"]).await.expect(0);
    assert_eq!(app.blobs().await.len(), before, "each file once");
}

#[tokio::test]
async fn rows_that_are_moved_again_before_a_finalize_has_named_them_leave_no_blob_behind() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "3"]).await.expect(0);
    let undisturbed = app.everything().await;
    lose(&app, 3).await;
    app.run(&["resume", "--redo", "lost", "--reason", "failover"]).await.expect(0);
    assert_same(&app.everything().await, &undisturbed);
}

#[tokio::test]
async fn blobs_of_rows_that_are_accepted_before_a_finalize_has_named_them_are_swept_at_once() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let lost = launch_ids(&app, 2).await;
    app.lose(attempt(&lost[0])).await;
    app.delete_submission(attempt(&lost[1])).await;
    let is_of_lost = |name: &str| lost.iter().any(|launch_id| name.contains(attempt(launch_id)));
    let (gone, kept): (Vec<_>, Vec<_>) =
        app.blobs().await.into_iter().map(|blob| blob.name).partition(|name| is_of_lost(name));

    app.run(&["finalize", "--accept", "lost", "--reason", "asked to be erased"]).await.expect(0);
    let left: Vec<_> = app.blobs().await.into_iter().map(|blob| blob.name).collect();
    assert_eq!(left, kept);
    assert_eq!(app.summary()["orphans_removed"], json!(gone.len()));
    app.run(&["verify", "--level", "blobs", "--recheck", "0s"]).await.expect(0);
}

/// What `status` says: its text, and its rows as JSON.
async fn status(app: &TestApp<'_>, code: i32) -> (String, Value) {
    let text = app.run(&["status"]).await.expect(code).stdout;
    (text, app.json(&["status", "--json"], code).await)
}

#[tokio::test]
async fn status_has_the_books_of_the_result_and_no_hundred_per_cent_while_rows_are_lost() {
    let sample = plain_sample(12).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--shards", "2"]).await.expect(0);
    app.run(&["verify", "--recheck", "0s"]).await.expect(0);
    let (text, told) = status(&app, 0).await;
    assert!(text.contains("12 of 12 rows (100.0%): 12 migrated, 0 failed, 0 skipped;"), "{text}");
    assert!(text.contains("UTC: VERIFIED"), "{text}");
    assert_eq!(told["verified"]["of_these_results"], json!(true));
    app.lose(attempt(&launch_ids(&app, 1).await[0])).await;

    app.run(&["finalize"]).await.expect(69);
    let before = "UTC: Verified before the results last changed, or only in part: VERIFIED";
    let (text, told) = status(&app, 69).await;
    assert!(text.contains("11 of 12 rows (91.7%): 11 migrated, 0 failed, 0 skipped, 1 lost;"), "{text}");
    assert!(text.contains(before) && !text.contains("100.0%"), "{text}");
    let rows = |migrated: u64, skipped: u64| json!({ "total": 12, "migrated": migrated, "failed": 0, "skipped": skipped });
    let mut of_result = rows(11, 0);
    of_result["lost"] = json!(1);
    assert_eq!((&told["rows"], &told["verified"]["of_these_results"]), (&of_result, &json!(false)));

    app.run(&["finalize", "--accept", "lost", "--reason", "asked to be erased"]).await.expect(0);
    let (text, told) = status(&app, 0).await;
    assert!(text.contains("12 of 12 rows (100.0%): 11 migrated, 0 failed, 1 skipped;"), "{text}");
    assert!(text.contains(before), "{text}");
    assert_eq!(told["rows"], rows(11, 1));

    let (removers, ids) = (app.database.removers_url(), app.out.path().join("ids.txt"));
    std::fs::write(&ids, &app.migrated()[0]).unwrap();
    let rollback = ["rollback", "--yes", "--reason", "it was wrong"];
    let some = [&rollback[..], &["--attempts", ids.to_str().unwrap()]].concat();
    app.run_as(&removers, &some).await.expect(0);
    let (text, told) = status(&app, 0).await;
    assert!(text.contains("12 of 12 rows (100.0%): 10 migrated, 0 failed, 2 skipped;"), "{text}");
    assert_eq!(told["rows"], rows(10, 2));

    app.run_as(&removers, &rollback).await.expect(0);
    let (text, _) = status(&app, 78).await;
    assert!(text.contains("\nbefore the rollback: 10 migrated, 0 failed, 2 skipped;"), "{text}");
    assert!(!text.contains('%'), "{text}");
}

/// A process that moves lost rows again has registered, and flushes what it records only later.
#[tokio::test]
async fn a_result_is_not_the_last_word_while_a_process_lives_that_has_recorded_nothing_yet() {
    let sample = plain_sample(4).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    app.run(&["status"]).await.expect(0);
    let (id, at) = ("aaaaaaaaaaaa", chrono::Utc::now());
    let writer = json!({"id": id, "shard": 0, "started_at": at, "host": "h"});
    super::write(&app, &format!("writers/{id}.json"), &writer.to_string()).await;
    let beat = async |state: State| {
        let beat = Heartbeat {
            plan: serde_json::from_value(app.summary()["plan"].clone()).unwrap(),
            shard: ShardIndex(0),
            writer: id.parse().unwrap(),
            at: chrono::Utc::now(),
            books: Books::default(),
            rows: 4,
            rows_per_second: 0.0,
            state,
            work: Work::default(),
            violations: BTreeMap::new(),
            waits: Vec::new(),
        };
        let text = serde_json::to_string(&beat).unwrap();
        super::write(&app, &format!("heartbeats/0/0-{id}.json"), &text).await;
        app.run(&["status"]).await
    };
    let at_work = beat(State::Running).await.expect(75).stdout;
    assert!(at_work.contains("rows of shards 0 are moved again since the last result"), "{at_work}");
    // It found nothing to do.
    beat(State::Stopped("stopped at 4 of 4 rows".into())).await.expect(0);
}
