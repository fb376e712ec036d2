//! What one operation has met so far, and when that is its row's own fault.

use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{Backoff, Fault, FaultKind, Service};

/// Failures of an operation before its service is asked whether it answers at all.
const BEFORE_SUSPICION: u32 = 3;
/// Failures between two answers of the service that prove the row's own fault: with those before them they span
/// some ten seconds, so that neither a flapping service nor a moving one blames a row.
const PROOFS: u32 = 5;
/// The same if one of them was refused by [what passes](may_pass): some minutes, because an application's transaction may hold
/// what one row needs for as long, and takes nothing else from others.
const PROOFS_IN_CONTENTION: u32 = 20;

/// SQLSTATEs of a statement that met another transaction, or a server that was short of something: a deadlock, a lock that did
/// not come, memory, a statement that was cancelled, by the session's own limit too, which a lock that is held uses up.
const CONTENTION: [&str; 6] = ["40001", "40P01", "53000", "53200", "55P03", "57014"];
/// What SQLSTATEs begin with that tell of the server or the session, never of a row: connection, transaction that may only
/// read, identity, full disk, connection and configuration limits, shutdown and start, I/O, configuration file.
const OF_THE_SERVER: [&str; 10] = ["08", "25", "28", "3D", "53100", "53300", "53400", "57P", "58", "F0"];

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again after this.
    Wait(Duration),
    /// It is the row's own.
    Blame,
    /// The service is still unreachable.
    GiveUp,
}

/// What the service said for itself beside a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It was not asked, or fell silent afterwards.
    None,
    /// It answered right before and right after.
    Vouched,
    /// It did not answer the question, whose fault the failure is: the operation was not tried.
    Refused,
}

/// Counts the tries of one operation.
pub(super) struct Tries {
    pub began: Instant,
    /// The newest failure, or the beginning.
    pub previous: Instant,
    pub count: u32,
    /// Those in which the file was damaged on its way.
    pub damaged: u32,
    /// Failures while the service answered everyone else.
    pub alone: u32,
    /// An answer was lost: it may have taken effect.
    pub in_doubt: bool,
    /// The service can be asked, and without that no row is blamed for a service's fault.
    pub is_examined: bool,
    /// Failures between two answers of the service.
    proofs: u32,
    /// So many of them are needed.
    needed: u32,
    /// Of the newest failure.
    service: Option<Service>,
}

impl Tries {
    pub(super) fn new(is_examined: bool) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            previous: now,
            count: 0,
            damaged: 0,
            alone: 0,
            in_doubt: false,
            is_examined,
            proofs: 0,
            needed: PROOFS,
            service: None,
        }
    }

    /// Counts one more failed try.
    pub(super) fn count(&mut self, fault: &Fault) {
        self.count += 1;
        self.damaged += u32::from(fault.kind == FaultKind::Corrupt);
        self.in_doubt |= fault.kind == FaultKind::AnswerLost;
        self.service = may_be_blamed(fault).then_some(fault.service);
        if may_pass(fault) {
            self.needed = PROOFS_IN_CONTENTION;
        }
    }

    /// The service to be asked before it is tried again: one of those that the operation needs.
    pub(super) fn suspect(&self, services: &[Service]) -> Option<Service> {
        let may_be_blamed = self.count >= BEFORE_SUSPICION && !self.in_doubt;
        self.service.filter(|service| may_be_blamed && services.contains(service))
    }

    /// Whether one more failure between two answers proves the row's own fault.
    pub(super) fn next_proof_decides(&self) -> bool {
        self.proofs + 1 >= self.needed
    }

    /// The newest failure was between two answers of the service.
    pub(super) fn vouched(&mut self) -> Verdict {
        self.proofs += 1;
        if self.proofs >= self.needed && !self.in_doubt {
            Verdict::Blame
        } else {
            Verdict::Wait(Backoff::OPERATION.pause(self.count))
        }
    }
}

/// Whether the database refused for what passes, and any other statement may meet next: another transaction, or a server that
/// is short of something.
pub fn may_pass(fault: &Fault) -> bool {
    fault.code.as_deref().is_some_and(|code| CONTENTION.contains(&code))
}

/// Whether the fault may turn out to be its row's. Throttling is waited for, what may have taken effect is settled, and
/// a refusal of our identity or of a whole container is held: none of them is ever a row's fault.
pub(super) fn may_be_blamed(fault: &Fault) -> bool {
    if fault.service == Service::Database {
        return may_be_of_a_row(fault);
    }
    !matches!(
        fault.kind,
        FaultKind::Throttled(_)
            | FaultKind::AnswerLost
            | FaultKind::Unauthenticated
            | FaultKind::NoRole
            | FaultKind::ContainerGone
            | FaultKind::Denied
    )
}

/// Whether a refusal that is temporary by its SQLSTATE may come from the rows that were sent. Without a SQLSTATE the
/// database did not answer.
fn may_be_of_a_row(fault: &Fault) -> bool {
    let is_refusal = fault.kind == FaultKind::Unavailable && !fault.before_asking;
    let code = fault.code.as_deref().filter(|_| is_refusal);
    code.is_some_and(|code| !OF_THE_SERVER.iter().any(|beginning| code.starts_with(beginning)))
}
