//! What a check asks for and has nothing to compare with: no lack of this process, which another one could do better.

use serde::{Deserialize, Serialize};

use super::table::CheckId;
use crate::domain::Level;

/// Why there is nothing to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nothing {
    /// Of a file the outcome keeps no MD5, and its source stores none.
    Md5,
    /// The outcome, or the source as it is now, has no MD5 of a source file.
    SourceMd5,
    /// The outcome keeps no digest of a file's bytes.
    Digest,
    /// A row was recovered after a crash, and could not be decided again: its outcome keeps no notes.
    Notes,
    /// `--target-alters` names a column of it: what a trigger is known to change is not compared.
    TargetAlters,
}

impl Nothing {
    /// The reason, for people.
    pub fn why(self) -> &'static str {
        match self {
            Self::Md5 => "neither the outcome nor the source has an MD5 of the file",
            Self::SourceMd5 => {
                "the outcome or the source has no MD5 of the file: only its length was compared"
            }
            Self::Digest => "the outcome keeps no digest of the file's bytes",
            Self::TargetAlters => "--target-alters leaves out a column that it compares",
            Self::Notes => "the row was recovered after a crash, and its outcome keeps no notes",
        }
    }
}

/// Whether the check is one that level content makes in a better way: it reads the bytes of which a digest is not known.
pub fn is_made_by_bytes(check: CheckId, level: Level) -> bool {
    level == Level::Content && matches!(check, CheckId::BlobMd5 | CheckId::ContentReceipt)
}
