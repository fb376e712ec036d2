//! The two CSV exports, read as streams: by header name, in the encoding they say, refusing
//! whatever is malformed. Memory stays flat whatever the file holds.

mod source;
mod lexer;
mod reader;
mod columns;
mod error;

pub use columns::{MappingColumns, MappingRow, SubmissionColumns};
pub use error::InputError;
pub use lexer::{MAX_RECORD_BYTES, Problem, Record};
pub use reader::CsvReader;
pub use source::{Fingerprint, Hasher, InputSource};

/// The two inputs of a run and the encoding that `--encoding` names for those without a BOM.
#[derive(Clone)]
pub struct Inputs {
    /// `submission_files.csv`.
    pub submissions: InputSource,
    /// `attempt_number_mapping.csv`.
    pub mapping: InputSource,
    /// UTF-8 where there is none.
    pub encoding: Option<&'static encoding_rs::Encoding>,
}

impl Inputs {
    /// Begins to read `submission_files.csv`.
    pub async fn submissions(&self) -> Result<(CsvReader, SubmissionColumns), InputError> {
        let reader = CsvReader::open(&self.submissions, self.encoding).await?;
        let columns = SubmissionColumns::find(&reader)?;
        Ok((reader, columns))
    }

    /// Begins to read `attempt_number_mapping.csv`.
    pub async fn mapping(&self) -> Result<(CsvReader, MappingColumns), InputError> {
        let reader = CsvReader::open(&self.mapping, self.encoding).await?;
        let columns = MappingColumns::find(&reader)?;
        Ok((reader, columns))
    }
}
