//! The few connections of one worker. Each session of a writer holds the run's lock, shared, for as long as it lives.
//!
//! A lease takes the session out of its slot, and puts it back only after a complete answer. If the caller fails or is
//! cancelled, the session is closed at once, and PostgreSQL releases the lock and the transaction with it. The driver's
//! own pool takes back the connection of a cancelled query, so it cannot be used.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{self, Metrics, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts},
};
use sqlx::{Connection, PgConnection};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::{
    connect::Connector,
    fault::{Phase, answer},
    fence::SharedFence,
};
use crate::{
    domain::TargetIdentity,
    ports::{Fault, FaultKind, Service},
};

/// How long an answer proves that a session, and with it the lock, is alive. `Instant` goes on
/// counting while the process is frozen.
const PROOF: Duration = Duration::from_secs(1);

/// For the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// For a connection of the pool to become free: longer than the longest statement.
const TURN_TIMEOUT: Duration = Duration::from_mins(2);

/// For statements under way to end before the process goes on without them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// At most a fixed number of connections of one worker.
pub(super) struct Pool {
    slots: managed::Pool<Sessions>,
    /// Counts the leases.
    leases: TaskTracker,
    pub(super) waited: OnWait,
}

/// Is told how long a lease waited for a connection because all were in use.
pub type OnWait = Arc<dyn Fn(Duration) + Send + Sync>;

/// Opens sessions, and checks that an idle one is alive.
struct Sessions {
    connector: Connector,
    fence: Option<SharedFence>,
    proof: Proof,
}

struct Session {
    connection: PgConnection,
    database: TargetIdentity,
    /// When the request of its newest answer was sent.
    asked: Instant,
}

/// A session in use. Dropped, it closes the session; [`Lease::give_back`] keeps it.
#[must_use]
pub(super) struct Lease<'pool> {
    // Closed before its slot is free for another one: the server never sees more connections than slots.
    session: Session,
    slot: managed::Object<Sessions>,
    end: LeaseEnd<'pool>,
    _under_way: TaskTrackerToken,
}

impl Pool {
    pub(super) fn new(connector: Connector, fence: Option<SharedFence>, size: u32) -> Result<Self, Fault> {
        let slots = managed::Pool::builder(Sessions { connector, fence, proof: Proof::default() })
            .max_size(size.max(1) as usize)
            .timeouts(Timeouts { wait: Some(TURN_TIMEOUT), create: None, recycle: None })
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Fault::caused(Service::Database, FaultKind::Misconfigured, "no connection pool", error)
            })?;
        Ok(Self { slots, leases: TaskTracker::new(), waited: Arc::new(|_| {}) })
    }

    /// From now on tells `waited` how long each wait for a free connection took.
    pub(super) fn tell_waits_to(&mut self, waited: OnWait) {
        self.waited = waited;
    }

    /// A pool of the same size and kind for another worker of the process.
    pub(super) fn another(&self) -> Result<Self, Fault> {
        let Sessions { connector, fence, .. } = self.slots.manager();
        let another = Self::new(connector.clone(), fence.clone(), self.size())?;
        Ok(Self { waited: self.waited.clone(), ..another })
    }

    /// The most connections at a time.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.slots.status().max_size).unwrap_or(u32::MAX)
    }

    /// A session that answered within the last second and, if there is a fence, holds the run's lock: an idle
    /// one that still answers, else a new one.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, Fault> {
        loop {
            let status = self.slots.status();
            let all_in_use = status.available == 0 && status.size >= status.max_size;
            let asked = Instant::now();
            let mut slot = Box::pin(self.slots.get()).await.map_err(no_session)?;
            if all_in_use {
                (self.waited)(asked.elapsed());
            }
            // Recycling refuses empty slots, so that this loop ends at its first turn.
            if let Some(session) = slot.take() {
                let end = LeaseEnd { proof: self.proof(), answered: None };
                return Ok(Lease { session, slot, end, _under_way: self.leases.token() });
            }
        }
    }

    /// Runs what changes nothing, or nothing that lasts, within `limit`.
    pub(super) async fn read<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let mut lease = self.lease().await?;
        let asked = Instant::now();
        let result = answer(Phase::Reading, limit, work(lease.connection())).await?;
        lease.give_back(asked);
        Ok(result)
    }

    /// Connections in use, and the most that there may be.
    pub(super) fn connections(&self) -> (usize, usize) {
        let status = self.slots.status();
        (status.size.saturating_sub(status.available), status.max_size)
    }

    /// The database that the sessions of this pool lead to.
    pub(super) async fn database(&self) -> Result<TargetIdentity, Fault> {
        let lease = self.lease().await?;
        let database = lease.session.database.clone();
        lease.keep();
        Ok(database)
    }

    /// Returns at once if a session that holds the run's lock answered within the last second. Else it pings
    /// one, or opens one, which checks whether this process was retired.
    pub(super) async fn prove_fence(&self) -> Result<(), Fault> {
        if !self.proof().is_fresh() {
            self.lease().await?.keep();
        }
        Ok(())
    }

    /// Closes the idle sessions, waits for statements under way, and closes theirs too, which releases the locks.
    /// A later request for a session is refused.
    pub(super) async fn close(&self) {
        let idle = self.slots.retain(|_, _| false).removed;
        self.slots.close();
        for session in idle.into_iter().flatten() {
            // If the server does not answer, dropping the connection closes it.
            drop(tokio::time::timeout(PING_TIMEOUT, session.connection.close()).await);
        }
        self.leases.close();
        drop(tokio::time::timeout(CLOSE_TIMEOUT, self.leases.wait()).await);
        self.proof().lose();
    }

    fn proof(&self) -> &Proof {
        &self.slots.manager().proof
    }
}

