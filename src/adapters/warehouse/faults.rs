//! Converts the driver's errors into faults: whether to retry, and a sentence for the operator.

use std::{io::ErrorKind, time::Duration};

use tiberius::error::{Error, TokenError};

use super::rows::Which;
use crate::ports::{Fault, FaultKind, Service};

/// Error numbers of temporary conditions: the database is moving or busy, or this session was a deadlock's victim.
const TRANSIENT: [u32; 20] = [
    40613, 40501, 40197, 49918, 49919, 49920, 10928, 10929, 4221, 1205, 615, 926, // warehouse.md
    601, 617, 1222, 3960, 40143, 40166, 40540, 42109,
];

/// Severities from here on mean resources, not the statement.
const RESOURCES: u8 = 17;

/// A temporary fault of the warehouse.
pub(super) fn unavailable(what: String) -> Fault {
    Fault::new(Service::Warehouse, FaultKind::Unavailable, what)
}

/// A table that held `before` rows and a moment later `now`.
pub(super) fn being_loaded(place: &str, which: Which, before: u64, now: u64) -> Fault {
    unavailable(format!(
        "{place}: dbo.{} had {before} of the rows that were asked for, and {now} when it was asked again: it is being \
         loaded, or was emptied",
        which.table()
    ))
}

/// A gateway on this machine sends a login with a Microsoft Entra token on to a host whose certificate is not looked at.
pub(super) fn unseen(place: &str, host: &str) -> Fault {
    let what = format!(
        "{place}: sends its clients on to {host}, and with TrustServerCertificate=True or Encrypt=False the Microsoft Entra token \
         would go there without a look at the certificate; leave both out"
    );
    Fault::new(Service::Warehouse, FaultKind::Misconfigured, what)
}

/// The error of a login as a fault. A server that takes the connection and does not answer was not reached: often a firewall or a
/// proxy stands before one that is gone. A gateway that sent the client there has answered, unless this `is_own` server of the
/// connection string.
pub(super) fn of_login(error: Error, place: &str, is_own: bool) -> Fault {
    if !matches!(error, Error::Io { kind: ErrorKind::TimedOut, .. }) {
        return of(error, place);
    }
    // Without the driver's own text, which recommends methods of its API.
    let fault = unavailable(format!(
        "{place}: takes connections and answers no login; check the server, and the firewall or proxy before it"
    ));
    if is_own { fault.unreached() } else { fault }
}

/// The error of a question that was asked after the login as a fault. `patience` is how long the driver waits for the next part of
/// an answer. An operating system that gives a connection up says that it timed out, too: that connection broke.
pub(super) fn of_question(error: Error, place: &str, patience: Duration) -> Fault {
    match &error {
        Error::Io { kind: ErrorKind::TimedOut, message } if message.contains("next part") => {
            unavailable(format!(
                "{place}: no next part of the answer within {} s; find out what the server waits for, or give it longer by \
                 Command Timeout in the connection string",
                patience.as_secs()
            ))
        }
        _ => of(error, place),
    }
}

/// The error as a fault. `place` is host, port and database.
fn of(error: Error, place: &str) -> Fault {
    let (kind, what) = match &error {
        Error::Server(token) => server(token, place),
        Error::Tls(text) => (FaultKind::Misconfigured, certificate(text, place)),
        Error::Io { message, .. } if message.contains("platform") => (
            FaultKind::Misconfigured,
            format!(
                "{place}: no certificate authorities are installed here; set SSL_CERT_FILE to their file"
            ),
        ),
        Error::Protocol(text) if text.contains("encryption level") => (
            FaultKind::Misconfigured,
            format!("{place}: the server does not encrypt as the connection string demands; see Encrypt"),
        ),
        Error::Routing { .. } => (FaultKind::Unavailable, format!("{place}: redirected too often")),
        Error::Io { .. } => (FaultKind::Unavailable, format!("{place}: the connection broke")),
        _ => (FaultKind::Unavailable, format!("{place}: the answer could not be read")),
    };
    // The driver's own text on it recommends methods of its API.
    if matches!(error, Error::Tls(_)) {
        return Fault::new(Service::Warehouse, kind, what);
    }
    let code = match &error {
        Error::Server(token) => Some(token.code().to_string().into()),
        _ => None,
    };
    let mut fault = Fault::caused(Service::Warehouse, kind, what, error);
    fault.code = code;
    fault
}

fn server(error: &TokenError, place: &str) -> (FaultKind, String) {
    let number = error.code();
    let (kind, advice) = match number {
        18456 | 18452 | 18470 | 18487 | 18488 => (
            FaultKind::Unauthenticated,
            "login refused; check user, password and that the login may use this database",
        ),
        4060 => (
            FaultKind::Misconfigured,
            "there is no such database, or the login may not use it; check Database",
        ),
        40532 => (FaultKind::Misconfigured, "there is no server of that name; check Server and User ID"),
        40615 | 40914 => (FaultKind::Denied, "the server's firewall refuses this address; allow it there"),
        229 | 230 | 262 | 297 | 300 | 916 => (FaultKind::Denied, "the login lacks a right; grant it select"),
        207 | 208 => (FaultKind::NotFound, "a table or column is missing"),
        number if TRANSIENT.contains(&number) => (FaultKind::Unavailable, "the server asks to try again"),
        _ if error.class() >= RESOURCES => (FaultKind::Unavailable, "the server is short of something"),
        _ => (FaultKind::Misconfigured, "the server refuses the statement"),
    };
    (kind, format!("{place}: {advice} (SQL Server error {number})"))
}

fn certificate(text: &str, place: &str) -> String {
    let why = if text.contains("expired") || text.contains("Expired") {
        "the server's certificate has expired; renew it there"
    } else if text.contains("not valid yet") || text.contains("NotValidYet") {
        "the server's certificate is not valid yet; check the clocks"
    } else if text.contains("not valid for name") || text.contains("NotValidForName") {
        "the server's certificate is for another name; connect by that name or set HostNameInCertificate"
    } else if text.contains("UnknownIssuer") {
        "the server's certificate is signed by an authority that is not trusted here; set SSL_CERT_FILE to its \
         certificate (PEM)"
    } else {
        "the TLS handshake failed; check the server's certificate"
    };
    format!("{place}: {why}")
}
