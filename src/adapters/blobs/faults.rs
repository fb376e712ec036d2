//! Converts answers of the storage service and the file system into faults: a kind and a sentence each.

use std::{io, time::Duration};

use azure_core::{
    error::{Error, ErrorKind},
    http::{RawResponse, headers::HeaderName},
};

use super::retry_after::retry_after;
use crate::ports::{Existing, Fault, FaultKind, Service};

const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
const COPY_SOURCE_STATUS: HeaderName = HeaderName::from_static("x-ms-copy-source-status-code");
const COPY_SOURCE_CODE: HeaderName = HeaderName::from_static("x-ms-copy-source-error-code");

/// A fault of the settings: a retry changes nothing.
pub(super) fn misconfigured(service: Service, what: impl Into<String>) -> Fault {
    Fault::new(service, FaultKind::Misconfigured, what)
}

/// Converts a client error into a fault; `doing` names the operation ("reading az://box/name"). The client's error is
/// not kept as the source, because its text may hold a URL with its query.
pub(super) fn of(error: &Error, service: Service, doing: &str) -> Fault {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code, raw_response } => {
            let response = raw_response.as_deref();
            let code = own_code(response, error_code.as_deref());
            of_status(u16::from(*status), code, response, service, doing)
        }
        ErrorKind::Connection => {
            let what = format!("{doing}: no connection ({})", root_cause(error));
            Fault::new(service, FaultKind::Unavailable, what).unreached()
        }
        ErrorKind::Io => {
            let what = format!("{doing}: the connection broke ({})", root_cause(error));
            Fault::new(service, FaultKind::Unavailable, what)
        }
        ErrorKind::Credential => {
            // The identity's client calls everything so, a network that is away included.
            let what = format!("{doing}: {error}; sign in, or give a connection string");
            Fault::new(service, FaultKind::Unavailable, what)
        }
        ErrorKind::DataConversion => {
            let what = format!("{doing}: the answer could not be read ({})", root_cause(error));
            Fault::new(service, FaultKind::Unavailable, what)
        }
        ErrorKind::Other => {
            Fault::new(service, FaultKind::Misconfigured, format!("{doing}: {}", root_cause(error)))
        }
    }
}

/// The error codes of an answer: the service's own, and that by which the source of a server-side copy refused it. A code that
/// was not sent is empty.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Codes<'e> {
    pub own: &'e str,
    pub of_source: &'e str,
}

/// The error codes of the answer that `error` is.
pub(super) fn codes(error: &Error) -> Codes<'_> {
    match error.kind() {
        ErrorKind::HttpResponse { error_code, raw_response, .. } => {
            let response = raw_response.as_deref();
            let of_source = header(response, &COPY_SOURCE_CODE).unwrap_or_default();
            Codes { own: own_code(response, error_code.as_deref()), of_source }
        }
        _ => Codes::default(),
    }
}

