//! A lost answer is settled by sending the same statement again.

use rogo_migrate::{
    domain::Migration,
    ports::{Committed, FaultKind, Retry, TargetWriter},
};

use super::world::{Worker, copied, database, is_written, malpractice, migration};
use crate::support::{
    postgres::{TestDatabase, TestServer},
    proxy::{Cut, Proxy},
};

/// A worker whose statement is prepared, behind a proxy.
async fn worker(database: &TestDatabase) -> (Proxy, impl TargetWriter) {
    let proxy = Proxy::start(TestServer::get().address()).await;
    let target = Worker { pool: 1, ..Worker::at(database.url_through(proxy.address())) }.start();
    for first in [migration(1), malpractice(2, "2020-01-01T00:00:00Z")] {
        target.commit(&copied(&first)).await.unwrap();
    }
    (proxy, target)
}

async fn count(database: &TestDatabase, migration: &Migration) -> i64 {
    let launch_id = migration.ids.launch_id();
    database
        .number(&format!("select count(*) from assignment_submissions where lti_launch_id = '{launch_id}'"))
        .await
}

#[tokio::test]
async fn an_answer_lost_before_the_statement_arrived_is_settled_by_writing() {
    for migration in [migration(987), malpractice(988, "2024-05-01T00:00:00Z")] {
        let database = database().await;
        let (proxy, target) = worker(&database).await;
        let commits = if migration.malpractice.is_some() {
            b"commit".to_vec()
        } else {
            migration.ids.launch_id().into()
        };
        proxy.cut(Cut::BeforeRequest(commits));

        let fault = target.commit(&copied(&migration)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::AnswerLost, "{}", fault.chain());
        assert_eq!(proxy.cuts(), 1);
        assert_eq!(count(&database, &migration).await, 0);

        let settled = target.commit(&copied(&migration)).await.unwrap();
        assert!(is_written(&settled), "{settled:?}");
        assert_eq!(count(&database, &migration).await, 1);
    }
}

#[tokio::test]
async fn an_answer_lost_after_the_commit_is_settled_by_meeting_the_own_row() {
    for migration in [migration(987), malpractice(988, "2024-05-01T00:00:00Z")] {
        let database = database().await;
        let (proxy, target) = worker(&database).await;
        let commits = if migration.malpractice.is_some() {
            b"commit".to_vec()
        } else {
            migration.ids.launch_id().into()
        };
        proxy.cut(Cut::BeforeAnswerTo(commits));

        let fault = target.commit(&copied(&migration)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::AnswerLost, "{}", fault.chain());
        assert_eq!(fault.kind.retry(), Retry::Settle);
        assert_eq!(proxy.cuts(), 1);
        let written = database.dump_tables(&[]).await;

        let Committed::Held(held) = target.commit(&copied(&migration)).await.unwrap() else {
            panic!("written twice");
        };
        assert_eq!(
            held.blob_names,
            copied(&migration).files().iter().map(|file| file.blob_name.clone()).collect::<Vec<_>>()
        );
        assert_eq!(database.dump_tables(&[]).await, written);
        assert_eq!(count(&database, &migration).await, 1);
    }
}

#[tokio::test]
async fn a_lock_or_read_that_is_lost_before_a_write_was_sent_may_simply_be_repeated() {
    let database = database().await;
    let (proxy, target) = worker(&database).await;
    let migration = malpractice(988, "2024-05-01T00:00:00Z");
    proxy.cut(Cut::BeforeAnswerTo(b"pg_advisory_xact_lock".to_vec()));
    let fault = target.commit(&copied(&migration)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.chain());
    assert!(is_written(&target.commit(&copied(&migration)).await.unwrap()));
}

#[tokio::test]
async fn a_session_that_the_server_ends_is_replaced() {
    let database = database().await;
    let (_proxy, target) = worker(&database).await;
    assert_eq!(database.end_sessions("run/%").await, 1);
    let migration = migration(987);
    // The statement may have met the dying session: then its answer is lost, and settled.
    let committed = match target.commit(&copied(&migration)).await {
        Err(fault) => {
            assert_eq!(fault.kind, FaultKind::AnswerLost, "{}", fault.chain());
            target.commit(&copied(&migration)).await.unwrap()
        }
        Ok(committed) => committed,
    };
    assert!(is_written(&committed), "{committed:?}");
}

