//! Files being written, which know their paths for when writing fails.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use crate::sample::SampleError;

/// A CSV or text file being written, which knows its path.
pub(super) struct Output<W> {
    pub path: PathBuf,
    pub inner: W,
}

pub(super) type Table = Output<csv::Writer<File>>;

impl Table {
    pub fn create(path: PathBuf, header: &[&str]) -> Result<Self, SampleError> {
        let file = File::create(&path).map_err(refused(&path))?;
        let inner = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(file);
        let mut table = Self { path, inner };
        table.record(header)?;
        Ok(table)
    }

    pub fn record(&mut self, cells: &[&str]) -> Result<(), SampleError> {
        self.inner.write_record(cells).map_err(|error| refused(&self.path)(error.into()))
    }
}

impl Output<BufWriter<File>> {
    pub fn text(&mut self, text: &str) -> Result<(), SampleError> {
        self.inner.write_all(text.as_bytes()).map_err(refused(&self.path))
    }
}

pub(super) fn whole(path: &Path, text: &str) -> Result<(), SampleError> {
    fs::write(path, text).map_err(refused(path))
}

pub(super) fn refused(path: &Path) -> impl Fn(io::Error) -> SampleError {
    move |source| SampleError::Write { path: path.to_owned(), source }
}
