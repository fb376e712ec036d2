//! Whether the target takes other submissions while it refuses one. Without that no row is blamed for a refusal that is
//! temporary by its SQLSTATE.

use std::{
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    domain::{AttemptId, Malpractice, Migration, PlannedFile, SectionMark, enforcement_id},
    exit::{Exit, Stop},
    ports::{CopiedFile, CopiedMigration, Fault, FaultKind, Service},
    shard::{
        Shard, WorkerServices,
        pace::{Question, Trouble},
    },
};

/// A commit that was answered so long ago says how the target fares now.
const RECENT: Duration = Duration::from_secs(1);

/// What this process committed.
#[derive(Debug, Default)]
pub struct LastCommit(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    answered: Option<Instant>,
    /// A submission with all tables that one without malpractice is written to.
    other: Option<Arc<Rows>>,
}

impl LastCommit {
    /// A submission was committed.
    pub(super) fn note(&self, copied: &CopiedMigration<'_>) {
        let mut last = self.lock();
        last.answered = Some(Instant::now());
        let migration = copied.migration();
        if last.other.is_none() && migration.malpractice.is_none() && !migration.section_marks.is_empty() {
            last.other = Some(Arc::new(Rows::new(migration.clone(), copied)));
        }
    }

    fn is_recent(&self) -> bool {
        self.lock().answered.is_some_and(|answered| answered.elapsed() < RECENT)
    }

    fn other(&self) -> Option<Arc<Rows>> {
        self.lock().other.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `Ok` if the target takes other submissions now, or, of [`Question::Answers`], if another one was committed just now.
///
/// That another one was committed vouches for no table that it was not written to: a lock on the malpractice rules, for
/// example, is the application's, and the row waits for it. And it vouches for no server that does only some of what it is
/// asked: what decides is a rehearsal.
///
/// `waits`: the row was refused by what passes for any row (a lock, a deadlock, a cancelled statement, memory). Then its own
/// values are rehearsed, which meet the same locks, so that no row is blamed for what another transaction holds. Else the
/// values of a submission that this process committed, which what refuses this row's values takes; for a row with
/// malpractice, or where there is none, the row's own tables and numbers of rows with values that are no person's. If the target
/// rejects one of these for good (a unique key over values that stand, a learner that does not exist), that says nothing of the
/// row, and the next is rehearsed; the last are the row's own.
pub(super) async fn takes_others(
    shard: &Shard,
    services: &WorkerServices,
    copied: &CopiedMigration<'_>,
    question: Question,
    waits: bool,
) -> Result<(), Fault> {
    let migration = copied.migration();
    let is_plain = migration.malpractice.is_none();
    if question == Question::Answers && is_plain && shard.last_commit.is_recent() {
        return Ok(());
    }
    if !waits {
        let committed = shard.last_commit.other().filter(|_| is_plain);
        let without_its_own = Arc::new(Rows::new(without_its_own(migration), copied));
        for other in committed.into_iter().chain([without_its_own]) {
            match services.target.rehearse(&other.copied().await?).await {
                Err(fault) if matches!(fault.kind, FaultKind::Rejected(_)) => {}
                told => return told,
            }
        }
    }
    services.target.rehearse(copied).await
}

/// A submission to be rehearsed, with the copies that its file rows name.
#[derive(Debug)]
struct Rows {
    migration: Migration,
    files: Vec<CopiedFile>,
}

impl Rows {
    fn new(migration: Migration, copied: &CopiedMigration<'_>) -> Self {
        Self { migration, files: copied.files().to_vec() }
    }

    async fn copied(&self) -> Result<CopiedMigration<'_>, Fault> {
        let its_copy = |file: &PlannedFile| {
            let place = usize::try_from(file.upload_order).unwrap_or_default().wrapping_sub(1);
            ready(self.files.get(place).cloned().ok_or(()))
        };
        let what = "the rows of another submission could not be put together";
        let untold = |_| Fault::new(Service::Database, FaultKind::Unavailable, what);
        CopiedMigration::copy(&self.migration, its_copy).await.map_err(untold)
    }
}

/// The same rows of the same tables, with what is the learner's and the markers' own replaced.
fn without_its_own(migration: &Migration) -> Migration {
    let blank = |text: &Option<String>| text.as_ref().map(|_| "-".to_owned());
    let lms = migration.lms_user_id.rsplit_once("::").map_or("", |(lms, _)| lms);
    let lms_user_id = format!("{lms}::0");
    let file = |file: &PlannedFile| {
        let dot = if file.file_type.is_empty() { "" } else { "." };
        let name = format!("rehearsal{dot}{}", file.file_type);
        PlannedFile { name, uploaded_by: file.uploaded_by.as_ref().map(|_| "0".into()), ..file.clone() }
    };
    let mut other = Migration {
        first_name: "Rehearsal".into(),
        last_name: "Rehearsal".into(),
        full_name: "Rehearsal Rehearsal".into(),
        email: "rehearsal@example.invalid".into(),
        files: migration.files.iter().map(file).collect(),
        section_marks: migration
            .section_marks
            .iter()
            .map(|mark| SectionMark { feedback: blank(&mark.feedback), ..mark.clone() })
            .collect(),
        malpractice: migration.malpractice.as_ref().map(|rule| Malpractice {
            notes: "-".into(),
            enforcement_id: enforcement_id(&lms_user_id, &migration.assessment_code, &migration.context_id),
            ..rule.clone()
        }),
        lms_user_id,
        ..migration.clone()
    };
    other.grade.overall_summary = blank(&migration.grade.overall_summary);
    other
}

/// The end of a process that gave up while the database refused this attempt with `code`. Whether all rows fail or this one
/// cannot be told, and so it is not blamed.
pub(super) fn naming(trouble: Trouble, attempt: AttemptId, code: Option<&str>) -> Trouble {
    match (trouble, code) {
        (Trouble::Process(stop), Some(code)) if stop.exit == Exit::Temporary => {
            let message = format!(
                "{}. The row that gave up was that of attempt {attempt} (SQLSTATE {code}): if the target takes all others, \
                 correct there what refuses it (a trigger, or a transaction that holds a lock) and run again, or leave it out \
                 of a run of another name (--exclude)",
                stop.message
            );
            Trouble::Process(Stop::saying(stop, message))
        }
        (trouble, _) => trouble,
    }
}
