//! Report: outcomes as a person sees them. Nothing else prints.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

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

/// What a process that looks again and again says of its wait: at once, then every 15 to 30 s if it looks at least every 15 s.
#[derive(Debug, Default)]
pub struct WaitTeller {
    said: Option<Instant>,
    lines: u32,
}

impl WaitTeller {
    const EVERY: Duration = Duration::from_secs(15);

    /// Number of the line that is due, from 0; `None` if none is due yet.
    pub fn due(&self) -> Option<u32> {
        self.said.is_none_or(|said| said.elapsed() >= Self::EVERY).then_some(self.lines)
    }

    /// Says it if a line is due.
    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.due().is_some() {
            self.said = Some(Instant::now());
            self.lines += 1;
            tell_wait(&text());
        }
    }
}

/// Says what the process waits for. It is a log line of level info, and a plain line on a terminal whose log leaves those out.
pub fn tell_wait(text: &str) {
    if progress::Stderr.is_terminal() && !tracing::enabled!(tracing::Level::INFO) {
        tell(text);
    } else {
        tracing::info!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_at_once_and_then_at_least_every_half_minute() {
        for look_every in [1, 10, 15].map(Duration::from_secs) {
            let (mut teller, began, mut told) = (WaitTeller::default(), Instant::now(), Vec::new());
            while began.elapsed() < Duration::from_mins(5) {
                teller.tell(|| {
                    told.push(began.elapsed());
                    String::new()
                });
                tokio::time::advance(look_every).await;
            }
            assert_eq!(told.first(), Some(&Duration::ZERO));
            let longest = told.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap();
            assert!(longest <= Duration::from_secs(30), "{look_every:?}: {told:?}");
            assert!(told.len() <= 21, "{look_every:?}: {} lines in 5 min", told.len());
        }
    }
}
