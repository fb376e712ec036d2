//! Walks a folder: lists its blobs, and finds the temporary files that killed processes left.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{FolderBlobs, LARGE_WORK, PARTIAL, PROPERTIES, blocking_for, is_absent, sidecar};
use crate::ports::{BlobInfo, Fault};

/// Older ones are of processes that were killed.
pub(super) const PARTIAL_FORGOTTEN: Duration = Duration::from_hours(24);

impl FolderBlobs {
    /// Every blob whose name begins with `prefix`, by name, each as `shape` leaves it.
    pub(super) fn list_once(
        &self,
        prefix: &str,
        shape: fn(BlobInfo) -> BlobInfo,
    ) -> BoxStream<'static, Result<Vec<BlobInfo>, Fault>> {
        let (own, prefix) = (self.clone(), prefix.to_owned());
        let walk =
            async move { blocking_for(LARGE_WORK, own.service, move || own.walk(&prefix, shape)).await };
        stream::once(walk).boxed()
    }

    /// Only folders that the prefix leads to are walked. Of a target whose folder is gone nothing is known: an empty list
    /// would say that it holds no blob.
    fn walk(&self, prefix: &str, shape: fn(BlobInfo) -> BlobInfo) -> Result<Vec<BlobInfo>, Fault> {
        self.stands()?;
        let mut blobs = Vec::new();
        let start = prefix.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        if let Some(folder) = &start {
            self.path(folder)?;
        }
        let mut folders = vec![start.unwrap_or_default()];
        while let Some(folder) = folders.pop() {
            for entry in self.entries(&folder)? {
                let (own, entry) = entry?;
                let name = if folder.is_empty() { own } else { format!("{folder}/{own}") };
                if name == PROPERTIES || name == PARTIAL {
                    continue;
                }
                match entry.metadata() {
                    Ok(file) if file.is_dir() => {
                        if leads_to(&name, prefix) {
                            folders.push(name);
                        }
                    }
                    Ok(file) if name.starts_with(prefix) => {
                        blobs.push(shape(sidecar::info(&self.sidecar(&name), &name, &file)));
                    }
                    Ok(_) => {}
                    // Deleted meanwhile.
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(self.fault(error, "listing", &folder)),
                }
            }
        }
        blobs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(blobs)
    }

    /// Folders of the root, by name.
    pub(super) async fn own_folders(&self) -> Result<Vec<String>, Fault> {
        let own = self.clone();
        blocking_for(LARGE_WORK, self.service, move || own.look_for_folders()).await
    }

    fn look_for_folders(&self) -> Result<Vec<String>, Fault> {
        self.stands()?;
        let mut folders = Vec::new();
        for entry in self.entries("")? {
            let (name, entry) = entry?;
            if name != PROPERTIES && name != PARTIAL && entry.path().is_dir() {
                folders.push(name);
            }
        }
        folders.sort_unstable();
        Ok(folders)
    }

    /// The entries of a folder with their names; none if it is not there. A name that is not UTF-8 is no blob's.
    pub(super) fn entries<'a>(
        &'a self,
        folder: &'a str,
    ) -> Result<impl Iterator<Item = Result<(String, fs::DirEntry), Fault>> + 'a, Fault> {
        let fault = move |error| self.fault(error, "listing", folder);
        let found = match fs::read_dir(self.root.join(folder)) {
            Ok(found) => Some(found),
            Err(error) if is_absent(&error) => None,
            Err(error) => return Err(fault(error)),
        };
        Ok(found.into_iter().flatten().filter_map(move |entry| match entry {
            Ok(entry) => entry.file_name().into_string().ok().map(|name| Ok((name, entry))),
            Err(error) => Some(Err(fault(error))),
        }))
    }

    /// Removes what processes left that were killed while they wrote.
    pub(super) fn forget_partial(&self) -> Result<(), Fault> {
        let fault = |error| self.fault(error, "tidying", PARTIAL);
        for entry in fs::read_dir(self.root.join(PARTIAL)).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let modified = entry.metadata().and_then(|file| file.modified());
            let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if age.is_some_and(|age| age > PARTIAL_FORGOTTEN) {
                fs::remove_file(entry.path()).map_err(fault)?;
            }
        }
        Ok(())
    }
}

/// Whether a blob in this folder, or below it, may have a name that begins with `prefix`.
pub(super) fn leads_to(folder: &str, prefix: &str) -> bool {
    folder.starts_with(prefix) || prefix.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
