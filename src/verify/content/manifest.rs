//! The manifest: a CSV with the SHA-256 of every file that was read, by row and place in the submission. It names no file,
//! since names may be personal data.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::read::Bytes;
use crate::{
    domain::{AttemptId, Digest},
    exit::{Exit, Stop},
    inputs::Hasher,
    ports::Fault,
    run::{
        lines::{Buckets, SpooledBuckets, no_room},
        source_files::buckets_for,
    },
    verify::blobs::wanted::WantedFile,
};

/// The columns of the manifest.
pub const COLUMNS: [&str; 5] = ["Row", "Attempt ID", "File", "Bytes", "SHA-256"];

/// One line of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// Number of the CSV's data row.
    pub row: u64,
    /// The attempt of the row.
    pub attempt: AttemptId,
    /// The file's place in the submission, from 1.
    pub order: usize,
    /// Length of the file.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: Digest,
}

impl ManifestLine {
    /// Of a file that was read.
    pub fn of(file: &WantedFile, read: &Bytes) -> Self {
        let WantedFile { row, attempt, order, .. } = *file;
        Self { row, attempt, order, bytes: read.count, sha256: read.sha256 }
    }
}

/// The range of a row, which counts from 1, of so many: ranges are in the order of rows, and one is held in memory at a
/// time.
pub fn bucket_of(row: u64, rows: u64) -> usize {
    let place = u128::from(row.saturating_sub(1)) * buckets_for(rows) as u128 / u128::from(rows.max(1));
    usize::try_from(place).unwrap_or(usize::MAX).min(buckets_for(rows) - 1)
}

/// Lines as they come, on disk; the last one of a file stands.
pub struct ManifestDraft {
    dealt: Buckets,
    rows: u64,
}

impl ManifestDraft {
    /// Empty, for an input of so many rows.
    pub fn new(rows: u64) -> Result<Self, Fault> {
        Ok(Self { dealt: Buckets::new(buckets_for(rows))?, rows })
    }

    /// Keeps a line.
    pub fn push(&mut self, line: &ManifestLine) -> Result<(), Fault> {
        self.dealt.push(bucket_of(line.row, self.rows), line)
    }

