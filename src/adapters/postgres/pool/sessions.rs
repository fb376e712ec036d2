//! The sessions of a pool: opened for one shard after another, and checked before they are used again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use sqlx::{Connection, PgConnection};

use super::proof::{LASTS, Proof};
use crate::{
    adapters::postgres::{
        connect::{Connector, Opened},
        fault::{Phase, answer},
        fence::SharedFence,
    },
    domain::TargetIdentity,
    ports::Fault,
};

/// For the answer to a ping.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens sessions, and checks that an idle one is alive.
pub(in crate::adapters::postgres) struct Sessions {
    pub(super) connector: Connector,
    owner: Mutex<Owner>,
    pub(super) proof: Proof,
}

/// The shard and writer that new sessions are opened for.
#[derive(Clone)]
pub(super) struct Owner {
    /// Application name, which the server shows beside the lock.
    pub(super) name: Arc<str>,
    pub(super) fence: Option<SharedFence>,
}

/// A connection that holds the run's lock, if there is a fence.
pub(in crate::adapters::postgres) struct Session {
    pub(super) connection: PgConnection,
    pub(super) database: TargetIdentity,
    /// The server process that answered when it was opened.
    pub(super) process: i32,
    /// The application name that the server shows for it.
    pub(super) name: Arc<str>,
    /// When the request of its newest answer was sent.
    pub(super) asked: Instant,
}

impl Sessions {
    pub(super) fn new(connector: Connector, fence: Option<SharedFence>) -> Self {
        let owner = Mutex::new(Owner { name: connector.name().into(), fence });
        Self { connector, owner, proof: Proof::default() }
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn open(&self) -> Result<Session, Fault> {
        let asked = Instant::now();
        let Owner { name, fence } = self.owner();
        let Opened { mut connection, database, process, .. } = self.connector.named(&name).connect().await?;
        if let Some(fence) = &fence {
            fence.enter(&mut connection).await?;
        }
        self.proof.renew(asked);
        Ok(Session { connection, database, process, name, asked })
    }

    /// From now on sessions are the new owner's.
    pub(super) fn belong_to(&self, owner: Owner) {
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = owner;
        // The first upload asks a session, which has the new name from then on.
        self.proof.lose();
    }
}

impl managed::Manager for Sessions {
    /// Empty while a lease has the session, and after a lease closed it.
    type Type = Option<Session>;
    type Error = Fault;

    /// On the heap: every row that waits for a session would hold room for it, three times over.
    async fn create(&self) -> Result<Self::Type, Fault> {
        Box::pin(self.open()).await.map(Some)
    }

    async fn recycle(&self, slot: &mut Self::Type, _: &Metrics) -> RecycleResult<Fault> {
        let Some(session) = slot else { return Err(RecycleError::message("the session was closed")) };
        let name = self.owner().name;
        let is_handed_on = session.name != name;
        if session.asked.elapsed() < LASTS && !is_handed_on {
            return Ok(());
        }
        let asked = Instant::now();
        let answered = if is_handed_on {
            answer(Phase::Reading, PING_TIMEOUT, rename(&mut session.connection, &name)).await
        } else {
            answer(Phase::Reading, PING_TIMEOUT, session.connection.ping()).await
        };
        if let Err(fault) = answered {
            self.proof.lose();
            return Err(fault.into());
        }
        session.name = name;
        session.asked = asked;
        self.proof.renew(asked);
        Ok(())
    }
}

/// The server shows the session under this name from now on.
async fn rename(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    const SQL: &str = "select set_config('application_name', $1, false)";
    sqlx::query(SQL).bind(name).persistent(false).execute(connection).await.map(drop)
}
