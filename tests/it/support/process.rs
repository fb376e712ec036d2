//! A process under way: what it is waited for, told, and how it ends.

use std::{
    borrow::BorrowMut,
    fs::File,
    io::{Read, Seek, Write},
    process::{Output, Stdio},
    thread,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::app::Ended;
use serde_json::Value;

/// How long any wait of the tests may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a whole run of the program may take on a busy machine: one that hangs fails its test, and is killed.
const LONGEST_RUN: Duration = Duration::from_mins(10);

/// Pause between two looks at a condition that sends no signal.
const POLL: Duration = Duration::from_millis(5);

/// A server that a test started: it ends with the test.
pub struct Killed(pub std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks until it is so.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Awaits work that must end.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Runs the program to its end.
pub async fn output(mut command: Command) -> Ended {
    command.kill_on_drop(true);
    let running = tokio::time::timeout(LONGEST_RUN, command.output()).await;
    let output = running.unwrap_or_else(|_| panic!("it does not end within 10 min: {:?}", command.as_std()));
    Ended::of(output.unwrap())
}

/// As [`output`], of any program, for a caller that may block.
#[track_caller]
pub fn blocking(command: impl BorrowMut<std::process::Command>) -> Output {
    blocking_within(LONGEST_RUN, command)
}

/// As [`blocking`], with this text as its standard input.
#[track_caller]
pub fn blocking_given(text: &str, command: impl BorrowMut<std::process::Command>) -> Output {
    // A file, so that a program that does not read it holds nothing up.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    blocking_from(file, command)
}

/// As [`blocking`], with this file as its standard input.
#[track_caller]
pub fn blocking_from(file: File, mut command: impl BorrowMut<std::process::Command>) -> Output {
    waited_for(LONGEST_RUN, command.borrow_mut().stdin(file))
}

/// As [`blocking`], with another limit.
#[track_caller]
pub fn blocking_within(limit: Duration, mut command: impl BorrowMut<std::process::Command>) -> Output {
    waited_for(limit, command.borrow_mut().stdin(Stdio::null()))
}

#[track_caller]
fn waited_for(limit: Duration, command: &mut std::process::Command) -> Output {
    let began = std::time::Instant::now();
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (stdout, stderr) = (read_on(child.stdout.take()), read_on(child.stderr.take()));
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() >= limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end within {} s: {command:?}", limit.as_secs_f32());
        }
        thread::sleep(POLL);
    }
    let status = child.wait().unwrap();
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Reads a pipe to its end, so that it never fills.
fn read_on(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut read = Vec::new();
        pipe.expect("it is piped").read_to_end(&mut read).unwrap();
        read
    })
}

/// Runs one of these tests to its good end in a process of its own, which finds the `mark` in its environment.
pub fn this_test(name: &str, mark: &str) -> Ended {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(mark, "1");
    Ended::of(blocking(command)).expect(0)
}

/// Sends a signal by its name.
pub fn signal(process: &Child, name: &str) {
    signal_by_id(process.id().unwrap(), name);
}

/// Sends a signal to the process of this id.
pub fn signal_by_id(id: u32, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Reads what the process says until these words have come.
pub async fn said(process: &mut Child, words: &str) {
    use tokio::io::AsyncReadExt;
    let stderr = process.stderr.as_mut().unwrap();
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(words.as_bytes()) {
            text.push(stderr.read_u8().await.expect("it goes on saying something"));
        }
    };
    within(&format!("it says {words}"), reading).await;
}

/// Waits for its end; what it said from now on.
pub async fn ended(process: &mut Child) -> Ended {
    use tokio::io::AsyncReadExt;
    let (mut stdout, mut stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading =
        async { tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err), process.wait()) };
    let (_, _, status) = within("the process ends", reading).await;
    Ended::of(Output { status: status.unwrap(), stdout: out, stderr: err })
}

/// Standard error as a person reads it: errors, and what else is told beside the log, as text. Lines of the log stay as they are.
pub fn readable(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.split_inclusive('\n') {
        let told = serde_json::from_str::<Value>(line).ok().filter(|line| line["target"] == "rogo_migrate");
        let Some(told) = told else {
            text.push_str(line);
            continue;
        };
        text.push_str(if told["level"] == "ERROR" { "error: " } else { "" });
        text.push_str(told["message"].as_str().unwrap());
        text.push('\n');
    }
    text
}