#[tokio::test]
async fn an_end_of_the_session_in_the_middle_of_a_statement_leaves_its_effect_in_doubt() {
    let database = database().await;
    let target = Worker::of(&database).start();
    // Ended by an administrator, a crash, a dropped database; an unknown outcome; a broken connection behind a pooler.
    for code in ["57P01", "57P02", "57P05", "40003", "08006"] {
        refuse_rows(&database, code).await;
        let fault = target.commit(&copied(&migration(7))).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::AnswerLost, "{code}: {}", fault.chain());
        // Before a transaction is committed nothing can have taken effect.
        let fault = target.commit(&copied(&malpractice(8, "2020-01-01T00:00:00Z"))).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable, "{code}: {}", fault.chain());
    }
}

/// From now on every row is refused with this SQLSTATE.
async fn refuse_rows(database: &TestDatabase, code: &str) {
    for statement in [
        format!(
            "create or replace function refuse() returns trigger language plpgsql as $$
             begin raise exception using errcode = '{code}'; end $$"
        ),
        "drop trigger if exists refuse on lti_launch_sessions".to_owned(),
        "create trigger refuse before insert on lti_launch_sessions for each row execute function refuse()"
            .to_owned(),
    ] {
        database.run(&statement).await;
    }
}

#[tokio::test]
async fn a_read_only_database_blames_no_row() {
    let database = database().await;
    let name = database.name();
    database.run(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let target = Worker::of(&database).start();
    let migration = migration(987);
    let fault = target.commit(&copied(&migration)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable, "{}", fault.chain());
    assert!(fault.chain().contains("25006"), "{}", fault.chain());
}

#[tokio::test]
async fn a_conflict_with_another_transaction_or_a_server_short_of_room_blames_no_row() {
    let database = database().await;
    let target = Worker::of(&database).start();
    // Serialization, deadlock, disk, connections, lock, I/O.
    for code in ["40001", "40P01", "53100", "53300", "55P03", "58030"] {
        refuse_rows(&database, code).await;
        for migration in [migration(7), malpractice(8, "2020-01-01T00:00:00Z")] {
            let fault = target.commit(&copied(&migration)).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unavailable, "{code}: {}", fault.chain());
            assert!(fault.what.contains(code), "{}", fault.chain());
            assert_eq!(count(&database, &migration).await, 0);
        }
    }
}

#[tokio::test]
async fn what_no_further_try_mends_is_the_rows_own_or_the_targets_by_its_sqlstate() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let refuses = |code: &str| FaultKind::Rejected(format!("SQLSTATE {code}"));
    for (code, expected) in [
        // A value, a constraint, a trigger of its own words, a view's check, a row too large for an index.
        ("22003", refuses("22003")),
        ("22P02", refuses("22P02")),
        ("23514", refuses("23514")),
        ("27000", refuses("27000")),
        ("44000", refuses("44000")),
        ("54000", refuses("54000")),
        ("P0001", refuses("P0001")),
        // A missing object, one in the wrong state, a dropped database, corrupt data.
        ("42P01", FaultKind::Misconfigured),
        ("3F000", FaultKind::Misconfigured),
        ("55000", FaultKind::Misconfigured),
        ("57P04", FaultKind::Misconfigured),
        ("XX001", FaultKind::Misconfigured),
        ("XX002", FaultKind::Misconfigured),
        ("42501", FaultKind::Denied),
    ] {
        refuse_rows(&database, code).await;
        for migration in [migration(7), malpractice(8, "2020-01-01T00:00:00Z")] {
            let fault = target.commit(&copied(&migration)).await.unwrap_err();
            assert_eq!(fault.kind, expected, "{code}: {}", fault.chain());
            assert_eq!(count(&database, &migration).await, 0);
        }
    }
}
