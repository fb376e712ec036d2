//! A worker's few connections. Each holds the run's lock, shared, as long as it lives. A connection is reused only if
//! the caller reports that its last answer was complete; otherwise it is closed. The driver's own pool cannot be used,
//! because it takes back the connection of a cancelled query, and the lock with it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    connect::Connector,
    fault::{Phase, answer},
    fence::SharedFence,
};
use crate::ports::{Fault, FaultKind, Service};

/// How long an answer proves that a session, and with it the lock, is alive. `Instant` goes on
/// counting while the process is frozen.
const PROOF: Duration = Duration::from_secs(1);

/// For an answer to a question that costs the server nothing.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// For a connection of the pool to come free: longer than the longest statement.
const TURN_TIMEOUT: Duration = Duration::from_mins(2);

/// For statements under way to end before the connections are closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// At most `size` connections of one worker.
pub(super) struct Pool {
    connector: Connector,
    fence: Option<SharedFence>,
    size: u32,
    turns: Semaphore,
    idle: Mutex<Vec<Session>>,
    /// When the newest answer of a connection that holds the lock had been asked for.
    proven: Mutex<Option<Instant>>,
}

struct Session {
    connection: PgConnection,
    /// When its newest answer had been asked for.
    asked: Instant,
}

/// A connection in use. Dropped, it is closed; [`Lease::give_back`] keeps it.
#[must_use]
pub(super) struct Lease<'pool> {
    pool: &'pool Pool,
    session: Option<Session>,
    _turn: SemaphorePermit<'pool>,
}

impl Pool {
    pub(super) fn new(connector: Connector, fence: Option<SharedFence>, size: u32) -> Self {
        let size = size.max(1);
        Self {
            connector,
            fence,
            size,
            turns: Semaphore::new(size as usize),
            idle: Mutex::new(Vec::new()),
            proven: Mutex::new(None),
        }
    }

    /// A connection that answered within the last five seconds and, where there is a fence, holds the
    /// run's lock: an idle one that still answers, else a new one.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let turn = self.turn().await?;
        while let Some(session) = self.take_idle() {
            if let Some(session) = self.revive(session).await {
                return Ok(Lease { pool: self, session: Some(session), _turn: turn });
            }
        }
        let asked = Instant::now();
        let mut connection = self.connector.connect().await?;
        if let Some(fence) = &self.fence {
            fence.enter(&mut connection).await?;
        }
        self.prove(asked);
        Ok(Lease { pool: self, session: Some(Session { connection, asked }), _turn: turn })
    }

    /// Runs what changes nothing, or nothing that lasts, within `limit`.
    pub(super) async fn read<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let mut lease = self.lease().await?;
        let asked = Instant::now();
        let result = answer(Phase::Reading, limit, work(lease.connection()?)).await?;
        lease.give_back(asked);
        Ok(result)
    }

    /// Returns at once if a connection that holds the run's lock answered within the last five seconds, else
    /// asks one, or opens one, which looks whether this process was retired.
    pub(super) async fn prove_fence(&self) -> Result<(), Fault> {
        if lock(&self.proven).is_some_and(|asked| asked.elapsed() < PROOF) {
            return Ok(());
        }
        self.lease().await?.keep();
        Ok(())
    }

    /// Waits for statements under way, then closes every connection, which releases the locks. A later request
    /// for a connection is refused.
    pub(super) async fn close(&self) {
        let everyone = tokio::time::timeout(CLOSE_TIMEOUT, self.turns.acquire_many(self.size)).await;
        self.turns.close();
        drop(everyone);
        *lock(&self.proven) = None;
        let sessions = std::mem::take(&mut *lock(&self.idle));
        for session in sessions {
            // A connection that cannot say goodbye is closed by being dropped.
            drop(tokio::time::timeout(PING_TIMEOUT, session.connection.close()).await);
        }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let unavailable = |what| Fault::new(Service::Database, FaultKind::Unavailable, what);
        match tokio::time::timeout(TURN_TIMEOUT, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_closed)) => Err(unavailable("the connections are closed, the process is ending")),
            Err(_elapsed) => Err(unavailable("no connection of the worker came free within 2 min")),
        }
    }

    fn take_idle(&self) -> Option<Session> {
        lock(&self.idle).pop()
    }

    /// The session, if it answered lately or answers now.
    async fn revive(&self, mut session: Session) -> Option<Session> {
        if session.asked.elapsed() < PROOF {
            return Some(session);
        }
        let asked = Instant::now();
        let alive = answer(Phase::Reading, PING_TIMEOUT, session.connection.ping()).await.is_ok();
        if !alive {
            *lock(&self.proven) = None;
            return None;
        }
        session.asked = asked;
        self.prove(asked);
        Some(session)
    }

    fn prove(&self, asked: Instant) {
        let mut proven = lock(&self.proven);
        *proven = (*proven).max(Some(asked));
    }
}

impl Lease<'_> {
    /// The connection, to be asked.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Fault> {
        let session = self.session.as_mut();
        session.map(|session| &mut session.connection).ok_or_else(|| {
            Fault::new(Service::Database, FaultKind::Unavailable, "the connection was given back already")
        })
    }

    /// Keeps the connection for the next one: its last answer, asked for at `asked`, was complete and
    /// no transaction is open.
    pub(super) fn give_back(mut self, asked: Instant) {
        if let Some(session) = &mut self.session {
            session.asked = asked;
            self.pool.prove(asked);
        }
        self.keep();
    }

    /// Keeps the connection, which was not used.
    fn keep(mut self) {
        if let Some(session) = self.session.take() {
            lock(&self.pool.idle).push(session);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.session.is_some() {
            *lock(&self.pool.proven) = None;
        }
    }
}

/// A panic while one of these is held leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
