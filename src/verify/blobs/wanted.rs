//! The files of rows that stand: which blob each names, and what it has to be.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    domain::{AttemptId, FileReceipt, Migrated},
    ports::{Fault, StoredRow, Table},
    run::{
        lines::{Buckets, SpooledBuckets},
        source_files::{Container, Containers, NameKey, buckets_for, is_of_the_past},
    },
    verify::expect::{Expected, text::trim},
};

/// What was seen of a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// It is there.
    There {
        /// Length in bytes.
        bytes: u64,
        /// Its stored Content-MD5.
        md5: Option<[u8; 16]>,
        /// Its Content-Encoding: how its bytes are compressed.
        encoding: Option<String>,
    },
    /// It is not there, or may not be read.
    Gone,
    /// Its container cannot be listed.
    NotListed,
    /// It is not asked for: the bytes are compared with a manifest.
    NotAsked,
    /// The input row that names it is not there.
    #[default]
    NotNamed,
}

/// One file row of the target, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedFile {
    /// Number of the CSV's data row.
    pub row: u64,
    /// The attempt of the row.
    pub attempt: AttemptId,
    /// The file's place in the submission, from 1.
    pub order: usize,
    /// `azure_blob_name`.
    pub blob: String,
    /// The type of `file_type` in the table of media types; `file_mime_type` knows fewer.
    pub content_type: String,
    /// Whether the file row says that it is a marker's.
    pub is_markers: bool,
    /// What the outcome keeps of the file; `None` in outcomes of earlier programs.
    pub recorded: Option<FileReceipt>,
    /// Where it was read; its query may be a secret.
    pub url: Option<Url>,
    /// What was seen of its source.
    pub source: Seen,
}

impl WantedFile {
    /// The key of its blob's name. A service drops dots at the end of a name, a folder keeps them.
    pub fn key(&self, in_folder: bool) -> NameKey {
        NameKey::of(0, &self.blob, in_folder)
    }
}

/// How many files a submission may have.
pub fn most_files(expected: &Expected, outcome: &Migrated) -> usize {
    let recorded = outcome.file_receipts.len().max(usize::try_from(outcome.files).unwrap_or_default());
    recorded.max(expected.files.as_ref().map_or(0, Vec::len))
}

/// The files whose rows stand, of one submission that was migrated; `stored` finds a row by its id.
pub fn wanted<'r>(
    row: u64,
    expected: &Expected,
    outcome: &Migrated,
    stored: impl Fn(&str) -> Option<&'r StoredRow>,
) -> Vec<WantedFile> {
    let text = |row: &StoredRow, column| {
        let text = Table::Files.place(column).and_then(|place| row.text(place));
        text.unwrap_or_default().to_owned()
    };
    let of = |order: usize| {
        let stored = stored(&expected.ids.row(Table::Files.name(), order))?;
        let named = expected.files.as_ref().and_then(|files| files.get(order - 1));
        Some(WantedFile {
            row,
            attempt: expected.attempt,
            order,
            blob: text(stored, "azure_blob_name"),
            content_type: content_type(&text(stored, "file_type")).to_owned(),
            is_markers: text(stored, "submission_file_type") == "feedback",
            recorded: outcome.file_receipts.get(order - 1).cloned(),
            url: named.and_then(|file| source_url(&file.source)),
            source: Seen::NotNamed,
        })
    };
    (1..=most_files(expected, outcome)).filter_map(of).collect()
}

/// The blob's type for an extension, which may be empty.
fn content_type(extension: &str) -> &'static str {
    mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream")
}

/// The URL of a cell. A `%` that encodes nothing means itself.
fn source_url(cell: &str) -> Option<Url> {
    let mut url = Url::parse(trim(cell)).ok()?;
    let encodes = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let (first, rest) = url.path().split_once('%').unwrap_or((url.path(), ""));
    let mut path = first.to_owned();
    if url.path().contains('%') {
        for part in rest.split('%') {
            path.push_str(if encodes(part) { "%" } else { "%25" });
            path.push_str(part);
        }
        url.set_path(&path);
    }
    Some(url)
}

/// The files of rows that stand, dealt by the names of their sources.
pub struct Wanting {
    by_source: Buckets,
    count: usize,
    containers: Containers,
    files: u64,
    of_the_past: u64,
}

impl Wanting {
    /// Empty, for so many rows.
    pub fn new(rows: u64) -> Result<Self, Fault> {
        let count = buckets_for(rows);
        let by_source = Buckets::new(count)?;
        Ok(Self { by_source, count, containers: Containers::default(), files: 0, of_the_past: 0 })
    }

    /// Keeps the file.
    pub fn push(&mut self, file: &WantedFile) -> Result<(), Fault> {
        self.files += 1;
        // Without inputs no file has a URL: they are spread, so that no bucket holds all of them.
        let Some(url) = &file.url else {
            return self.by_source.push(file.key(true).bucket(self.count), &(0_u32, file));
        };
        self.of_the_past += u64::from(is_of_the_past(url));
        let container = self.containers.add(url);
        let key = NameKey::of_source(container, url);
        self.by_source.push(key.bucket(self.count), &(container, file))
    }

    /// All files, to be read.
    pub fn finish(self) -> Result<Wanted, Fault> {
        Ok(Wanted {
            by_source: self.by_source.finish()?,
            containers: self.containers.finish(),
            files: self.files,
            of_the_past: self.of_the_past,
        })
    }
}

/// Every file that was wanted, on disk.
pub struct Wanted {
    /// Number of its source's container, and [`WantedFile`], by the name of the source.
    pub by_source: SpooledBuckets,
    /// The containers of the sources.
    pub containers: Vec<Container>,
    /// Number of files.
    pub files: u64,
    /// Those of them whose URL names a version or a snapshot, which no listing shows.
    pub of_the_past: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_names_the_url_that_was_read() {
        for (cell, url) in [
            (" https://a.example/box/a%20b.pdf?sig=x ", Some("https://a.example/box/a%20b.pdf?sig=x")),
            ("https://a.example/box/100%.pdf", Some("https://a.example/box/100%25.pdf")),
            ("https://a.example/box/100%25 b.pdf", Some("https://a.example/box/100%25%20b.pdf")),
            ("https://a.example/box/plain.pdf", Some("https://a.example/box/plain.pdf")),
            ("no url", None),
        ] {
            assert_eq!(source_url(cell).map(String::from).as_deref(), url, "{cell}");
        }
    }
}
