//! What the stages need of the world. Adapters implement these; tests may fake them.

use std::{collections::HashSet, error::Error, fmt, path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use url::Url;

use crate::domain::{AttemptId, Catalogue, FactRow, Facts, Migration, Note};

mod jobs;

pub use jobs::{JobEnd, JobState, Jobs, Obstacle, ObstacleKind, RunJob, RunJobs, Survey, TerminatingPod};

/// A service that the program talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The two CSV exports.
    Inputs,
    /// The SQL Server warehouse, or its exported folder.
    Warehouse,
    /// The target's PostgreSQL.
    Database,
    /// Where learners' and markers' files are.
    SourceBlobs,
    /// Where they go.
    TargetBlobs,
    /// Where the run keeps its plan and results.
    RunStore,
    /// The Kubernetes API.
    Cluster,
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
        })
    }
}

/// What kind of thing went wrong: decides whether it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Network, time-out, 5xx, a transient number: may pass by itself. The effect did not take place,
    /// or repeating it does no harm.
    Unavailable,
    /// The service asks for less; wait this long, if it said so.
    Throttled(Option<Duration>),
    /// The effect may or may not have taken place: settle by sending the same again.
    AnswerLost,
    /// Credentials or rights.
    Denied,
    /// No such blob, table, column, database.
    NotFound,
    /// Create-only met something that is there.
    Exists,
    /// The source is not what it was when first looked at.
    Changed,
    /// Length or checksum differs.
    Corrupt,
    /// A constraint or type of the target refuses this row (name of the constraint).
    Rejected(String),
    /// This process was retired: another one merged or swept meanwhile.
    Fenced,
    /// The same every time: address, certificate, setting, schema, full disk.
    Misconfigured,
    /// The service cannot do this at all (for example a server-side copy).
    Unsupported,
}

/// What to do with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Wait, then try again.
    Again,
    /// Send the same statement again to learn what happened.
    Settle,
    /// Trying again changes nothing.
    Never,
}

impl FaultKind {
    /// Whether trying again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable | Self::Throttled(_) => Retry::Again,
            Self::AnswerLost => Retry::Settle,
            Self::Denied
            | Self::NotFound
            | Self::Exists
            | Self::Changed
            | Self::Corrupt
            | Self::Rejected(_)
            | Self::Fenced
            | Self::Misconfigured
            | Self::Unsupported => Retry::Never,
        }
    }
}

/// Something a service did not do: kind, description and source are separate.
/// The description says what and where, without secrets, query strings or personal data.
#[derive(Debug)]
pub struct Fault {
    /// Which service.
    pub service: Service,
    /// What kind.
    pub kind: FaultKind,
    /// What happened, where, and what to do.
    pub what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with no further cause.
    pub fn new(service: Service, kind: FaultKind, what: impl Into<String>) -> Self {
        Self { service, kind, what: what.into(), source: None }
    }

    /// A fault with its cause, which `what` does not repeat.
    pub fn caused(
        service: Service,
        kind: FaultKind,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { service, kind, what: what.into(), source: Some(source.into()) }
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

// --- Warehouse -------------------------------------------------------------------------------

/// What the warehouse is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseShape {
    /// For people: engine or folder, without secrets.
    pub description: String,
    /// Rows of the reports' and of the scores' table; `None` where unknown.
    pub rows: Option<(u64, u64)>,
    /// Whether [`Warehouse::fetch`] is cheap; else the plan scans once and splits into facts files.
    pub lookups_are_cheap: bool,
    /// The most connections that the server lets us open, where it says so.
    pub max_connections: Option<u32>,
    /// What a process opens at most, whatever its workers ask for; `None`: a pool for each worker.
    pub connections_per_process: Option<u32>,
}

/// Reports and scores by attempt.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Connects, checks tables, columns and the right to read them.
    async fn shape(&self) -> Result<WarehouseShape, Fault>;

    /// The facts of every attempt asked for, in the order asked: an attempt the warehouse does not
    /// hold yields empty facts. Returns only when the answer is known to be complete.
    async fn fetch(&self, attempts: &[AttemptId]) -> Result<Vec<Facts>, Fault>;

