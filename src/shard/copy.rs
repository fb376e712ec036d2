//! Copy: one file from its source into the target container, its length and MD5 proven.

mod ask;
mod budget;
mod parts;
mod proof;
mod questions;
mod server_side;
mod uploads;
mod ways;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;

pub use budget::Budget;
pub use uploads::Uploads;

use parts::read_part;
use proof::{Digests, Known, check_length, check_md5, wrong_length};
use questions::Questions;

use crate::{
    domain::PlannedFile,
    ports::{
        BlobReader, Blobs, CopiedFile, Existing, Fault, FaultKind, MayWrite, PutOptions, Service, Source,
    },
    report::events::{Event, Events, Server, Wait, Way},
};

/// Files up to this are one PUT; larger ones go in parts of this.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;

/// Metadata key that names the process that uploaded a blob.
const WRITER: &str = "writer";

/// Copies files: server-side if source and target allow it, else streamed.
pub struct Copier {
    target: Arc<dyn Blobs>,
    source: Arc<dyn Source>,
    budget: Budget,
    ways: ways::Ways,
    questions: Questions,
    fence: Arc<dyn MayWrite>,
    /// Of the target, if it is no folder.
    server: Option<Server>,
    events: Events,
}

impl Copier {
    /// The first copier of a process; its other workers take [`Copier::another`]. It asks `fence` before each write
    /// whether this process may still write: between a GET and its PUT the process may have been frozen, cut off and
    /// retired.
    pub fn new(
        target: Arc<dyn Blobs>,
        source: Arc<dyn Source>,
        budget: Budget,
        fence: Arc<dyn MayWrite>,
    ) -> Self {
        let (ways, questions) = (ways::Ways::default(), Questions::default());
        let server = target.url("").parse().ok().as_ref().and_then(Server::of);
        Self { target, source, budget, ways, questions, fence, server, events: Events::default() }
    }

    /// The same, which tells its waits and answers there.
    #[must_use]
    pub fn telling(self, events: &Events) -> Self {
        Self { events: events.clone(), ..self }
    }

    /// A copier for another worker, with its own clients and fence; findings about the services are shared.
    #[must_use]
    pub fn another(&self, target: Arc<dyn Blobs>, source: Arc<dyn Source>, fence: Arc<dyn MayWrite>) -> Self {
        let (ways, questions) = (self.ways.clone(), self.questions.clone());
        let (budget, server, events) = (self.budget.clone(), self.server.clone(), self.events.clone());
        Self { target, source, budget, ways, questions, fence, server, events }
    }

    /// The uploads of a submission whose files will have these names.
    pub fn begin(&self, names: Vec<String>) -> Uploads {
        Uploads::begin(self.target.clone(), names)
    }

    /// Asks the target's service once whether it copies by itself, so that no file is tried in vain: it would be refused for as
    /// many as are in flight by then.
    pub async fn learn_ways(&self) {
        if self.target.may_copy_from_urls()
            && let Some(reason) = self.target.refuses_to_copy().await
        {
            tracing::info!(
                place = self.target.location(),
                reason,
                "the storage service copies nothing by itself: all files are streamed"
            );
            self.ways.stream_all();
        }
    }

    /// The way to try first: the storage service copies by itself until it has said of a container that it cannot.
    pub fn way(&self, file: &PlannedFile) -> Way {
        let may_try = self.target.may_copy_from_urls() && self.ways.may_try_server_side(&file.source);
        if may_try { Way::ServerSide } else { Way::Streamed }
    }

    /// One try to copy `file` to the new blob `blob_name`, whose `metadata` names this process under `writer`.
    /// A blob of that name that is this process's own and equal counts as copied: an earlier answer was lost. `None` if
    /// the storage service does not copy by itself: then the file is to be streamed, which always copies or fails.
    pub async fn copy(
        &self,
        way: Way,
        file: &PlannedFile,
        blob_name: &str,
        metadata: Vec<(String, String)>,
    ) -> Result<Option<CopiedFile>, Fault> {
        let content_type = file.content_type.clone();
        let options = PutOptions {
            existing: Existing::Keep,
            content_type,
            // Its source's, which is known when that answers.
            content_encoding: None,
            metadata,
            md5: None,
        };
        let copied = match way {
            Way::ServerSide => self.copy_server_side(file, blob_name, &options).await?,
            Way::Streamed => Some(self.stream(file, blob_name, options).await?),
        };
        if let Some(copied) = &copied {
            self.events.tell(Event::BytesMoved { bytes: copied.size_bytes, way });
        }
        Ok(copied)
    }

