//! What the target guard sees of a real PostgreSQL's load, with the rights of an ordinary role.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use rogo_migrate::{
    adapters::postgres::{PostgresWriter, SentStatement, WaitedFor},
    ports::{Gate, TargetLoad, TargetReader, TargetWriter},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinHandle;

use super::world::{Worker, copied, database, migration};
use crate::support::{
    postgres::{TestDatabase, TestServer, own::OwnServer},
    process::until,
    proxy::Proxy,
};

const LOCK: &str =
    "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('x', 'k', now())";

/// Another session of the database, which the server shows under this name.
async fn session(url: &str, name: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    PgConnection::connect_with(&options.application_name(name)).await.unwrap()
}

/// A session of the application, of another role than the program's.
async fn foreign(database: &TestDatabase) -> PgConnection {
    TestServer::get().connect(database.name()).await
}

/// Sends what has to wait for a lock.
fn waiting(mut session: PgConnection, sql: &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        session.execute("begin").await.unwrap();
        session.execute(sql).await.unwrap();
        session.execute("rollback").await.unwrap();
    })
}

async fn load_of(target: &PostgresWriter) -> TargetLoad {
    target.load().await.unwrap()
}

/// A login that may see everything, beside the rights of the program's role.
async fn seers_url(database: &TestDatabase) -> String {
    let name = format!("seer_{}", database.name());
    database
        .run(&format!("create role {name} login password 'seer' in role migrator, pg_read_all_stats"))
        .await;
    TestServer::url_as(&name, "seer", TestServer::get().address(), database.name())
}

#[tokio::test]
async fn a_session_that_waits_for_a_lock_is_seen_whoever_holds_it() {
    let database = database().await;
    let target = Worker::of(&database).start();
    assert_eq!(load_of(&target).await.waiting, 0);
    for (is_ours, mut holder) in
        [(true, session(&database.url(), "run/7/abc").await), (false, foreign(&database).await)]
    {
        holder.execute("begin").await.unwrap();
        holder.execute(LOCK).await.unwrap();
        let waits = waiting(foreign(&database).await, LOCK);
        let is_seen = || async {
            let load = load_of(&target).await;
            load.waiting == 1 && load.longest_wait > Duration::from_millis(300)
        };
        until("the waiting session is seen", is_seen).await;
        assert_eq!(load_of(&target).await.waiting_for_us, u64::from(is_ours));
        holder.execute("rollback").await.unwrap();
        waits.await.unwrap();
        let load = load_of(&target).await;
        assert_eq!((load.waiting, load.longest_wait), (0, Duration::ZERO));
    }
}

#[tokio::test]
async fn sessions_of_this_run_are_no_load() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let mut holder = session(&database.url(), "run/7/abc").await;
    holder.execute("begin").await.unwrap();
    holder.execute(LOCK).await.unwrap();
    let waits = waiting(session(&database.url(), "run/8/def").await, LOCK);
    database.until_lock_waits(1).await;
    let load = load_of(&target).await;
    assert_eq!((load.waiting, load.longest_transaction), (0, None));
    holder.execute("rollback").await.unwrap();
    waits.await.unwrap();
}

#[tokio::test]
async fn an_advisory_lock_is_waited_for_by_habit_unless_this_run_holds_it() {
    const WAITS: &str = "select pg_advisory_xact_lock(42)";
    let database = database().await;
    let target = Worker::of(&database).start();
    for (counted, mut holder) in
        [(0, foreign(&database).await), (1, session(&database.url(), "run/7/abc").await)]
    {
        holder.execute("begin").await.unwrap();
        holder.execute(WAITS).await.unwrap();
        let waits = waiting(foreign(&database).await, WAITS);
        database.until_lock_waits(1).await;
        assert_eq!(load_of(&target).await.waiting, counted);
        holder.execute("rollback").await.unwrap();
        waits.await.unwrap();
    }
}

#[tokio::test]
async fn a_long_transaction_is_seen_with_the_right_to_see_it_and_said_to_be_hidden_without() {
    let database = database().await;
    let mut long = foreign(&database).await;
    long.execute("begin").await.unwrap();
    long.execute("select count(*) from users").await.unwrap();
    let target = Worker::of(&database).start();
    let load = load_of(&target).await;
    assert!(load.longest_transaction.is_none() && load.hides_something(), "{load:?}");
    let sees = Worker::at(seers_url(&database).await).start();
    let is_seen = || async {
        let load = load_of(&sees).await;
        load.longest_transaction > Some(Duration::from_millis(300)) && !load.hides_something()
    };
    until("the transaction grows old", is_seen).await;
    long.execute("commit").await.unwrap();
    assert_eq!(load_of(&sees).await.longest_transaction, None);
}

