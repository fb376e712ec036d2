//! The target's tables in memory: what stands, and what is written.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rogo_migrate::{
    domain::{Catalogue, Digest, Migration, Receipt, ReceiptFrom, SubmissionIds, TargetIdentity},
    ports::{
        Committed, Compared, CopiedMigration, Fault, FaultKind, HeldSubmission, Holdings, MayWrite, Service,
        StandingSubmission, TargetReader, TargetWriter,
    },
};

use super::{Journal, Strike, no};

/// A target database. Clones are one database.
#[derive(Clone)]
pub struct InMemoryTarget {
    pub catalogue: Catalogue,
    /// What the pre-flight finds.
    pub preflight: Vec<String>,
    pub database: String,
    /// The server's system identifier, if the role may read it.
    pub system: Option<String>,
    /// How long each commit takes.
    pub takes: Duration,
    pub journal: Journal,
    pub state: Arc<State>,
}

/// What all clones share.
#[derive(Default)]
pub struct State {
    held: Mutex<BTreeMap<String, HeldSubmission>>,
    commits: Mutex<VecDeque<(Strike, FaultKind)>>,
    between: Mutex<Option<HeldSubmission>>,
    commits_panic: AtomicBool,
    is_silent: AtomicBool,
    changed_since: Mutex<Vec<String>>,
    alters: Mutex<Option<Vec<String>>>,
    is_fenced: AtomicBool,
    asked: AtomicU32,
    blob_questions: AtomicU32,
}

impl InMemoryTarget {
    /// Empty; commits go to the journal as `target: commit <launch id>`.
    pub fn new(journal: Journal) -> Self {
        let (catalogue, preflight) = (Catalogue::default(), Vec::new());
        let (database, system, takes) = ("memory".into(), Some("memory".into()), Duration::ZERO);
        Self { catalogue, preflight, database, system, takes, journal, state: Arc::default() }
    }

    /// Submissions of these launch ids stand, without files.
    pub fn hold(&self, launch_ids: &[&str]) {
        for launch_id in launch_ids {
            self.stand(HeldSubmission {
                launch_id: (*launch_id).into(),
                submission_id: Some(format!("submission of {launch_id}")),
                ..HeldSubmission::default()
            });
        }
    }

    /// A submission stands.
    pub fn stand(&self, submission: HeldSubmission) {
        self.state.held.lock().unwrap().insert(submission.launch_id.clone(), submission);
    }

    /// Nothing stands under this launch id any more.
    pub fn lose(&self, launch_id: &str) {
        self.state.held.lock().unwrap().remove(launch_id);
    }

    /// The submission of this launch id names this blob.
    pub fn name_blob(&self, launch_id: &str, blob_name: &str) {
        let mut held = self.state.held.lock().unwrap();
        held.get_mut(launch_id).expect("it stands").blob_names.push(blob_name.into());
    }

    /// Everything that stands, by launch id.
    pub fn held_now(&self) -> BTreeMap<String, HeldSubmission> {
        self.state.held.lock().unwrap().clone()
    }

    /// The next `times` commits fail.
    pub fn fail_commits(&self, times: usize, strike: Strike, kind: &FaultKind) {
        self.state.commits.lock().unwrap().extend((0..times).map(|_| (strike, kind.clone())));
    }

    /// This submission is written by another process right before the next commit.
    pub fn come_between(&self, submission: HeldSubmission) {
        *self.state.between.lock().unwrap() = Some(submission);
    }

    /// Every commit meets a bug.
    pub fn panic_in_commits(&self, panics: bool) {
        self.state.commits_panic.store(panics, Ordering::SeqCst);
    }

    /// What stands differs in these columns from what is decided.
    pub fn change_since(&self, columns: &[&str]) {
        *self.state.changed_since.lock().unwrap() = columns.iter().map(|column| (*column).into()).collect();
    }

    /// From now on other values of these columns would be stored than a commit sends.
    pub fn alter(&self, columns: &[&str]) {
        *self.state.alters.lock().unwrap() = Some(columns.iter().map(|column| (*column).into()).collect());
    }

    /// No commit is answered any more, or each is again.
    pub fn be_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// The process is retired: it may write no more.
    pub fn retire(&self) {
        self.state.is_fenced.store(true, Ordering::SeqCst);
    }

