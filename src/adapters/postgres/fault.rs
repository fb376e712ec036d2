//! What the driver and the server said, turned into a [`Fault`]: whether to try again, to settle, or
//! to blame the row.

use std::{future::Future, io::ErrorKind, time::Duration};

use sqlx::postgres::PgDatabaseError;

use crate::ports::{Fault, FaultKind, Service};

/// Phase of an operation: decides how a lost connection is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// While a session is opened, before any statement.
    Connecting,
    /// Sending a statement that changes nothing, or nothing that outlives its session.
    Reading,
    /// Sending a statement that may take effect even if its answer is lost.
    Writing,
}

impl Phase {
    /// Kind of the fault if the connection breaks, or the server does not answer in time, in this phase.
    fn lost(self) -> FaultKind {
        match self {
            Self::Connecting | Self::Reading => FaultKind::Unavailable,
            Self::Writing => FaultKind::AnswerLost,
        }
    }
}

/// Waits for the server's answer, `limit` at most.
pub(super) async fn answer<T>(
    phase: Phase,
    limit: Duration,
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, asking).await {
        Ok(result) => result.map_err(|error| fault(phase, error)),
        Err(_elapsed) => {
            let what = format!("no answer within {} s", limit.as_secs());
            Err(Fault::new(Service::Database, phase.lost(), what))
        }
    }
}

/// A fault that stays until a setting or the schema is corrected.
pub(super) fn misconfigured(what: impl Into<String>) -> Fault {
    Fault::new(Service::Database, FaultKind::Misconfigured, what)
}

const TLS_FAILED: &str =
    "TLS failed; check the server's certificate, and sslmode and sslrootcert in DATABASE_URL";

fn fault(phase: Phase, error: sqlx::Error) -> Fault {
    let (kind, what) = match error {
        sqlx::Error::Database(said) => match said.try_downcast_ref::<PgDatabaseError>() {
            Some(said) => return refusal(phase, said),
            None => (FaultKind::Unavailable, "the server refused"),
        },
        sqlx::Error::Io(cause) => return broken(phase, cause),
        // The driver cannot parse the answer: usually the connection was cut in the middle of a message.
        sqlx::Error::Protocol(_) => (phase.lost(), "the connection broke off in the middle of an answer"),
        sqlx::Error::Tls(cause) => {
            return Fault::caused(Service::Database, FaultKind::Misconfigured, TLS_FAILED, cause);
        }
        sqlx::Error::Configuration(_) => {
            (FaultKind::Misconfigured, "DATABASE_URL, or a certificate it names, cannot be used")
        }
        // PostgreSQL's wire format cannot hold a value. The error's text may quote it, so it is left out.
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => {
            (FaultKind::Rejected("encoding".into()), "a value of the row cannot be sent")
        }
        // All other variants concern the shape of an answer. The enum is non-exhaustive: new variants end here too.
        _ => {
            (FaultKind::Misconfigured, "the answer is not of the expected shape; compare the target's schema")
        }
    };
    Fault::new(Service::Database, kind, what)
}

/// An I/O error. While a connection opens, some of them come from the certificates, not from the network.
fn broken(phase: Phase, cause: std::io::Error) -> Fault {
    let (kind, what) = match cause.kind() {
        ErrorKind::InvalidData if phase == Phase::Connecting => (FaultKind::Misconfigured, TLS_FAILED),
        ErrorKind::NotFound | ErrorKind::PermissionDenied if phase == Phase::Connecting => (
            FaultKind::Misconfigured,
            "a socket, or a certificate's file, that DATABASE_URL names cannot be opened",
        ),
        _ => (phase.lost(), "the connection failed"),
    };
    Fault::caused(Service::Database, kind, what, cause)
}

/// An error that the server itself reported. Its `DETAIL`, and for faults of the row its message too,
/// may quote personal data and are left out.
fn refusal(phase: Phase, said: &PgDatabaseError) -> Fault {
    let code = said.code();
    let kind = kind_of(phase, said);
    let what = match &kind {
        FaultKind::Rejected(name) => {
            let table = said.table().map(|table| format!(" of {table}")).unwrap_or_default();
            format!("{name}{table} refuses the row (SQLSTATE {code}, {})", class_name(code))
        }
        FaultKind::Unauthenticated => {
            format!("{} (SQLSTATE {code}); check the user and password of DATABASE_URL", said.message())
        }
        FaultKind::Denied => format!("{} (SQLSTATE {code}); grant the right", said.message()),
        _ => format!("{} (SQLSTATE {code})", said.message()),
    };
    let mut fault = Fault::new(Service::Database, kind, what);
    fault.code = Some(code.into());
    fault
}

/// Every SQLSTATE class has one answer. An error that the server reports has rolled its statement back;
/// only if the session itself died is the effect in doubt.
fn kind_of(phase: Phase, said: &PgDatabaseError) -> FaultKind {
    match said.code() {
        // The backend was terminated or crashed while it worked, or the outcome of the statement is unknown (40003).
        "57P01" | "57P02" | "57P05" | "40003" => phase.lost(),
        // Missing rights; the other codes of class 42 are missing or mistyped objects.
        "42501" => FaultKind::Denied,
        // Read-only: the primary has moved, and the name still leads to the old one.
        "25006" => FaultKind::Unavailable,
        // The column's type refuses the text of a value. This program formats every value for the expected type, so the
        // type was changed; if PL/pgSQL reports it, a trigger converted a value of the row.
        "22P02" if !said.r#where().is_some_and(|place| place.contains("PL/")) => FaultKind::Misconfigured,
        // An object in the wrong state, a dropped database, corrupt data.
        "55000" | "57P04" | "XX001" | "XX002" => FaultKind::Misconfigured,
        code => match code.get(..2).unwrap_or_default() {
            // Data, integrity, a raise in a trigger, check option, a row too large for an index.
            "22" | "23" | "27" | "44" | "54" | "P0" => FaultKind::Rejected(blamed(said)),
            "28" => FaultKind::Unauthenticated,
            "08" => phase.lost(),
            // No such database, schema, table, column, function, type.
            "3D" | "3F" | "42" => FaultKind::Misconfigured,
            // 0A: a cached plan met a changed table; 25: idle in transaction too long; 40: serialization,
            // deadlock; 53: connections, memory, disk; 55: locks; 57: cancelled, starting; 58, XX: system.
            // Unknown codes blame no row.
            _ => FaultKind::Unavailable,
        },
    }
}

/// Name of the constraint that refused the row, else of the column, else of the type, else the SQLSTATE.
fn blamed(said: &PgDatabaseError) -> String {
    said.constraint()
        .or_else(|| said.column())
        .or_else(|| said.data_type())
        .map_or_else(|| format!("SQLSTATE {}", said.code()), ToOwned::to_owned)
}

fn class_name(code: &str) -> &'static str {
    match code {
        "23502" => "not null",
        "23503" => "foreign key",
        "23505" => "unique",
        "23514" => "check",
        "22001" => "text too long",
        "22003" => "number out of range",
        "22021" => "character that the encoding does not hold",
        _ if code.starts_with("22") => "data",
        _ if code.starts_with("23") => "integrity",
        _ if code.starts_with("P0") => "raised by a trigger or function",
        _ => "limit or option of the table",
    }
}
