//! Blobs in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use rogo_migrate::ports::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Existing, Fault, FaultKind, PutOptions, Service, Stored, Upload,
};

use super::{Journal, Strike, no};

/// Decides by verb (`put`, `get`, `head`, `list`, `delete`, `check`) and name whether an operation fails.
type Fails = Arc<dyn Fn(&str, &str) -> Option<FaultKind> + Send + Sync>;

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
    put_faults: VecDeque<(Strike, FaultKind)>,
    status: Option<u16>,
    fails: Option<Fails>,
    slow_puts: Option<(&'static str, Duration)>,
    spoils: u32,
    writes: u32,
    /// How many bytes a read gives at a time, if that matters to the test.
    piece: Option<usize>,
    breaks: Option<FaultKind>,
}

/// A container in memory.
#[derive(Clone)]
pub struct InMemoryBlobs {
    place: &'static str,
    service: Service,
    journal: Journal,
    state: Arc<Mutex<State>>,
    /// Whether it may be a place to which a service copies by itself.
    pub may_copy: bool,
    /// Whether it says that it is a folder.
    pub is_folder: bool,
}

impl InMemoryBlobs {
    /// An empty container; what is done with it goes to the journal as `<place>: <verb> <name>`.
    pub fn new(place: &'static str, service: Service, journal: Journal) -> Self {
        Self { place, service, journal, state: Arc::default(), may_copy: false, is_folder: false }
    }

    /// The next `times` puts fail.
    pub fn fail_puts(&self, times: usize, strike: Strike, kind: &FaultKind) {
        self.state.lock().unwrap().put_faults.extend((0..times).map(|_| (strike, kind.clone())));
    }

    /// From now on an answer that fails a put has this HTTP status.
    pub fn fail_with(&self, status: u16) {
        self.state.lock().unwrap().status = Some(status);
    }

    /// From now on the operations fail for which `fails` names a kind, by verb and name; none where it is `None`.
    pub fn fail(&self, fails: Option<Fails>) {
        self.state.lock().unwrap().fails = fails;
    }

    /// From now on each operation of this verb fails.
    pub fn fail_all(&self, verb: &'static str, kind: FaultKind) {
        self.fail(Some(Arc::new(move |asked, _| (asked == verb).then(|| kind.clone()))));
    }

    /// The puts after so many more fail.
    pub fn allow_puts(&self, mut left: u32) {
        let left = Mutex::new(move || {
            let is_allowed = left > 0;
            left = left.saturating_sub(1);
            is_allowed
        });
        self.fail(Some(Arc::new(move |verb, _| {
            (verb == "put" && !(left.lock().unwrap())()).then_some(FaultKind::Unavailable)
        })));
    }

    /// From now on each put of a name that holds this takes so long.
    pub fn slow_puts(&self, part: &'static str, takes: Duration) {
        self.state.lock().unwrap().slow_puts = Some((part, takes));
    }

    /// So many times other bytes are stored than were put, of the same number.
    pub fn spoil(&self, times: u32) {
        self.state.lock().unwrap().spoils = times;
    }

    /// From now on a read gives so many bytes at a time.
    pub fn read_by(&self, bytes: usize) {
        self.state.lock().unwrap().piece = Some(bytes);
    }

    /// From now on each read fails after the last byte of its blob.
    pub fn break_reads(&self, kind: FaultKind) {
        self.state.lock().unwrap().breaks = Some(kind);
    }

    /// From now on reads end well again.
    pub fn mend_reads(&self) {
        self.state.lock().unwrap().breaks = None;
    }

    /// Everything that would change the place, its check included.
    pub fn writes(&self) -> u32 {
        self.state.lock().unwrap().writes
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

    /// Every blob's bytes, by name.
    pub fn contents(&self) -> BTreeMap<String, Bytes> {
        let state = self.state.lock().unwrap();
        state.blobs.iter().map(|(name, held)| (name.clone(), held.content.bytes())).collect()
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
            archived: false,
        };
        let stored = Stored { size_bytes: info.size_bytes, md5: info.md5 };
        self.state.lock().unwrap().blobs.insert(name.to_owned(), Held { content, info });
        stored
    }

