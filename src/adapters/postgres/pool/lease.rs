//! A session of the pool while it is used.

use std::time::Instant;

use deadpool::managed;
use sqlx::PgConnection;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Proof, Session, Sessions};
use crate::ports::Turn;

/// A session in use. Dropped, it closes the session; [`Lease::give_back`] keeps it.
#[must_use]
pub(in crate::adapters::postgres) struct Lease<'pool> {
    // Closed before its slot is free for another one: the server never sees more connections than slots.
    pub(super) session: Session,
    pub(super) slot: managed::Object<Sessions>,
    pub(super) end: LeaseEnd<'pool>,
    pub(super) turn: Turn,
    pub(super) _under_way: TaskTrackerToken,
}

impl Lease<'_> {
    /// The connection of the session.
    pub(in crate::adapters::postgres) fn connection(&mut self) -> &mut PgConnection {
        &mut self.session.connection
    }

    /// The server process that answered when the session was opened.
    pub(in crate::adapters::postgres) fn process(&self) -> i32 {
        self.session.process
    }

    /// Keeps the session for the next lease. Its last answer, to the request sent at `asked`, was complete, and
    /// no transaction is open.
    pub(in crate::adapters::postgres) fn give_back(self, asked: Instant) {
        let Self { session, mut slot, mut end, turn: _turn, _under_way } = self;
        end.answered = Some(asked);
        *slot = Some(Session { asked, ..session });
    }

    /// Keeps the session, which was not used.
    pub(in crate::adapters::postgres) fn keep(self) {
        let asked = self.session.asked;
        self.give_back(asked);
    }
}

/// Tells the proof how a lease ended, also when the caller was cancelled.
pub(super) struct LeaseEnd<'pool> {
    pub(super) proof: &'pool Proof,
    /// When the request of the last complete answer was sent; `None` if the session is closed.
    pub(super) answered: Option<Instant>,
}

impl Drop for LeaseEnd<'_> {
    fn drop(&mut self) {
        match self.answered {
            Some(asked) => self.proof.renew(asked),
            None => self.proof.lose(),
        }
    }
}
