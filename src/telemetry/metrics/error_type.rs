//! Faults as the attribute `error.type`.

use crate::ports::FaultKind;

/// A name of few values, as the conventions want it.
pub(super) fn error_type(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Unavailable => "unavailable",
        FaultKind::Throttled(_) => "throttled",
        FaultKind::AnswerLost => "answer_lost",
        FaultKind::Unauthenticated => "unauthenticated",
        FaultKind::Denied => "denied",
        FaultKind::NoRole => "no_role",
        FaultKind::NotFound => "not_found",
        FaultKind::ContainerGone => "container_gone",
        FaultKind::NameRefused => "name_refused",
        FaultKind::Archived => "archived",
        FaultKind::Immutable => "immutable",
        FaultKind::Exists => "exists",
        FaultKind::Changed => "changed",
        FaultKind::Corrupt => "corrupt",
        FaultKind::Rejected(_) => "rejected",
        FaultKind::Fenced => "fenced",
        FaultKind::Misconfigured => "misconfigured",
        FaultKind::Unsupported => "unsupported",
    }
}