    async fn stream(
        &self,
        file: &PlannedFile,
        blob_name: &str,
        options: PutOptions,
    ) -> Result<CopiedFile, Fault> {
        let (server, asking) = (Server::of(&file.source), self.source.get(&file.source));
        let reader = self.events.asked_of(Service::SourceBlobs, server.as_ref(), asking).await?;
        let options = PutOptions { content_encoding: reader.info.content_encoding.clone(), ..options };
        if reader.info.size_bytes <= PART_BYTES as u64 {
            self.copy_whole(reader, blob_name, &options).await
        } else {
            self.copy_in_parts(reader, blob_name, &options).await
        }
    }

    async fn may_write(&self) -> Result<(), Fault> {
        self.fence.prove_fence().await
    }

    /// Streams a small file: one GET, one PUT.
    async fn copy_whole(
        &self,
        reader: BlobReader,
        name: &str,
        options: &PutOptions,
    ) -> Result<CopiedFile, Fault> {
        let BlobReader { info, mut body } = reader;
        let length = usize::try_from(info.size_bytes).unwrap_or(PART_BYTES);
        let room = self.events.waited(Wait::Memory, self.budget.room(length)).await;
        let mut over = Bytes::new();
        let bytes = read_part(&mut body, &mut over, &room).await?;
        if !over.is_empty() || body.try_next().await?.is_some() {
            return Err(wrong_length(&info, "more"));
        }
        check_length(&info, bytes.len() as u64)?;
        let known = Digests::of_whole(&bytes).await;
        check_md5(&info, known.md5)?;
        let options = PutOptions { md5: known.md5, ..options.clone() };
        // Checked last, to keep the time between the check and the request short.
        self.may_write().await?;
        let storing = self.target.put(name, bytes, &options);
        match self.events.asked_of(Service::TargetBlobs, self.server.as_ref(), storing).await {
            Ok(stored) => self.prove(name, &stored, &info, known).await,
            Err(fault) if fault.kind == FaultKind::Exists => {
                self.own_earlier(fault, name, &options, info.size_bytes, known).await
            }
            Err(fault) => Err(fault),
        }
    }

    /// Streams a large file part by part, with one part in memory.
    async fn copy_in_parts(
        &self,
        reader: BlobReader,
        name: &str,
        options: &PutOptions,
    ) -> Result<CopiedFile, Fault> {
        let BlobReader { info, mut body } = reader;
        let mut upload = self.target.upload(name, options).await?;
        let mut digests = Digests::default();
        let mut copied = 0;
        let mut over = Bytes::new();
        loop {
            let room = self.events.waited(Wait::Memory, self.budget.room(PART_BYTES)).await;
            let part = read_part(&mut body, &mut over, &room).await?;
            if part.is_empty() {
                break;
            }
            copied += part.len() as u64;
            if copied > info.size_bytes {
                break;
            }
            digests = digests.add(part.clone()).await;
            self.may_write().await?;
            upload.part(part).await?;
        }
        check_length(&info, copied)?;
        let (md5, known) = digests.finish();
        check_md5(&info, known.md5)?;
        self.may_write().await?;
        match upload.finish(md5).await {
            Ok(stored) => self.prove(name, &stored, &info, known).await,
            Err(fault) if fault.kind == FaultKind::Exists => {
                self.own_earlier(fault, name, options, info.size_bytes, known).await
            }
            Err(fault) => Err(fault),
        }
    }

    /// A create-only write found a blob: this process's own, from a try whose answer was lost, or a foreign one.
    async fn own_earlier(
        &self,
        exists: Fault,
        name: &str,
        options: &PutOptions,
        size_bytes: u64,
        known: Known,
    ) -> Result<CopiedFile, Fault> {
        let Some(found) = self.target.head(name).await? else {
            // Deleted between the two requests: the next try may write it.
            return Err(Fault::new(Service::TargetBlobs, FaultKind::Unavailable, exists.what));
        };
        let value = |metadata: &[(String, String)]| {
            metadata.iter().find(|(key, _)| key == WRITER).map(|(_, value)| value.clone())
        };
        let own = value(&options.metadata).is_some_and(|own| Some(own) == value(&found.metadata));
        let equal = found.size_bytes == size_bytes && (known.md5.is_none() || known.md5 == found.md5);
        if own && equal {
            return Ok(CopiedFile {
                md5_proven: known.md5.is_some(),
                ..self.copied(name, size_bytes, known)
            });
        }
        Err(exists)
    }

    /// A copied file of which only the length is proven.
    fn copied(&self, name: &str, size_bytes: u64, known: Known) -> CopiedFile {
        let Known { md5, sha256 } = known;
        let (blob_name, url) = (name.to_owned(), self.target.url(name));
        CopiedFile { blob_name, url, size_bytes, md5_proven: false, md5, sha256 }
    }
}
