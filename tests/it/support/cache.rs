//! The folder in which tests and scripts keep what they install, each thing once per machine, by version.

use std::path::PathBuf;

/// The scripts install some of it too: they say which version.
const NEED: &str = include_str!("../../need.sh");

/// The folder of this name.
pub fn folder(name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    cache.join("rogo-migrate").join(name)
}

/// The version that `tests/need.sh` keeps in this variable.
pub fn version(variable: &str) -> &'static str {
    let value = NEED.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("need.sh has no {variable}"))
}
