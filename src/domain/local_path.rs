//! Paths that a person gives for files and folders of this machine.

use std::path::PathBuf;

/// The path, if it is one of this machine: a URL would be taken for a folder of that name. The error says what is expected.
pub fn local_path(path: PathBuf) -> Result<PathBuf, String> {
    match path.to_str() {
        Some(text) if text.is_empty() || text.contains("://") || text.contains('\0') => Err(
            "the path of a file or folder of this machine is expected, without az://, file:// or https://"
                .into(),
        ),
        _ => Ok(path),
    }
}
