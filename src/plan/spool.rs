//! The rows' cells on disk, so that memory holds an index only.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crate::{
    domain::SubmissionRow,
    ports::{Fault, FaultKind, Service},
};

/// Cells on their way to disk. Writes are small and buffered, so they may block the one task of a plan.
pub struct Spool {
    file: BufWriter<File>,
    line: Vec<u8>,
    offset: u64,
}

impl Spool {
    /// In the folder of temporary files, without a name, so that it goes with the process.
    pub fn new() -> Result<Self, Fault> {
        let file = tempfile::tempfile().map_err(no_room)?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), line: Vec::new(), offset: 0 })
    }

    /// Keeps the cells as JSON: where they lie, and their size.
    pub fn keep(&mut self, cells: &SubmissionRow) -> Result<(u64, u32), Fault> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, cells).map_err(|error| no_room(error.into()))?;
        self.file.write_all(&self.line).map_err(no_room)?;
        let offset = self.offset;
        self.offset += self.line.len() as u64;
        // A record of 16 MiB is at most 96 MiB of JSON.
        Ok((offset, u32::try_from(self.line.len()).unwrap_or_default()))
    }

    /// The file, to be read at those places.
    pub fn finish(self) -> Result<File, Fault> {
        self.file.into_inner().map_err(|error| no_room(error.into_error()))
    }
}

/// A temporary file could not be written or read.
pub fn no_room(error: io::Error) -> Fault {
    let folder = std::env::temp_dir();
    let what = format!(
        "no temporary file in {}: make room there, or set TMPDIR to another folder",
        folder.display()
    );
    Fault::caused(Service::Inputs, FaultKind::Misconfigured, what, error)
}
