//! After the shards: what a finalizer in a pod does, what a person at a laptop sees of a run, goes on with and
//! fetches, and the last word of every end.

mod api_server;
mod documents;
mod frozen;
mod last_word;
mod laptop;
mod lost;
mod own_inputs;
mod pod;
mod purge;

use std::process::Stdio;

use rogo_migrate::ports::PutOptions;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::support::{
    app::{Ended, Sample, TestApp},
    process::output,
};

/// Rows that all migrate.
async fn plain_sample(rows: u64) -> Sample {
    Sample::with(rows, 43, |options| options.plain = true).await
}

/// An app that no cluster of this machine's own has a say in.
async fn app_of(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::new(sample).await;
    no_cluster(&mut app);
    app
}

fn no_cluster(app: &mut TestApp<'_>) {
    app.set("KUBECONFIG", "/nonexistent");
}

/// Writes a document of the run.
async fn write(app: &TestApp<'_>, name: &str, text: &str) {
    let options = PutOptions::replace("application/json");
    app.run_blobs().put(&format!("rogo/{name}"), text.to_owned().into(), &options).await.unwrap();
}

/// Reads what the process writes to standard error until `wanted` stands in a line.
async fn until_it_says(child: &mut Child, wanted: &str) {
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(wanted) {
            return;
        }
    }
    panic!("it ended and never said {wanted:?}");
}

/// The program of somebody who has nothing but the account of the run store.
fn laptop(app: &TestApp<'_>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    command
        .args(arguments)
        .args(["--run-store", app.variable("ROGO_RUN_STORE")])
        .env_clear()
        .env("AZURE_STORAGE_CONNECTION_STRING", app.variable("AZURE_STORAGE_CONNECTION_STRING"))
        .env("KUBECONFIG", "/nonexistent")
        .current_dir(app.out.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn at_laptop(app: &TestApp<'_>, arguments: &[&str]) -> Ended {
    output(laptop(app, arguments)).await
}
