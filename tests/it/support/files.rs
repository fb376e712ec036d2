//! Folders of the machine, as tests look at them.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Every file below the folder, which may be none yet; what vanishes meanwhile is left out.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.unwrap(),
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// Every file below the folder, by its path from there, with its bytes; the folder must stand, and stand still.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    assert!(folder.is_dir(), "{} is no folder", folder.display());
    let paths = files_below(folder).into_iter();
    let named = |path: PathBuf| (path.strip_prefix(folder).unwrap().to_owned(), fs::read(path).unwrap());
    paths.map(named).collect()
}
