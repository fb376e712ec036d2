//! Commits that share a round trip: whatever waits when a connection becomes free goes in one statement. No commit waits
//! for company: the first one that finds a connection takes along who is there.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use sqlx::{Connection, PgConnection};
use tokio::sync::{
    Semaphore,
    oneshot::{self, error::TryRecvError},
};

use super::{
    LIMIT, is_in_doubt,
    outgoing::{Parcel, Prepared, Sent},
};
use crate::{
    adapters::postgres::{
        PostgresWriter, SentStatement,
        fault::{Phase, answer},
        pool::Lease,
    },
    ports::{Fault, FaultKind, Service},
};

/// The most submissions of one statement.
pub(in crate::adapters::postgres) const MOST: usize = 64;
/// The same while the target guard lets in less than one statement at a time: a large one keeps a processor of the target
/// from other clients for as long as it takes.
const FEW: usize = 4;

/// Commits of one worker that wait for a connection.
pub(in crate::adapters::postgres) struct Company {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Those that fetch a connection: as many as there are. The others wait to be taken along.
    senders: Semaphore,
}

/// A commit that waits, oldest first.
struct Waiting {
    parcel: Arc<Parcel>,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

/// What the statement that took a commit along came to.
pub(super) enum Answer {
    Sent(Sent),
    /// One of the rows was refused, or stored otherwise, and nothing was written: each is to be sent by itself.
    Singly,
    /// The fault of the whole statement.
    Failed(Fault),
}

impl Company {
    /// For a worker with so many connections.
    pub fn new(connections: u32) -> Self {
        Self { waiting: Mutex::default(), senders: Semaphore::new(connections.max(1) as usize) }
    }

    /// Takes the oldest waiting commits, `most` of them, in the order of their launch ids. Those whose caller is gone are left out.
    fn take(&self, most: usize) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut waiting = self.waiting();
        while taken.len() < most
            && let Some(oldest) = waiting.pop_front()
        {
            if !oldest.answer.is_closed() {
                taken.push(oldest);
            }
        }
        taken.sort_by(|one, other| one.parcel.launch_id.cmp(&other.parcel.launch_id));
        taken
    }

    fn waits(&self, parcel: &Arc<Parcel>) -> bool {
        self.waiting().iter().any(|waiting| Arc::ptr_eq(&waiting.parcel, parcel))
    }

    /// Whether it waited until now.
    fn leave(&self, parcel: &Arc<Parcel>) -> bool {
        let mut waiting = self.waiting();
        let before = waiting.len();
        waiting.retain(|waiting| !Arc::ptr_eq(&waiting.parcel, parcel));
        waiting.len() < before
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the parcel in the next statement that has a connection. The caller may be the one that sends, for itself and the
/// others; what it sent for others goes on until it is answered.
pub(super) async fn send(
    target: &PostgresWriter,
    prepared: &Prepared,
    parcel: Parcel,
) -> Result<Answer, Fault> {
    let company = &target.side.company;
    let parcel = Arc::new(parcel);
    let (answer, mut answered) = oneshot::channel();
    company.waiting().push_back(Waiting { parcel: parcel.clone(), since: Instant::now(), answer });
    let _left = LeavesIfCancelled(company, &parcel);
    while company.waits(&parcel) {
        let _sender = tokio::select! {
            biased;
            answer = &mut answered => return Ok(answer.unwrap_or_else(|_| interrupted())),
            sender = company.senders.acquire() => sender,
        };
        if !company.waits(&parcel) {
            break;
        }
        match Box::pin(target.pool.lease_in_turn()).await {
            // Boxed: of all that wait only those that send need it.
            Ok(lease) => {
                let most = if target.pool.is_narrow() { FEW } else { MOST };
                Box::pin(send_all(target, prepared, lease, company.take(most))).await;
            }
            Err(fault) if company.leave(&parcel) => return Err(fault),
            Err(_) => {}
        }
    }
    match answered.try_recv() {
        Ok(answer) => Ok(answer),
        Err(TryRecvError::Closed) => Ok(interrupted()),
        Err(TryRecvError::Empty) => Ok(answered.await.unwrap_or_else(|_| interrupted())),
    }
}

/// A caller that is cancelled waits no longer.
struct LeavesIfCancelled<'c>(&'c Company, &'c Arc<Parcel>);

impl Drop for LeavesIfCancelled<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

/// The caller that sent the statement was cancelled before it was answered.
fn interrupted() -> Answer {
    let what = "the statement of several rows was interrupted before its answer came";
    Answer::Failed(Fault::new(Service::Database, FaultKind::AnswerLost, what))
}

async fn send_all(target: &PostgresWriter, prepared: &Prepared, mut lease: Lease<'_>, batch: Vec<Waiting>) {
    if batch.is_empty() {
        // All of them were taken along meanwhile.
        lease.keep();
        return;
    }
    for waiting in &batch {
        target.pool.tell_waited(&lease, waiting.since.elapsed());
    }
    let asked = Instant::now();
    let parcels: Vec<&Parcel> = batch.iter().map(|waiting| &*waiting.parcel).collect();
    let sent = match parcels.as_slice() {
        [one] => send_one(lease.connection(), prepared, one).await.map(Some),
        many => send_many(lease.connection(), prepared, many).await,
    };
    let took = asked.elapsed();
    // A full statement has some 700 kB: too much to keep for each connection.
    lease.connection().shrink_buffers();
    if !is_in_doubt(&sent) {
        lease.give_back(asked);
    }
    match sent {
        Ok(Some(sent)) => {
            (target.side.sent)(SentStatement { submissions: batch.len(), took, in_transaction: false });
            for (waiting, sent) in batch.into_iter().zip(sent) {
                // Its caller may be gone.
                drop(waiting.answer.send(Answer::Sent(sent)));
            }
        }
        Ok(None) => batch.into_iter().for_each(|waiting| drop(waiting.answer.send(Answer::Singly))),
        Err(fault) => {
            for waiting in batch {
                drop(waiting.answer.send(Answer::Failed(fault.again())));
            }
        }
    }
}

async fn send_one(
    connection: &mut PgConnection,
    prepared: &Prepared,
    parcel: &Parcel,
) -> Result<Vec<Sent>, Fault> {
    Ok(vec![answer(Phase::Writing, LIMIT, parcel.send(connection, prepared)).await?])
}

/// `None` if the whole statement was refused because of one of its rows: nothing was written, and the rows are to be sent
/// singly.
async fn send_many(
    connection: &mut PgConnection,
    prepared: &Prepared,
    parcels: &[&Parcel],
) -> Result<Option<Vec<Sent>>, Fault> {
    match answer(Phase::Writing, LIMIT, Parcel::send_many(connection, prepared, parcels)).await {
        Err(fault) if matches!(fault.kind, FaultKind::Rejected(_)) => Ok(None),
        sent => sent,
    }
}
