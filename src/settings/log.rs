//! How the program logs, and in which form it tells an error.

/// How the program logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `None`: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// A log filter in the syntax of `RUST_LOG`.
    pub filter: String,
    /// Whether it was given: the default is `warn` beside live progress.
    pub filter_is_given: bool,
    /// What may be sent to a terminal.
    pub terminal: Terminal,
    /// Of so many ordinary submissions one is traced, if traces are sent; 0: none.
    pub trace_sample: u64,
}

/// What may be sent to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// Colours, and lines that are drawn again.
    Full,
    /// Plain lines: `CI` or `NO_COLOR` is set, or `TERM` is `dumb`.
    Plain,
}

/// Format of log lines (`--log-format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether the command line has `--json`, also if it cannot be read otherwise.
pub fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

/// Whether a panic is logged with its backtrace. Read as it happens: a panic may come before the settings are.
pub fn wants_backtraces() -> bool {
    std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0")
}
