//! A zip that is handed to other people: the same entries give the same bytes, whenever and wherever it is made. Its
//! last entry, `SHA256SUMS`, names the digest of every other, as `sha256sum -c` reads it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use futures_util::TryStreamExt;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{RunStore, private::Whole};
use crate::{
    exit::{Exit, Stop},
    inputs::Hasher,
};

/// Name of the last entry.
pub const SUMS: &str = "SHA256SUMS";
/// Mode of each entry once it is unpacked.
const MODE: u32 = 0o600;
/// From this size on an entry needs the fields of Zip64, which some old programs cannot read. Compressed bytes may be
/// a little more than the bytes themselves.
const LARGE_BYTES: u64 = u32::MAX as u64 - 64 * 1024 * 1024;
/// Bytes that are compressed at a time. What deflate writes depends on where its input was cut, and the pieces in which a
/// store answers depend on its network: without blocks of one size the same document gives other bytes another day.
const BLOCK_BYTES: usize = 64 * 1024;

/// An archive being written, for its owner only. It gets its name once it is whole.
pub struct Archive {
    /// Boxed: its buffers would make every future that holds an archive large.
    zip: Box<ZipWriter<fs::File>>,
    sums: BTreeMap<String, String>,
    place: PathBuf,
    whole: Whole,
}

impl Archive {
    /// Begins `<place>`; what stands there stays until the archive is whole.
    pub fn create(place: &Path) -> Result<Self, Stop> {
        let begun = Whole::begin(place).and_then(|whole| Ok((whole.handle()?, whole)));
        let (file, whole) = begun.map_err(|error| unwritten(place, &error))?;
        Ok(Self {
            zip: Box::new(ZipWriter::new(file)),
            sums: BTreeMap::new(),
            place: place.to_owned(),
            whole,
        })
    }

    /// Adds an entry whose bytes are in memory.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Stop> {
        let mut entry = self.start(name, bytes.len() as u64)?;
        entry.write(bytes)?;
        entry.finish()
    }

    /// Adds a document of the run under its own name behind `prefix`; nothing if the run has no such document.
    pub async fn add_document(&mut self, store: &RunStore, prefix: &str, name: &str) -> Result<(), Stop> {
        let Some(reader) = store.open(name).await? else { return Ok(()) };
        let mut entry = self.start(&format!("{prefix}{name}"), reader.info.size_bytes)?;
        let mut body = reader.body;
        while let Some(bytes) = body.try_next().await? {
            entry.write(&bytes)?;
        }
        entry.finish()
    }

    /// Adds a local file.
    pub fn add_file(&mut self, name: &str, path: &Path) -> Result<(), Stop> {
        let unread = |error: io::Error| {
            Stop::new(
                Exit::Configuration,
                format!("cannot read {}: {error}; name another file", path.display()),
            )
        };
        let mut file = fs::File::open(path).map_err(unread)?;
        let size = file.metadata().map_err(unread)?.len();
        let mut entry = self.start(name, size)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = io::Read::read(&mut file, &mut buffer).map_err(unread)?;
            match buffer.get(..read) {
                None | Some([]) => break,
                Some(bytes) => entry.write(bytes)?,
            }
        }
        entry.finish()
    }

    /// Adds `SHA256SUMS` and gives the archive its name.
    pub fn finish(mut self) -> Result<PathBuf, Stop> {
        let mut sums = String::new();
        for (name, sha256) in &self.sums {
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{sha256}  {name}");
        }
        self.add(SUMS, sums.as_bytes())?;
        let Self { zip, place, whole, .. } = self;
        zip.finish().map_err(|error| unwritten(&place, &error.into()))?;
        whole.finish().map_err(|error| unwritten(&place, &error))?;
        Ok(place)
    }

    fn start(&mut self, name: &str, size_bytes: u64) -> Result<Entry<'_>, Stop> {
        // No clock and no umask: an archive is proof only if it can be made again.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(MODE)
            .large_file(size_bytes >= LARGE_BYTES);
        self.zip.start_file(name, options).map_err(|error| unwritten(&self.place, &error.into()))?;
        Ok(Entry { archive: self, name: name.to_owned(), hasher: Hasher::default(), block: Vec::new() })
    }
}

/// One entry while its bytes come.
struct Entry<'a> {
    archive: &'a mut Archive,
    name: String,
    hasher: Hasher,
    /// Bytes that are not compressed yet: less than a block.
    block: Vec<u8>,
}

impl Entry<'_> {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        self.hasher.update(bytes);
        while self.block.len() + bytes.len() >= BLOCK_BYTES {
            let (now, rest) = bytes.split_at(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(now);
            self.compress()?;
            bytes = rest;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    fn compress(&mut self) -> Result<(), Stop> {
        let Archive { zip, place, .. } = &mut *self.archive;
        zip.write_all(&self.block).map_err(|error| unwritten(place, &error))?;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), Stop> {
        self.compress()?;
        self.archive.sums.insert(self.name, self.hasher.finish().sha256);
        Ok(())
    }
}

fn unwritten(place: &Path, error: &io::Error) -> Stop {
    let message =
        format!("cannot write {}: {error}; name another file, on a disk with room", place.display());
    Stop::new(Exit::Configuration, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn archive(place: &Path) -> Vec<u8> {
        let mut archive = Archive::create(place).unwrap();
        archive.add("a.txt", b"one\n").unwrap();
        archive.add("folder/b.txt", &vec![b'x'; 100_000]).unwrap();
        fs::read(archive.finish().unwrap()).unwrap()
    }

    #[test]
    fn the_same_entries_give_the_same_bytes_and_their_sums() {
        let folder = tempfile::tempdir().unwrap();
        let first = archive(&folder.path().join("first.zip"));
        assert_eq!(archive(&folder.path().join("deep/second.zip")), first);

        let mut read = zip::ZipArchive::new(io::Cursor::new(first)).unwrap();
        let names: Vec<String> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["a.txt", "folder/b.txt", SUMS]);
        let sums = io::read_to_string(read.by_name(SUMS).unwrap()).unwrap();
        let of_one = "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";
        assert!(sums.starts_with(&format!("{of_one}  a.txt\n")), "{sums}");
    }

    #[test]
    fn the_pieces_in_which_bytes_come_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let text = (0..40_000_u64).map(|n| (n * n % 9_973).to_string()).collect::<Vec<_>>().join(",");
        let of_pieces = |bytes: usize| {
            let mut archive = Archive::create(&folder.path().join("pieces.zip")).unwrap();
            let mut entry = archive.start("a.txt", text.len() as u64).unwrap();
            for piece in text.as_bytes().chunks(bytes) {
                entry.write(piece).unwrap();
            }
            entry.finish().unwrap();
            fs::read(archive.finish().unwrap()).unwrap()
        };
        let whole = of_pieces(text.len());
        for bytes in [997, 16_384, BLOCK_BYTES, 100_003] {
            assert!(of_pieces(bytes) == whole, "pieces of {bytes} bytes");
        }
    }

    #[test]
    fn an_archive_that_is_not_whole_leaves_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("evidence.zip");
        let whole = archive(&place);
        let mode = fs::metadata(&place).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mut half = Archive::create(&place).unwrap();
        half.add("a.txt", b"half").unwrap();
        drop(half);
        assert_eq!(fs::read(&place).unwrap(), whole);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of the half");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let place = folder.path().join("file/evidence.zip");
        let stop = Archive::create(&place).err().unwrap();
        assert!(stop.message.contains(&place.display().to_string()), "{stop}");
    }
}