fn own_code<'e>(response: Option<&'e RawResponse>, of_client: Option<&'e str>) -> &'e str {
    header(response, &ERROR_CODE)
        .or(of_client)
        // The client puts the status in the place of a code that was not sent.
        .filter(|code| !code.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or_default()
}

/// Codes by which Azure Storage answers a request without credentials for a container that has no public access, or that is not
/// there. They are the same for every blob of the container.
pub(super) const NOT_WITHOUT_CREDENTIALS: [&str; 3] =
    ["ResourceNotFound", "NoAuthenticationInformation", "PublicAccessNotPermitted"];

/// The fault for an answer with an error status.
pub(super) fn of_status(
    status: u16,
    code: &str,
    response: Option<&RawResponse>,
    service: Service,
    doing: &str,
) -> Fault {
    // A server-side copy that could not read its source answers with the source's own status.
    let source_status = header(response, &COPY_SOURCE_STATUS).and_then(|status| status.parse::<u16>().ok());
    if let Some(source_status) = source_status {
        let code = header(response, &COPY_SOURCE_CODE).unwrap_or_default();
        let doing = format!("{doing} (reading its source)");
        return of_status(source_status, code, None, Service::SourceBlobs, &doing);
    }
    let is_anonymous = service == Service::SourceBlobs && NOT_WITHOUT_CREDENTIALS.contains(&code);
    let (kind, advice) = match status {
        401 | 403 | 404 | 409 if is_anonymous => (FaultKind::ContainerGone, NEEDS_CREDENTIALS),
        _ => kind_of(status, code, retry_after(|name| header(response, name))),
    };
    let code = if code.is_empty() { String::new() } else { format!(" {code}") };
    let mut fault = Fault::new(service, kind, format!("{doing}: {status}{code}{advice}"));
    fault.status = Some(status);
    fault
}

/// Advice if a source answers so; the target is always used with credentials.
const NEEDS_CREDENTIALS: &str = ": its container is not there, or may not be read without credentials; correct its name, give a \
                                 connection string, an identity (--source-auth entra) or URLs with a SAS, or leave its rows out \
                                 (--exclude)";

/// Advice if the service refuses our credentials, or a request without any.
const NOT_ALLOWED: &str =
    ": not allowed; check the connection string or identity, its rights, the SAS's end and the firewall";

fn kind_of(status: u16, code: &str, retry_after: Option<Duration>) -> (FaultKind, &'static str) {
    match (status, code) {
        (404, "ContainerNotFound" | "FilesystemNotFound") => {
            (FaultKind::ContainerGone, ": there is no such container; create it, or correct its name")
        }
        (409, "ContainerBeingDeleted" | "FilesystemBeingDeleted" | "ContainerBeingDisabled") => {
            (FaultKind::ContainerGone, ": its container is being deleted; restore it, or create it again")
        }
        (404, _) => (FaultKind::NotFound, ""),
        // The first is what a SAS that may create but not overwrite gets in the place of a 409, the second the
        // condition of a create-only write, as some answer it.
        (403, "UnauthorizedBlobOverwrite") | (412, "TargetConditionNotMet") => (FaultKind::Exists, ""),
        // A key, a signature or a token that is not accepted, or a firewall: nothing that one file is to blame for.
        (401, _)
        | (400 | 403, "AuthenticationFailed" | "InvalidAuthenticationInfo" | "AuthorizationFailure")
        | (403, "AccountIsDisabled" | "KeyBasedAuthenticationNotPermitted") => {
            (FaultKind::Unauthenticated, NOT_ALLOWED)
        }
        (403, _) => (FaultKind::Denied, NOT_ALLOWED),
        (409, "BlobArchived" | "BlobBeingRehydrated") => {
            (FaultKind::Archived, ": the file is in the archive tier; rehydrate it")
        }
        (
            409,
            "BlobImmutableDueToPolicy"
            | "BlobImmutableDueToLegalHold"
            | "ContainerImmutableDueToPolicy"
            | "BlobOverwriteNotAllowed",
        ) => (
            FaultKind::Immutable,
            ": an immutability policy or a legal hold keeps it; it can be deleted when that has ended",
        ),
        (409, "BlobAlreadyExists" | "") => (FaultKind::Exists, ": a blob of this name is there already"),
        (409, _) => (FaultKind::Denied, ""),
        (412 | 416, _) => (FaultKind::Changed, ": it is not what it was when first looked at"),
        // The service's front end, which knows no error codes, refuses a request by its URL.
        (400, "" | "InvalidUri" | "InvalidResourceName" | "OutOfRangeInput") => {
            (FaultKind::NameRefused, ": the service takes no blob of this name")
        }
        (400, "Md5Mismatch" | "Crc64Mismatch") => (FaultKind::Unavailable, ": damaged on its way"),
        (429 | 503, _) => (FaultKind::Throttled(retry_after), ": it asks for less"),
        (501 | 405, _) | (400, "UnsupportedHeader" | "UnsupportedVerb" | "FeatureNotSupported") => {
            (FaultKind::Unsupported, ": not supported there")
        }
        (300..400, _) => (FaultKind::Misconfigured, ": it redirects; give the address it leads to"),
        (408 | 500.., _) => (FaultKind::Unavailable, ""),
        _ => (FaultKind::Misconfigured, ""),
    }
}

fn header<'a>(response: Option<&'a RawResponse>, name: &HeaderName) -> Option<&'a str> {
    response.and_then(|response| response.headers().get_optional_str(name))
}

