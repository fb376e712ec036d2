//! What the machine has, and what becomes of a test that lacks it.

use std::{fs::OpenOptions, io::Write, path::PathBuf};

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
        skipped(why);
    }
    found.ok()
}

/// Says that this test, or the greater part of it, is skipped, and writes it into the file that `ROGO_SKIPPED` names: the summary
/// counts it as skipped, though the runner takes it for passed. In CI it is a failure.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "in CI nothing is skipped: {why}");
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    rogo_migrate::report::tell(&format!("skipped: {why}"));
    let Some(file) = std::env::var_os("ROGO_SKIPPED").filter(|file| !file.is_empty()) else { return };
    // One write, so that the lines of two tests do not mix.
    let line = format!("{}\t{why}\n", std::thread::current().name().unwrap_or("a test"));
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}
