//! `kubectl` in one namespace, and waiting for what the cluster does in its own time.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::process;

/// How long a busy cluster may take for one step of a test.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at what cannot be awaited.
const PAUSE: Duration = Duration::from_millis(500);

/// One namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    namespace: String,
}

impl Kubectl {
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into()));
        command.args(["--namespace", &self.namespace]).args(arguments);
        command
    }

    /// What it printed; panics where it failed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        said(arguments, self.attempt(arguments))
    }

    pub fn attempt(&self, arguments: &[&str]) -> Output {
        process::blocking(self.command(arguments))
    }

    /// With a document as its standard input, so that a secret is no argument.
    #[track_caller]
    pub fn give(&self, arguments: &[&str], document: &Value) -> String {
        said(arguments, process::blocking_given(&document.to_string(), self.command(arguments)))
    }

    /// An object, or a list of them.
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[&["get", "--output=json"], arguments].concat());
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// The members of a list.
    #[track_caller]
    pub fn list(&self, arguments: &[&str]) -> Vec<Value> {
        self.get(arguments).get("items").and_then(Value::as_array).cloned().unwrap_or_default()
    }
}

#[track_caller]
fn said(arguments: &[&str], output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("kubectl prints text")
}

/// Looks again and again until there is something; panics with `what` where that takes too long.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// As [`until`], for what is asked asynchronously.
pub async fn until_true(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !look().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