    /// Hands every row of both tables to `each`, in no order, in batches. A batch is never repeated:
    /// retries happen before it is handed over. Rows whose attempt id is no attempt id are left out.
    async fn scan(
        &self,
        each: &mut (dyn FnMut(Vec<FactRow>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault>;
}

// --- Blobs -----------------------------------------------------------------------------------

/// What a put may do to a blob of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// [`FaultKind::Exists`] where there is one.
    Keep,
    /// It takes its place at once, never half.
    Replace,
}

/// How a blob is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOptions {
    /// What of an existing blob.
    pub existing: Existing,
    /// Content type.
    pub content_type: String,
    /// Metadata: names are identifiers without dashes.
    pub metadata: Vec<(String, String)>,
}

impl PutOptions {
    /// A run-store document that must not be there yet.
    pub fn create(content_type: &str) -> Self {
        Self { existing: Existing::Keep, content_type: content_type.into(), metadata: Vec::new() }
    }

    /// A run-store document that takes the place of an earlier one.
    pub fn replace(content_type: &str) -> Self {
        Self { existing: Existing::Replace, content_type: content_type.into(), metadata: Vec::new() }
    }
}

/// What is known of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlobInfo {
    /// Name within the store; for a source, its URL without query.
    pub name: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Its stored Content-MD5: what its writer claimed.
    pub md5: Option<[u8; 16]>,
    /// `ETag`, or what serves as one.
    pub etag: Option<String>,
    /// Content type; only from [`Blobs::head`] and [`Source::head`].
    pub content_type: Option<String>,
    /// Metadata; only from [`Blobs::head`].
    pub metadata: Vec<(String, String)>,
}

/// A blob being read: its bytes in order. Where the service allows, a broken stream continues by
/// itself from where it stood, on the same `ETag`; else it yields a fault.
pub struct BlobReader {
    /// What is known of it. `size_bytes` is the whole blob's length.
    pub info: BlobInfo,
    /// Its bytes.
    pub body: BoxStream<'static, Result<Bytes, Fault>>,
}

/// A blob that now stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length in bytes, as the service says.
    pub size_bytes: u64,
    /// MD5 that the service computed or confirmed, if it did.
    pub md5: Option<[u8; 16]>,
}

/// Where a server-side copy reads from.
pub struct CopyGrant {
    /// The source with whatever query authorises it: a secret.
    pub url: Url,
    /// `Bearer …` for the copy-source-authorization header: a secret.
    pub authorization: Option<String>,
}

/// A blob that is written part by part and stands only after [`Upload::finish`].
#[async_trait]
pub trait Upload: Send {
    /// Appends a part (at most 100 MiB; ordinarily 8 MiB). Each is verified on its way.
    async fn part(&mut self, bytes: Bytes) -> Result<(), Fault>;

    /// Makes the blob stand, with this MD5 over all its bytes.
    async fn finish(self: Box<Self>, md5: [u8; 16]) -> Result<Stored, Fault>;
}

/// A place of named blobs: an Azure container with a prefix, or a folder.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// The place, for people: `az://container/prefix` or `file:///dir`.
    fn location(&self) -> String;

    /// The blob's URL, without any query.
    fn url(&self, name: &str) -> String;

    /// Checks that the place is there and may be read, written and deleted from.
    async fn check(&self) -> Result<(), Fault>;

    /// Stores the bytes; the service checks their MD5.
    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault>;

    /// Begins a blob of any size.
    async fn upload(&self, name: &str, options: &PutOptions) -> Result<Box<dyn Upload>, Fault>;

    /// Stores a local file of any size.
    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault>;

    /// Server-side copy of `source`, which is `info` (its `ETag` is the condition, its MD5 the check);
    /// [`FaultKind::Unsupported`] where the service cannot.
    async fn copy_from(
        &self,
        grant: &CopyGrant,
        info: &BlobInfo,
        name: &str,
        options: &PutOptions,
    ) -> Result<Stored, Fault>;

    /// Reads a blob as a stream; `None` where there is none.
    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault>;

    /// What is known of a blob; `None` where there is none.
    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault>;

    /// Blobs whose names begin with the prefix, by name.
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>>;

    /// Deletes; a blob that is not there counts as deleted.
    async fn delete_many(&self, names: &[String]) -> Result<(), Fault>;
}

/// Where learners' and markers' files are read from, by URL.
#[async_trait]
pub trait Source: Send + Sync {
    /// Begins to read.
    async fn get(&self, url: &Url) -> Result<BlobReader, Fault>;

