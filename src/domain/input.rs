//! What pins an input of a run.

use serde::{Deserialize, Serialize};

/// What pins one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDigest {
    /// Where it was read, without a query string.
    pub location: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its data rows.
    pub rows: u64,
}
