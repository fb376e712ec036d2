//! Shows progress while a process works: a live bar on a terminal, else blocks of text or log lines.

use std::{
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::Duration,
};

use console::{Term, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{Snapshot, render};
use crate::{
    ports::every,
    report::{board::Board, grid::percent},
};

/// Time between two blocks or log lines.
const SHOW_EVERY: Duration = Duration::from_secs(10);
/// Time between two redraws of the bar.
const FRAME: Duration = Duration::from_millis(500);

/// The live lines at the foot of the terminal. There is one terminal, hence one of these: all output to
/// standard error is written above them.
static FOOT: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Columns of the terminal that standard error is; `None`: it is none.
fn columns() -> Option<usize> {
    Term::stderr().size_checked().map(|(_, columns)| usize::from(columns))
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar that moves.
    Live,
    /// A block of text every interval.
    Block,
    /// A log line every interval.
    Log,
}

impl Style {
    /// Log lines where logs are JSON, a bar on a terminal that may get more than plain lines, else blocks.
    pub fn choose(json_lines: bool, may_move: bool) -> Self {
        match (json_lines, may_move && Stderr.is_terminal()) {
            (true, _) => Self::Log,
            (false, true) => Self::Live,
            (false, false) => Self::Block,
        }
    }
}

/// Shows the board every 10 s until `cancel`, a bar twice a second, and once more at the end, if a shard has begun.
pub async fn display(board: &Board, style: Style, cancel: CancellationToken) {
    let bar = (style == Style::Live).then(|| Bar::at(&FOOT));
    let mut ticks = every(if bar.is_some() { FRAME } else { SHOW_EVERY });
    ticks.tick().await; // the first is at once, when there is nothing to say yet
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        show(&board.snapshot(), style, bar.as_ref());
    }
    if let Some(bar) = &bar {
        bar.clear();
    }
    let last = board.snapshot();
    if !last.begun.is_empty() {
        show(&last, if style == Style::Live { Style::Block } else { style }, None);
    }
}

/// Shows the board at once, without a bar.
pub fn show_now(board: &Board, style: Style) {
    show(&board.snapshot(), if style == Style::Live { Style::Block } else { style }, None);
}

fn show(snapshot: &Snapshot, style: Style, bar: Option<&Bar>) {
    match (style, bar) {
        (Style::Log, _) => render::log(snapshot),
        (_, Some(bar)) => bar.show(snapshot, columns().unwrap_or(COLUMNS)),
        (_, None) => {
            let block = columns().map_or_else(
                || render::block(snapshot),
                |columns| render::block_on_terminal(snapshot, columns),
            );
            crate::report::tell(&block);
        }
    }
}

/// The bar and the lines below it.
pub struct Bar {
    foot: MultiProgress,
    bar: ProgressBar,
}

impl Bar {
    /// At the foot of what is drawn there.
    pub fn at(foot: &MultiProgress) -> Self {
        let bar = foot.add(ProgressBar::new(0));
        // The template is a constant; without it the default style shows the same numbers less well.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}\n{prefix}") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self { foot: foot.clone(), bar }
    }

    /// Draws a snapshot in the place of the last one, on a terminal of so many columns.
    pub fn show(&self, snapshot: &Snapshot, columns: usize) {
        // A word that is wider than the terminal.
        let cut = |line: String| truncate_str(&line, columns, "…").into_owned();
        let lines: Vec<String> = render::live(snapshot, columns).into_iter().map(cut).collect();
        self.bar.set_length(snapshot.total);
        self.bar.set_position(snapshot.done());
        self.bar.set_message(percent(snapshot.permille()));
        self.bar.set_prefix(lines.join("\n"));
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
        self.foot.remove(&self.bar);
    }
}

/// Standard error above the live lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stderr;

impl Stderr {
    /// Whether a person watches.
    pub fn is_terminal(self) -> bool {
        io::stderr().is_terminal()
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        FOOT.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_display_ends_when_it_is_told_to() {
        let board = Board::new(3, 1);
        for style in [Style::Log, Style::Block, Style::Live] {
            let cancel = CancellationToken::new();
            let work = async {
                tokio::time::sleep(Duration::from_secs(25)).await;
                cancel.cancel();
            };
            let shown = display(&board, style, cancel.clone());
            tokio::time::timeout(Duration::from_secs(26), async { tokio::join!(work, shown) })
                .await
                .expect("it ends with the work");
        }
    }
}
