//! The target's tables, read and written.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde::Serialize;

use super::{Fault, FaultKind, MayWrite, Service, TargetLoad};
use crate::domain::{
    Catalogue, CopiedFile, Digest, Migration, Note, PlannedFile, Receipt, SubmissionIds, TargetIdentity,
};

/// What the target holds under a launch id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldSubmission {
    /// `lti_launch_sessions.launch_id`.
    pub launch_id: String,
    /// `assignment_submissions.id`; `None` if the launch session has no submission.
    pub submission_id: Option<String>,
    /// `assignment_submissions.lti_session_record_id`.
    pub session_record_id: Option<String>,
    /// `assignment_submissions.lms_user_id`.
    pub lms_user_id: Option<String>,
    /// `assignment_submissions.context_id`.
    pub context_id: Option<String>,
    /// `submission_files.azure_blob_name` of its files, by upload order.
    pub blob_names: Vec<String>,
    /// Number of its files.
    pub files: u32,
    /// Length of each as the application shows it, rounded to a tenth of a MB, in bytes; 0 if it shows none.
    pub shown_bytes: Vec<u64>,
    /// Of its enforcement key: whether the row that stands was written by no migration
    /// (its submission's launch id does not begin with `rogo_`, or it names none).
    pub foreign_enforcement: bool,
}

/// A submission that stands in the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StandingSubmission {
    /// `assignment_submissions.lti_launch_id`.
    pub launch_id: String,
    /// `assignment_submissions.id`.
    pub id: String,
}

/// How much the target holds, so that an operator recognises it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// Number of submissions.
    pub submissions: u64,
    /// `created_at` of the newest; `None` if there is none.
    pub newest: Option<DateTime<Utc>>,
}

/// A launch id without a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The launch id that was asked about.
    pub launch_id: String,
    /// State of its launch session.
    pub session: Session,
}

/// State of the launch session of an absent submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The launch session exists without its submission.
    Alone,
    /// The launch session is absent; the submission may be absent or not.
    Absent,
}

/// Result of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It was written now.
    Inserted {
        /// Notes learned while writing (`enforcement_kept`).
        notes: Vec<Note>,
        /// Receipt of the rows: they are stored as they were sent.
        receipt: Receipt,
    },
    /// The target stored other values than were sent; nothing was committed. Where they differ, as
    /// [`crate::domain::form::row_differences`] names it; empty if a second try did not show it.
    Altered(Vec<String>),
    /// Its launch id was there already; nothing was written.
    Held(HeldSubmission),
}

/// The rows that the target holds of a submission, compared with what it is decided to be now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Receipt of the decided rows ([`crate::domain::ReceiptFrom::Decided`]).
    pub receipt: Receipt,
    /// Where the stored rows differ from them, as [`crate::domain::form::row_differences`] names it.
    pub columns: Vec<String>,
}

/// A migration and the copy of each of its files. Only [`CopiedMigration::copy`] makes one, so that a commit never lacks
/// a file.
#[derive(Debug, Clone, PartialEq)]
pub struct CopiedMigration<'m> {
    migration: &'m Migration,
    files: Vec<CopiedFile>,
}

impl<'m> CopiedMigration<'m> {
    /// Copies all files at once with `copy`. Returns when every copy has settled, so that none is written later; the
    /// error holds each file that failed, in upload order.
    pub async fn copy<E, Copying>(
        migration: &'m Migration,
        copy: impl Fn(&'m PlannedFile) -> Copying,
    ) -> Result<Self, Vec<(&'m PlannedFile, E)>>
    where
        Copying: Future<Output = Result<CopiedFile, E>>,
    {
        let settled = join_all(migration.files.iter().map(copy)).await;
        let mut files = Vec::with_capacity(settled.len());
        let mut failed = Vec::new();
        for (file, result) in migration.files.iter().zip(settled) {
            match result {
                Ok(copied) => files.push(copied),
                Err(error) => failed.push((file, error)),
            }
        }
        if failed.is_empty() { Ok(Self { migration, files }) } else { Err(failed) }
    }

    /// The values to be written; all of its files are copied.
    pub fn migration(&self) -> &'m Migration {
        self.migration
    }

    /// The copies of its files, in upload order.
    pub fn files(&self) -> &[CopiedFile] {
        &self.files
    }
}

/// The checks of [`TargetReader::inspect`], by their stable names. If sessions cannot be used, nothing else is asked.
pub const TARGET_CHECKS: [&str; 8] = [
    "target_sessions",
    "target_server",
    "target_rights",
    "target_schema",
    "target_triggers",
    "target_connections",
    "target_tls",
    "target_clock",
];

/// One thing that a look at a service found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which of [`TARGET_CHECKS`] or [`super::WAREHOUSE_CHECKS`] found it.
    pub check: &'static str,
    /// What was found, and behind a semicolon what to do.
    pub says: String,
    /// Whether a run could not succeed.
    pub stops: bool,
}

impl Finding {
    /// What stops a run.
    pub fn stops(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, says: says.into(), stops: true }
    }

    /// What should be known.
    pub fn warns(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, says: says.into(), stops: false }
    }
}

/// The application's PostgreSQL tables as they stand. Reading needs no lock.
#[async_trait]
pub trait TargetReader: Send + Sync {
    /// Reads the catalogue; refuses if the owner of applied rules cannot be found.
    async fn catalogue(&self) -> Result<Catalogue, Fault>;

    /// What the target holds under these launch ids (at most 1,000), in no order.
    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault>;

