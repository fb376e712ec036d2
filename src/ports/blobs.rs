//! Places of named blobs, and files that are read by URL.

use std::{borrow::Cow, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Fault, FaultKind, Service};

/// A blob's name as Azure Storage keeps it: dots at the end of a segment are dropped without a word, so that a listing
/// shows another name than the one that was given. Names are compared in this form.
pub fn stored_form(name: &str) -> Cow<'_, str> {
    if name.split('/').all(|segment| !segment.ends_with('.')) {
        return Cow::Borrowed(name);
    }
    let segments: Vec<&str> = name.split('/').map(|segment| segment.trim_end_matches('.')).collect();
    Cow::Owned(segments.join("/"))
}

/// What a put may do to a blob of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// [`FaultKind::Exists`] if there is one.
    Keep,
    /// Replaces it atomically.
    Replace,
}

/// How a blob is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOptions {
    /// What to do about an existing blob.
    pub existing: Existing,
    /// Value of the Content-Type header.
    pub content_type: String,
    /// Content-Encoding: how the bytes are compressed.
    pub content_encoding: Option<String>,
    /// Metadata: names are identifiers without dashes.
    pub metadata: Vec<(String, String)>,
    /// MD5 of the bytes of a [`Blobs::put`], where it is known already.
    pub md5: Option<[u8; 16]>,
}

impl PutOptions {
    /// A run-store document that must not be there yet.
    pub fn create(content_type: &str) -> Self {
        Self {
            existing: Existing::Keep,
            content_type: content_type.into(),
            content_encoding: None,
            metadata: Vec::new(),
            md5: None,
        }
    }

    /// A run-store document that takes the place of an earlier one.
    pub fn replace(content_type: &str) -> Self {
        Self { existing: Existing::Replace, ..Self::create(content_type) }
    }
}

/// Properties of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlobInfo {
    /// Name within the store; for a source, its URL without query.
    pub name: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Its stored Content-MD5: what its writer claimed.
    pub md5: Option<[u8; 16]>,
    /// `ETag`, or what serves as one.
    pub etag: Option<String>,
    /// Content type; not from [`Blobs::list`].
    pub content_type: Option<String>,
    /// Content-Encoding; not from [`Blobs::list`].
    pub content_encoding: Option<String>,
    /// Metadata, names in lower case; not from [`Blobs::list`].
    pub metadata: Vec<(String, String)>,
    /// Whether it is in the archive tier, where it cannot be read.
    pub archived: bool,
}

impl BlobInfo {
    /// As a listing of many is kept: without content type, encoding and metadata.
    #[must_use]
    pub fn in_brief(self) -> Self {
        Self { content_type: None, content_encoding: None, metadata: Vec::new(), ..self }
    }
}

/// A blob being read: its bytes in order. Where the service allows, a broken stream continues by
/// itself from where it stood, on the same `ETag`; else it yields a fault.
pub struct BlobReader {
    /// Properties of the blob. `size_bytes` is the whole blob's length.
    pub info: BlobInfo,
    /// The bytes, as the service sends them.
    pub body: BoxStream<'static, Result<Bytes, Fault>>,
}

/// A blob that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length in bytes, as the service says.
    pub size_bytes: u64,
    /// MD5 that the service computed or confirmed, if it did.
    pub md5: Option<[u8; 16]>,
}

/// Where a server-side copy reads from.
pub struct CopyGrant {
    /// URL of the source with the query that authorises the read: a secret.
    pub url: Url,
    /// `Bearer …` for the copy-source-authorization header: a secret.
    pub authorization: Option<String>,
}

/// A blob that is written part by part and exists only after [`Upload::finish`].
#[async_trait]
pub trait Upload: Send {
    /// Appends a part (at most 100 MiB; ordinarily 8 MiB). Each is verified on its way.
    async fn part(&mut self, bytes: Bytes) -> Result<(), Fault>;

    /// Completes the blob, with this MD5 over all its bytes.
    async fn finish(self: Box<Self>, md5: [u8; 16]) -> Result<Stored, Fault>;
}

