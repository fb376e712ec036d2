//! Secrets: never shown, and read again where they may be replaced.

use std::{fmt, path::PathBuf};

use crate::domain::text::trim;

/// A secret from `NAME`, or from the file named by `NAME_FILE`, which is read again for each new connection.
#[derive(Clone)]
pub enum Secret {
    /// Given in the environment.
    Value(String),
    /// In a file that may be replaced while the program runs.
    File(PathBuf),
}

impl Secret {
    /// Reads the secret and trims it, because files and encoders often add a line break.
    pub fn read(&self) -> std::io::Result<String> {
        match self {
            Self::Value(value) => Ok(trim(value).to_owned()),
            Self::File(path) => Ok(trim(&std::fs::read_to_string(path)?).to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(set)")
    }
}