    /// Connections that the last pre-flight asked for.
    pub fn asked(&self) -> u32 {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Times that it was asked which blobs rows name.
    pub fn blob_questions(&self) -> u32 {
        self.state.blob_questions.load(Ordering::SeqCst)
    }

    fn may_write(&self) -> Result<(), Fault> {
        let is_fenced = self.state.is_fenced.load(Ordering::SeqCst);
        if is_fenced { Err(no(Service::Database, FaultKind::Fenced)) } else { Ok(()) }
    }
}

#[async_trait]
impl TargetReader for InMemoryTarget {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        Ok(self.catalogue.clone())
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        assert!(launch_ids.len() <= 1_000);
        let held = self.state.held.lock().unwrap();
        Ok(launch_ids.iter().filter_map(|id| held.get(id).cloned()).collect())
    }

    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault> {
        assert!(names.len() <= 100_000);
        self.state.blob_questions.fetch_add(1, Ordering::SeqCst);
        let held = self.state.held.lock().unwrap();
        let standing: HashSet<&String> =
            held.values().flat_map(|submission| &submission.blob_names).collect();
        Ok(names.iter().filter(|name| standing.contains(name)).cloned().collect())
    }

    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<StandingSubmission>) + Send)) -> Result<(), Fault> {
        for (launch_id, held) in self.held_now() {
            let id = held.submission_id.unwrap_or_default();
            each(vec![StandingSubmission { launch_id, id }]);
        }
        Ok(())
    }

    async fn standing(&self, ids: &[String]) -> Result<HashSet<String>, Fault> {
        let standing: HashSet<String> =
            self.held_now().into_values().filter_map(|held| held.submission_id).collect();
        Ok(ids.iter().filter(|id| standing.contains(*id)).cloned().collect())
    }

    async fn holdings(&self) -> Result<Holdings, Fault> {
        Ok(Holdings { submissions: self.held_now().len() as u64, newest: None })
    }

    async fn preflight(&self, connections: u32) -> Result<Vec<String>, Fault> {
        self.state.asked.store(connections, Ordering::SeqCst);
        Ok(self.preflight.clone())
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        self.journal.add("target: session");
        Ok(Vec::new())
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        self.journal.add("target: identity");
        Ok(TargetIdentity {
            system: self.system.clone(),
            database: self.database.clone(),
            ..TargetIdentity::default()
        })
    }
}

#[async_trait]
impl MayWrite for InMemoryTarget {
    async fn prove_fence(&self) -> Result<(), Fault> {
        self.may_write()
    }
}

#[async_trait]
impl TargetWriter for InMemoryTarget {
    async fn open_for(&self, rows: u64) {
        self.journal.add(format!("target: open for {rows}"));
    }

    async fn commit(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        let (migration, files) = (copied.migration(), copied.files());
        let launch_id = migration.ids.launch_id();
        self.journal.add(format!("target: commit {launch_id}"));
        assert!(!self.state.commits_panic.load(Ordering::SeqCst), "a bug that names planted-in-a-panic");
        self.may_write()?;
        if self.state.is_silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if let Some(submission) = self.state.between.lock().unwrap().take() {
            self.stand(submission);
        }
        let fault = self.state.commits.lock().unwrap().pop_front();
        if let Some((Strike::Before, kind)) = fault {
            return Err(no(Service::Database, kind));
        }
        let standing = self.state.held.lock().unwrap().get(&launch_id).cloned();
        if let Some(held) = standing {
            return Ok(Committed::Held(held));
        }
        if let Some(columns) = self.state.alters.lock().unwrap().clone() {
            return Ok(Committed::Altered(columns));
        }
        self.stand(HeldSubmission {
            launch_id,
            submission_id: Some(migration.ids.row("assignment_submissions", 1)),
            session_record_id: Some(migration.ids.row("lti_session_records", 1)),
            lms_user_id: Some(migration.lms_user_id.clone()),
            context_id: Some(migration.context_id.clone()),
            blob_names: files.iter().map(|file| file.blob_name.clone()).collect(),
            files: u32::try_from(files.len()).unwrap(),
            shown_bytes: files.iter().map(|file| file.size_bytes).collect(),
            foreign_enforcement: false,
        });
        match fault {
            Some((_, kind)) => Err(no(Service::Database, kind)),
            None => {
                Ok(Committed::Inserted { notes: Vec::new(), receipt: receipt(migration, ReceiptFrom::Sent) })
            }
        }
    }

    async fn compare(&self, copied: &CopiedMigration<'_>) -> Result<Compared, Fault> {
        let columns = self.state.changed_since.lock().unwrap().clone();
        Ok(Compared { receipt: receipt(copied.migration(), ReceiptFrom::Decided), columns })
    }

    async fn stored_digest(&self, ids: &SubmissionIds) -> Result<Digest, Fault> {
        Ok(Digest::of(format!("stored {}", ids.launch_id()).as_bytes()))
    }
}

/// The receipt of a migration: its launch id's digest.
fn receipt(migration: &Migration, from: ReceiptFrom) -> Receipt {
    let sha256 = Digest::of(migration.ids.launch_id().as_bytes());
    Receipt { sha256, from, enforcement: None, transaction: (from == ReceiptFrom::Sent).then_some(7) }
}