/// A place of named blobs: an Azure container with a prefix, or a folder.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// The place, for people: `az://container/prefix` or `file:///dir`.
    fn location(&self) -> String;

    /// Whether the place is a folder, in which names are those of files: a service drops dots at the end of a name.
    fn is_folder(&self) -> bool {
        self.location().starts_with("file:")
    }

    /// The blob's URL, without any query.
    fn url(&self, name: &str) -> String;

    /// Makes the place if it is made by its first user, which is a plan, as a target's folder is; an Azure container is
    /// not. Returns whether it was made now.
    async fn prepare(&self) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Checks that the place is there and may be read, written and deleted from. No blob is left behind. A place
    /// whose blobs a policy keeps is warned of in the log: its orphans cannot be swept.
    async fn check(&self) -> Result<(), Fault>;

    /// Asks whether the place answers: one request for one name.
    async fn answers(&self) -> Result<(), Fault>;

    /// Whether a policy or a legal hold keeps the place's blobs, as far as the service says so: nothing could be swept.
    async fn is_immutable(&self) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Stores the bytes; the service checks their MD5.
    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault>;

    /// Begins a blob of any size.
    async fn upload(&self, name: &str, options: &PutOptions) -> Result<Box<dyn Upload>, Fault>;

    /// Stores a local file of any size.
    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault>;

    /// Whether the place is one to which a service may copy by itself from a URL. That this one does, only a copy shows.
    fn may_copy_from_urls(&self) -> bool {
        false
    }

    /// The same, the service asked, which writes nothing: `Some` with its words if it says that it copies nothing by itself.
    async fn refuses_to_copy(&self) -> Option<String> {
        (!self.may_copy_from_urls()).then(|| "the place is no service's".to_owned())
    }

    /// Server-side copy of `source`, which is `info` (its `ETag` is the condition, its MD5 the check; where it has
    /// none, the copy is looked at for its length); [`FaultKind::Unsupported`] if the service cannot.
    async fn copy_from(
        &self,
        grant: &CopyGrant,
        info: &BlobInfo,
        name: &str,
        options: &PutOptions,
    ) -> Result<Stored, Fault>;

    /// Reads a blob as a stream; `None` if there is none.
    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault>;

    /// Properties of a blob; `None` if there is none.
    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault>;

    /// Names of the place's own folders, by name: what stands before the first `/` in the names of its blobs. The blobs
    /// below them are not listed.
    async fn folders(&self) -> Result<Vec<String>, Fault>;

    /// Blobs whose names begin with the prefix, by name.
    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>> {
        let in_brief = |page: Vec<BlobInfo>| page.into_iter().map(|blob| Ok(blob.in_brief()));
        self.list_in_full(prefix).map_ok(move |page| stream::iter(in_brief(page))).try_flatten().boxed()
    }

    /// The same with all that [`Blobs::head`] tells of each, a page at a time: as many as the service shows in one request.
    fn list_in_full(&self, prefix: &str) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>>;

    /// Deletes; a blob that is not there counts as deleted.
    async fn delete_many(&self, names: &[String]) -> Result<(), Fault>;

    /// What is left of blobs that were being written and whose names begin with one of the prefixes, which end with a slash:
    /// files beside the blobs, which no listing shows; they are read once for all prefixes. A service keeps none. Of the
    /// blob's name each has the folders, the attempt and the upload order.
    async fn unfinished(&self, _prefixes: &[String]) -> Result<Vec<BlobInfo>, Fault> {
        Ok(Vec::new())
    }

    /// Deletes what [`Blobs::unfinished`] names; what is not there counts as deleted.
    async fn delete_unfinished(&self, _names: &[String]) -> Result<(), Fault> {
        Ok(())
    }

    /// Removes the folder of this name with all that are left empty in it, and those above it that then hold nothing; to be
    /// called once their blobs are deleted. A service keeps no folders.
    async fn remove_empty_folders(&self, _folder: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// Source of learners' and markers' files, read by URL.
#[async_trait]
pub trait Source: Send + Sync {
    /// Opens the file at `url` for reading; the body arrives as a stream.
    async fn get(&self, url: &Url) -> Result<BlobReader, Fault>;

    /// Properties of the file, without its content.
    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault>;

    /// URL and authorisation for a server-side copy by `to`; `None` if `to` cannot read the source.
    async fn grant(&self, url: &Url) -> Result<Option<CopyGrant>, Fault>;

    /// The files whose decoded names ([`crate::domain::source_name`]) begin with `prefix`, in the container of `example`
    /// and as `example` itself is read; a page at a time. [`FaultKind::Unsupported`] if they cannot be listed.
    fn list<'a>(
        &'a self,
        _example: &'a Url,
        _prefix: &'a str,
    ) -> BoxStream<'a, Result<Vec<BlobInfo>, Fault>> {
        let fault = Fault::new(Service::SourceBlobs, FaultKind::Unsupported, "this source cannot be listed");
        stream::once(std::future::ready(Err(fault))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_end_of_a_segment_are_not_stored() {
        for (given, stored) in [
            ("LTI_Uploads/t/1_1_essay.", "LTI_Uploads/t/1_1_essay"),
            ("a./b../c...", "a/b/c"),
            ("a.b/.c/d.e", "a.b/.c/d.e"),
        ] {
            assert_eq!(stored_form(given), stored);
            assert_eq!(stored_form(stored), stored);
        }
    }
}
