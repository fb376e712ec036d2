//! Sessions that go from one shard of a process to the next.

use std::sync::Arc;

use rogo_migrate::{
    adapters::postgres::{FenceKey, NextShard, SharedFence},
    ports::{FaultKind, TargetWriter},
};

use super::world::{Worker, copied, database, end_its_session, is_written, migration};
use crate::support::{postgres::TestDatabase, process::until};

/// The next shard, whose writer was retired or not.
fn next(is_retired: bool) -> NextShard {
    NextShard {
        application_name: "run/1/ba9876543210".to_owned(),
        fence: SharedFence {
            key: FenceKey::of_plan(&"0123456789ab".parse().unwrap()),
            retired: Arc::new(move || Box::pin(async move { Ok(is_retired) })),
        },
        waited: Arc::new(|_, _| {}),
        sent: Arc::new(|_| {}),
    }
}

/// Process id of the run's only session, if it has this name.
async fn pid(database: &TestDatabase, name: &str) -> i64 {
    let sql = "select coalesce(min(pid), 0)::bigint from pg_stat_activity
        where datname = current_database() and application_name = ";
    database.number(&format!("{sql}'{name}'")).await
}

#[tokio::test]
async fn the_next_shard_has_the_same_session_under_its_own_name_and_the_lock_all_the_time() {
    const LOCKS: &str =
        "select count(*) from pg_locks where locktype = 'advisory' and granted and mode = 'ShareLock'
        and database = (select oid from pg_database where datname = current_database())";
    let database = database().await;
    let first = Worker { pool: 1, ..Worker::of(&database) }.start();
    assert!(is_written(&first.commit(&copied(&migration(1))).await.unwrap()));
    let before = pid(&database, "run/0/0123456789ab").await;
    assert!(before > 0);
    let second = first.handed_on(&next(false));
    assert_eq!(database.number(LOCKS).await, 1);
    assert!(is_written(&second.commit(&copied(&migration(2))).await.unwrap()));
    assert_eq!(pid(&database, "run/1/ba9876543210").await, before);
    assert_eq!(pid(&database, "run/0/0123456789ab").await, 0);
    assert_eq!(database.number(LOCKS).await, 1);
    second.close().await;
    // The server ends a session a moment after its client has said goodbye.
    until("the session ends", || async { pid(&database, "run/1/ba9876543210").await == 0 }).await;
}

#[tokio::test]
async fn a_session_that_is_opened_for_the_next_shard_asks_after_its_writer() {
    let database = database().await;
    let first = Worker { pool: 1, ..Worker::of(&database) }.start();
    first.commit(&copied(&migration(1))).await.unwrap();
    let second = first.handed_on(&next(true));
    end_its_session(&database).await;
    let fault = second.commit(&copied(&migration(2))).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fenced, "{fault}");
}
