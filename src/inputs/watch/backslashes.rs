//! Backslashes in a file's cells: whether the tool that wrote them used them as an escape character.

use crate::inputs::Record;

/// How backslashes stand in cells: whether they can be an escape character.
#[derive(Debug, Default)]
pub(super) struct Backslashes {
    quoted: Runs,
    unquoted: Runs,
    /// Line of the first run of backslashes that may be an escape.
    pub line: u64,
}

/// Counts of consecutive backslashes, by length.
#[derive(Debug, Default)]
struct Runs {
    /// All of the run may escape each other, or a quote.
    escaping: u64,
    /// Runs of a single backslash before a character that it cannot escape.
    lone: u64,
}

impl Backslashes {
    pub fn look(&mut self, record: &Record) {
        for index in 0..record.len() {
            let (cell, quoted) = (record.get(index), record.is_quoted(index));
            if !cell.contains('\\') || cell == "\\N" {
                continue;
            }
            let mut rest = cell;
            while let Some(at) = rest.find('\\') {
                let run = rest.get(at..).unwrap_or_default();
                let after = run.trim_start_matches('\\');
                let escapes = (run.len() - after.len()).is_multiple_of(2);
                let before_quote = quoted && (after.is_empty() || after.starts_with('"'));
                self.note(quoted, escapes || before_quote, record.line(index));
                rest = after;
            }
        }
    }

    fn note(&mut self, quoted: bool, may_escape: bool, line: u64) {
        let runs = if quoted { &mut self.quoted } else { &mut self.unquoted };
        *(if may_escape { &mut runs.escaping } else { &mut runs.lone }) += 1;
        if may_escape && self.line == 0 {
            self.line = line;
        }
    }

    /// Cells in quotes decide: what escapes does so there, and not every tool does so elsewhere.
    pub fn may_escape(&self) -> bool {
        self.quoted.lone == 0
            && (self.quoted.escaping > 0 || (self.unquoted.escaping > 0 && self.unquoted.lone == 0))
    }
}
