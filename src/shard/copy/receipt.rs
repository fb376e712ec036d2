//! What a submission's copies left in the target, until it is committed.

use std::{fmt, sync::Arc};

use crate::ports::{Blobs, CopiedFile, Fault};

/// The files copied for one submission. Whoever commits consumes it; after a certain rollback it is undone.
/// After a lost answer neither: the sweep decides.
#[must_use = "copies are either committed or undone"]
pub struct Copied {
    target: Arc<dyn Blobs>,
    files: Vec<CopiedFile>,
}

impl Copied {
    pub(super) fn new(target: Arc<dyn Blobs>) -> Self {
        Self { target, files: Vec::new() }
    }

    /// One more file stands.
    pub fn push(&mut self, file: CopiedFile) {
        self.files.push(file);
    }

    /// The files, in the order in which they were pushed.
    pub fn files(&self) -> &[CopiedFile] {
        &self.files
    }

    /// They are referred to now, or left to the sweep.
    pub fn into_files(self) -> Vec<CopiedFile> {
        self.files
    }

    /// Removes exactly these blobs. May be called again where it failed.
    pub async fn undo(&mut self) -> Result<(), Fault> {
        let names: Vec<String> = self.files.iter().map(|file| file.blob_name.clone()).collect();
        self.target.delete_many(&names).await?;
        self.files.clear();
        Ok(())
    }
}

impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copied").field("files", &self.files).finish_non_exhaustive()
    }
}
