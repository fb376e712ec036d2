//! Values that a step keeps on the local disk and reads back at their places, so that memory stays flat.

use std::{fs::File, io, io::Write, os::unix::fs::FileExt};

use serde::{Serialize, de::DeserializeOwned};

use super::push;
use crate::ports::{Fault, FaultKind, Service};

/// Bytes of a spool, or of all buckets together, before they go to disk. A step may fill several at a time, and each
/// buffer has room for twice what it holds.
const BUFFERED_BYTES: usize = 4 << 20;

/// Bytes that are read at once of values that lie side by side.
const READ_BYTES: u64 = 1 << 20;

/// Where a value lies in a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position of the value's first byte in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub size_bytes: u32,
}

impl Place {
    fn end(self) -> u64 {
        self.offset + u64::from(self.size_bytes)
    }

    /// The value's part of the bytes that begin at `from`.
    fn of(self, bytes: &[u8], from: u64) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset - from).unwrap_or(usize::MAX);
        bytes.get(at(self.offset)..at(self.end())).unwrap_or_default()
    }
}

/// A file without a name in the folder of temporary files: it goes with the process. Writes are few and large, so they
/// may block the task that makes them.
pub struct Spool {
    file: File,
    buffer: Vec<u8>,
    written: u64,
}

impl Spool {
    /// Creates an empty temporary file.
    pub fn new() -> Result<Self, Fault> {
        Ok(Self { file: tempfile::tempfile().map_err(no_room)?, buffer: Vec::new(), written: 0 })
    }

    /// Appends the value; returns where it is stored.
    pub fn push(&mut self, value: &impl Serialize) -> Result<Place, Fault> {
        let before = self.buffer.len();
        push(&mut self.buffer, value).map_err(|error| no_room(error.into()))?;
        let place = place(self.written + before as u64, self.buffer.len() - before)?;
        if self.buffer.len() >= BUFFERED_BYTES {
            self.flush()?;
        }
        Ok(place)
    }

    /// All values, to be read.
    pub fn finish(mut self) -> Result<Spooled, Fault> {
        self.flush()?;
        Ok(Spooled(self.file))
    }