    fn fault(&self, kind: FaultKind, what: &str) -> Fault {
        let mut fault = Fault::new(self.service, kind, format!("{what} in {}", self.place));
        fault.status = self.state.lock().unwrap().status;
        fault
    }

    /// Notes the operation, and fails it where it is to fail.
    fn begin(&self, verb: &str, name: &str) -> Result<(), Fault> {
        self.journal.add(format!("{}: {verb} {name}", self.place));
        let fails = {
            let mut state = self.state.lock().unwrap();
            state.writes += u32::from(matches!(verb, "put" | "check"));
            state.fails.clone()
        };
        // It may change the blobs.
        let kind = fails.and_then(|fails| fails(verb, name));
        kind.map_or(Ok(()), |kind| Err(no(self.service, kind)))
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

    fn is_folder(&self) -> bool {
        self.is_folder
    }

    fn url(&self, name: &str) -> String {
        format!("memory://{}/{name}", self.place)
    }

    async fn check(&self) -> Result<(), Fault> {
        self.begin("check", "")
    }

    async fn answers(&self) -> Result<(), Fault> {
        self.begin("answers", "")
    }

    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault> {
        self.begin("put", name)?;
        let slow = self.state.lock().unwrap().slow_puts.filter(|(part, _)| name.contains(part));
        if let Some((_, takes)) = slow {
            tokio::time::sleep(takes).await;
        }
        let fault = self.state.lock().unwrap().put_faults.pop_front();
        if let Some((Strike::Before, kind)) = fault {
            return Err(self.fault(kind, "injected before the put"));
        }
        if options.existing == Existing::Keep && self.state.lock().unwrap().blobs.contains_key(name) {
            return Err(self.fault(FaultKind::Exists, name));
        }
        let spoils = {
            let left = &mut self.state.lock().unwrap().spoils;
            std::mem::replace(left, left.saturating_sub(1)) > 0
        };
        let bytes = if spoils { bytes.iter().rev().copied().collect() } else { bytes };
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
        // As of a service elsewhere: others go on meanwhile.
        tokio::task::yield_now().await;
        self.put(name, std::fs::read(path).unwrap().into(), options).await
    }

    fn may_copy_from_urls(&self) -> bool {
        self.may_copy
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
        self.begin("get", name)?;
        let (held, piece, breaks) = {
            let state = self.state.lock().unwrap();
            (state.blobs.get(name).cloned(), state.piece, state.breaks.clone())
        };
        Ok(held.map(|held| {
            // In small pieces, so that no reader depends on whole ones.
            let bytes = held.content.bytes();
            let size = piece.unwrap_or(7.max(bytes.len() / 64));
            let pieces: Vec<_> = (0..bytes.len())
                .step_by(size)
                .map(|at| Ok(bytes.slice(at..bytes.len().min(at + size))))
                .chain(breaks.map(|kind| Err(self.fault(kind, "injected at the end of a read"))))
                .collect();
            BlobReader { info: held.info, body: stream::iter(pieces).boxed() }
        }))
    }

    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        self.begin("head", name)?;
        Ok(self.state.lock().unwrap().blobs.get(name).map(|held| held.info.clone()))
    }

    async fn folders(&self) -> Result<Vec<String>, Fault> {
        self.begin("list", "")?;
        let state = self.state.lock().unwrap();
        let mut folders: Vec<String> =
            state.blobs.keys().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        folders.dedup();
        Ok(folders)
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>> {
        if let Err(fault) = self.begin("list", prefix) {
            return stream::iter([Err(fault)]).boxed();
        }
        let state = self.state.lock().unwrap();
        let found: Vec<_> = state
            .blobs
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, held)| Ok(held.info.clone().in_brief()))
            .collect();
        stream::iter(found).boxed()
    }

    fn list_in_full(&self, prefix: &str) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>> {
        let listed = self.begin("list", prefix).map(|()| {
            let state = self.state.lock().unwrap();
            let found = state.blobs.iter().filter(|(name, _)| name.starts_with(prefix));
            found.map(|(_, held)| held.info.clone()).collect()
        });
        stream::iter([listed]).boxed()
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Fault> {
        for name in names {
            self.begin("delete", name)?;
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
