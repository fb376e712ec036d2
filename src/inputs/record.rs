//! One record of a CSV, as the lexer fills it.

/// The cells of one record, unquoted, otherwise as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub(super) text: String,
    pub(super) cells: Vec<Cell>,
    /// Cells that the row itself had; the rest, up to the header's number, are empty.
    pub(super) found: usize,
    /// The line on which it began.
    pub(super) line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where it ends in the record's text.
    pub(super) end: usize,
    pub(super) quoted: bool,
}

impl Record {
    /// The cell at `index`; empty if there is none.
    pub fn get(&self, index: usize) -> &str {
        let end = self.cells.get(index).map_or(0, |cell| cell.end);
        self.text.get(self.start(index)..end).unwrap_or_default()
    }

    /// Whether the cell was quoted.
    pub fn is_quoted(&self, index: usize) -> bool {
        self.cells.get(index).is_some_and(|cell| cell.quoted)
    }

    /// Line (from 1) on which the cell began.
    pub fn line(&self, index: usize) -> u64 {
        let before = self.text.get(..self.start(index)).unwrap_or_default();
        self.line + line_breaks(before)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell at all, as before the first record.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Number of cells that the row itself had: fewer than [`Self::len`] where empty ones at its end were left out.
    pub fn found(&self) -> usize {
        self.found
    }

    /// All of its cells' text in one piece, for a quick look.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|before| self.cells.get(before)).map_or(0, |cell| cell.end)
    }

    /// Every cell in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Copies of its cells.
    pub fn to_cells(&self) -> Vec<InputCell> {
        (0..self.len())
            .map(|index| InputCell { text: self.get(index).to_owned(), is_quoted: self.is_quoted(index) })
            .collect()
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.found = 0;
    }

    /// The text of the cell that is being read.
    pub(super) fn open_cell(&self) -> &str {
        self.text.get(self.start(self.cells.len())..).unwrap_or_default()
    }
}

/// A cell without its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputCell {
    /// Its text, unquoted.
    pub text: String,
    /// Whether it was quoted: an export's null never is.
    pub is_quoted: bool,
}

pub(super) fn line_breaks(text: &str) -> u64 {
    text.bytes().map(|byte| u64::from(byte == b'\n')).sum()
}
