//! A zip that is handed to other people: the same entries give the same bytes, whenever and wherever it is made. Its
//! last entry, `SHA256SUMS`, names the digest of every other, as `sha256sum -c` reads it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::TryStreamExt;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::{RunStore, private::Whole, results::written};
use crate::{
    exit::{Exit, Stop},
    inputs::Hasher,
    ports::{
        Service,
        deadline::{LARGE_WORK, WORK, blocking},
    },
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

/// What to do if the archive cannot be written.
const INSTEAD: &str = "name another file, on a disk with room";

/// An archive being written, for its owner only. It gets its name once it is whole.
pub struct Archive {
    sums: BTreeMap<String, String>,
    place: PathBuf,
    /// `None` after a fault: the thread that works on it may wait for the file system without end.
    growing: Option<Growing>,
}

/// What goes to the thread that writes, and comes back.
struct Growing {
    /// Boxed: its buffers would make every future that holds an archive large.
    zip: Box<ZipWriter<fs::File>>,
    whole: Whole,
}

impl Archive {
    /// Begins `<place>`; what stands there stays until the archive is whole.
    pub async fn create(place: &Path) -> Result<Self, Stop> {
        let of = place.to_owned();
        let begin = move || {
            let whole = Whole::begin(&of)?;
            Ok(Growing { zip: Box::new(ZipWriter::new(whole.handle()?)), whole })
        };
        let growing = Some(written(WORK, place, INSTEAD, begin).await?);
        Ok(Self { sums: BTreeMap::new(), place: place.to_owned(), growing })
    }

    /// Adds an entry whose bytes are in memory.
    pub async fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Stop> {
        let mut entry = self.start(name, bytes.len() as u64).await?;
        entry.write(bytes).await?;
        entry.finish().await
    }

    /// Adds a document of the run under its own name behind `prefix`; nothing if the run has no such document.
    pub async fn add_document(&mut self, store: &RunStore, prefix: &str, name: &str) -> Result<(), Stop> {
        let Some(reader) = store.open(name).await? else { return Ok(()) };
        let mut entry = self.start(&format!("{prefix}{name}"), reader.info.size_bytes).await?;
        let mut body = reader.body;
        while let Some(bytes) = body.try_next().await? {
            entry.write(&bytes).await?;
        }
        entry.finish().await
    }

    /// Adds a local file.
    pub async fn add_file(&mut self, name: &str, path: &Path) -> Result<(), Stop> {
        let of = path.to_owned();
        let open = move || {
            let file = fs::File::open(of)?;
            Ok((file.metadata()?.len(), file))
        };
        let (size, mut file) = in_time(path, open).await?;
        let mut entry = self.start(name, size).await?;
        loop {
            let read = move || {
                let mut buffer = vec![0; 256 * 1024];
                let read = io::Read::read(&mut file, &mut buffer)?;
                buffer.truncate(read);
                Ok((buffer, file))
            };
            let (bytes, rest) = in_time(path, read).await?;
            if bytes.is_empty() {
                break;
            }
            file = rest;
            entry.write(&bytes).await?;
        }
        entry.finish().await
    }

    /// Adds `SHA256SUMS` and gives the archive its name.
    pub async fn finish(mut self) -> Result<PathBuf, Stop> {
        let mut sums = String::new();
        for (name, sha256) in &self.sums {
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{sha256}  {name}");
        }
        self.add(SUMS, sums.as_bytes()).await?;
        let Growing { zip, whole } = self.take()?;
        let finish = move || {
            zip.finish()?;
            whole.finish()
        };
        written(LARGE_WORK, &self.place, INSTEAD, finish).await?;
        Ok(self.place)
    }

    async fn start(&mut self, name: &str, size_bytes: u64) -> Result<Entry<'_>, Stop> {
        // No clock and no umask: an archive is proof only if it can be made again.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(MODE)
            .large_file(size_bytes >= LARGE_BYTES);
        let of = name.to_owned();
        self.on_zip(WORK, move |zip| zip.start_file(of, options).map_err(io::Error::from)).await?;
        Ok(Entry { archive: self, name: name.to_owned(), hasher: Hasher::default(), block: Vec::new() })
    }

    /// Works on the zip, for so long at most: its folder may be on a network.
    async fn on_zip(
        &mut self,
        most: Duration,
        work: impl FnOnce(&mut ZipWriter<fs::File>) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Stop> {
        let mut growing = self.take()?;
        let work = move || work(&mut growing.zip).map(|()| growing);
        self.growing = Some(written(most, &self.place, INSTEAD, work).await?);
        Ok(())
    }

    fn take(&mut self) -> Result<Growing, Stop> {
        self.growing.take().ok_or_else(|| {
            Stop::new(Exit::Bug, format!("{} was given up after a fault", self.place.display()))
        })
    }
}

/// What reading a local file gives, in time; it may be on a network too.
async fn in_time<T: Send + 'static>(
    path: &Path,
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Stop> {
    let message = |why: &str| format!("cannot read {}: {why}; name another file", path.display());
    match blocking(Service::LocalDisk, move || Ok(read())).await {
        Ok(read) => read.map_err(|error| Stop::new(Exit::Configuration, message(&error.to_string()))),
        Err(fault) => {
            let message = message(&fault.what);
            Err(Stop::from(fault).saying(message))
        }
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
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        self.hasher.update(bytes);
        while self.block.len() + bytes.len() >= BLOCK_BYTES {
            let (now, rest) = bytes.split_at(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(now);
            self.compress().await?;
            bytes = rest;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    async fn compress(&mut self) -> Result<(), Stop> {
        let block = std::mem::take(&mut self.block);
        self.archive.on_zip(WORK, move |zip| zip.write_all(&block)).await
    }

    async fn finish(mut self) -> Result<(), Stop> {
        self.compress().await?;
        self.archive.sums.insert(self.name, self.hasher.finish().sha256);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn archive(place: &Path) -> Vec<u8> {
        let mut archive = Archive::create(place).await.unwrap();
        archive.add("a.txt", b"one\n").await.unwrap();
        archive.add("folder/b.txt", &vec![b'x'; 100_000]).await.unwrap();
        fs::read(archive.finish().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_same_entries_give_the_same_bytes_and_their_sums() {
        let folder = tempfile::tempdir().unwrap();
        let first = archive(&folder.path().join("first.zip")).await;
        assert_eq!(archive(&folder.path().join("deep/second.zip")).await, first);

        let mut read = zip::ZipArchive::new(io::Cursor::new(first)).unwrap();
        let names: Vec<String> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["a.txt", "folder/b.txt", SUMS]);
        let sums = io::read_to_string(read.by_name(SUMS).unwrap()).unwrap();
        let of_one = "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";
        assert!(sums.starts_with(&format!("{of_one}  a.txt\n")), "{sums}");
    }

    #[tokio::test]
    async fn the_pieces_in_which_bytes_come_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let text = (0..40_000_u64).map(|n| (n * n % 9_973).to_string()).collect::<Vec<_>>().join(",");
        let of_pieces = async |bytes: usize| {
            let mut archive = Archive::create(&folder.path().join("pieces.zip")).await.unwrap();
            let mut entry = archive.start("a.txt", text.len() as u64).await.unwrap();
            for piece in text.as_bytes().chunks(bytes) {
                entry.write(piece).await.unwrap();
            }
            entry.finish().await.unwrap();
            fs::read(archive.finish().await.unwrap()).unwrap()
        };
        let whole = of_pieces(text.len()).await;
        for bytes in [997, 16_384, BLOCK_BYTES, 100_003] {
            assert!(of_pieces(bytes).await == whole, "pieces of {bytes} bytes");
        }
    }

    #[tokio::test]
    async fn an_archive_that_is_not_whole_leaves_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("evidence.zip");
        let whole = archive(&place).await;
        let mode = fs::metadata(&place).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let mut half = Archive::create(&place).await.unwrap();
        half.add("a.txt", b"half").await.unwrap();
        drop(half);
        assert_eq!(fs::read(&place).unwrap(), whole);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of the half");
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let place = folder.path().join("file/evidence.zip");
        let stop = Archive::create(&place).await.err().unwrap();
        assert!(stop.message.contains(&place.display().to_string()), "{stop}");
    }

    /// What is written to a share whose server has gone away never returns.
    #[tokio::test]
    async fn a_folder_that_does_not_answer_ends_the_archive_in_time_and_keeps_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("evidence.zip");
        let whole = archive(&place).await;
        let mut silent = Archive::create(&place).await.unwrap();
        silent.add("a.txt", b"one\n").await.unwrap();
        let (_held, never) = std::sync::mpsc::channel::<()>();
        let work = move |_: &mut ZipWriter<fs::File>| never.recv().map_err(io::Error::other);
        let stop = silent.on_zip(Duration::from_millis(20), work).await.unwrap_err();
        assert_eq!(stop.exit, Exit::Temporary, "{stop}");
        assert!(stop.message.starts_with(&format!("cannot write {}: ", place.display())), "{stop}");
        silent.add("b.txt", b"two\n").await.unwrap_err();
        silent.finish().await.unwrap_err();
        assert_eq!(fs::read(&place).unwrap(), whole);
    }
}
