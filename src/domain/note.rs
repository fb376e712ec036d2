//! Notes on migrated rows.

use serde::{Deserialize, Serialize};

use super::NoteCode;

/// Something worth knowing about a migrated row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable code, written to `notes.csv`.
    pub code: NoteCode,
    /// The particulars, without personal data.
    pub detail: String,
}

impl Note {
    /// The target no longer holds these files (places in the submission: "1, 3"), although the row names them.
    pub fn file_blob_missing(places: &str) -> Self {
        let detail = format!("the target container does not hold file {places} of the submission any more");
        Self { code: NoteCode::FileBlobMissing, detail }
    }

    /// The target holds other values, in these columns, than the recovered row would be written with.
    pub fn changed_since(columns: &[String]) -> Self {
        let detail = format!("the target holds other values than the row has now: {}", columns.join(", "));
        Self { code: NoteCode::ChangedSince, detail }
    }

    /// A newer rule, which no migration wrote, is kept.
    pub fn enforcement_kept() -> Self {
        let detail = "the target holds a newer malpractice rule for this learner, which stands";
        Self { code: NoteCode::EnforcementKept, detail: detail.to_owned() }
    }
}
