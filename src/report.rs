//! Report: outcomes as a person sees them. Nothing else prints.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

pub mod events;
mod fold;
pub mod grid;
pub mod html;
pub mod progress;
pub mod limits;
pub mod invariants;
mod log_lines;
pub mod board;
pub mod observed;
mod prediction;
pub mod screen;
pub mod shell;
pub mod standing;
pub mod summary;
pub mod termination;
pub mod verification;

/// Whether the command has printed a result.
static HAS_PRINTED: AtomicBool = AtomicBool::new(false);

/// Prints a command's result on standard output. A reader that closed the pipe is no error.
pub fn print(text: &str) {
    HAS_PRINTED.store(true, Relaxed);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}

/// Prints an error as an object, unless there is a result: standard output holds one document, and the result
/// says itself what failed.
pub fn print_error(object: &str) {
    if !HAS_PRINTED.load(Relaxed) {
        print(object);
    }
}

/// Prints what the person at the terminal should know on standard error.
pub fn tell(text: &str) {
    let _ = progress::Stderr.write_all(format!("{}\n", text.trim_end()).as_bytes());
}

/// Says what the process waits for. It is a log line of level info, and a plain line on a terminal whose log leaves those out.
pub fn tell_wait(text: &str) {
    if progress::Stderr.is_terminal() && !tracing::enabled!(tracing::Level::INFO) {
        tell(text);
    } else {
        tracing::info!("{text}");
    }
}
