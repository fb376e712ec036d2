//! Fail codes and messages for rows that could not be copied or committed.

use crate::{
    domain::{FailCode, Failure, FileKind, PlannedFile},
    exit::{Exit, Stop},
    ports::{Fault, FaultKind, Service},
    shard::{Shard, pace::Trouble},
};

/// The failure of a row one of whose files could not be copied. The file is named by its place: its name
/// and path may be personal data, and the failure CSV holds them anyway.
pub(super) fn blame_file(shard: &Shard, fault: &Fault, file: &PlannedFile) -> Result<Failure, Trouble> {
    tracing::debug!(fault = %fault.chain(), "a file could not be copied");
    let (code, what) = match (&fault.kind, fault.service) {
        (FaultKind::Fenced, _) => return Err(retired(shard)),
        (FaultKind::NotFound, Service::SourceBlobs) => (FailCode::FileMissing, "is not at its source"),
        (FaultKind::NameRefused, Service::SourceBlobs) => {
            (FailCode::FileMissing, "is not at its source, which takes no name like this")
        }
        (FaultKind::NameRefused, _) => {
            (FailCode::FileNameRefused, "could not be stored: the target takes no blob of this name")
        }
        (FaultKind::Archived, _) => {
            (FailCode::FileArchived, "cannot be read: it is in the archive tier; rehydrate it")
        }
        (FaultKind::Denied | FaultKind::Unauthenticated, Service::SourceBlobs) => {
            (FailCode::FileForbidden, "may not be read: its source refused")
        }
        (FaultKind::Changed, _) => (FailCode::FileChanged, "changed at its source while it was copied"),
        (FaultKind::Corrupt, _) => (
            FailCode::FileCorrupt,
            "does not have the length or MD5 that its source says, in each of three tries",
        ),
        (FaultKind::Exists | FaultKind::Unsupported, _) => (FailCode::InternalError, "could not be stored"),
        (
            FaultKind::Unavailable
            | FaultKind::Throttled(_)
            | FaultKind::AnswerLost
            | FaultKind::Unauthenticated
            | FaultKind::NoRole
            | FaultKind::Denied
            | FaultKind::NotFound
            | FaultKind::ContainerGone
            | FaultKind::Immutable
            | FaultKind::Misconfigured
            | FaultKind::Rejected(_),
            service,
        ) => {
            let what = match service {
                Service::TargetBlobs => {
                    "could not be stored: the target failed at each try, and answered before and after"
                }
                _ => "could not be read: its server failed at each try, and answered before and after",
            };
            (FailCode::Unavailable, what)
        }
    };
    let kind = match file.kind {
        FileKind::Learner => "learner",
        FileKind::Marker => "marker",
    };
    let server = &file.source[..url::Position::BeforePath];
    let why = fault.of_file.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let message =
        format!("file {} of the submission (a {kind} file, from {server}) {what}{why}", file.upload_order);
    Ok(Failure { code, message })
}

/// The failure of a row that could not be committed.
pub(super) fn blame_commit(shard: &Shard, fault: &Fault) -> Result<Failure, Trouble> {
    let code = match &fault.kind {
        FaultKind::Fenced => return Err(retired(shard)),
        FaultKind::Rejected(_) => FailCode::TargetRejected,
        FaultKind::Unavailable
        | FaultKind::Throttled(_)
        | FaultKind::AnswerLost
        | FaultKind::Unauthenticated
        | FaultKind::NoRole
        | FaultKind::Denied
        | FaultKind::NotFound
        | FaultKind::ContainerGone
        | FaultKind::Misconfigured => FailCode::Unavailable,
        FaultKind::NameRefused
        | FaultKind::Archived
        | FaultKind::Immutable
        | FaultKind::Exists
        | FaultKind::Changed
        | FaultKind::Corrupt
        | FaultKind::Unsupported => FailCode::InternalError,
    };
    // The server's words may quote a row: a trigger may have written them.
    let message = match &fault.code {
        Some(sqlstate) if code == FailCode::Unavailable => format!(
            "target database: it refused this row at each try (SQLSTATE {sqlstate}), and took rows of other attempts \
             beside it; its own log names the cause"
        ),
        _ => fault.chain(),
    };
    Ok(Failure { code, message })
}

/// A retired process may not write rows any more.
fn retired(shard: &Shard) -> Trouble {
    shard.left_blobs();
    let message = format!(
        "this process (writer {}) was retired: finalize, rollback or a sweep ran while it was cut off. It wrote nothing since; run again",
        shard.writer
    );
    Trouble::Process(Stop::new(Exit::Temporary, message))
}
