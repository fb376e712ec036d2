//! The scope of a fault: one row, one file, or the whole service.

use crate::ports::{Fault, FaultKind, Service};

/// The scope of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Row,
    File,
    Service,
}

/// A source file may be missing or forbidden by itself; a target, warehouse or run store that refuses
/// after the plan stood (expired credentials, a full disk, a dropped table) refuses every row.
pub(super) fn scope(fault: &Fault) -> Scope {
    if fault.before_asking {
        return Scope::Service;
    }
    match &fault.kind {
        FaultKind::Corrupt if matches!(fault.service, Service::SourceBlobs | Service::TargetBlobs) => {
            Scope::File
        }
        FaultKind::Rejected(_)
        | FaultKind::Exists
        | FaultKind::Changed
        | FaultKind::Corrupt
        | FaultKind::Fenced
        | FaultKind::NameRefused
        | FaultKind::Archived
        | FaultKind::Unsupported => Scope::Row,
        // An answer that no storage service gives: whether the file or its server is at fault, questions tell.
        FaultKind::Misconfigured if fault.status.is_some() => Scope::Service,
        FaultKind::Denied | FaultKind::NotFound | FaultKind::Misconfigured => {
            if fault.service == Service::SourceBlobs { Scope::Row } else { Scope::Service }
        }
        // Our own credentials or a whole container is at fault, so that no single file is to blame.
        FaultKind::Unauthenticated | FaultKind::NoRole | FaultKind::ContainerGone | FaultKind::Immutable => {
            Scope::Service
        }
        FaultKind::Unavailable | FaultKind::Throttled(_) | FaultKind::AnswerLost => Scope::Service,
    }
}
