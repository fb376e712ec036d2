//! What pins an input of a run.

use serde::{Deserialize, Serialize};

/// What pins one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDigest {
    /// Where it was read, without a query string.
    pub location: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// Number of records below the header.
    pub rows: u64,
}