    /// Which of these blobs (names, at most 100,000: each call may read the whole table once) a row of
    /// `submission_files` names as its `azure_blob_name`, in any container, even if what follows the file's number in the
    /// name, or a dot at its end, is another by now. Also those for which a row was made whose name is no longer that of a
    /// writer's blob. All as they are asked; the others may be orphans.
    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault>;

    /// Which of these launch ids (at most 1,000) the target lacks something of, in no order: rows that were migrated
    /// and are lost, or were deleted.
    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Fault> {
        let held = self.held(launch_ids).await?;
        let absence = |launch_id: &String| match held.iter().find(|held| held.launch_id == *launch_id) {
            None => Some(Absent { launch_id: launch_id.clone(), session: Session::Absent }),
            Some(held) if held.submission_id.is_none() => {
                Some(Absent { launch_id: launch_id.clone(), session: Session::Alone })
            }
            Some(_) => None,
        };
        Ok(launch_ids.iter().filter_map(absence).collect())
    }

    /// Which of these launch ids (at most 1,000) have a launch session and its submission, each with the transaction that
    /// wrote the submission's row (`xmin`), if that is known. Of the target two keys of each are read.
    async fn written_in(&self, launch_ids: &[String]) -> Result<HashMap<String, Option<u32>>, Fault> {
        let held = self.held(launch_ids).await?;
        let standing = held.into_iter().filter(|held| held.submission_id.is_some());
        Ok(standing.map(|held| (held.launch_id, None)).collect())
    }

    /// Which of these launch ids (at most 1,000) a submission names, with or without a launch session. No index leads on
    /// them: each call may read the whole table once.
    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Fault> {
        let held = self.held(launch_ids).await?;
        Ok(held.into_iter().filter(|held| held.submission_id.is_some()).map(|held| held.launch_id).collect())
    }

    /// Every submission whose launch id begins with `rogo_`, in batches, in no order.
    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<StandingSubmission>) + Send)) -> Result<(), Fault>;

    /// Which submissions of these ids (at most 1,000) stand.
    async fn standing(&self, ids: &[String]) -> Result<HashSet<String>, Fault>;

    /// How much the target holds. Reads the whole table once.
    async fn holdings(&self) -> Result<Holdings, Fault>;

    /// Checks schema (tables, columns, types, constraints), rights, encoding, a pooler in transaction
    /// mode, the rule owner, and that `connections` (0: none is asked for) may be opened beside the application's:
    /// a sentence for each thing that would stop a run; empty if a run may begin.
    async fn preflight(&self, connections: u32) -> Result<Vec<String>, Fault> {
        let found = self.inspect(connections).await?;
        Ok(found.into_iter().filter(|finding| finding.stops).map(|finding| finding.says).collect())
    }

    /// The same with the name of each check ([`TARGET_CHECKS`]), and with what stops no run but should be known.
    async fn inspect(&self, _connections: u32) -> Result<Vec<Finding>, Fault> {
        Ok(Vec::new())
    }

    /// What every process asks before its first write, because a mended secret may lead elsewhere: sessions of
    /// its own (no pooler that shares or hands them on), a server that can be written, the guarding unique keys.
    /// A sentence for each finding.
    async fn session(&self) -> Result<Vec<String>, Fault>;

    /// The load that the target shows, without this run's sessions. Asked on a connection of its pool, past every gate.
    async fn load(&self) -> Result<TargetLoad, Fault> {
        Ok(TargetLoad::default())
    }

    /// How late the server wakes up from some short sleeps, by its own clock: later if its processors are busy.
    async fn wake_ups(&self) -> Result<Vec<std::time::Duration>, Fault> {
        Ok(Vec::new())
    }

    /// Identity of the database, which the plan pins.
    async fn identity(&self) -> Result<TargetIdentity, Fault>;
}

/// The application's PostgreSQL tables, to be changed. Every connection that writes holds the run's shared lock: an
/// implementation can only be made with that lock's key and the question whether this process was retired.
#[async_trait]
pub trait TargetWriter: TargetReader + MayWrite {
    /// Writes one submission, all or nothing. On [`FaultKind::AnswerLost`] the same call settles it. It may share a
    /// statement, and so that statement's fault, with others; a row that is refused fails no other.
    async fn commit(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault>;

    /// The same in a statement of its own: its fault is no other row's.
    async fn commit_alone(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        self.commit(copied).await
    }

    /// Whether the target takes these rows now, of an attempt that does not exist: they are written and taken back, and a
    /// transaction that writes no row is committed to its disk. `Ok` is a proof; a fault, or a target that cannot be asked,
    /// proves nothing.
    async fn rehearse(&self, _copied: &CopiedMigration<'_>) -> Result<(), Fault> {
        let what = "this target cannot be asked whether it takes others";
        Err(Fault::new(Service::Database, FaultKind::Unavailable, what))
    }

    /// Compares the rows that stand under the migration's ids with what it is decided to be now, its files under the
    /// names that stand.
    async fn compare(&self, copied: &CopiedMigration<'_>) -> Result<Compared, Fault>;

    /// The digest of the rows that stand under these ids.
    async fn stored_digest(&self, ids: &SubmissionIds) -> Result<Digest, Fault>;

    /// Opens the connections that commits of so many rows can keep busy, side by side, so that no row waits for them. Only a
    /// head start: what cannot be opened is met again by the first statement that needs it.
    async fn open_for(&self, _rows: u64) {}

    /// Connections in use, and the most that there may be.
    fn connections(&self) -> (usize, usize) {
        (0, 0)
    }
}
