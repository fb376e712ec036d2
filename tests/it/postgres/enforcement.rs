//! Of a learner's malpractice rules the newest attempt's stands, whatever the order of arrival.

use std::sync::Arc;

use rogo_migrate::{
    domain::{Migration, NoteCode, SubmissionIds},
    ports::{Committed, TargetWriter},
};
use serde_json::Value;

use super::world::{LMS, Ledger, WRITER, Worker, copied, database, malpractice};
use crate::support::postgres::TestDatabase;

const OLDER: &str = "2024-05-01T09:00:00.000001Z";
const NEWER: &str = "2024-05-01T09:00:00.000002Z";

/// A row that the application itself wrote, for a submission of this date.
fn live(id: &str, created_at: &str) -> String {
    format!(
        "insert into assignment_submissions (id, lti_launch_id, created_at) values
            ('sub-{id}', 'launch-{id}', '{created_at}');
         insert into malpractice_enforcements (id, lms_user_id, custom_assessment_code, context_id,
            malpractice_level_id, submission_id, attempt_number, rule_applied_by, rule_applied_at)
         values ('{id}', '{LMS}::user-1', '5HR03', '{LMS}::section-1', 'l2', 'sub-{id}', 1, 'u0', '2020-01-01')"
    )
}

async fn commit(database: &TestDatabase, migration: &Migration) -> Vec<NoteCode> {
    let target = Worker::of(database).start();
    match target.commit(&copied(migration)).await.unwrap() {
        Committed::Inserted { notes, .. } => notes.into_iter().map(|note| note.code).collect(),
        other => panic!("{other:?}"),
    }
}

/// `id=attempt number`, ordered.
async fn standing(database: &TestDatabase) -> Vec<String> {
    let sql =
        "select coalesce(nullif(id, (select min(id) from malpractice_enforcements where length(id) = 36)),
        'ours') || '=' || attempt_number from malpractice_enforcements order by 1";
    sqlx::query_scalar(sql).fetch_all(database.pool()).await.unwrap()
}

#[tokio::test]
async fn the_first_rule_is_added_with_every_column() {
    let database = database().await;
    let migration = malpractice(7, OLDER);
    assert_eq!(commit(&database, &migration).await, []);
    let row: String = sqlx::query_scalar("select to_jsonb(t)::text from malpractice_enforcements t")
        .fetch_one(database.pool())
        .await
        .unwrap();
    let mut row: Value = serde_json::from_str(&row).unwrap();
    for column in ["rule_applied_at", "created_at", "updated_at"] {
        assert!(row.as_object_mut().unwrap().remove(column).unwrap().as_str().unwrap() > "2025");
    }
    let rule = migration.malpractice.unwrap();
    assert_eq!(
        row,
        serde_json::json!({
            "id": rule.enforcement_id, "lms_user_id": migration.lms_user_id, "custom_assessment_code": "5HR03",
            "context_id": migration.context_id, "context_title": "Course", "malpractice_level_id": "l1",
            "submission_id": migration.ids.row("assignment_submissions", 1), "attempt_number": 7,
            "enforced_max_attempts": 3, "rule_applied_by": "u1",
        })
    );
    let grade = "select malpractice_level_id || ' ' || malpractice_notes from submission_grades";
    let grade: String = sqlx::query_scalar(grade).fetch_one(database.pool()).await.unwrap();
    assert_eq!(grade, "l1 Malpractice Moderate");
}

#[tokio::test]
async fn the_newest_stands_in_either_order() {
    for (first, second, stands) in [
        (malpractice(1, OLDER), malpractice(2, NEWER), 2),
        (malpractice(2, NEWER), malpractice(1, OLDER), 2),
        // Not the highest attempt: the newest date.
        (malpractice(2, OLDER), malpractice(1, NEWER), 1),
        // Of one date the highest attempt.
        (malpractice(1, NEWER), malpractice(2, NEWER), 2),
        (malpractice(2, NEWER), malpractice(1, NEWER), 2),
    ] {
        let database = database().await;
        for migration in [&first, &second] {
            assert_eq!(commit(&database, migration).await, [], "a migrated row that stays is no news");
        }
        assert_eq!(standing(&database).await, [format!("ours={stands}")]);
    }
}

#[tokio::test]
async fn nanoseconds_that_the_target_cannot_hold_do_not_count() {
    let database = database().await;
    commit(&database, &malpractice(2, "2024-05-01T09:00:00.000001999Z")).await;
    commit(&database, &malpractice(1, "2024-05-01T09:00:00.000001999Z")).await;
    assert_eq!(standing(&database).await, ["ours=2"]);
}

#[tokio::test]
async fn a_live_rule_stays_unless_it_is_older() {
    for (live_date, stands, notes) in [
        ("2024-05-01T09:00:00.000001Z", "live=7", vec![]),
        ("2024-05-01T09:00:00.000002Z", "live=1", vec![NoteCode::EnforcementKept]),
        ("2024-05-01T09:00:00.000003Z", "live=1", vec![NoteCode::EnforcementKept]),
    ] {
        let database = database().await;
        database.run(&live("live", live_date)).await;
        assert_eq!(commit(&database, &malpractice(7, NEWER)).await, notes);
        assert_eq!(standing(&database).await, [stands]);
    }
}

#[tokio::test]
async fn a_live_rule_without_a_submission_is_dated_by_its_application() {
    let database = database().await;
    database.run(&live("live", "2030-01-01")).await;
    database.run("update malpractice_enforcements set submission_id = null").await;
    assert_eq!(commit(&database, &malpractice(7, NEWER)).await, []);
    assert_eq!(standing(&database).await, ["live=7"]);
}

