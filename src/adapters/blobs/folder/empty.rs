//! Folders that are left when their blobs are deleted.

use std::{fs, path::Path};

use super::{FolderBlobs, PROPERTIES};
use crate::ports::Fault;

impl FolderBlobs {
    /// Removes the folder of this name, of blobs and of their properties, with all that are empty in it, and the folders above
    /// it that then hold nothing. What holds a file stays, and so does what cannot be removed: it is empty.
    pub(super) fn remove_empty(&self, folder: &str) -> Result<(), Fault> {
        self.path(folder)?;
        for base in [self.root.clone(), self.root.join(PROPERTIES)] {
            remove_tree(&base.join(folder));
            let above = Path::new(folder).ancestors().skip(1).filter(|above| *above != Path::new(""));
            for above in above {
                if fs::remove_dir(base.join(above)).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// The folders inside before the one that holds them; links are not followed.
fn remove_tree(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    // Fails for one that holds a file.
    drop(fs::remove_dir(folder));
}
