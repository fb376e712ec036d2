//! Report: outcomes as a person sees them. Nothing else prints.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
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
/// Whether an error is printed as an object too (`--json`).
static ANSWERS_IN_JSON: AtomicBool = AtomicBool::new(false);
/// Whether standard error gets JSON lines, as the log does.
static TELLS_IN_JSON: AtomicBool = AtomicBool::new(false);

/// What a line of standard error that is no log line is said to come from.
const OWN: &str = "rogo_migrate";

/// Prints a command's result on standard output. A reader that closed the pipe is no error.
pub fn print(text: &str) {
    HAS_PRINTED.store(true, Relaxed);
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}

/// From now on an error is printed as an object, as a result is.
pub fn answer_in_json() {
    ANSWERS_IN_JSON.store(true, Relaxed);
}

/// Prints an error as an object if results are, unless there is a result: standard output holds one document, and the result
/// says itself what failed.
pub fn print_error(object: &str) {
    if ANSWERS_IN_JSON.load(Relaxed) && !HAS_PRINTED.load(Relaxed) {
        print(object);
    }
}

/// Says whether standard error gets JSON lines, as the log does.
pub fn tell_in_json(is_json: bool) {
    TELLS_IN_JSON.store(is_json, Relaxed);
}

/// Whether standard error gets JSON lines.
pub fn tells_in_json() -> bool {
    TELLS_IN_JSON.load(Relaxed)
}

/// Prints what the person at the terminal should know on standard error; a JSON line where the log is JSON.
pub fn tell(text: &str) {
    tell_as("INFO", text, text, &Map::new());
}

/// Prints an error on standard error, whatever the log leaves out; where the log is JSON, a line with its message and `facts`.
pub fn tell_error(message: &str, facts: &Map<String, Value>) {
    tell_as("ERROR", &format!("error: {message}"), message, facts);
}

/// One line of standard error, with the members of a log line first.
#[derive(Serialize)]
struct Told<'a> {
    timestamp: String,
    level: &'a str,
    message: &'a str,
    #[serde(flatten)]
    facts: &'a Map<String, Value>,
    target: &'a str,
}

fn tell_as(level: &str, text: &str, message: &str, facts: &Map<String, Value>) {
    let line = tells_in_json().then(|| {
        let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        serde_json::to_string(&Told { timestamp, level, message: message.trim_end(), facts, target: OWN })
    });
    let text = match line {
        Some(Ok(line)) => line,
        Some(Err(_)) | None => text.trim_end().to_owned(),
    };
    let _ = progress::Stderr.write_all(format!("{text}\n").as_bytes());
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
