//! RFC 4180 without leniency: what a spreadsheet would quietly repair is refused here, because a
//! stray quote that is repaired swallows every later row into one cell.
//!
//! The `csv` crate reports neither a stray quote nor an end inside quotes; it is the oracle of the
//! tests below instead: what both accept, both read alike.

use super::{
    problem::Problem,
    record::{Cell, Record, line_breaks},
};

/// The most bytes of one record, all its cells together.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// The most columns of a file.
const MAX_COLUMNS: usize = 16_384;

/// Reads records from text that arrives in pieces of any size.
#[derive(Debug)]
pub struct Lexer {
    state: State,
    record: Record,
    columns: Option<usize>,
    /// Cells that no row may lack.
    needed: usize,
    backslash_escapes: bool,
    quoted: bool,
    line: u64,
    cell_line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    CellStart,
    Plain,
    Quoted,
    /// After an escaping backslash outside and inside quotes.
    PlainEscape,
    QuotedEscape,
    /// A quote inside quotes: the cell's end, or the first half of a doubled one.
    Quote,
    Return,
    /// After a blank line's carriage return.
    BlankReturn,
    Complete,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            state: State::RecordStart,
            record: Record { line: 1, ..Record::default() },
            columns: None,
            needed: 0,
            backslash_escapes: false,
            quoted: false,
            line: 1,
            cell_line: 1,
        }
    }
}

impl Lexer {
    /// A reader of text in which `\"` is a quote and `\\` a backslash; no other character may follow a backslash
    /// (but `\N`, which some tools write for null).
    pub fn with_backslash_escapes() -> Self {
        Self { backslash_escapes: true, ..Self::default() }
    }

    /// Sets the number of cells that every later record must have.
    pub fn expect_columns(&mut self, columns: usize) {
        self.columns = Some(columns);
        self.needed = columns;
    }

    /// From now on a row may lack cells at its end, as spreadsheets write it, but not the first `needed`.
    pub fn need_columns(&mut self, needed: usize) {
        self.needed = needed;
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
                State::Plain => rest.iter().position(|byte| self.ends_plain_span(*byte)),
                State::Quoted => rest.iter().position(|byte| *byte == b'"' || self.escapes(*byte)),
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
            State::PlainEscape | State::QuotedEscape => Err(Problem::IdleBackslash),
            State::CellStart | State::Plain | State::Quote => {
                // A row that ends with the file may be truncated, so all its cells are required.
                self.needed = self.columns.unwrap_or_default();
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
            (State::RecordStart | State::CellStart, b'"') => {
                self.state = State::Quoted;
                self.quoted = true;
            }
            (State::Plain, b'\\') => self.state = State::PlainEscape,
            (State::Quoted, b'\\') => self.state = State::QuotedEscape,
            (State::PlainEscape | State::QuotedEscape, _) => return self.step_escaped(byte),
            (State::Quoted, _) => self.state = State::Quote,
            (State::Quote, b'"') => {
                self.keep("\"")?;
                self.state = State::Quoted;
            }
            (State::Plain, b'"') if self.follows_backslash() => return Err(Problem::BackslashBeforeQuote),
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
            (State::Quote, _) if self.follows_backslash() => return Err(Problem::BackslashBeforeQuote),
            (State::Quote, b';' | b'\t' | b'|') => return Err(Problem::Delimiter(byte)),
            (State::Quote, _) => return Err(Problem::TextAfterQuote),
            (_, _) => {
                self.state = State::Plain;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The byte after an escaping backslash.
    fn step_escaped(&mut self, byte: u8) -> Result<bool, Problem> {
        let escaped = match byte {
            b'"' => "\"",
            b'\\' => "\\",
            // A whole cell, for null; the letter is read next.
            b'N' if self.record.open_cell().is_empty() => "\\",
            _ => return Err(Problem::IdleBackslash),
        };
        self.state = if self.state == State::PlainEscape { State::Plain } else { State::Quoted };
        self.keep(escaped)?;
        Ok(byte != b'N')
    }

    fn ends_plain_span(&self, byte: u8) -> bool {
        b",\"\r\n".contains(&byte) || self.escapes(byte)
    }

    fn escapes(&self, byte: u8) -> bool {
        self.backslash_escapes && byte == b'\\'
    }

    fn follows_backslash(&self) -> bool {
        self.record.open_cell().ends_with('\\')
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.cell_line = self.line;
        self.quoted = false;
        if state == State::RecordStart {
            self.record.line = self.line;
        }
    }

    fn keep(&mut self, span: &str) -> Result<(), Problem> {
        if self.state == State::Quoted {
            self.line += line_breaks(span);
        }
        if self.record.text.len() + span.len() > MAX_RECORD_BYTES {
            return Err(Problem::TooLong);
        }
        self.record.text.push_str(span);
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Problem> {
        let most = self.columns.unwrap_or(MAX_COLUMNS);
        if self.record.len() == most {
            return Err(Problem::TooMany { expected: most });
        }
        self.record.cells.push(Cell { end: self.record.text.len(), quoted: self.quoted });
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), Problem> {
        self.end_cell()?;
        let found = self.record.len();
        self.record.found = found;
        self.state = State::Complete;
        let Some(expected) = self.columns else { return Ok(()) };
        if found < self.needed.min(expected) {
            return Err(Problem::TooFew { found, expected });
        }
        let end = self.record.text.len();
        self.record.cells.resize(expected.max(found), Cell { end, quoted: false });
        Ok(())
    }
}

/// The records of a whole text; an error names its line.
pub(super) fn records(text: &str) -> Result<Vec<Record>, String> {
    let (mut lexer, mut records, mut at) = (Lexer::default(), Vec::new(), 0);
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let read = if rest.is_empty() { lexer.end().map(|ended| (0, ended)) } else { lexer.read(rest) };
        let (taken, is_complete) = read.map_err(|problem| format!("line {}: {problem}", lexer.cell_line))?;
        at += taken;
        if is_complete {
            records.push(lexer.record().clone());
        }
        if rest.is_empty() {
            return Ok(records);
        }
    }
}

#[cfg(test)]
mod tests;
