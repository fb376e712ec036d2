//! Files that are still being written. Each is called after its blob, so that what a killed process left is told from what
//! another run writes into the same folder.

use std::collections::HashSet;

use super::{FolderBlobs, PARTIAL, is_absent};
use crate::{
    domain::place_of_blob,
    ports::{BlobInfo, Fault},
};

/// Stands for a slash in the name of a partial file: neither the folder of a writer's blob nor its writer holds one.
const SLASH: char = '=';

/// What the partial files of a blob are called: `<folder>=<writer>=<attempt>_<upload order>_`, because a file's own name may
/// hold a learner's. The blob of no writer gives its name to none.
pub(in crate::adapters::blobs) fn prefix(name: &str) -> String {
    let mut parts = name.splitn(3, '/');
    match (parts.next(), parts.next(), place_of_blob(name)) {
        (Some(folder), Some(writer), Some((attempt, order))) => {
            format!("{folder}{SLASH}{writer}{SLASH}{attempt}_{order}_")
        }
        _ => ".tmp".to_owned(),
    }
}

impl FolderBlobs {
    /// The partial files of blobs in these folders of writers (`<folder>/<writer>/`).
    pub(super) fn partial_of(&self, folders: Vec<String>) -> Result<Vec<BlobInfo>, Fault> {
        self.stands()?;
        let folders: HashSet<String> = folders.into_iter().collect();
        let mut found = Vec::new();
        for entry in self.entries(PARTIAL)? {
            let (own, entry) = entry?;
            let name = own.replacen(SLASH, "/", 2);
            if !folder_of(&name).is_some_and(|folder| folders.contains(folder)) {
                continue;
            }
            match entry.metadata() {
                Ok(file) => found.push(BlobInfo { name, size_bytes: file.len(), ..BlobInfo::default() }),
                // Deleted meanwhile.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(self.fault(error, "listing", PARTIAL)),
            }
        }
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Removes partial files by the names that [`Self::partial_of`] gave.
    pub(super) fn remove_partial(&self, names: &[String]) -> Result<(), Fault> {
        self.stands()?;
        for name in names {
            self.path(name)?;
            let own = name.replacen('/', &SLASH.to_string(), 2);
            self.remove_if_there(&self.root.join(PARTIAL).join(own), PARTIAL)?;
        }
        Ok(())
    }
}

/// The first two folders of a name, with the slash behind them.
fn folder_of(name: &str) -> Option<&str> {
    let (second, _) = name.match_indices('/').nth(1)?;
    name.get(..=second)
}
