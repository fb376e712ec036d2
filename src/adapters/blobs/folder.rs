//! Blobs in a folder: a file each, made whole beside its place and then put there in one step.

mod upload;
mod walk;

use std::{
    fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use tempfile::NamedTempFile;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{
    deadline::{LARGE_WORK, blocking, blocking_for, with_deadline},
    faults, names, sidecar,
};
use crate::ports::{
    BlobInfo, BlobReader, Blobs, CopyGrant, Existing, Fault, FaultKind, PutOptions, Service, Stored, Upload,
};

/// Properties, mirroring the blobs' names. Hidden: no blob may be called so.
const PROPERTIES: &str = ".properties";

/// Subfolder for files that are still being written; a complete file is renamed out of it.
const PARTIAL: &str = ".partial";

/// EPERM: how Linux says that a file system has no hard links.
const OPERATION_NOT_PERMITTED: i32 = 1;

/// How much of a file is read at a time.
const READ_BYTES: usize = 256 * 1024;

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

    /// Creates a temporary file, which becomes the blob. Documents of a run may hold rows as they came, so only their
    /// owner may read them (0600); for other files the umask decides.
    fn begin(&self) -> io::Result<NamedTempFile> {
        let partial = self.root.join(PARTIAL);
        fs::create_dir_all(&partial)?;
        let mode = if self.service == Service::RunStore { 0o600 } else { 0o666 };
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(mode)).tempfile_in(partial)
    }

    /// Renames a complete file to its final name and syncs it. The properties are written first: if the disk is full,
    /// neither file exists, and no file exists without the properties that name its writer.
    fn place(
        &self,
        name: &str,
        file: NamedTempFile,
        md5: [u8; 16],
        options: &PutOptions,
    ) -> Result<Stored, Fault> {
        let path = self.path(name)?;
        let fault = |error| self.fault(error, "writing", name);
        file.as_file().sync_all().map_err(fault)?;
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(fault)?;
        // A file keeps its inode, time and length on its way.
        let metadata = file.as_file().metadata().map_err(fault)?;
        let (beside, partial) = (self.sidecar(name), self.root.join(PARTIAL));
        let properties = sidecar::write(&beside, &partial, &metadata, md5, options).map_err(fault)?;
        match options.existing {
            // A rename that refuses to replace, else a hard link: one of several at a time wins.
            Existing::Keep => {
                file.persist_noclobber(&path).map_err(|error| self.no_links(error.error, name))?
            }
            Existing::Replace => file.persist(&path).map_err(|error| fault(error.error))?,
        };
        fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(fault)?;
        properties.persist(beside).map_err(|error| fault(error.error))?;
        Ok(Stored { size_bytes: metadata.len(), md5: Some(md5) })
    }

    fn no_links(&self, error: io::Error, name: &str) -> Fault {
        let unsupported = matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput);
        if !unsupported && error.raw_os_error() != Some(OPERATION_NOT_PERMITTED) {
            return self.fault(error, "writing", name);
        }
        let what = format!(
            "{} cannot hold create-only files: its file system has no hard links (an SMB share?); \
             use a local disk, NFS or an az:// place",
            self.root.display()
        );
        Fault::caused(self.service, FaultKind::Misconfigured, what, error)
    }

    fn store(&self, name: &str, bytes: &[u8], options: &PutOptions) -> Result<Stored, Fault> {
        self.path(name)?;
        let fault = |error| self.fault(error, "writing", name);
        let mut file = self.begin().map_err(fault)?;
        file.write_all(bytes).map_err(fault)?;
        self.place(name, file, options.md5.unwrap_or_else(|| Md5::digest(bytes).into()), options)
    }

    fn store_file(&self, name: &str, from: &Path, options: &PutOptions) -> Result<Stored, Fault> {
        self.path(name)?;
        let reading = |error| faults::of_io(error, self.service, &format!("reading {}", from.display()));
        let mut source = fs::File::open(from).map_err(reading)?;
        let mut file = self.begin().map_err(|error| self.fault(error, "writing", name))?;
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
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.fault(error, "looking at", name)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        for path in [self.path(name)?, self.sidecar(name)] {
            match fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(self.fault(error, "deleting", name)),
            }
        }
        Ok(())
    }

    fn probe(&self) -> Result<(), Fault> {
        let name = format!("rogo-migrate-check-{}", Uuid::new_v4().simple());
        self.store(&name, b"rogo-migrate checks its rights", &PutOptions::create("text/plain"))?;
        self.look_at_root()?;
        self.remove(&name)?;
        self.forget_partial()
    }

    /// One entry of the root; the first blob makes it.
    fn look_at_root(&self) -> Result<(), Fault> {
        match fs::read_dir(&self.root).map(|mut entries| entries.next().transpose()) {
            Ok(Ok(_)) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Ok(Err(error)) | Err(error) => {
                let doing = format!("listing {}", self.root.display());
                Err(faults::of_io(error, self.service, &doing))
            }
        }
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
        let file = self.begin().map_err(|error| self.fault(error, "writing", name))?;
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
        let body = ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES)
            .map_err(move |error| own.fault(error, "reading", &name));
        Ok(Some(BlobReader { info, body: with_deadline(body.boxed(), self.service) }))
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
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
