//! A blob written to a folder part by part: a file of its own until it is finished.

use std::io::Write;

use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest, Md5};
use tempfile::NamedTempFile;

use super::FolderBlobs;
use crate::ports::{Fault, FaultKind, PutOptions, Stored, Upload, deadline::blocking};

/// Parts written so far.
pub(super) struct FolderUpload {
    own: FolderBlobs,
    name: String,
    options: PutOptions,
    /// `None` after a part failed.
    file: Option<NamedTempFile>,
    digest: Md5,
}

impl FolderUpload {
    pub fn new(own: FolderBlobs, name: String, options: PutOptions, file: NamedTempFile) -> Self {
        Self { own, name, options, file: Some(file), digest: Md5::new() }
    }

    fn broken(&self) -> Fault {
        let what = format!("{} cannot be written on: an earlier part failed", self.own.shown(&self.name));
        Fault::new(self.own.service, FaultKind::Unavailable, what)
    }
}

#[async_trait]
impl Upload for FolderUpload {
    async fn part(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let Some(mut file) = self.file.take() else { return Err(self.broken()) };
        let (own, name, mut digest) = (self.own.clone(), self.name.clone(), self.digest.clone());
        let write = move || {
            file.write_all(&bytes).map_err(|error| own.fault(error, "writing", &name))?;
            digest.update(&bytes);
            Ok((file, digest))
        };
        let (file, digest) = blocking(self.own.service, write).await?;
        self.file = Some(file);
        self.digest = digest;
        Ok(())
    }

    async fn finish(mut self: Box<Self>, md5: [u8; 16]) -> Result<Stored, Fault> {
        let Some(file) = self.file.take() else { return Err(self.broken()) };
        let Self { own, name, options, digest, .. } = *self;
        if <[u8; 16]>::from(digest.finalize()) != md5 {
            let what =
                format!("what was written to {} has another MD5 than it should have", own.shown(&name));
            return Err(Fault::new(own.service, FaultKind::Corrupt, what));
        }
        blocking(own.service, move || own.place(&name, file, md5, &options)).await
    }
}
