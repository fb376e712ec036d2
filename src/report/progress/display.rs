//! Shows progress while a process works: a live bar on a terminal, else blocks of text or log lines.

use std::{
    io::{self, IsTerminal, Write},
    sync::LazyLock,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Progress, Snapshot, render};
use crate::report::grid::percent;

/// Time between two redraws of the bar.
const FRAME: Duration = Duration::from_millis(500);

/// The live lines at the foot of the terminal. There is one terminal, hence one of these: all output to
/// standard error is written above them.
static FOOT: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

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
    /// Log lines where logs are JSON, a bar on a terminal, else blocks.
    pub fn choose(json_lines: bool) -> Self {
        match (json_lines, Stderr.is_terminal()) {
            (true, _) => Self::Log,
            (false, true) => Self::Live,
            (false, false) => Self::Block,
        }
    }
}

/// Shows progress every `interval` until `cancel`, and once more at the end.
pub async fn display(progress: &Progress, style: Style, interval: Duration, cancel: CancellationToken) {
    let bar = (style == Style::Live).then(Bar::new);
    let mut ticks = tokio::time::interval(if bar.is_some() { FRAME.min(interval) } else { interval });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await; // the first is at once, when there is nothing to say yet
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        show(&progress.snapshot(Instant::now()), style, bar.as_ref());
    }
    if let Some(bar) = &bar {
        bar.clear();
    }
    let last = if style == Style::Live { Style::Block } else { style };
    show(&progress.snapshot(Instant::now()), last, None);
}

fn show(snapshot: &Snapshot, style: Style, bar: Option<&Bar>) {
    match (style, bar) {
        (Style::Log, _) => render::log(snapshot),
        (_, Some(bar)) => bar.show(snapshot),
        (_, None) => crate::report::tell(&render::block(snapshot)),
    }
}

/// The bar and the lines below it.
struct Bar {
    bar: ProgressBar,
    lines: [ProgressBar; 4],
}

impl Bar {
    fn new() -> Self {
        let bar = FOOT.add(ProgressBar::new(0));
        // The template is a constant; without it the default style shows the same numbers less well.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        let lines = [(); 4].map(|()| {
            let line = FOOT.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                line.set_style(style);
            }
            line
        });
        Self { bar, lines }
    }

    fn show(&self, snapshot: &Snapshot) {
        self.bar.set_length(snapshot.total);
        self.bar.set_position(snapshot.done());
        self.bar.set_message(percent(snapshot.permille()));
        let texts = [
            render::headline(snapshot),
            render::totals(snapshot),
            format!("workers {}", render::workers(&snapshot.workers)),
            format!("state   {}", snapshot.state),
        ];
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text);
        }
    }

    fn clear(&self) {
        for line in self.lines.iter().chain([&self.bar]) {
            line.finish_and_clear();
            FOOT.remove(line);
        }
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
    use crate::domain::Books;

    #[tokio::test(start_paused = true)]
    async fn the_display_ends_when_it_is_told_to() {
        let progress = Progress::new(Instant::now(), 3, &Books::default(), 1);
        for style in [Style::Log, Style::Block, Style::Live] {
            let cancel = CancellationToken::new();
            let work = async {
                tokio::time::sleep(Duration::from_secs(25)).await;
                cancel.cancel();
            };
            let shown = display(&progress, style, Duration::from_secs(10), cancel.clone());
            tokio::time::timeout(Duration::from_secs(26), async { tokio::join!(work, shown) })
                .await
                .expect("it ends with the work");
        }
    }
}
