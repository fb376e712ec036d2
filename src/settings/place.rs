//! Places that the program reads and writes: files, folders, containers.

use std::{fmt, path::PathBuf};

use super::{Settings, StoreSettings};

/// A local path or a blob in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputLocation {
    /// Absolute or relative path of a local file.
    Path(PathBuf),
    /// `az://container/name` in the target's account.
    Blob {
        /// Container and prefix (the last path segment is in `name`).
        place: Place,
        /// Blob name within the place.
        name: String,
    },
}

/// `az://container/prefix` or `file:///dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A container of the storage account.
    Azure {
        /// Name of the container.
        container: String,
        /// Prefix without leading or trailing slash; may be empty.
        prefix: String,
    },
    /// A folder, absolute.
    Folder(PathBuf),
}

impl Settings {
    /// The files of `--attempts`, `--exclude` and `--expect`: what a run reads beside the export.
    pub fn also_read(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.trial.attempts, &self.exclude, &self.expect].into_iter().flatten()
    }

    /// The verify store, if it is another place than the run store.
    pub fn verify_store_elsewhere(&self) -> Option<&Place> {
        elsewhere(self.verify_store.as_ref(), &self.run_store)
    }
}

impl StoreSettings {
    /// The verify store, if it is another place than the run store.
    pub fn verify_store_elsewhere(&self) -> Option<&Place> {
        elsewhere(self.verify_store.as_ref(), &self.run_store)
    }
}

fn elsewhere<'a>(verify_store: Option<&'a Place>, run_store: &Place) -> Option<&'a Place> {
    verify_store.filter(|place| *place != run_store)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure { container, prefix } if prefix.is_empty() => write!(f, "az://{container}"),
            Self::Azure { container, prefix } => write!(f, "az://{container}/{prefix}"),
            Self::Folder(path) => write!(f, "file://{}", path.display()),
        }
    }
}
