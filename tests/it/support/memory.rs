//! Blobs, fence and target in memory: for tests of what is done with them, and of their bad days.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use rogo_migrate::{
    domain::{AttemptId, Catalogue, Migration, TargetIdentity},
    ports::{
        BlobInfo, BlobReader, Blobs, Committed, CopiedFile, CopyGrant, ExclusiveFence, Existing, Fault,
        FaultKind, Fence, HeldSubmission, PutOptions, Service, Stored, Target, Upload,
    },
};

/// What happened, in order, over several fakes.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// Adds an entry.
    pub fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    /// All entries.
    pub fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// When an injected fault of a put strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// Nothing was stored.
    Before,
    /// The blob stands, the answer was lost.
    After,
}

#[derive(Clone)]
enum Content {
    Held(Bytes),
    Made(Arc<dyn Fn() -> Vec<u8> + Send + Sync>),
}

#[derive(Clone)]
struct Held {
    content: Content,
    info: BlobInfo,
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Held>,
    put_faults: Vec<(Strike, FaultKind)>,
    list_fault: Option<FaultKind>,
}

/// A container in memory.
#[derive(Clone)]
pub struct InMemoryBlobs {
    place: &'static str,
    journal: Journal,
    state: Arc<Mutex<State>>,
}

impl InMemoryBlobs {
    /// An empty container; what is done with it goes to the journal as `<place>: <verb> <name>`.
    pub fn new(place: &'static str, journal: Journal) -> Self {
        Self { place, journal, state: Arc::default() }
    }

    /// The next `times` puts fail.
    pub fn fail_puts(&self, times: usize, strike: Strike, kind: &FaultKind) {
        self.state.lock().unwrap().put_faults.extend((0..times).map(|_| (strike, kind.clone())));
    }

    /// From now on nothing can be listed.
    pub fn fail_lists(&self, kind: &FaultKind) {
        self.state.lock().unwrap().list_fault = Some(kind.clone());
    }

    /// Puts a blob there, outside of the journal.
    pub fn insert(&self, name: &str, bytes: impl Into<Bytes>) {
        self.keep(name, Content::Held(bytes.into()), &PutOptions::replace("text/plain"));
    }

    /// A blob whose bytes are made whenever it is read, so that it takes no memory.
    pub fn insert_made(&self, name: &str, make: impl Fn() -> Vec<u8> + Send + Sync + 'static) {
        self.keep(name, Content::Made(Arc::new(make)), &PutOptions::replace("text/plain"));
    }

    /// Removes a blob, outside of the journal.
    pub fn remove(&self, name: &str) {
        self.state.lock().unwrap().blobs.remove(name);
    }

    /// The names of all blobs.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().blobs.keys().cloned().collect()
    }

    /// A blob's bytes as text.
    pub fn text(&self, name: &str) -> Option<String> {
        let held = self.state.lock().unwrap().blobs.get(name).cloned()?;
        Some(String::from_utf8(held.content.bytes().to_vec()).unwrap())
    }

    fn keep(&self, name: &str, content: Content, options: &PutOptions) -> Stored {
        let bytes = content.bytes();
        let info = BlobInfo {
            name: name.to_owned(),
            size_bytes: bytes.len() as u64,
            md5: Some(Md5::digest(&bytes).into()),
            etag: None,
            content_type: Some(options.content_type.clone()),
            content_encoding: options.content_encoding.clone(),
            metadata: options.metadata.clone(),
        };
        let stored = Stored { size_bytes: info.size_bytes, md5: info.md5 };
        self.state.lock().unwrap().blobs.insert(name.to_owned(), Held { content, info });
        stored
    }

    fn fault(&self, kind: FaultKind, what: &str) -> Fault {
        Fault::new(Service::RunStore, kind, format!("{what} in {}", self.place))
    }
}

impl Content {
    fn bytes(&self) -> Bytes {
        match self {
            Self::Held(bytes) => bytes.clone(),
            Self::Made(make) => make().into(),
        }
    }
}

#[async_trait]
impl Blobs for InMemoryBlobs {
    fn location(&self) -> String {
        format!("memory://{}", self.place)
    }

    fn url(&self, name: &str) -> String {
        format!("memory://{}/{name}", self.place)
    }

    async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn answers(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault> {
        self.journal.add(format!("{}: put {name}", self.place));
        let fault = self.state.lock().unwrap().put_faults.pop();
        if let Some((Strike::Before, kind)) = fault {
            return Err(self.fault(kind, "injected before the put"));
        }
        if options.existing == Existing::Keep && self.state.lock().unwrap().blobs.contains_key(name) {
            return Err(self.fault(FaultKind::Exists, name));
        }
        let stored = self.keep(name, Content::Held(bytes), options);
        match fault {
            Some((_, kind)) => Err(self.fault(kind, "injected after the put")),
            None => Ok(stored),
        }
    }

    async fn upload(&self, name: &str, options: &PutOptions) -> Result<Box<dyn Upload>, Fault> {
        Ok(Box::new(Parts {
            blobs: self.clone(),
            name: name.into(),
            options: options.clone(),
            bytes: Vec::new(),
        }))
    }

    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        self.put(name, std::fs::read(path).unwrap().into(), options).await
    }

