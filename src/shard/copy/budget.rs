//! The memory that all copies of a process share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is given out in pieces of this.
const PIECE_BYTES: usize = 1024;

/// Room for buffered bytes. A copy holds room for one part at a time, so that copies never wait for each
/// other in a circle.
#[derive(Debug, Clone)]
pub struct Budget {
    pieces: Arc<Semaphore>,
}

impl Budget {
    /// 64 MiB for the process, however many copies run.
    pub const PROCESS_BYTES: usize = 64 * 1024 * 1024;

    /// The budget of a process.
    pub fn new() -> Self {
        Self { pieces: Arc::new(Semaphore::new(Self::PROCESS_BYTES / PIECE_BYTES)) }
    }

    /// Bytes that are not given out.
    pub fn free_bytes(&self) -> usize {
        self.pieces.available_permits() * PIECE_BYTES
    }

    /// Waits for room for `bytes`, at most the whole budget; dropped, it is free again.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let pieces = bytes.min(Self::PROCESS_BYTES).div_ceil(PIECE_BYTES);
        // The semaphore is never closed.
        self.pieces.clone().acquire_many_owned(u32::try_from(pieces).ok()?).await.ok()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}
