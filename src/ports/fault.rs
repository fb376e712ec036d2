//! Faults of services, and whether to retry.

use std::{error::Error, fmt, time::Duration};

use super::Finding;

/// A service that the program talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The two CSV exports.
    Inputs,
    /// The SQL Server warehouse, or its exported folder.
    Warehouse,
    /// The target's PostgreSQL.
    Database,
    /// The storage that holds learners' and markers' files.
    SourceBlobs,
    /// The container that files are copied to.
    TargetBlobs,
    /// The storage that holds the run's plan and results.
    RunStore,
    /// The Kubernetes API.
    Cluster,
    /// Folders of this machine: of temporary files (TMPDIR), of results (`--out`, `--to`).
    LocalDisk,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inputs => "inputs",
            Self::Warehouse => "warehouse",
            Self::Database => "target database",
            Self::SourceBlobs => "source blobs",
            Self::TargetBlobs => "target blobs",
            Self::RunStore => "run store",
            Self::Cluster => "Kubernetes API",
            Self::LocalDisk => "local disk",
        })
    }
}

/// Kind of a fault: decides whether to retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Network, time-out, 5xx, a transient number, a full disk: may pass by itself. The effect did not take place,
    /// or repeating it does no harm.
    Unavailable,
    /// The service throttles; wait this long, if it names a time.
    Throttled(Option<Duration>),
    /// The effect is unknown: send the same request again to find out.
    AnswerLost,
    /// Our own credentials are not accepted: wrong, at their end, or being rotated. The secret is read again with
    /// each try.
    Unauthenticated,
    /// A right is missing, or a credential that is not this program's is refused: a URL's own signature, for example.
    Denied,
    /// Our own Microsoft Entra identity is known and has no right: a role assignment takes minutes to arrive, or was
    /// removed. No file is to blame.
    NoRole,
    /// The blob, table, column or database does not exist.
    NotFound,
    /// The container does not exist, or is being deleted: no blob in it is to blame.
    ContainerGone,
    /// The service refuses the blob's name.
    NameRefused,
    /// The blob is in the archive tier and cannot be read.
    Archived,
    /// An immutability policy or a legal hold keeps the blob as it is.
    Immutable,
    /// A create-only write found an existing object.
    Exists,
    /// The source changed since it was first read.
    Changed,
    /// Length or checksum differs, or a document of the run was changed.
    Corrupt,
    /// A constraint or type of the target refuses this row (name of the constraint).
    Rejected(String),
    /// This process was retired, because another one merged or swept meanwhile.
    Fenced,
    /// A retry gives the same result: address, certificate, setting, schema.
    Misconfigured,
    /// The service cannot do this at all (for example a server-side copy).
    Unsupported,
}

/// Whether and how to retry after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Wait, then retry.
    Again,
    /// Send the same statement again to learn what happened.
    Settle,
    /// A retry changes nothing.
    Never,
}

impl FaultKind {
    /// Whether a retry may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable | Self::Throttled(_) => Retry::Again,
            Self::AnswerLost => Retry::Settle,
            Self::Unauthenticated
            | Self::Denied
            | Self::NoRole
            | Self::NotFound
            | Self::ContainerGone
            | Self::NameRefused
            | Self::Archived
            | Self::Immutable
            | Self::Exists
            | Self::Changed
            | Self::Corrupt
            | Self::Rejected(_)
            | Self::Fenced
            | Self::Misconfigured
            | Self::Unsupported => Retry::Never,
        }
    }

    /// Whether this process may not do what it asked for, rather than cannot for now.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied | Self::NoRole | Self::Unauthenticated | Self::Unsupported)
    }

    /// Its stable name, one of few.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Throttled(_) => "throttled",
            Self::AnswerLost => "answer_lost",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::NoRole => "no_role",
            Self::NotFound => "not_found",
            Self::ContainerGone => "container_gone",
            Self::NameRefused => "name_refused",
            Self::Archived => "archived",
            Self::Immutable => "immutable",
            Self::Exists => "exists",
            Self::Changed => "changed",
            Self::Corrupt => "corrupt",
            Self::Rejected(_) => "rejected",
            Self::Fenced => "fenced",
            Self::Misconfigured => "misconfigured",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A request that a service did not fulfil: kind, description and source are separate.
/// The description says what and where, without secrets, query strings or personal data.
#[derive(Debug)]
pub struct Fault {
    /// Service that reported the fault.
    pub service: Service,
    /// Kind of the fault; decides about retries.
    pub kind: FaultKind,
    /// What happened, where, and what to do.
    pub what: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The service's own code for what it answered (SQLSTATE, a number of SQL Server), if it answered and has such codes.
    pub code: Option<Box<str>>,
    /// What each check of a pre-flight found, if a pre-flight refused the service; `what` says it all in one sentence.
    pub findings: Box<[Finding]>,
    /// The service was never asked: there was no session to ask in, or no secret to open one with. No row is to blame.
    pub before_asking: bool,
    /// No host answered at the service's address: its name has none, nothing takes connections there, or what takes them says
    /// nothing.
    pub unreached: bool,
    /// Why this file alone cannot be read, for the row's message: without names of files.
    pub of_file: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with no further cause.
    pub fn new(service: Service, kind: FaultKind, what: impl Into<String>) -> Self {
        let (what, findings) = (what.into(), Box::default());
        Self {
            service,
            kind,
            what,
            status: None,
            code: None,
            findings,
            before_asking: false,
            unreached: false,
            of_file: None,
            source: None,
        }
    }

    /// A fault with its cause, which `what` does not repeat.
    pub fn caused(
        service: Service,
        kind: FaultKind,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(service, kind, what) }
    }

    /// The same fault, met before the service was asked. A process that was retired learns it then, and that stays its own fault.
    #[must_use]
    pub fn before_asking(self) -> Self {
        Self { before_asking: self.kind != FaultKind::Fenced, ..self }
    }

    /// The same fault, met because no host answered at the service's address.
    #[must_use]
    pub fn unreached(self) -> Self {
        Self { unreached: true, ..self }
    }

    /// The same fault for another caller that waited for the same answer; without its source, whose text is in `what`.
    #[must_use]
    pub fn again(&self) -> Self {
        let what =
            self.source().map_or_else(|| self.what.clone(), |source| format!("{}: {source}", self.what));
        let (status, findings) = (self.status, self.findings.clone());
        let (before_asking, unreached) = (self.before_asking, self.unreached);
        let (code, of_file) = (self.code.clone(), self.of_file.clone());
        let fault = Self::new(self.service, self.kind.clone(), what);
        Self { status, code, findings, before_asking, unreached, of_file, ..fault }
    }

    /// Whether the service answered, if only to refuse.
    pub fn is_answer(&self) -> bool {
        self.code.is_some() || self.status.is_some()
    }

    /// Whether the service gave no answer, and may give one later.
    pub fn is_silence(&self) -> bool {
        self.kind == FaultKind::Unavailable && !self.is_answer()
    }

    /// The description and all its causes in one line, each said once.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let said = cause.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.what)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
