//! Generated test data: inputs, warehouse export, source files, and the target's schema and seed, with the outcome that
//! a run has to give each row. Deterministic by seed; no value belongs to a real organisation or person.

mod draft;
mod ordinary;
mod plants;
mod random;
mod seed;
mod words;
mod write;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::builder::TypedValueParser as _;
use url::Url;

use crate::domain::local_path;

use draft::Draft;
pub use words::LMS_INSTANCE;

/// The tables of the target, as its application creates them.
pub const SCHEMA_SQL: &str = include_str!("sample/schema.sql");

/// Size, seed and place of the sample.
#[derive(Debug, Clone, clap::Args)]
pub struct SampleOptions {
    /// Rows of submission_files.csv; from 120 on, every outcome that data alone can cause is among them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=200_000_000))]
    pub rows: u64,
    /// The same seed gives the same sample
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// Folder to write to: made if there is none, refused if it is not empty
    #[arg(long, value_name = "DIR", value_parser = clap::builder::PathBufValueParser::new().try_map(local_path))]
    pub out: PathBuf,
    /// URL under which the source files will stand; a folder keeps no checksums, so that no file is corrupt there
    /// [default: file://<DIR>/files]
    #[arg(long, value_name = "URL")]
    pub source_url: Option<Url>,
    /// Size of each source file in bytes: N, or MIN-MAX
    #[arg(long, value_name = "BYTES", default_value = "2000-40000")]
    pub file_bytes: FileBytes,
    /// none: no source files are written, for inputs of millions of rows
    #[arg(long, value_name = "all|none", default_value = "all")]
    pub files: Files,
    /// Only rows that migrate without a note, each with two learner files and one marker file
    #[arg(long)]
    pub plain: bool,
}

impl SampleOptions {
    /// With every other option at its default.
    pub fn new(rows: u64, seed: u64, out: PathBuf) -> Self {
        let file_bytes = FileBytes { min: 2_000, max: 40_000 };
        Self { rows, seed, out, source_url: None, file_bytes, files: Files::All, plain: false }
    }
}

/// Whether source files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Files {
    /// All that the rows name and that are not missing on purpose.
    All,
    /// No source files are written.
    None,
}

/// Smallest and largest size of a source file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileBytes {
    min: u64,
    max: u64,
}

impl FromStr for FileBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |part: &str| part.trim().parse::<u64>().map_err(|_| format!("{part:?} is not a number of bytes"));
        let (min, max) = match text.split_once('-') {
            Some((min, max)) => (number(min)?, number(max)?),
            None => (number(text)?, number(text)?),
        };
        if min > max {
            return Err(format!("{min} is more than {max}; write MIN-MAX"));
        }
        Ok(Self { min, max })
    }
}

/// Counts and location of the generated sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleSummary {
    /// Rows of submission_files.csv.
    pub rows: u64,
    /// Rows that a run has to migrate.
    pub migrated: u64,
    /// Rows that a run has to fail.
    pub failed: u64,
    /// Rows that a run has to skip.
    pub skipped: u64,
    /// Number of source files written.
    pub files: u64,
    /// Total size of the source files.
    pub bytes: u64,
    /// Folder that holds the sample.
    pub out: PathBuf,
}

impl fmt::Display for SampleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rows: {} to migrate, {} to fail, {} to skip; {} files of {} bytes in all",
            self.rows, self.migrated, self.failed, self.skipped, self.files, self.bytes
        )?;
        write!(f, "in {}; how to run it: {}", self.out.display(), self.out.join("sample.env").display())
    }
}

/// Why no sample was made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Something is there already, and is left as it is.
    #[error("the folder {} is not empty; name a new one with --out", .0.display())]
    NotEmpty(PathBuf),
    /// A path that no `file://` URL can hold, or that is not UTF-8.
    #[error("the folder {} cannot be written as a URL; name another one with --out", .0.display())]
    NoUrl(PathBuf),
    /// The operating system refused.
    #[error("cannot write {}", path.display())]
    Write {
        /// File or folder that could not be written.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
}

/// Writes a sample. Memory stays flat, however many rows there are.
pub fn generate(options: &SampleOptions) -> Result<SampleSummary, SampleError> {
    let out = empty_folder(&options.out)?;
    let base = match &options.source_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => Url::from_file_path(out.join("files")).map_err(|()| SampleError::NoUrl(out.clone()))?.into(),
    };
    let shape = Shape::new(options.seed, options.rows);
    let mut planted = if options.plain { std::collections::BTreeMap::new() } else { plants::planted(&shape) };
    let mut writer = write::Writer::create(&out, &base, options)?;
    for number in 1..=options.rows {
        let draft = match planted.remove(&number) {
            Some(draft) => draft,
            None if options.plain => Draft::plain(&shape, number),
            None => Draft::ordinary(&shape, number),
        };
        writer.row(&shape, &draft)?;
    }
    writer.finish()
}

/// What a row depends on beside its number.
#[derive(Debug, Clone, Copy)]
struct Shape {
    seed: u64,
    rows: u64,
    /// So chosen that ids of seven and of eight digits occur.
    first_attempt: u64,
}

impl Shape {
    fn new(seed: u64, rows: u64) -> Self {
        Self { seed, rows, first_attempt: 10_000_000_u64.saturating_sub(rows * 7 / 4).max(1_000_000) }
    }
}

/// The folder's absolute path; it exists and is empty.
fn empty_folder(path: &Path) -> Result<PathBuf, SampleError> {
    let refused = |source| SampleError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(refused)?;
    let path = path.canonicalize().map_err(refused)?;
    if std::fs::read_dir(&path).map_err(refused)?.next().is_some() {
        return Err(SampleError::NotEmpty(path));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_sizes_are_a_number_or_a_range() {
        for (text, expected) in [
            ("7", Ok((7, 7))),
            ("2000-40000", Ok((2000, 40000))),
            ("9-2", Err("9 is more than 2; write MIN-MAX")),
            ("9k", Err("\"9k\" is not a number of bytes")),
        ] {
            let parsed = text.parse::<FileBytes>().map(|bytes| (bytes.min, bytes.max));
            assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
        }
    }
}