    /// What is known of the file.
    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault>;

    /// What a server-side copy by `to` needs; `None` where it cannot read the source.
    async fn grant(&self, url: &Url) -> Result<Option<CopyGrant>, Fault>;
}

// --- Target database -------------------------------------------------------------------------

/// A file that now stands in the target container. Whoever commits consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedFile {
    /// The name of the blob.
    pub blob_name: String,
    /// Its URL, without query.
    pub url: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Whether its bytes were proven by MD5, not by length alone.
    pub md5_proven: bool,
}

/// What the target holds under a launch id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldSubmission {
    /// `lti_launch_sessions.launch_id`.
    pub launch_id: String,
    /// `assignment_submissions.id`; `None` where the launch session stands alone.
    pub submission_id: Option<String>,
    /// `assignment_submissions.lti_session_record_id`.
    pub session_record_id: Option<String>,
    /// `assignment_submissions.lms_user_id`.
    pub lms_user_id: Option<String>,
    /// `assignment_submissions.context_id`.
    pub context_id: Option<String>,
    /// `submission_files.azure_blob_name` of its files, by upload order.
    pub blob_names: Vec<String>,
    /// Sum of its files is not kept in bytes by the target; this is their number.
    pub files: u32,
    /// Of its enforcement key: whether the row that stands was written by no migration
    /// (its submission's launch id does not begin with `rogo_`, or it names none).
    pub foreign_enforcement: bool,
}

/// What became of a submission that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It was written now.
    Inserted {
        /// Notes learned while writing (`enforcement_kept`).
        notes: Vec<Note>,
    },
    /// Its launch id was there already; nothing was written.
    Held(HeldSubmission),
}

/// The target's tables.
#[async_trait]
pub trait Target: Send + Sync {
    /// Reads the catalogue; refuses where the owner of applied rules cannot be found.
    async fn catalogue(&self) -> Result<Catalogue, Fault>;

    /// What the target holds under these launch ids (at most 1,000), in no order.
    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault>;

    /// Which of these blob names (at most 1,000) any row of `submission_files` names as its
    /// `azure_blob_name`, in whatever container: the others may be orphans.
    async fn blob_names_of_tries(&self, names: &[String]) -> Result<HashSet<String>, Fault>;

    /// Every launch id `rogo_…` that the target holds, in batches, in no order.
    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<String>) + Send)) -> Result<(), Fault>;

    /// Checks schema (tables, columns, types, constraints), rights, encoding, a pooler in transaction
    /// mode, the rule owner, and that `connections` may be opened beside the application's:
    /// a sentence for each thing that would stop a run; empty where a run may begin.
    async fn preflight(&self, connections: u32) -> Result<Vec<String>, Fault>;

    /// The database's name, which pins the plan.
    async fn database(&self) -> Result<String, Fault>;

    /// Returns where a connection that holds the run's shared lock answered within the last second, else asks
    /// one (or a new one, which looks for `retired/<try>`): [`FaultKind::Fenced`] where this process may
    /// write no more. To be asked before every upload.
    async fn prove_fence(&self) -> Result<(), Fault>;

    /// Writes one submission, all or nothing. On [`FaultKind::AnswerLost`] the same call settles it.
    async fn commit(&self, migration: &Migration, files: &[CopiedFile]) -> Result<Committed, Fault>;
}

// --- The fence -------------------------------------------------------------------------------

/// The run's advisory lock in the target database, exclusively: nothing is under way while it is held.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Waits for it, asking again and again without queueing, until `deadline` has passed
    /// ([`FaultKind::Unavailable`], naming the holders). `waiting` is told the holders
    /// (`run/shard/try`) at each change and every 10 s.
    async fn exclusive(
        &self,
        deadline: Duration,
        waiting: &mut (dyn for<'names> FnMut(&'names [String]) + Send),
    ) -> Result<Box<dyn ExclusiveFence>, Fault>;
}

/// The lock while it is held.
#[async_trait]
pub trait ExclusiveFence: Send {
    /// Asks the server whether it is still held; to be asked before anything is deleted.
    async fn still_held(&mut self) -> Result<(), Fault>;

    /// Lets go.
    async fn release(self: Box<Self>) -> Result<(), Fault>;
}
