//! The sessions of one database. The server's views tell of all databases, and each test beside this one has its own.

use super::TestDatabase;
use crate::support::process::until;

impl TestDatabase {
    /// Sessions that wait for a lock now.
    pub async fn lock_waits(&self) -> i64 {
        self.number(
            "select count(*) from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'",
        )
        .await
    }

    /// Waits until so many do.
    pub async fn until_lock_waits(&self, sessions: i64) {
        until("sessions wait for a lock", || async { self.lock_waits().await == sessions }).await;
    }

    /// Ends the sessions whose application has a name like this, as an administrator does, and waits until they have ended; how many
    /// there were.
    pub async fn end_sessions(&self, named: &str) -> i64 {
        self.number(&format!(
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
                where datname = current_database() and application_name like '{named}'"
        ))
        .await
    }
}

#[tokio::test]
async fn a_test_sees_and_ends_only_the_sessions_of_its_own_database() {
    use sqlx::{Connection, Executor, PgConnection, postgres::PgConnectOptions};

    const WAITS: &str = "select pg_advisory_lock(1)";
    let (ours, other) = (TestDatabase::new().await, TestDatabase::new().await);
    for database in [&ours, &other] {
        database.run(WAITS).await;
    }
    let session = async |database: &TestDatabase| -> PgConnection {
        let options: PgConnectOptions = database.url().parse().unwrap();
        PgConnection::connect_with(&options.application_name("rogo/0/abc")).await.unwrap()
    };
    let waiting =
        |mut session: PgConnection| tokio::spawn(async move { session.execute(WAITS).await.map(|_| ()) });
    let (one, two) = (waiting(session(&ours).await), waiting(session(&other).await));
    ours.until_lock_waits(1).await;
    other.until_lock_waits(1).await;
    assert_eq!(ours.end_sessions("rogo/0/%").await, 1);
    assert!(one.await.unwrap().is_err(), "its session was ended");
    assert_eq!((ours.lock_waits().await, other.lock_waits().await), (0, 1));
    assert_eq!(other.end_sessions("rogo/0/%").await, 1);
    assert!(two.await.unwrap().is_err());
}
