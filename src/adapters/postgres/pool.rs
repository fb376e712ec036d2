//! The few connections of one worker. Each session of a writer holds the run's lock, shared, for as long as it lives.
//!
//! A lease takes the session out of its slot, and puts it back only after a complete answer. If the caller fails or is
//! cancelled, the session is closed at once, and PostgreSQL releases the lock and the transaction with it. The driver's
//! own pool takes back the connection of a cancelled query, so it cannot be used.

mod lease;
mod proof;
mod sessions;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{self, PoolError, QueueMode, Timeouts},
};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use tokio_util::task::TaskTracker;

pub(super) use lease::Lease;
use lease::LeaseEnd;
use proof::Proof;
use sessions::{Owner, PING_TIMEOUT, Session, Sessions};

use super::{
    connect::Connector,
    fault::{Phase, answer},
    fence::SharedFence,
};
use crate::{
    domain::TargetIdentity,
    ports::{Fault, FaultKind, Gate, Service, Turn},
};

/// For a connection of the pool to become free: longer than the longest statement.
const TURN_TIMEOUT: Duration = Duration::from_mins(2);

/// For statements under way to end before the process goes on without them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// At most a fixed number of connections of one worker.
pub(super) struct Pool {
    slots: managed::Pool<Sessions>,
    /// Counts the leases.
    leases: TaskTracker,
    /// Where the target guard holds up what is to be done; `None`: nothing is held up.
    gate: Option<Arc<Gate>>,
    waited: OnWait,
}

/// Is told how long a statement waited before it was sent.
pub type OnWait = Arc<dyn Fn(WaitedFor, Duration) + Send + Sync>;

/// What a statement waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitedFor {
    /// A connection, because all were in use.
    Connection,
    /// Its turn, because the target guard slows the process down.
    Turn,
}

impl Pool {
    pub(super) fn new(connector: Connector, fence: Option<SharedFence>, size: u32) -> Result<Self, Fault> {
        let slots = managed::Pool::builder(Sessions::new(connector, fence))
            .max_size(size.max(1) as usize)
            .timeouts(Timeouts { wait: Some(TURN_TIMEOUT), create: None, recycle: None })
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| {
                Fault::caused(Service::Database, FaultKind::Misconfigured, "no connection pool", error)
            })?;
        Ok(Self { slots, leases: TaskTracker::new(), gate: None, waited: Arc::new(|_, _| {}) })
    }

    /// From now on lets work begin through `gate`, and tells `waited` how long each wait took.
    pub(super) fn slow_by(&mut self, gate: Arc<Gate>, waited: OnWait) {
        (self.gate, self.waited) = (Some(gate), waited);
    }

    /// A pool of the same size and kind for another worker of the process.
    pub(super) fn another(&self) -> Result<Self, Fault> {
        let sessions = self.slots.manager();
        let owner = sessions.owner();
        let another = Self::new(sessions.connector.named(&owner.name), owner.fence, self.size())?;
        Ok(Self { gate: self.gate.clone(), waited: self.waited.clone(), ..another })
    }

    /// The same sessions for the next shard of the process, under this name and with its fence. The shard before is over.
    ///
    /// They have held the run's lock since before the next shard's writer was registered: no process can have retired that one
    /// meanwhile. A session that is opened later checks it.
    pub(super) fn handed_on(&self, name: &str, fence: SharedFence, waited: OnWait) -> Self {
        self.slots.manager().belong_to(Owner { name: name.into(), fence: Some(fence) });
        let (slots, leases) = (self.slots.clone(), self.leases.clone());
        Self { slots, leases, gate: self.gate.clone(), waited }
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
                (self.waited)(WaitedFor::Connection, asked.elapsed());
            }
            // Recycling refuses empty slots, so that this loop ends at its first turn.
            if let Some(session) = slot.take() {
                let end = LeaseEnd { proof: self.proof(), answered: None };
                let turn = Turn::free();
                return Ok(Lease { session, slot, end, turn, _under_way: self.leases.token() });
            }
        }
    }

    /// The same for work on the target, once the guard lets it begin.
    pub(super) async fn lease_in_turn(&self) -> Result<Lease<'_>, Fault> {
        let turn = match &self.gate {
            Some(gate) => gate.enter().await,
            None => Turn::free(),
        };
        Ok(Lease { turn, ..self.lease().await? })
    }

    /// Whether the guard lets in less than one statement at a time.
    pub(super) fn is_narrow(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_narrow())
    }

    /// Tells that what this lease is for waited for it so long.
    pub(super) fn tell_waited(&self, lease: &Lease<'_>, waited: Duration) {
        let on = if lease.turn.waited().is_some() { WaitedFor::Turn } else { WaitedFor::Connection };
        (self.waited)(on, waited);
    }

    /// Runs what changes nothing, or nothing that lasts, within `limit`, in its turn.
    pub(super) async fn read<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let lease = self.lease_in_turn().await?;
        if let Some(waited) = lease.turn.waited() {
            (self.waited)(WaitedFor::Turn, waited);
        }
        Self::run(lease, limit, work).await
    }

    /// The same for the guard's own look, which must not wait for its turn.
    pub(super) async fn look<T>(
        &self,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        Self::run(self.lease().await?, limit, work).await
    }

    async fn run<T>(
        mut lease: Lease<'_>,
        limit: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let asked = Instant::now();
        let result = answer(Phase::Reading, limit, work(lease.connection())).await?;
        lease.give_back(asked);
        Ok(result)
    }

    /// Opens sessions side by side until there are so many. What cannot be opened now is met again by the first statement
    /// that needs it.
    pub(super) async fn open(&self, sessions: usize) {
        let status = self.slots.status();
        let missing = sessions.min(status.max_size).saturating_sub(status.size);
        // Idle ones would be taken instead of new ones: they are held meanwhile.
        let held = if missing > 0 { status.available } else { 0 };
        for opened in join_all((0..missing + held).map(|_| self.lease())).await {
            match opened {
                Ok(lease) => lease.keep(),
                Err(fault) => tracing::debug!(fault = %fault.chain(), "a connection was not opened ahead"),
            }
        }
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
    let fault = match error {
        PoolError::Backend(fault) => fault,
        PoolError::Closed => unavailable("the connections are closed, the process is ending"),
        PoolError::Timeout(_) => unavailable("no connection of the worker became free within 2 min"),
        error @ (PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
            Fault::caused(Service::Database, FaultKind::Misconfigured, "no connection could be opened", error)
        }
    };
    fault.before_asking()
}