    async fn copy_from(
        &self,
        _: &CopyGrant,
        _: &BlobInfo,
        name: &str,
        _: &PutOptions,
    ) -> Result<Stored, Fault> {
        Err(self.fault(FaultKind::Unsupported, name))
    }

    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        self.journal.add(format!("{}: get {name}", self.place));
        let held = self.state.lock().unwrap().blobs.get(name).cloned();
        Ok(held.map(|held| {
            // In two parts, so that nobody relies on one.
            let mut first = held.content.bytes();
            let second = first.split_off(first.len() / 2);
            BlobReader { info: held.info, body: stream::iter([Ok(first), Ok(second)]).boxed() }
        }))
    }

    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        Ok(self.state.lock().unwrap().blobs.get(name).map(|held| held.info.clone()))
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>> {
        self.journal.add(format!("{}: list {prefix}", self.place));
        let state = self.state.lock().unwrap();
        if let Some(kind) = state.list_fault.clone() {
            return stream::iter([Err(self.fault(kind, "injected into the list"))]).boxed();
        }
        let found: Vec<_> = state
            .blobs
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, held)| Ok(held.info.clone()))
            .collect();
        stream::iter(found).boxed()
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Fault> {
        for name in names {
            self.journal.add(format!("{}: delete {name}", self.place));
            self.remove(name);
        }
        Ok(())
    }
}

struct Parts {
    blobs: InMemoryBlobs,
    name: String,
    options: PutOptions,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for Parts {
    async fn part(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>, md5: [u8; 16]) -> Result<Stored, Fault> {
        if <[u8; 16]>::from(Md5::digest(&self.bytes)) != md5 {
            return Err(self.blobs.fault(FaultKind::Corrupt, &self.name));
        }
        self.blobs.put(&self.name, self.bytes.clone().into(), &self.options).await
    }
}

/// A fence that nobody else holds; it can be told when it is lost.
#[derive(Clone)]
pub struct InMemoryFence {
    journal: Journal,
    looks_left: Arc<AtomicUsize>,
}

impl InMemoryFence {
    /// Never lost.
    pub fn new(journal: Journal) -> Self {
        Self { journal, looks_left: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    /// Held for so many looks more.
    pub fn lose_after(&self, looks: usize) {
        self.looks_left.store(looks, Ordering::SeqCst);
    }
}

#[async_trait]
impl Fence for InMemoryFence {
    async fn exclusive(
        &self,
        _: Duration,
        waiting: &mut (dyn for<'names> FnMut(&'names [String]) + Send),
    ) -> Result<Box<dyn ExclusiveFence>, Fault> {
        let holders = ["run/0/abcdefabcdef".to_owned()];
        waiting(&holders);
        self.journal.add("fence: taken");
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl ExclusiveFence for InMemoryFence {
    async fn still_held(&mut self) -> Result<(), Fault> {
        let left = self.looks_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(Fault::new(Service::Database, FaultKind::Unavailable, "the run's lock was lost"));
        }
        self.looks_left.store(left - 1, Ordering::SeqCst);
        self.journal.add("fence: still held");
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<(), Fault> {
        self.journal.add("fence: released");
        Ok(())
    }
}

/// A target that holds these launch ids and names these blobs; it answers nothing else.
#[derive(Default)]
pub struct InMemoryTarget {
    /// `submission_files.azure_blob_name`.
    pub blob_names: Mutex<HashSet<String>>,
    /// Launch ids that it does not hold, while it holds all others.
    pub lacks: Mutex<HashSet<String>>,
}

#[async_trait]
impl Target for InMemoryTarget {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        Ok(Catalogue::default())
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        assert!(launch_ids.len() <= 1_000);
        let lacks = self.lacks.lock().unwrap();
        Ok(launch_ids
            .iter()
            .filter(|id| !lacks.contains(*id))
            .map(|id| HeldSubmission { launch_id: id.clone(), ..HeldSubmission::default() })
            .collect())
    }

    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault> {
        assert!(names.len() <= 1_000);
        let held = self.blob_names.lock().unwrap();
        Ok(names.iter().filter(|name| held.contains(*name)).cloned().collect())
    }

    async fn launch_ids(&self, _: &mut (dyn FnMut(Vec<String>) + Send)) -> Result<(), Fault> {
        Ok(())
    }

    async fn preflight(&self, _: u32) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    async fn database(&self) -> Result<String, Fault> {
        Ok("memory".into())
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        Ok(TargetIdentity::default())
    }

    async fn prove_fence(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn commit(&self, _: &Migration, _: &[CopiedFile]) -> Result<Committed, Fault> {
        Err(Fault::new(Service::Database, FaultKind::Unsupported, "this target only answers questions"))
    }
}

/// The attempt with this number.
pub fn attempt(number: i32) -> AttemptId {
    AttemptId::try_from(number).unwrap()
}
