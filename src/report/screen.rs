//! Where `status` shows a run: lines that follow each other, or on a terminal one screen that is drawn again.

use console::{Term, truncate_str};

use super::{
    fold::{below_last_gap, fold},
    print,
    standing::Standing,
};

/// Columns where there is no terminal.
const COLUMNS: usize = 80;
/// Columns beyond which a map of shards is no easier to read.
const MOST_COLUMNS: usize = 200;

/// Where a run is shown.
pub enum Screen {
    /// Each look below the one before, for pipes and files.
    Lines,
    /// The last look only.
    Live {
        /// Where it is drawn: standard output.
        term: Term,
        /// Lines of the last look.
        drawn: usize,
    },
}

impl Screen {
    /// One screen, if lines may be drawn again and standard output is a terminal.
    pub fn new(may_move: bool) -> Self {
        let term = Term::stdout();
        if may_move && term.is_term() { Self::Live { term, drawn: 0 } } else { Self::Lines }
    }

    /// Shows where the run stands. What stands while it is under way is replaced by the next look, the last one stays.
    pub fn show(&mut self, standing: &Standing, is_under_way: bool) {
        let (term, drawn) = match self {
            Self::Lines => return print(&text(standing, &Term::stdout())),
            Self::Live { term, drawn } => (term, drawn),
        };
        // A terminal that is gone has no reader.
        let _ = term.clear_last_lines(*drawn);
        let (rows, width) = term.size();
        let text = text(standing, term);
        *drawn = 0;
        if !is_under_way {
            return print(&text);
        }
        // A line that wraps, or one that has left the screen, cannot be taken back.
        for line in text.trim_end().lines().take(usize::from(rows).saturating_sub(1)) {
            let _ = term.write_line(&truncate_str(line, usize::from(width), "…"));
            *drawn += 1;
        }
    }

    /// Leaves the last look where it is: something else was written below it.
    pub fn leave(&mut self) {
        if let Self::Live { drawn, .. } = self {
            *drawn = 0;
        }
    }
}

impl Standing {
    /// The text for a terminal: no line is wider than `columns`.
    pub fn on_terminal(&self, columns: usize) -> String {
        fold(&self.text(columns), columns, |line| below_last_gap(line, columns))
    }
}

fn text(standing: &Standing, term: &Term) -> String {
    match term.size_checked() {
        Some((_, columns)) => standing.on_terminal(usize::from(columns).min(MOST_COLUMNS)),
        None => standing.text(COLUMNS),
    }
}
