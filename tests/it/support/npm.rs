//! npm packages that tests need, each installed once per machine, by version.

use std::{path::PathBuf, process::Command};

use super::cache;

/// The folder of a package, below the tests' cache folder; or why it cannot be had here.
pub fn installed(package: &str, version: &str) -> Result<PathBuf, String> {
    let folder = cache::folder(&format!("{package}-{version}"));
    if folder.exists() {
        return Ok(folder);
    }
    // Installed beside and renamed: several test binaries may begin at once.
    let parent = folder.parent().unwrap();
    std::fs::create_dir_all(parent).unwrap();
    let building = tempfile::tempdir_in(parent).unwrap();
    let status = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(building.path())
        .arg(format!("{package}@{version}"))
        .status()
        .map_err(|error| format!("npm does not start: {error}"))?;
    if !status.success() {
        return Err(format!("npm could not install {package}@{version}"));
    }
    if std::fs::rename(building.path(), &folder).is_err() && !folder.exists() {
        return Err(format!("{package} could not be put at {}", folder.display()));
    }
    Ok(folder)
}
