//! Places that the program reads and writes: files, folders, containers.

use std::{fmt, path::PathBuf};

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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure { container, prefix } if prefix.is_empty() => write!(f, "az://{container}"),
            Self::Azure { container, prefix } => write!(f, "az://{container}/{prefix}"),
            Self::Folder(path) => write!(f, "file://{}", path.display()),
        }
    }
}
