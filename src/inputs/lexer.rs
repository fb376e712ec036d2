//! RFC 4180 without leniency: what a spreadsheet would quietly repair is refused here, because a
//! stray quote that is repaired swallows every later row into one cell.
//!
//! The `csv` crate reports neither a stray quote nor an end inside quotes; it is the oracle of the
//! tests below instead: what both accept, both read alike.

/// The most bytes of one record, all its cells together.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most columns of a file.
const MAX_COLUMNS: usize = 16_384;

/// The cells of one record, unquoted, otherwise as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    text: String,
    ends: Vec<usize>,
}

impl Record {
    /// The cell at `index`; empty where there is none.
    pub fn get(&self, index: usize) -> &str {
        let end = self.ends.get(index).copied().unwrap_or_default();
        let start =
            index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.text.get(start..end).unwrap_or_default()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell at all, as before the first record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Every cell in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// Why the text is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The end of the file came first.
    #[error(
        "a quote opens the cell and the file ends before one closes it; the file is cut, or a quote is missing"
    )]
    Unclosed,
    /// `"a"b`.
    #[error(
        "text follows the cell's closing quote; write a quote inside a cell twice, and look for a missing quote"
    )]
    TextAfterQuote,
    /// `a"b`.
    #[error("a quote stands inside a cell that is not quoted; quote the cell and write its quotes twice")]
    StrayQuote,
    /// Neither LF nor CRLF.
    #[error("a carriage return stands outside quotes without a line feed; end lines with LF or CRLF")]
    LoneReturn,
    /// Over [`MAX_RECORD_BYTES`].
    #[error("the record is larger than 16 MiB; look for a missing quote")]
    TooLong,
    /// Fewer cells than the header.
    #[error(
        "the row has {found} cells where the header has {expected}; look for a missing or unquoted comma"
    )]
    TooFew {
        /// In the row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// More cells than the header.
    #[error("the row has more cells than the header's {expected}; look for an unquoted comma")]
    TooMany {
        /// In the header.
        expected: usize,
    },
}

/// Reads records from text that arrives in pieces of any size.
#[derive(Debug)]
pub struct Lexer {
    state: State,
    record: Record,
    columns: Option<usize>,
    line: u64,
    cell_line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    CellStart,
    Plain,
    Quoted,
    /// A quote inside quotes: the cell's end, or the first half of a doubled one.
    Quote,
    Return,
    /// After a blank line's carriage return.
    BlankReturn,
    Complete,
}

impl Default for Lexer {
    fn default() -> Self {
        Self { state: State::RecordStart, record: Record::default(), columns: None, line: 1, cell_line: 1 }
    }
}

impl Lexer {
    /// From now on every record must have so many cells.
    pub fn expect_columns(&mut self, columns: usize) {
        self.columns = Some(columns);
    }

    /// The record, once [`Self::read`] or [`Self::end`] said that it is complete.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Line (from 1) on which the cell being read began, and that cell's index.
    pub fn position(&self) -> (u64, usize) {
        (self.cell_line, self.record.len())
    }

    /// Reads `text` up to the end of a record or of `text`; how many bytes it took, and whether
    /// the record is complete. A completely empty line is no record.
    pub fn read(&mut self, text: &str) -> Result<(usize, bool), Problem> {
        if self.state == State::Complete {
            self.record.clear();
            self.begin(State::RecordStart);
        }
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let span = match self.state {
                State::Plain => rest.iter().position(|byte| b",\"\r\n".contains(byte)),
                State::Quoted => rest.iter().position(|byte| *byte == b'"'),
                _ => Some(0),
            }
            .unwrap_or(rest.len());
            if span > 0 {
                self.keep(text.get(at..at + span).unwrap_or_default())?;
                at += span;
                continue;
            }
            let Some(byte) = rest.first() else { break };
            at += usize::from(self.step(*byte)?);
            if self.state == State::Complete {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// The text is at its end: whether a last record without a line break is complete.
    pub fn end(&mut self) -> Result<bool, Problem> {
        match self.state {
            State::RecordStart | State::Complete => Ok(false),
            State::Quoted => Err(Problem::Unclosed),
            State::Return | State::BlankReturn => Err(Problem::LoneReturn),
            State::CellStart | State::Plain | State::Quote => {
                self.end_record()?;
                Ok(true)
            }
        }
    }

    /// Takes one byte that decides something; `false` leaves it to the state it led to.
    fn step(&mut self, byte: u8) -> Result<bool, Problem> {
        match (self.state, byte) {
            (State::RecordStart | State::BlankReturn, b'\n') => {
                self.line += 1;
                self.begin(State::RecordStart);
            }
            (State::RecordStart, b'\r') => self.state = State::BlankReturn,
            (State::RecordStart | State::CellStart, b'"') => self.state = State::Quoted,
            (State::Quoted, _) => self.state = State::Quote,
            (State::Quote, b'"') => {
                self.keep("\"")?;
                self.state = State::Quoted;
            }
            (State::Plain, b'"') => return Err(Problem::StrayQuote),
            (State::Return | State::BlankReturn, byte) if byte != b'\n' => return Err(Problem::LoneReturn),
            (_, b',') => {
                self.end_cell()?;
                self.begin(State::CellStart);
            }
            (_, b'\r') => self.state = State::Return,
            (_, b'\n') => {
                self.line += 1;
                self.end_record()?;
            }
            (State::Quote, _) => return Err(Problem::TextAfterQuote),
            (_, _) => {
                self.state = State::Plain;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.cell_line = self.line;
    }

    fn keep(&mut self, span: &str) -> Result<(), Problem> {
        if self.state == State::Quoted {
            self.line += span.bytes().map(|byte| u64::from(byte == b'\n')).sum::<u64>();
        }
        if self.record.text.len() + span.len() > MAX_RECORD_BYTES {
            return Err(Problem::TooLong);
        }
        self.record.text.push_str(span);
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Problem> {
        let most = self.columns.unwrap_or(MAX_COLUMNS);
        if self.record.ends.len() == most {
            return Err(Problem::TooMany { expected: most });
        }
        self.record.ends.push(self.record.text.len());
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), Problem> {
        self.end_cell()?;
        let found = self.record.len();
        self.state = State::Complete;
        match self.columns {
            Some(expected) if found < expected => Err(Problem::TooFew { found, expected }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