#[tokio::test]
async fn a_replica_that_replays_no_more_lags_behind() {
    let primary = OwnServer::start().await;
    let database = primary.database();
    let standby = primary.standby().await;
    database.run("create role seer login password 'seer' in role migrator, pg_read_all_stats").await;
    let url = TestServer::url_as("seer", "seer", primary.address(), database.name());
    let (sees, blind) = (Worker::at(url), Worker::at(primary.url_through(primary.address())));
    let (sees, blind) = (sees.start(), blind.start());
    standby.database().run("select pg_wal_replay_pause()").await;
    let is_seen = || async {
        // Each write is measured by itself.
        database.run("insert into malpractice_levels (level_text) values ('x')").await;
        load_of(&sees).await.replication_lag > Some(Duration::from_millis(300))
    };
    until("the lag is seen", is_seen).await;
    let load = load_of(&blind).await;
    assert!(load.replication_lag.is_none() && load.hides_something(), "{load:?}");
}

#[tokio::test]
async fn a_look_takes_no_turn_and_no_connection_beyond_the_pools() {
    let database = database().await;
    let gate = Gate::new(1);
    let worker = Worker { pool: 1, gate: gate.clone(), ..Worker::of(&database) };
    let target = worker.start();
    target.commit(&copied(&migration(1))).await.unwrap();
    gate.set_speed(0.5);
    let turn = gate.enter().await;
    load_of(&target).await;
    assert_eq!(target.connections().1, 1);
    let ours = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and application_name like 'run/%'",
        database.name()
    );
    assert_eq!(database.number(&ours).await, 1);
    drop(turn);
}

#[tokio::test]
async fn wake_ups_are_timed_by_the_server_and_take_no_turn() {
    let database = database().await;
    let gate = Gate::new(1);
    let proxy = Proxy::start(TestServer::get().address()).await;
    proxy.delay(Duration::from_millis(200));
    let target = Worker { gate: gate.clone(), ..Worker::at(database.url_through(proxy.address())) }.start();
    gate.set_speed(0.5);
    let _turn = gate.enter().await;
    let mut took = target.wake_ups().await.unwrap();
    took.sort_unstable();
    assert_eq!(took.len(), 20);
    assert!(took[0] < Duration::from_millis(100), "the distance is no load: {took:?}");
    assert!(took.iter().all(|took| !took.is_zero()), "{took:?}");
}

/// A statement of many rows keeps a processor of the target from others for as long as it takes.
#[tokio::test]
async fn below_one_statement_at_a_time_few_commits_share_one() {
    const COMMITS: i32 = 20;
    let database = database().await;
    for (speed, most) in [(1.0, 20), (1.0 / 4.0, 4)] {
        let gate = Gate::new(1);
        let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = sent.clone();
        let worker = Worker {
            pool: 1,
            gate: gate.clone(),
            sent: Arc::new(move |statement: SentStatement| noted.lock().unwrap().push(statement.submissions)),
            ..Worker::of(&database)
        };
        let target = worker.start();
        let first = if speed < 1.0 { 101 } else { 1 };
        target.commit(&copied(&migration(first))).await.unwrap();
        gate.set_speed(speed);
        let migrations: Vec<_> = (first + 1..=first + COMMITS).map(migration).collect();
        let migrations: Vec<_> = migrations.iter().map(copied).collect();
        let mut holder = foreign(&database).await;
        holder.execute("begin; lock table lti_launch_sessions in share mode").await.unwrap();
        let committing = join_all(migrations.iter().map(|migration| target.commit(migration)));
        // The first statement waits for the lock, and the other commits for its connection.
        let releasing = async {
            database.until_lock_waits(1).await;
            holder.execute("rollback").await.unwrap();
        };
        for committed in tokio::join!(committing, releasing).0 {
            committed.unwrap();
        }
        let sent = sent.lock().unwrap();
        assert!(sent.iter().all(|submissions| *submissions <= most), "{sent:?}");
        assert_eq!(sent.iter().sum::<usize>(), 21);
        assert!(sent.iter().any(|submissions| *submissions > 1), "they share statements: {sent:?}");
    }
}

#[tokio::test]
async fn a_commit_waits_for_its_turn_and_tells_so() {
    let database = database().await;
    let gate = Gate::new(3);
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = told.clone();
    let worker = Worker {
        gate: gate.clone(),
        waited: Arc::new(move |on, _| noted.lock().unwrap().push(on)),
        ..Worker::of(&database)
    };
    let target = worker.start();
    target.commit(&copied(&migration(1))).await.unwrap();
    assert!(!told.lock().unwrap().contains(&WaitedFor::Turn));
    gate.set_speed(1.0 / 3.0);
    let turn = gate.enter().await;
    let (second, third) = (migration(2), migration(3));
    let (second, third) = (copied(&second), copied(&third));
    let committing = async { tokio::join!(target.commit(&second), target.commit(&third)) };
    let releasing = async {
        let committed = "select count(*) from assignment_submissions";
        assert_eq!(database.number(committed).await, 1);
        drop(turn);
    };
    let ((second, third), ()) = tokio::join!(committing, releasing);
    second.and(third).unwrap();
    assert!(told.lock().unwrap().contains(&WaitedFor::Turn));
    let both = AssertSqlSafe("select count(*) from assignment_submissions");
    let count: i64 = sqlx::query_scalar(both).fetch_one(database.pool()).await.unwrap();
    assert_eq!(count, 3);
}