    /// Appends what is many values already: it goes to the file without a copy in the buffer.
    fn append(&mut self, bytes: &[u8]) -> Result<Place, Fault> {
        self.flush()?;
        let place = place(self.written, bytes.len())?;
        self.file.write_all(bytes).map_err(no_room)?;
        self.written += bytes.len() as u64;
        Ok(place)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.file.write_all(&self.buffer).map_err(no_room)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn place(offset: u64, length: usize) -> Result<Place, Fault> {
    let size_bytes = u32::try_from(length)
        .map_err(|_| no_room(io::Error::other("a value of more than 4 GiB cannot be kept")))?;
    Ok(Place { offset, size_bytes })
}

/// A spool that is complete.
pub struct Spooled(File);

impl Spooled {
    /// The value at this place.
    pub fn get<T: DeserializeOwned>(&self, place: Place) -> Result<T, Fault> {
        value_of(&self.text(place)?)
    }

    /// The same value as JSON text.
    pub fn text(&self, place: Place) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.read(place, &mut bytes)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(bytes)
    }

    /// Hands the values at these places to `each`, in their order, with few reads: the places ascend.
    pub fn get_all<T: DeserializeOwned>(
        &self,
        places: impl IntoIterator<Item = Place>,
        mut each: impl FnMut(T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut places = places.into_iter().peekable();
        let (mut bytes, mut run) = (Vec::new(), Vec::new());
        while let Some(first) = places.next() {
            run.clear();
            run.push(first);
            let is_near =
                |place: &Place| place.offset >= first.offset && place.end() - first.offset <= READ_BYTES;
            while let Some(place) = places.next_if(is_near) {
                run.push(place);
            }
            let end = run.iter().map(|place| place.end()).max().unwrap_or_default();
            bytes.clear();
            self.read(
                place(first.offset, usize::try_from(end - first.offset).unwrap_or(usize::MAX))?,
                &mut bytes,
            )?;
            for place in &run {
                each(value_of(place.of(&bytes, first.offset))?)?;
            }
        }
        Ok(())
    }

    fn read(&self, place: Place, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let before = bytes.len();
        let size = usize::try_from(place.size_bytes).unwrap_or(usize::MAX);
        bytes.resize(before + size, 0);
        self.0.read_exact_at(bytes.get_mut(before..).unwrap_or_default(), place.offset).map_err(no_room)
    }
}

/// A spool that deals values into buckets: they lie in pieces in one file, and one bucket at a time is read.
pub struct Buckets {
    spool: Spool,
    dealt: Vec<Bucket>,
    buffered: usize,
}

#[derive(Default)]
struct Bucket {
    buffer: Vec<u8>,
    pieces: Vec<Place>,
}

impl Buckets {
    /// Creates the given number of empty buckets.
    pub fn new(count: usize) -> Result<Self, Fault> {
        let buckets = (0..count).map(|_| Bucket::default()).collect();
        Ok(Self { spool: Spool::new()?, dealt: buckets, buffered: 0 })
    }

    /// Keeps the value in the bucket; nothing if there is no such bucket.
    pub fn push(&mut self, bucket: usize, value: &impl Serialize) -> Result<(), Fault> {
        self.fill(bucket, |buffer| push(buffer, value).map_err(|error| no_room(error.into())))
    }

    /// The same for a value that is a line of JSON already.
    pub fn push_line(&mut self, bucket: usize, line: &[u8]) -> Result<(), Fault> {
        self.fill(bucket, |buffer| {
            buffer.extend_from_slice(line);
            Ok(())
        })
    }

    fn fill(
        &mut self,
        bucket: usize,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Some(bucket) = self.dealt.get_mut(bucket) else { return Ok(()) };
        let before = bucket.buffer.len();
        append(&mut bucket.buffer)?;
        self.buffered += bucket.buffer.len() - before;
        if self.buffered >= BUFFERED_BYTES { self.flush() } else { Ok(()) }
    }

    /// All buckets, to be read.
    pub fn finish(mut self) -> Result<SpooledBuckets, Fault> {
        self.flush()?;
        let pieces = self.dealt.into_iter().map(|bucket| bucket.pieces).collect();
        Ok(SpooledBuckets { spool: self.spool.finish()?, pieces })
    }

    fn flush(&mut self) -> Result<(), Fault> {
        for bucket in self.dealt.iter_mut().filter(|bucket| !bucket.buffer.is_empty()) {
            bucket.pieces.push(self.spool.append(&std::mem::take(&mut bucket.buffer))?);
        }
        self.buffered = 0;
        Ok(())
    }
}

/// Buckets that are complete.
pub struct SpooledBuckets {
    spool: Spooled,
    pieces: Vec<Vec<Place>>,
}

impl SpooledBuckets {
    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Every value of the bucket as JSON text, a line each, in the order in which they came.
    pub fn text(&self, bucket: usize) -> Result<Vec<u8>, Fault> {
        let pieces = || self.pieces.get(bucket).into_iter().flatten();
        let size: u64 = pieces().map(|piece| u64::from(piece.size_bytes)).sum();
        let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        for piece in pieces() {
            self.spool.read(*piece, &mut text)?;
        }
        Ok(text)
    }

    /// Hands every value of the bucket to `each`, in the order in which they came.
    pub fn read<T: DeserializeOwned>(
        &self,
        bucket: usize,
        mut each: impl FnMut(T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        for place in self.pieces.get(bucket).into_iter().flatten() {
            bytes.clear();
            self.spool.read(*place, &mut bytes)?;
            for value in serde_json::Deserializer::from_slice(&bytes).into_iter() {
                each(value.map_err(|error| no_room(error.into()))?)?;
            }
        }
        Ok(())
    }
}

/// The value that was spooled as this text.
pub fn value_of<T: DeserializeOwned>(text: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(text).map_err(|error| no_room(error.into()))
}

/// A temporary file could not be written, or its content differs from what was written.
pub fn no_room(error: io::Error) -> Fault {
    let folder = std::env::temp_dir();
    let what = format!(
        "a temporary file in {} cannot be used: make room there (about 1 KB per row), or set TMPDIR to another folder",
        folder.display()
    );
    Fault::caused(Service::LocalDisk, FaultKind::Misconfigured, what, error)
}

#[cfg(test)]
mod tests;
