//! The memory that all copies of a process share.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PART_BYTES;

/// Room is given out in pieces of this.
const PIECE_BYTES: usize = 1024;
/// A file longer than this takes the room of a whole part, and a buffer that is used again: allocated and freed in turn,
/// buffers of several MiB leave the allocator with more gaps than they fill.
const LARGE_BYTES: usize = PART_BYTES / 4;
/// The most that a connection reads ahead of a copy: the bound of the HTTP client's own buffer.
const READ_AHEAD_BYTES: usize = 408 * 1024;

/// Room for buffered bytes. A copy holds room for one part at a time, so that copies never wait for each
/// other in a circle.
#[derive(Debug, Clone)]
pub struct Budget {
    pieces: Arc<Semaphore>,
    /// Empty buffers of whole parts, at most as many as the budget has room for.
    buffers: Buffers,
}

type Buffers = Arc<Mutex<Vec<BytesMut>>>;

/// Room for one part.
pub(super) struct Room {
    length: usize,
    buffers: Buffers,
    /// Free again when dropped.
    _pieces: Option<OwnedSemaphorePermit>,
}

/// The bytes of a part, whose buffer is given back when the last reader drops them.
struct Filled {
    bytes: BytesMut,
    buffers: Buffers,
}

impl Budget {
    /// 64 MiB for the process, however many copies run.
    pub const PROCESS_BYTES: usize = 64 * 1024 * 1024;

    /// The budget of a process.
    pub fn new() -> Self {
        let pieces = Arc::new(Semaphore::new(Self::PROCESS_BYTES / PIECE_BYTES));
        Self { pieces, buffers: Buffers::default() }
    }

    /// Bytes that are not given out.
    pub fn free_bytes(&self) -> usize {
        self.pieces.available_permits() * PIECE_BYTES
    }

    /// Bytes of room that a file of this length takes, or each part of it. Small files are many, and the buffers of their
    /// connections are as large as they: one that reads ahead, one that rests while the file that it brought is written,
    /// and as much that the allocator keeps for the next ones.
    pub fn room_bytes(length: u64) -> usize {
        match usize::try_from(length) {
            Ok(length) if length <= LARGE_BYTES => {
                length + 3 * length.next_power_of_two().min(READ_AHEAD_BYTES)
            }
            _ => PART_BYTES,
        }
    }

    /// Waits for room for `length` bytes, at most a whole part.
    pub(super) async fn room(&self, length: usize) -> Room {
        let pieces = Self::room_bytes(length as u64).div_ceil(PIECE_BYTES);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let pieces = self.pieces.clone().acquire_many_owned(pieces).await.ok();
        Room { length, buffers: self.buffers.clone(), _pieces: pieces }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// The most bytes that it takes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// An empty buffer for them.
    pub fn buffer(&self) -> BytesMut {
        if self.length <= LARGE_BYTES {
            return BytesMut::with_capacity(self.length);
        }
        let kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(PART_BYTES))
    }

    /// The bytes of a buffer that was filled.
    pub fn filled(&self, bytes: BytesMut) -> Bytes {
        if self.length <= LARGE_BYTES {
            return bytes.freeze();
        }
        Bytes::from_owner(Filled { bytes, buffers: self.buffers.clone() })
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < Budget::PROCESS_BYTES / PART_BYTES {
            buffers.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_files_share_the_buffers_of_whole_parts_and_their_room() {
        let budget = Budget::new();
        let most = Budget::PROCESS_BYTES / PART_BYTES;
        for _ in 0..3 {
            let mut rooms = Vec::new();
            let mut parts = Vec::new();
            for n in 0..most {
                let room = budget.room(LARGE_BYTES + 1 + n).await;
                let mut buffer = room.buffer();
                buffer.resize(room.length(), 7);
                parts.push(room.filled(buffer));
                rooms.push(room);
            }
            assert_eq!(budget.free_bytes(), 0, "each of them took the room of a whole part");
            assert!(parts.iter().enumerate().all(|(n, part)| part.len() == LARGE_BYTES + 1 + n));
            drop((rooms, parts));
            assert_eq!(budget.buffers.lock().unwrap().len(), most, "their buffers are kept");
            assert_eq!(budget.free_bytes(), Budget::PROCESS_BYTES);
        }
    }

    #[tokio::test]
    async fn a_buffer_comes_back_empty_and_whole_once_the_last_reader_of_its_bytes_is_gone() {
        let budget = Budget::new();
        let room = budget.room(PART_BYTES).await;
        let mut buffer = room.buffer();
        buffer.extend_from_slice(b"a learner's file");
        let part = room.filled(buffer);
        let reader = part.slice(2..9);
        drop(part);
        assert_eq!(&reader[..], b"learner");
        assert_ne!(room.buffer().capacity(), 0, "another one, for the first is still read");
        drop(reader);
        let again = room.buffer();
        assert!(again.is_empty());
        assert!(again.capacity() >= PART_BYTES);
    }
}