#[tokio::test]
async fn of_several_rows_the_newest_is_compared_and_the_others_are_left() {
    let database = database().await;
    database.run(&live("old", "2021-01-01")).await;
    database.run(&live("new", "2022-01-01")).await;
    commit(&database, &malpractice(7, NEWER)).await;
    assert_eq!(standing(&database).await, ["new=7", "old=1"]);
}

#[tokio::test]
async fn a_changed_rule_keeps_its_dates_and_id_and_its_image_is_kept_once() {
    let database = database().await;
    database.run(&live("live", "2021-01-01")).await;
    let ledger = Arc::<Ledger>::default();
    for migration in [malpractice(7, OLDER), malpractice(8, NEWER)] {
        let target = Worker { ledger: Arc::clone(&ledger), ..Worker::of(&database) }.start();
        target.commit(&copied(&migration)).await.unwrap();
    }
    let images = ledger.images.lock().unwrap().clone();
    let [(id, image)] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((id.as_str(), &image["attempt_number"]), ("live", &1.into()));
    assert_eq!(image["rule_applied_by"], "u0");

    let sql = "select count(*) from malpractice_enforcements where id = 'live' and attempt_number = 8
        and rule_applied_at = '2020-01-01' and created_at < updated_at and malpractice_level_id = 'l1'
        and rule_applied_by = 'u1' and context_title = 'Course' and enforced_max_attempts = 3";
    assert_eq!(database.number(sql).await, 1);
}

#[tokio::test]
async fn what_a_trigger_makes_of_a_changed_rule_is_named_and_the_rule_stays_as_it_was() {
    for when in ["before update", "after update"] {
        let database = database().await;
        database.run(&live("live", "2021-01-01")).await;
        let (now, later) = match when {
            "before update" => ("new.context_title := 'Other';", ""),
            _ => ("", "update malpractice_enforcements set context_title = 'Other' where id = new.id;"),
        };
        let trigger = format!(
            "create function meddle() returns trigger language plpgsql security definer as $$ begin
                {now} if pg_trigger_depth() = 1 then null; {later} end if; return new; end $$;
             create trigger meddle {when} on malpractice_enforcements for each row execute function meddle()"
        );
        database.run(&trigger).await;
        let target = Worker::of(&database).start();
        let committed = target.commit(&copied(&malpractice(7, NEWER))).await.unwrap();
        let Committed::Altered(columns) = committed else { panic!("{when}: {committed:?}") };
        assert_eq!(columns, ["malpractice_enforcements.context_title"], "{when}");
        assert_eq!(standing(&database).await, ["live=1"]);
        assert_eq!(database.number("select count(*) from submission_files").await, 0);
    }
}

#[tokio::test]
async fn a_rule_of_an_earlier_run_is_a_migrated_one_and_its_image_is_kept() {
    let database = database().await;
    commit(&database, &malpractice(1, OLDER)).await;
    database
        .run(&format!(
            "update submission_files set azure_blob_name =
        replace(azure_blob_name, '{WRITER}', 'ffffffffffff')"
        ))
        .await;
    let ledger = Arc::<Ledger>::default();
    let target = Worker { ledger: Arc::clone(&ledger), ..Worker::of(&database) }.start();
    let migration = malpractice(2, NEWER);
    target.commit(&copied(&migration)).await.unwrap();
    assert_eq!(ledger.images.lock().unwrap().len(), 1);
    assert_eq!(standing(&database).await, ["ours=2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_orders_of_arrival_at_once_end_alike() {
    let database = database().await;
    // One learner each, so that all hundred fit into one database.
    let mut trials = Vec::new();
    for trial in 0..100 {
        let attempts = (0..4).map(|n| {
            let attempt: i32 = trial * 4 + n + 1;
            // Two share the newest date: the higher attempt stands.
            let mut migration = malpractice(attempt, if n < 2 { OLDER } else { NEWER });
            migration.ids = SubmissionIds::new(LMS, attempt.try_into().unwrap());
            migration.lms_user_id = format!("{LMS}::user-{trial}");
            migration.attempt_number = n;
            migration.malpractice.as_mut().unwrap().enforcement_id = format!("rule-{trial}");
            migration
        });
        let mut attempts: Vec<Migration> = attempts.collect();
        attempts.rotate_left(usize::try_from(trial % 4).unwrap());
        if trial % 8 >= 4 {
            attempts.reverse();
        }
        trials.push(attempts);
    }
    let workers: Vec<_> = (0..4).map(|_| Arc::new(Worker::of(&database).start())).collect();
    for attempts in trials {
        let racing = attempts.into_iter().zip(&workers).map(|(migration, worker)| {
            let worker = Arc::clone(worker);
            tokio::spawn(async move { worker.commit(&copied(&migration)).await.unwrap() })
        });
        for race in racing.collect::<Vec<_>>() {
            assert!(matches!(race.await.unwrap(), Committed::Inserted { .. }));
        }
    }
    assert_eq!(database.number("select count(*) from malpractice_enforcements").await, 100);
    assert_eq!(
        database.number("select count(*) from malpractice_enforcements where attempt_number = 3").await,
        100
    );
}

#[tokio::test]
async fn a_live_rule_that_nothing_dates_stays() {
    let database = database().await;
    database.run(&live("live", OLDER)).await;
    database.run("update malpractice_enforcements set submission_id = null, rule_applied_at = null").await;
    assert_eq!(commit(&database, &malpractice(7, NEWER)).await, [NoteCode::EnforcementKept]);
    assert_eq!(standing(&database).await, ["live=1"]);
}
