//! How the program logs, and in which form it tells an error.

use clap::ValueEnum;

use super::{Sources, parse, reader::Reader, table as t};

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

impl LogFormat {
    /// The chosen format, whatever else is wrong with the settings: these errors are told in it too.
    pub fn chosen(sources: &Sources) -> Option<Self> {
        Reader::new(sources).optional(&t::LOG_FORMAT, parse::choice)
    }
}

/// The format that is chosen by flag or environment, for what is told before the settings are read, or of a command line that
/// cannot be.
pub fn format_before_settings() -> Option<LogFormat> {
    let flag = t::LOG_FORMAT.flag_name();
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let given = arguments.iter().enumerate().find_map(|(at, argument)| {
        let rest = argument.strip_prefix(&flag)?;
        if rest.is_empty() { arguments.get(at + 1).map(String::as_str) } else { rest.strip_prefix('=') }
    });
    let variable = t::LOG_FORMAT.environment.and_then(|name| std::env::var(name).ok());
    let chosen = given.map(str::to_owned).or(variable)?;
    LogFormat::from_str(chosen.trim(), false).ok()
}

/// Whether the command line has `--json`, also if it cannot be read otherwise.
pub fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument == "--json")
}

/// Whether a panic is logged with its backtrace. Read as it happens: a panic may come before the settings are.
pub fn wants_backtraces() -> bool {
    std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0")
}