/// The last of the chain of causes: the operating system's or the TLS library's word. Those before it may
/// hold the URL.
fn root_cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The fault of a step on the file system.
pub(super) fn of_io(error: io::Error, service: Service, doing: &str) -> Fault {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::NotFound => (FaultKind::NotFound, "there is no such file"),
        // A URL that goes on behind a file, as a missing blob's may.
        io::ErrorKind::NotADirectory if service == Service::SourceBlobs => {
            (FaultKind::NotFound, "there is no such file")
        }
        io::ErrorKind::InvalidFilename => (FaultKind::NameRefused, "the file system takes no name like this"),
        io::ErrorKind::AlreadyExists => (FaultKind::Exists, "a file of this name is there already"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (FaultKind::Denied, "give this user the right to it")
        }
        // Who frees space need not start anything anew: in a cluster it ends no Job.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (FaultKind::Unavailable, "the disk is full; free some space, then run again")
        }
        io::ErrorKind::FileTooLarge => {
            (FaultKind::Misconfigured, "the file would be too large; raise `ulimit -f`")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => {
            (FaultKind::Misconfigured, "the path cannot be used")
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => (
            FaultKind::Unavailable,
            "this process has as many files open as it may; raise `ulimit -n`, or set --in-flight",
        ),
        _ => (FaultKind::Unavailable, "the file system refused"),
    };
    Fault::caused(service, kind, format!("{doing}: {advice}"), error)
}

/// Some answers to a create-only put over an existing blob are a failed condition in place of a conflict.
pub(super) fn keep_means_exists(mut fault: Fault, existing: Existing) -> Fault {
    if existing == Existing::Keep && matches!(fault.kind, FaultKind::Changed | FaultKind::Immutable) {
        fault.kind = FaultKind::Exists;
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_kind() {
        for (status, code, expected) in [
            (404, "BlobNotFound", FaultKind::NotFound),
            (401, "", FaultKind::Unauthenticated),
            (400, "InvalidAuthenticationInfo", FaultKind::Unauthenticated),
            (403, "AuthenticationFailed", FaultKind::Unauthenticated),
            (403, "AuthorizationPermissionMismatch", FaultKind::Denied),
            (403, "UnauthorizedBlobOverwrite", FaultKind::Exists),
            (409, "BlobAlreadyExists", FaultKind::Exists),
            (409, "BlobArchived", FaultKind::Archived),
            (404, "ContainerNotFound", FaultKind::ContainerGone),
            (409, "ContainerBeingDeleted", FaultKind::ContainerGone),
            (409, "BlobImmutableDueToPolicy", FaultKind::Immutable),
            (400, "", FaultKind::NameRefused),
            (401, "NoAuthenticationInformation", FaultKind::Unauthenticated),
            (404, "ResourceNotFound", FaultKind::NotFound),
            (404, "CannotVerifyCopySource", FaultKind::NotFound),
            (412, "ConditionNotMet", FaultKind::Changed),
            (412, "TargetConditionNotMet", FaultKind::Exists),
            (416, "InvalidRange", FaultKind::Changed),
            (400, "Md5Mismatch", FaultKind::Unavailable),
            (400, "InvalidHeaderValue", FaultKind::Misconfigured),
            (429, "", FaultKind::Throttled(Some(Duration::from_secs(7)))),
            (503, "ServerBusy", FaultKind::Throttled(Some(Duration::from_secs(7)))),
            (500, "OperationTimedOut", FaultKind::Unavailable),
            (501, "NotImplemented", FaultKind::Unsupported),
            (301, "", FaultKind::Misconfigured),
        ] {
            let (kind, _) = kind_of(status, code, Some(Duration::from_secs(7)));
            assert_eq!(kind, expected, "{status} {code}");
        }
    }

    #[test]
    fn a_path_that_no_file_can_have_is_its_own_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for (path, of_a_source, elsewhere) in [
            (folder.path().join("none"), FaultKind::NotFound, FaultKind::NotFound),
            (file.join("below"), FaultKind::NotFound, FaultKind::Misconfigured),
            (folder.path().join("n".repeat(5_000)), FaultKind::NameRefused, FaultKind::NameRefused),
        ] {
            let kind = |service| of_io(std::fs::read(&path).unwrap_err(), service, "reading").kind;
            assert_eq!(
                (kind(Service::SourceBlobs), kind(Service::RunStore)),
                (of_a_source, elsewhere),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_full_disk_is_said_so() {
        for full in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            let error = io::Error::from_raw_os_error(full.raw_os_error());
            let fault = of_io(error, Service::RunStore, "writing done/0.json");
            assert_eq!(fault.kind, FaultKind::Unavailable);
            assert!(fault.to_string().contains("disk is full"), "{fault}");
        }
    }
}
