//! Blobs in a folder: a file each, made whole beside its place and then put there in one step.

mod empty;
mod place;
pub(super) mod unfinished;
mod upload;
mod walk;

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use uuid::Uuid;

use super::{faults, names, sidecar};
use crate::ports::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Fault, FaultKind, PutOptions, Service, Stored, Upload,
    deadline::{LARGE_WORK, READ_BYTES, blocking, blocking_for, contents},
};

/// Properties, mirroring the blobs' names. Hidden: no blob may be called so.
const PROPERTIES: &str = ".properties";

/// Subfolder for files that are still being written; a complete file is renamed out of it.
const PARTIAL: &str = ".partial";

/// Parts of a call's deletes that are under way at a time: a file system may take a millisecond for each file.
const DELETES: usize = 16;

/// Blobs kept as files of a local or network folder.
#[derive(Debug, Clone)]
pub(super) struct FolderBlobs {
    root: PathBuf,
    service: Service,
}

impl FolderBlobs {
    pub fn new(root: &Path, service: Service) -> Result<Self, Fault> {
        let root = std::path::absolute(root)
            .map_err(|error| faults::of_io(error, service, "finding the folder of a file:// place"))?;
        Ok(Self { root, service })
    }

    fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        names::check(name, self.service)?;
        if matches!(name.split('/').next(), Some(PROPERTIES | PARTIAL)) {
            let what = format!("the blob name {name:?} begins with what a folder keeps for itself");
            return Err(Fault::new(self.service, FaultKind::Misconfigured, what));
        }
        Ok(self.root.join(name))
    }

    fn sidecar(&self, name: &str) -> PathBuf {
        self.root.join(PROPERTIES).join(name)
    }

    /// Where the blob is, for people.
    fn shown(&self, name: &str) -> String {
        self.root.join(names::shown(name, self.service)).display().to_string()
    }

    fn fault(&self, error: io::Error, doing: &str, name: &str) -> Fault {
        faults::of_io(error, self.service, &format!("{doing} {}", self.shown(name)))
    }

    fn store(&self, name: &str, bytes: &[u8], options: &PutOptions) -> Result<Stored, Fault> {
        self.path(name)?;
        let fault = |error| self.fault(error, "writing", name);
        let mut file = self.begin(name)?;
        file.write_all(bytes).map_err(fault)?;
        self.place(name, file, options.md5.unwrap_or_else(|| Md5::digest(bytes).into()), options)
    }

    fn store_file(&self, name: &str, from: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        self.path(name)?;
        let reading = |error| faults::of_io(error, self.service, &format!("reading {}", from.display()));
        let mut source = fs::File::open(from).map_err(reading)?;
        let mut file = self.begin(name)?;
        let mut digest = Md5::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let length = io::Read::read(&mut source, &mut buffer).map_err(reading)?;
            let Some(part) = buffer.get(..length).filter(|part| !part.is_empty()) else { break };
            digest.update(part);
            file.write_all(part).map_err(|error| self.fault(error, "writing", name))?;
        }
        self.place(name, file, digest.finalize().into(), options)
    }

    fn look(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        let path = self.path(name)?;
        match fs::metadata(&path) {
            Ok(file) if file.is_file() => Ok(Some(sidecar::info(&self.sidecar(name), name, &file))),
            Ok(_) => Ok(None),
            // Where the whole folder is gone, nothing is known of a blob.
            Err(error) if is_absent(&error) => self.stands().map(|()| None),
            Err(error) => Err(self.fault(error, "looking at", name)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        self.stands()?;
        for path in [self.path(name)?, self.sidecar(name)] {
            self.remove_if_there(&path, name)?;
        }
        Ok(())
    }

    /// What is not there counts as deleted; `shown` is the name in an error.
    fn remove_if_there(&self, path: &Path, shown: &str) -> Result<(), Fault> {
        match fs::remove_file(path) {
            Err(error) if !is_absent(&error) => Err(self.fault(error, "deleting", shown)),
            _ => Ok(()),
        }
    }

    fn probe(&self) -> Result<(), Fault> {
        let name = format!("rogo-migrate-check-{}", Uuid::new_v4().simple());
        self.store(&name, b"rogo-migrate checks its rights", &PutOptions::create("text/plain"))?;
        self.look_at_root()?;
        self.remove(&name)?;
        self.forget_partial()
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    fn location(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}/{}", names::encode(&self.root.to_string_lossy()), names::encode(name))
    }

    async fn prepare(&self) -> Result<bool, Fault> {
        let own = self.clone();
        blocking(self.service, move || own.make_root()).await
    }

    async fn check(&self) -> Result<(), Fault> {
        let own = self.clone();
        blocking(self.service, move || own.probe()).await
    }

    async fn answers(&self) -> Result<(), Fault> {
        let own = self.clone();
        blocking(self.service, move || own.look_at_root()).await
    }

    async fn put(&self, name: &str, bytes: Bytes, options: &PutOptions) -> Result<Stored, Fault> {
        let (own, name, options) = (self.clone(), name.to_owned(), options.clone());
        blocking(self.service, move || own.store(&name, &bytes, &options)).await
    }

    async fn upload(&self, name: &str, options: &PutOptions) -> Result<Box<dyn Upload>, Fault> {
        self.path(name)?;
        let (own, begun) = (self.clone(), name.to_owned());
        let file = blocking(self.service, move || own.begin(&begun)).await?;
        let (own, name, options) = (self.clone(), name.to_owned(), options.clone());
        Ok(Box::new(upload::FolderUpload::new(own, name, options, file)))
    }

    async fn put_file(&self, name: &str, path: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        let (own, name, path, options) = (self.clone(), name.to_owned(), path.to_owned(), options.clone());
        blocking_for(LARGE_WORK, self.service, move || own.store_file(&name, &path, &options)).await
    }

    async fn copy_from(&self, _: &CopyGrant, _: &BlobInfo, _: &str, _: &PutOptions) -> Result<Stored, Fault> {
        Err(Fault::new(self.service, FaultKind::Unsupported, "a folder copies nothing by itself"))
    }

    async fn get(&self, name: &str) -> Result<Option<BlobReader>, Fault> {
        let Some(info) = self.head(name).await? else { return Ok(None) };
        let path = self.path(name)?;
        let opened = blocking(self.service, move || {
            Ok(fs::File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))))
        });
        // The file may have been replaced between the check and the open, so the metadata come from the open file.
        let (file, metadata) = match opened.await? {
            Ok(opened) => opened,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.fault(error, "reading", name)),
        };
        let info = if info.etag.as_deref() == Some(&sidecar::etag(&metadata)) {
            info
        } else {
            sidecar::info(&self.sidecar(name), name, &metadata)
        };
        let (own, name) = (self.clone(), name.to_owned());
        let fault = move |error| own.fault(error, "reading", &name);
        Ok(Some(BlobReader { info, body: contents(file, metadata.len(), self.service, fault) }))
    }

    async fn head(&self, name: &str) -> Result<Option<BlobInfo>, Fault> {
        let (own, name) = (self.clone(), name.to_owned());
        blocking(self.service, move || own.look(&name)).await
    }

    async fn folders(&self) -> Result<Vec<String>, Fault> {
        self.own_folders().await
    }

    fn list(&self, prefix: &str) -> BoxStream<'static, Result<BlobInfo, Fault>> {
        // What is not told is dropped while it walks: all is one page.
        let page = self.list_once(prefix, BlobInfo::in_brief);
        page.map_ok(|blobs| stream::iter(blobs.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn list_in_full(&self, prefix: &str) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>> {
        self.list_once(prefix, |blob| blob)
    }

    async fn delete_many(&self, names: &[String]) -> Result<(), Fault> {
        let each = names.len().div_ceil(DELETES).max(1);
        let remove = |names: &[String]| {
            let (own, names) = (self.clone(), names.to_vec());
            let remove = move || names.iter().try_for_each(|name| own.remove(name));
            blocking_for(LARGE_WORK, self.service, remove)
        };
        stream::iter(names.chunks(each).map(Ok)).try_for_each_concurrent(DELETES, remove).await
    }

    async fn unfinished(&self, prefixes: &[String]) -> Result<Vec<BlobInfo>, Fault> {
        let (own, prefixes) = (self.clone(), prefixes.to_vec());
        blocking_for(LARGE_WORK, self.service, move || own.partial_of(prefixes)).await
    }

    async fn delete_unfinished(&self, names: &[String]) -> Result<(), Fault> {
        let (own, names) = (self.clone(), names.to_vec());
        blocking_for(LARGE_WORK, self.service, move || own.remove_partial(&names)).await
    }

    async fn remove_empty_folders(&self, folder: &str) -> Result<(), Fault> {
        let (own, folder) = (self.clone(), folder.to_owned());
        blocking_for(LARGE_WORK, self.service, move || own.remove_empty(&folder)).await
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