fn no_session(error: PoolError<Fault>) -> Fault {
    let unavailable = |what| Fault::new(Service::Database, FaultKind::Unavailable, what);
    match error {
        PoolError::Backend(fault) => fault,
        PoolError::Closed => unavailable("the connections are closed, the process is ending"),
        PoolError::Timeout(_) => unavailable("no connection of the worker became free within 2 min"),
        error @ (PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
            Fault::caused(Service::Database, FaultKind::Misconfigured, "no connection could be opened", error)
        }
    }
}

impl managed::Manager for Sessions {
    /// Empty while a lease has the session, and after a lease closed it.
    type Type = Option<Session>;
    type Error = Fault;

    async fn create(&self) -> Result<Self::Type, Fault> {
        let asked = Instant::now();
        let (mut connection, database) = self.connector.connect().await?;
        if let Some(fence) = &self.fence {
            fence.enter(&mut connection).await?;
        }
        self.proof.renew(asked);
        Ok(Some(Session { connection, database, asked }))
    }

    async fn recycle(&self, slot: &mut Self::Type, _: &Metrics) -> RecycleResult<Fault> {
        let Some(session) = slot else { return Err(RecycleError::message("the session was closed")) };
        if session.asked.elapsed() < PROOF {
            return Ok(());
        }
        let asked = Instant::now();
        let pinged = answer(Phase::Reading, PING_TIMEOUT, session.connection.ping()).await;
        if let Err(fault) = pinged {
            self.proof.lose();
            return Err(fault.into());
        }
        session.asked = asked;
        self.proof.renew(asked);
        Ok(())
    }
}

impl Lease<'_> {
    /// The connection of the session.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.session.connection
    }

    /// Keeps the session for the next lease. Its last answer, to the request sent at `asked`, was complete, and
    /// no transaction is open.
    pub(super) fn give_back(self, asked: Instant) {
        let Self { session, mut slot, mut end, _under_way } = self;
        end.answered = Some(asked);
        *slot = Some(Session { asked, ..session });
    }

    /// Keeps the session, which was not used.
    pub(super) fn keep(self) {
        let asked = self.session.asked;
        self.give_back(asked);
    }
}

/// Tells the proof how a lease ended, also when the caller was cancelled.
struct LeaseEnd<'pool> {
    proof: &'pool Proof,
    /// When the request of the last complete answer was sent; `None` if the session is closed.
    answered: Option<Instant>,
}

impl Drop for LeaseEnd<'_> {
    fn drop(&mut self) {
        match self.answered {
            Some(asked) => self.proof.renew(asked),
            None => self.proof.lose(),
        }
    }
}

/// When the request was sent whose answer is the newest one of a session that holds the lock; `None` if unknown.
#[derive(Default)]
struct Proof(Mutex<Option<Instant>>);

impl Proof {
    fn is_fresh(&self) -> bool {
        self.lock().is_some_and(|asked| asked.elapsed() < PROOF)
    }

    fn renew(&self, asked: Instant) {
        let mut newest = self.lock();
        *newest = (*newest).max(Some(asked));
    }

    fn lose(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
