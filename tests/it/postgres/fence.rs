//! The run's lock: shared by workers, exclusive for a process that merges or sweeps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rogo_migrate::{
    adapters::postgres::{FenceKey, PostgresFence, PostgresWriter, SharedFence},
    ports::{FaultKind, Fence, MayWrite, Retry, TargetReader, TargetWriter},
    settings::{DatabaseAuth, DatabaseSettings, SameDatabase, Secret},
};
use tokio::sync::Notify;

use super::world::{Worker, ask, copied, database, is_written, migration};
use crate::support::postgres::TestDatabase;

const PLAN: &str = "0123456789ab";
const MINUTE: Duration = Duration::from_mins(1);

/// A run store of one bit: whether this process is retired; counts how often it was asked.
#[derive(Clone, Default)]
struct Retirement {
    retired: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Retirement {
    fn fence(&self) -> SharedFence {
        let this = self.clone();
        SharedFence {
            key: FenceKey::of_plan(&PLAN.parse().unwrap()),
            retired: Arc::new(move || {
                this.asked.fetch_add(1, Ordering::SeqCst);
                let retired = this.retired.load(Ordering::SeqCst);
                Box::pin(async move { Ok(retired) })
            }),
        }
    }

    fn worker(&self, database: &TestDatabase, name: &str) -> PostgresWriter {
        Worker { fence: self.fence(), name: name.into(), ..Worker::of(database) }.start()
    }
}

fn exclusive(database: &TestDatabase, plan: &str) -> PostgresFence {
    let settings = DatabaseSettings {
        url: Secret::Value(database.url()),
        auth: DatabaseAuth::Password,
        expect_host: None,
        same_database: SameDatabase::No,
        target_alters: Vec::new(),
    };
    PostgresFence::new(&settings, None, "run/finalize/host", FenceKey::of_plan(&plan.parse().unwrap()))
}

/// Ends every worker's session from outside, and waits until the server has.
async fn cut_workers(database: &TestDatabase) {
    database.end_sessions("run/_/%").await;
}

#[tokio::test]
async fn the_exclusive_lock_names_those_it_waits_for_and_comes_when_they_are_gone() {
    let database = database().await;
    let retirement = Retirement::default();
    let one = retirement.worker(&database, "run/0/aaaaaaaaaaaa");
    let two = retirement.worker(&database, "run/1/bbbbbbbbbbbb");
    one.prove_fence().await.unwrap();
    two.prove_fence().await.unwrap();

    let fence = exclusive(&database, PLAN);
    let mut told = Vec::new();
    let fault = fence.exclusive(Duration::ZERO, &mut |names| told.push(names.to_vec())).await.err().unwrap();
    assert_eq!(told, [["run/0/aaaaaaaaaaaa", "run/1/bbbbbbbbbbbb"]]);
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert_eq!(
        fault.chain(),
        "target database: the run's lock is still held by run/0/aaaaaaaaaaaa, run/1/bbbbbbbbbbbb"
    );

    // One leaves in order; the other is cut off once it is named alone.
    one.close().await;
    let alone = Notify::new();
    let cutting = async {
        alone.notified().await;
        database.end_sessions("run/1/bbbbbbbbbbbb").await
    };
    let mut waiting = |names: &[String]| {
        if names == ["run/1/bbbbbbbbbbbb"] {
            alone.notify_one();
        }
    };
    let (held, cut) = tokio::join!(fence.exclusive(MINUTE, &mut waiting), cutting);
    let mut held = held.unwrap();
    assert!(cut > 0, "it was connected");
    held.still_held().await.unwrap();
    held.release().await.unwrap();
}

#[tokio::test]
async fn the_wait_for_the_lock_outlives_the_session_that_waits() {
    let database = database().await;
    let target = Retirement::default().worker(&database, "run/0/aaaaaaaaaaaa");
    target.prove_fence().await.unwrap();
    let told = Notify::new();
    let mut waiting = |_: &[String]| told.notify_one();
    let fence = exclusive(&database, PLAN);
    let freeing = async {
        told.notified().await;
        database.end_sessions("run/finalize/host").await;
        target.close().await;
    };
    let (held, ()) = tokio::join!(fence.exclusive(MINUTE, &mut waiting), freeing);
    held.unwrap().still_held().await.unwrap();
}

#[tokio::test]
async fn a_process_that_was_retired_meanwhile_writes_nothing() {
    let database = database().await;
    let retirement = Retirement::default();
    let target = retirement.worker(&database, "run/0/aaaaaaaaaaaa");
    target.prove_fence().await.unwrap();

    cut_workers(&database).await;
    let held = exclusive(&database, PLAN).exclusive(MINUTE, &mut |_| {}).await.unwrap();
    retirement.retired.store(true, Ordering::SeqCst);
    held.release().await.unwrap();

    let migration = migration(987);
    let files = copied(&migration);
    // The first commit may still meet its dead connection.
    let mut fault = target.commit(&files).await.unwrap_err();
    if fault.kind.retry() != Retry::Never {
        fault = target.commit(&files).await.unwrap_err();
    }
    assert_eq!(fault.kind, FaultKind::Fenced, "{}", fault.chain());
    assert_eq!(target.prove_fence().await.unwrap_err().kind, FaultKind::Fenced);
    assert_eq!(database.number("select count(*) from lti_launch_sessions").await, 0);
    assert_eq!(
        database
            .number(
                "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
            and database = (select oid from pg_database where datname = current_database())"
            )
            .await,
        0,
        "a retired process holds nobody up"
    );
}

#[tokio::test]
async fn a_new_connection_waits_while_the_lock_is_held_exclusively_and_says_for_whom() {
    let database = database().await;
    let retirement = Retirement::default();
    let held = exclusive(&database, PLAN).exclusive(MINUTE, &mut |_| {}).await.unwrap();

    let target = retirement.worker(&database, "run/0/aaaaaaaaaaaa");
    let migration = migration(987);
    let files = copied(&migration);
    let fault = target.commit(&files).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert_eq!(fault.chain(), "target database: waiting for run/finalize/host to release the run's lock");
    assert_eq!(
        retirement.asked.load(Ordering::SeqCst),
        0,
        "asked before the lock is held, it proves nothing"
    );

    // Released in the middle of the wait, it lets the worker through without another call.
    let (fault_or_written, released) = tokio::join!(target.commit(&files), held.release());
    released.unwrap();
    assert!(is_written(&fault_or_written.unwrap()));
    assert_eq!(retirement.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn every_connection_of_a_worker_holds_the_lock_and_asks_once() {
    let database = database().await;
    let retirement = Retirement::default();
    let target = retirement.worker(&database, "run/0/aaaaaaaaaaaa");
    let migrations: Vec<_> = (1..=30).map(migration).collect();
    let commits = migrations.iter().map(|migration| async {
        target.commit(&copied(migration)).await.unwrap();
    });
    futures_util::future::join_all(commits).await;

    let sessions = retirement.asked.load(Ordering::SeqCst);
    assert_eq!(sessions, 3, "a pool of three");
    let held = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted
        and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(database.number(held).await, 3);
    target.prove_fence().await.unwrap();
    assert_eq!(retirement.asked.load(Ordering::SeqCst), 3);

    target.close().await;
    exclusive(&database, PLAN).exclusive(MINUTE, &mut |_| {}).await.unwrap();
    let fault = target.prove_fence().await.unwrap_err();
    assert!(fault.chain().contains("the process is ending"), "{}", fault.chain());
}

#[tokio::test]
async fn a_session_whose_commit_was_cancelled_is_not_used_again() {
    let database = database().await;
    let retirement = Retirement::default();
    let worker = Worker { fence: retirement.fence(), pool: 1, ..Worker::of(&database) };
    let target = worker.start();
    target.prove_fence().await.unwrap();
    let mut locking = database.pool().begin().await.unwrap();
    sqlx::Executor::execute(&mut *locking, "lock table lti_launch_sessions").await.unwrap();

    let migration = migration(987);
    let copied = copied(&migration);
    let mut committing = target.commit(&copied);
    tokio::select! {
        result = &mut committing => panic!("{result:?}"),
        () = database.until_lock_waits(1) => drop(committing),
    }
    // The session still waits for the table: only another one can answer.
    target.catalogue().await.unwrap();
    assert_eq!(
        retirement.asked.load(Ordering::SeqCst),
        2,
        "each session asks whether its process was retired"
    );
    locking.rollback().await.unwrap();
}

#[tokio::test]
async fn the_lock_of_another_database_is_not_taken_for_the_runs() {
    let (ours, copy) = (database().await, database().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, ours.url()).unwrap();
    let reader = Worker { url: Secret::File(file.clone()), ..Worker::of(&ours) }.read();
    ask(&reader).await.unwrap();

    std::fs::write(&file, copy.url()).unwrap();
    let fence =
        PostgresFence::beside(&reader, "run/finalize/host", FenceKey::of_plan(&PLAN.parse().unwrap()));
    let fault = fence.exclusive(MINUTE, &mut |_| {}).await.err().unwrap();
    assert!(fault.what.contains("leads to another database"), "{}", fault.chain());
}

#[tokio::test]
async fn runs_do_not_hinder_each_other_and_a_lost_lock_is_noticed() {
    let database = database().await;
    let target = Retirement::default().worker(&database, "run/0/aaaaaaaaaaaa");
    target.prove_fence().await.unwrap();
    let mut held = exclusive(&database, "fa9876543210").exclusive(MINUTE, &mut |_| {}).await.unwrap();
    held.still_held().await.unwrap();

    let fault =
        exclusive(&database, "fa9876543210").exclusive(Duration::ZERO, &mut |_| {}).await.err().unwrap();
    assert!(fault.chain().contains("run/finalize/host"), "{}", fault.chain());

    assert_eq!(database.end_sessions("run/finalize/host").await, 1);
    assert_eq!(held.still_held().await.unwrap_err().kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn a_workers_sessions_free_their_locks_when_its_machine_vanishes() {
    let database = database().await;
    // Defaults of the database that a session of a worker must not take over. The session itself writes down what it is set to.
    database
        .run(
            "do $$ begin
                execute format('alter database %I set default_transaction_isolation to serializable', current_database());
                execute format('alter database %I set client_min_messages to log', current_database());
             end $$;
             create table session_settings (name text, setting text);
             create function note_settings() returns trigger language plpgsql security definer as $$ begin
                insert into session_settings select name, setting || coalesce(unit, '') from pg_settings;
                return new; end $$;
             create trigger note_settings before insert on lti_launch_sessions
                for each row execute function note_settings()",
        )
        .await;
    let migration = migration(987);
    Worker::of(&database).start().commit(&copied(&migration)).await.unwrap();

    for (name, expected) in [
        ("tcp_keepalives_idle", "30s"),
        ("tcp_keepalives_interval", "10s"),
        ("tcp_keepalives_count", "3"),
        ("idle_in_transaction_session_timeout", "60000ms"),
        ("idle_session_timeout", "0ms"),
        ("statement_timeout", "30000ms"),
        ("lock_timeout", "15000ms"),
        ("default_transaction_isolation", "read committed"),
        ("client_min_messages", "error"),
        ("application_name", "run/0/0123456789ab"),
    ] {
        let sql = "select setting from session_settings where name = $1";
        let setting: String = sqlx::query_scalar(sql).bind(name).fetch_one(database.pool()).await.unwrap();
        assert_eq!(setting, expected, "{name}");
    }
}
