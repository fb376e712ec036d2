//! The run's advisory lock. Each worker connection holds it shared for its lifetime; a process that merges,
//! sweeps or rolls back holds it exclusively. No process waits in PostgreSQL's lock queue, because a waiting
//! exclusive lock would block every new worker: both sides poll instead.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, Row};

use super::{
    PostgresTarget,
    connect::Connector,
    fault::{Phase, answer},
};
use crate::run::PlanId;
use crate::{
    ports::{Backoff, ExclusiveFence, Fault, FaultKind, Fence, Patience, Retry, Service, pause},
    settings::DatabaseSettings,
};

/// Between two tries to take the lock.
const POLL: Backoff = Backoff::steady(Duration::from_millis(500));
/// How long a new worker connection waits for a finalizer to release the lock before it logs the wait.
const SHARED_WAIT: Duration = Duration::from_secs(10);
/// How often a waiting finalizer logs which sessions it waits for.
const REPEAT: Duration = Duration::from_secs(10);
/// For the lock's own statements, which never wait.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the run store whether `retired/<writer>` exists.
pub type Retired = Arc<dyn Fn() -> BoxFuture<'static, Result<bool, Fault>> + Send + Sync>;

/// The key of one run's lock: the first eight bytes of a digest of the plan's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FenceKey(i64);

impl FenceKey {
    /// The key of the run with this plan.
    pub fn of_plan(plan: &PlanId) -> Self {
        let digest = Sha256::digest(format!("rogo-migrate run {plan}"));
        Self(digest.iter().take(8).fold(0, |key, byte| (key << 8) | i64::from(*byte)))
    }
}

/// A worker's side of the fence.
#[derive(Clone)]
pub struct SharedFence {
    /// Advisory lock key of the run.
    pub key: FenceKey,
    /// Whether this process was retired. Asked while the lock is held, so that the answer cannot change before the
    /// lock is released.
    pub retired: Retired,
}

impl SharedFence {
    /// Takes the lock for the connection's lifetime, then checks that this process was not retired.
    pub(super) async fn enter(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        let mut patience = Patience::new(POLL);
        while !try_lock(connection, "pg_try_advisory_lock_shared", self.key).await? {
            let Some(wait) = patience.failed_within(SHARED_WAIT) else {
                let holders = holders(connection, self.key).await?.join(", ");
                let what = format!("waiting for {holders} to release the run's lock");
                return Err(Fault::new(Service::Database, FaultKind::Unavailable, what));
            };
            pause(wait).await;
        }
        if (self.retired)().await? {
            let what = "this process was retired: another one merged, swept or rolled back the run meanwhile";
            return Err(Fault::new(Service::Database, FaultKind::Fenced, what));
        }
        Ok(())
    }
}

/// The exclusive side of the lock, held on a separate connection.
pub struct PostgresFence {
    connector: Connector,
    key: FenceKey,
}

impl PostgresFence {
    /// `application_name` is shown to processes that wait for the lock: `run/finalize/…`. Only Entra needs a
    /// credential.
    pub fn new(
        database: &DatabaseSettings,
        credential: Option<Arc<dyn TokenCredential>>,
        application_name: &str,
        key: FenceKey,
    ) -> Self {
        Self { connector: Connector::new(database.clone(), credential, application_name.to_owned()), key }
    }

    /// The lock of the database that `reader` reads; a connection to another one is refused.
    pub fn beside<Side>(reader: &PostgresTarget<Side>, application_name: &str, key: FenceKey) -> Self {
        Self { connector: reader.connector.named(application_name), key }
    }

    async fn try_once(&self, connection: &mut Option<PgConnection>) -> Result<Vec<String>, Fault> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.connector.connect().await?.connection),
        };
        if try_lock(connection, "pg_try_advisory_lock", self.key).await? {
            return Ok(Vec::new());
        }
        let mut holders = holders(connection, self.key).await?;
        if holders.is_empty() {
            // The lock was released between the two statements; the next try shows the new state.
            holders.push("a connection that is just ending".into());
        }
        Ok(holders)
    }
}

#[async_trait]
impl Fence for PostgresFence {
    async fn exclusive(
        &self,
        deadline: Duration,
        waiting: &mut (dyn for<'names> FnMut(&'names [String]) + Send),
    ) -> Result<Box<dyn ExclusiveFence>, Fault> {
        let mut patience = Patience::new(POLL);
        let mut connection = None;
        let mut told: Option<(Vec<String>, Instant)> = None;
        loop {
            let hindrance = match self.try_once(&mut connection).await {
                Ok(holders) if holders.is_empty() => break,
                Ok(holders) => {
                    let news =
                        told.as_ref().is_none_or(|(before, at)| *before != holders || at.elapsed() >= REPEAT);
                    if news {
                        waiting(&holders);
                        told = Some((holders.clone(), Instant::now()));
                    }
                    let what = format!("the run's lock is still held by {}", holders.join(", "));
                    Fault::new(Service::Database, FaultKind::Unavailable, what)
                }
                Err(fault) if fault.kind.retry() == Retry::Never => return Err(fault),
                Err(fault) => {
                    connection = None;
                    fault
                }
            };
            let Some(wait) = patience.failed_within(deadline) else { return Err(hindrance) };
            pause(wait).await;
        }
        let connection = connection.ok_or_else(lost)?;
        Ok(Box::new(Held { connection, key: self.key }))
    }
}

struct Held {
    connection: PgConnection,
    key: FenceKey,
}

#[async_trait]
impl ExclusiveFence for Held {
    async fn still_held(&mut self) -> Result<(), Fault> {
        const SQL: &str = "select count(*) from pg_locks where locktype = 'advisory' and granted
            and mode = 'ExclusiveLock' and pid = pg_backend_pid() and objsubid = 1
            and database = (select oid from pg_database where datname = current_database())
            and (classid::bigint << 32) | objid::bigint = $1";
        let asking = sqlx::query_scalar::<_, i64>(SQL).bind(self.key.0).fetch_one(&mut self.connection);
        match answer(Phase::Reading, LIMIT, asking).await? {
            0 => Err(lost()),
            _ => Ok(()),
        }
    }

    async fn release(self: Box<Self>) -> Result<(), Fault> {
        // Closing the connection releases the lock even if the unlock statement gets no answer.
        answer(Phase::Reading, LIMIT, self.connection.close()).await
    }
}

fn lost() -> Fault {
    Fault::new(Service::Database, FaultKind::Unavailable, "the run's lock was lost; run the command again")
}

/// One round trip: a statement with a parameter would be prepared first.
async fn try_lock(connection: &mut PgConnection, function: &str, key: FenceKey) -> Result<bool, Fault> {
    let sql = format!("select {function}('{}'::bigint)", key.0);
    let asking = async { sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0) };
    answer(Phase::Reading, LIMIT, asking).await
}

/// The others that hold the lock, by application name; each name once.
async fn holders(connection: &mut PgConnection, key: FenceKey) -> Result<Vec<String>, Fault> {
    const SQL: &str =
        "select distinct coalesce(nullif(activity.application_name, ''), 'process ' || locks.pid)
        from pg_locks locks left join pg_stat_activity activity on activity.pid = locks.pid
        where locks.locktype = 'advisory' and locks.granted and locks.pid <> pg_backend_pid()
        and locks.database = (select oid from pg_database where datname = current_database())
        and locks.objsubid = 1 and (locks.classid::bigint << 32) | locks.objid::bigint = $1
        order by 1";
    answer(Phase::Reading, LIMIT, sqlx::query_scalar(SQL).bind(key.0).fetch_all(connection)).await
}
