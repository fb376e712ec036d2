//! Whom a fault speaks of.

use crate::ports::{Fault, FaultKind, Retry, Service};

/// Whom a fault speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Row,
    File,
    Service,
}

/// A source file may be missing or forbidden by itself; a target, warehouse or run store that refuses
/// after the plan stood (expired credentials, a full disk, a dropped table) refuses every row.
pub(super) fn scope(fault: &Fault) -> Scope {
    match &fault.kind {
        FaultKind::Corrupt if matches!(fault.service, Service::SourceBlobs | Service::TargetBlobs) => {
            Scope::File
        }
        FaultKind::Rejected(_)
        | FaultKind::Exists
        | FaultKind::Changed
        | FaultKind::Corrupt
        | FaultKind::Fenced
        | FaultKind::Unsupported => Scope::Row,
        FaultKind::Denied | FaultKind::NotFound | FaultKind::Misconfigured => {
            if fault.service == Service::SourceBlobs { Scope::Row } else { Scope::Service }
        }
        // Whoever's file it is that could not be read with them.
        FaultKind::Unauthenticated => Scope::Service,
        FaultKind::Unavailable | FaultKind::Throttled(_) | FaultKind::AnswerLost => {
            match fault.kind.retry() {
                Retry::Again | Retry::Settle => Scope::Service,
                Retry::Never => Scope::Row,
            }
        }
    }
}
