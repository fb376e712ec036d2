//! CSV files, read as streams: the two inputs and the exported tables of a warehouse. By header name, in the encoding
//! they say, refusing what is malformed or spoilt. Memory stays flat, however large a file is.
//!
//! ```text
//! source (bytes) → text (decoded) → lexer (records) → reader (header, rows) → columns (cells by name)
//!                                                     └ header, watch: what tools write that are not asked for RFC 4180
//! ```

mod ahead;
mod attempts;
mod excluded;
mod listed;
mod source;
mod nearby;
mod text;
mod read_text;
mod record;
mod problem;
mod lexer;
mod format;
mod header;
mod watch;
mod reader;
mod columns;
mod error;

pub use attempts::read_attempts;
pub use columns::{MappingColumns, MappingRow, SubmissionColumns, is_empty_by_bcp};
pub use error::InputError;
pub use excluded::Excluded;
pub use format::{Format, Layout, Role, StrangeIds};
pub use lexer::MAX_RECORD_BYTES;
pub use listed::read_listed;
pub use problem::Problem;
pub use read_text::read_text;
pub use reader::CsvReader;
pub use record::{InputCell, Record};
pub use source::{Fingerprint, Hasher, InputSource};

use crate::domain::Dialect;

/// The two inputs of a run, the encoding that `--encoding` names for those without a byte order mark, and what was
/// said of the exports.
#[derive(Clone)]
pub struct Inputs {
    /// `submission_files.csv`.
    pub submissions: InputSource,
    /// `attempt_number_mapping.csv`.
    pub mapping: InputSource,
    /// UTF-8 if there is none.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// What exports write for null.
    pub dialect: Dialect,
}

impl Inputs {
    /// Begins to read `submission_files.csv`.
    pub async fn submissions(&self) -> Result<(CsvReader, SubmissionColumns), InputError> {
        let mut reader = CsvReader::open(&self.submissions, &self.format()).await?;
        let columns = SubmissionColumns::find(&reader)?;
        reader.expect(columns.layout());
        Ok((reader, columns))
    }

    /// Begins to read `attempt_number_mapping.csv`.
    pub async fn mapping(&self) -> Result<(CsvReader, MappingColumns), InputError> {
        let mut reader = CsvReader::open(&self.mapping, &self.format()).await?;
        let columns = MappingColumns::find(&reader)?;
        reader.expect(columns.layout());
        Ok((reader, columns))
    }

    fn format(&self) -> Format {
        Format { encoding: self.encoding, dialect: self.dialect.clone(), role: Role::Input }
    }
}
