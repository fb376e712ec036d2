//! How much a verification reads, and so what it can notice.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Level of a verification (`--level`); each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Inputs, warehouse and the eight tables.
    Rows,
    /// Also a listing of the target container.
    Blobs,
    /// Also the bytes of the files.
    Content,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Blobs => "blobs",
            Self::Content => "content",
        })
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Rows, Self::Blobs, Self::Content]
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or_else(|| "rows, blobs or content is expected".to_owned())
    }
}
