//! What the copies of one submission left in the target, until it is committed.

use std::{fmt, sync::Arc};

use crate::ports::{Blobs, Fault};

/// The names of the blobs that one submission may write. The commit consumes it; after a certain rollback the caller
/// undoes it. After a lost answer neither happens: the sweep decides.
#[must_use = "copies are either committed or undone"]
pub struct Uploads {
    target: Arc<dyn Blobs>,
    names: Vec<String>,
}

impl Uploads {
    /// The state before the first copy: the names that this process alone is going to write.
    pub fn begin(target: Arc<dyn Blobs>, names: Vec<String>) -> Self {
        Self { target, names }
    }

    /// The names, in upload order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Deletes every blob under these names, including one whose upload got no answer.
    pub async fn undo(self) -> Result<(), Fault> {
        self.target.delete_many(&self.names).await
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").field("files", &self.names.len()).finish_non_exhaustive()
    }
}
