//! What the machine has, and what becomes of a test that lacks it.

use std::path::PathBuf;

/// The first of these programs that stands on the `PATH`.
pub fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|candidate| candidate.is_file())
}

/// What the test needs; without it the test is skipped, which in CI is a failure.
pub fn or_skipped<T>(found: Result<T, String>) -> Option<T> {
    if let Err(why) = &found {
        assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped: {why}");
        rogo_migrate::report::tell(&format!("skipped: {why}"));
    }
    found.ok()
}
