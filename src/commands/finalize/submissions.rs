//! The submissions CSV, as the merge reads it.

use async_trait::async_trait;
use encoding_rs::Encoding;

use crate::{
    exit::Stop,
    finalize::{InputRow, InputRows},
    inputs::{CsvReader, Inputs, SubmissionColumns},
};

/// The submissions CSV, read again for its failed rows.
pub(super) struct Submissions {
    reader: CsvReader,
    columns: SubmissionColumns,
    encoding: Option<&'static Encoding>,
    ended: bool,
}

impl Submissions {
    /// Opens it at its beginning.
    pub(super) async fn open(inputs: &Inputs) -> Result<Self, Stop> {
        let (reader, columns) = inputs.submissions().await?;
        Ok(Self { reader, columns, encoding: inputs.encoding, ended: false })
    }
}

#[async_trait]
impl InputRows for Submissions {
    fn encoding(&self) -> Option<&'static Encoding> {
        self.encoding
    }

    fn header(&self) -> &[String] {
        self.reader.header()
    }

    async fn next(&mut self) -> Result<Option<InputRow>, Stop> {
        let Some(record) = self.reader.next().await? else {
            self.ended = true;
            return Ok(None);
        };
        let attempt = self.columns.attempt_id(record).parse().ok();
        let cells = record.to_cells();
        Ok(Some(InputRow { number: self.reader.rows(), attempt, cells }))
    }

    fn sha256(&self) -> Option<String> {
        self.ended.then(|| self.reader.digest().sha256)
    }
}