    /// Keeps the lines of a manifest; `refuse` makes the error of what is wrong with it.
    pub fn add(&mut self, manifest: impl io::Read, refuse: &dyn Fn(String) -> Stop) -> Result<(), Stop> {
        let mut reader = csv::Reader::from_reader(io::BufReader::new(manifest));
        let header = reader.headers().map_err(|error| refuse(error.to_string()))?;
        if header.iter().map(|name| name.trim_start_matches('\u{feff}')).ne(COLUMNS) {
            let what = format!("a manifest of verify with the columns {} is expected", COLUMNS.join(", "));
            return Err(refuse(what));
        }
        for record in reader.records() {
            let record = record.map_err(|error| refuse(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let parsed = parse(&record).ok_or_else(|| {
                refuse(format!("line {line} is not a row, an attempt, a file, a length and a SHA-256"))
            })?;
            self.push(&parsed)?;
        }
        Ok(())
    }

    /// The CSV, in the order of rows and files; `later` holds lines that stand in the place of earlier ones.
    pub fn finish(self, later: Option<Self>) -> Result<NamedTempFile, Fault> {
        let file = NamedTempFile::new().map_err(no_room)?;
        let mut csv = csv::Writer::from_writer(io::BufWriter::new(file));
        csv.write_record(COLUMNS).map_err(|error| no_room(error.into()))?;
        let dealt = self.dealt.finish()?;
        let later = later.map(|later| later.dealt.finish()).transpose()?;
        for bucket in 0..dealt.len() {
            let mut lines = BTreeMap::new();
            for lines_of in std::iter::once(&dealt).chain(&later) {
                lines_of.read(bucket, |line: ManifestLine| {
                    lines.insert((line.row, line.order), line);
                    Ok(())
                })?;
            }
            for ManifestLine { row, attempt, order, bytes, sha256 } in lines.into_values() {
                let record = [
                    row.to_string(),
                    attempt.to_string(),
                    order.to_string(),
                    bytes.to_string(),
                    sha256.to_string(),
                ];
                csv.write_record(record).map_err(|error| no_room(error.into()))?;
            }
        }
        let writer = csv.into_inner().map_err(|error| no_room(io::Error::other(error.to_string())))?;
        writer.into_inner().map_err(|error| no_room(error.into_error()))
    }
}

/// A manifest that was read, on disk.
pub struct Manifest {
    lines: SpooledBuckets,
    sha256: String,
}

impl Manifest {
    /// Reads `--manifest`, for an input of so many rows.
    pub fn read(path: &Path, rows: u64) -> Result<Self, Stop> {
        let refuse =
            |reason: String| Stop::new(Exit::Usage, format!("--manifest {}: {reason}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let mut file = Hashed { file, hasher: Hasher::default() };
        let mut draft = ManifestDraft::new(rows)?;
        draft.add(&mut file, &refuse)?;
        Ok(Self { lines: draft.dealt.finish()?, sha256: file.hasher.finish().sha256 })
    }

    /// SHA-256 of the file, hex: what was compared with another one is not taken up.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The lines of a range of rows, by row and file.
    pub fn of(&self, bucket: usize) -> Result<HashMap<(u64, usize), ManifestLine>, Fault> {
        let mut lines = HashMap::new();
        self.lines.read(bucket, |line: ManifestLine| {
            lines.insert((line.row, line.order), line);
            Ok(())
        })?;
        Ok(lines)
    }
}

/// A file whose bytes are hashed as they are read.
struct Hashed {
    file: std::fs::File,
    hasher: Hasher,
}

impl io::Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn parse(record: &csv::StringRecord) -> Option<ManifestLine> {
    Some(ManifestLine {
        row: record.get(0)?.parse().ok()?,
        attempt: record.get(1)?.parse().ok()?,
        order: record.get(2)?.parse().ok()?,
        bytes: record.get(3)?.parse().ok()?,
        sha256: record.get(4)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(row: u64, order: usize, bytes: u64) -> ManifestLine {
        let sha256 = Digest::of(&bytes.to_be_bytes());
        ManifestLine { row, attempt: "7".parse().unwrap(), order, bytes, sha256 }
    }

    #[test]
    fn a_manifest_is_in_the_order_of_rows_and_reads_back_with_its_last_lines() {
        let rows = 30_000;
        let mut draft = ManifestDraft::new(rows).unwrap();
        let mut later = ManifestDraft::new(rows).unwrap();
        for (row, order) in [(30_000, 1), (2, 2), (2, 1), (15_000, 1)] {
            draft.push(&line(row, order, row)).unwrap();
        }
        later.push(&line(2, 1, 99)).unwrap();
        let file = draft.finish(Some(later)).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let rows_of: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(rows_of, ["2", "2", "15000", "30000"]);
        let manifest = Manifest::read(file.path(), rows).unwrap();
        let of = |row: u64, order| manifest.of(bucket_of(row, rows)).unwrap().remove(&(row, order));
        assert_eq!(of(2, 1), Some(line(2, 1, 99)));
        assert_eq!(of(30_000, 1), Some(line(30_000, 1, 30_000)));
        assert_eq!(of(3, 1), None);
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        for (text, says) in [
            ("Attempt ID\n1\n", "with the columns Row, Attempt ID, File, Bytes, SHA-256"),
            ("Row,Attempt ID,File,Bytes,SHA-256\n1,7,1,3,x\n", "line 2 is not a row"),
        ] {
            std::fs::write(&path, text).unwrap();
            let refused = Manifest::read(&path, 10).err().unwrap().message;
            assert!(refused.contains(says), "{refused}");
        }
    }
}
