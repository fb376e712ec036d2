//! Bad input and bad days, through the built program: each case reads the message, the exit code, and that nothing
//! was lost or written. One sample and one target serve all cases of an area, since a refusal leaves them as they were.

mod disk;
mod inputs;
mod places;
mod planning;
mod resume;
mod rows;
mod secrets;
mod services;
mod trial;
mod usage;
mod warehouse;

use std::{fmt::Write as _, process::Stdio};

use futures_util::TryStreamExt;
use rogo_migrate::ports::Blobs;
use tokio::process::Command;

use crate::support::{
    app::{Ended, Sample, TestApp},
    azurite::Azurite,
    process::{self, output},
};

/// Rows that all migrate: what is bad is the case's alone.
async fn plain_sample(rows: u64) -> Sample {
    Sample::with(rows, 41, |options| options.plain = true).await
}

/// One bad day: how the program is started, how it must end and what it must say.
struct Day<'case> {
    what: &'case str,
    arguments: &'case [&'case str],
    /// Variables of the environment; an empty value takes the variable away.
    set: Vec<(&'case str, String)>,
    code: i32,
    says: Vec<String>,
}

impl<'case> Day<'case> {
    /// A day on which `arguments` end with `code`.
    fn new(what: &'case str, arguments: &'case [&'case str], code: i32) -> Self {
        Self { what, arguments, set: Vec::new(), code, says: Vec::new() }
    }

    fn set(mut self, name: &'case str, value: impl Into<String>) -> Self {
        self.set.push((name, value.into()));
        self
    }

    /// Every one of these must stand in what the program wrote to standard error.
    fn says<T: Into<String>>(mut self, parts: impl IntoIterator<Item = T>) -> Self {
        self.says.extend(parts.into_iter().map(Into::into));
        self
    }

    /// Runs it and checks code and message.
    async fn ends(&self, app: &TestApp<'_>) -> Ended {
        let mut command = app.command(self.arguments);
        for (name, value) in &self.set {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        let ended = output(command).await;
        let Ended { code, stdout, stderr, .. } = &ended;
        assert_eq!(*code, Some(self.code), "{}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.what);
        for part in &self.says {
            assert!(stderr.contains(part), "{}: {part:?} is not said in\n{stderr}", self.what);
        }
        assert!(!stderr.contains("panicked"), "{}: {stderr}", self.what);
        for line in stderr.lines() {
            assert_eq!(said_twice(line), None, "{}: {line}", self.what);
        }
        ended
    }

    /// As [`Day::ends`], and everything stored is as it was.
    async fn is_refused(&self, app: &TestApp<'_>) -> Ended {
        let before = stored(app).await;
        let ended = self.ends(app).await;
        assert_eq!(stored(app).await, before, "{}: something was written", self.what);
        ended
    }
}

/// The first cause that stands more than once in a chain of causes, or in the advice about it, if there is one. Two
/// reasons in a list may have the same cause. What is shorter than a sentence may well stand twice: a name, a place.
fn said_twice(line: &str) -> Option<&str> {
    let is_twice = |part: &&str, text: &str| part.split(' ').count() > 2 && text.matches(part).count() > 1;
    line.split("; ").find_map(|reason| {
        let mut parts = reason.split(": ").map(|part| part.trim_matches(['"', '}', '.', ' ']));
        parts.find(|part| is_twice(part, reason)).or_else(|| is_twice(&reason, line).then_some(reason))
    })
}

/// The app's environment around a script of bash, whose `$0` is the program.
fn through_bash(app: &TestApp<'_>, script: &str) -> Command {
    let program = app.command(&[]);
    let environment = program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_rogo-migrate")])
        .env_clear()
        .envs(environment)
        .current_dir(app.out.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the program with these arguments and variables. Its stdout and stderr are in `stdout`; with it the most memory that it
/// took, in KiB, which a shell watches.
async fn watched(
    app: &TestApp<'_>,
    arguments: &str,
    variables: &[(&str, &std::path::Path)],
    code: i32,
) -> (Ended, u64) {
    let script = r#" 2>&1 & pid=$!; most=0
        while kill -0 $pid 2>/dev/null; do
            now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null)
            [ "${now:-0}" -gt "$most" ] && most=$now
        done
        wait $pid; code=$?; echo "most=$most"; exit $code"#;
    let mut command = through_bash(app, &format!("\"$0\" {arguments}{script}"));
    command.env("PATH", std::env::var_os("PATH").unwrap()).envs(variables.iter().copied());
    let mut ended = output(command).await.expect(code);
    ended.stdout = process::readable(&ended.stdout);
    let most = ended.stdout.rsplit_once("most=").unwrap().1.trim().parse().unwrap();
    (ended, most)
}

/// Every row, every blob of the target, and every document of the run store but refusals and the plan's heartbeat.
async fn stored(app: &TestApp<'_>) -> String {
    let mut text = app.database.dump_tables(&[]).await;
    for (what, blobs) in [("target", app.target_blobs()), ("run store", app.run_blobs())] {
        let mut names: Vec<String> = blobs
            .list("")
            .map_ok(|info| format!("{} {} {:?}", info.name, info.size_bytes, info.md5))
            .try_collect()
            .await
            .unwrap();
        names.retain(|name| !name.contains("/refused/") && !name.contains("/planning/"));
        writeln!(text, "{what}: {names:#?}").unwrap();
    }
    text
}

/// The app's run store.
fn run_store(app: &TestApp<'_>) -> std::sync::Arc<dyn Blobs> {
    app.run_blobs()
}

/// Stores a file as an input blob; its `az://` address.
async fn input_blob(name: &str, bytes: Vec<u8>) -> String {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    azurite.put(&container, name, bytes).await;
    format!("az://{container}/{name}")
}
