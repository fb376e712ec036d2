//! After the shards: what a finalizer in a pod does, what a person at a laptop sees of a run, goes on with and
//! fetches, and the last word of every end.

mod another_run;
mod api_server;
mod beside;
mod documents;
mod frozen;
mod in_order;
mod last_word;
mod laptop;
mod lost;
mod next_lines;
mod own_inputs;
mod plugin;
mod pod;
mod purge;
mod twin;
mod typed;

use std::process::Stdio;

use rogo_migrate::ports::PutOptions;
use tokio::process::Command;

use crate::support::{
    app::{Ended, Sample, TestApp},
    process::output,
};

/// Rows that all migrate.
async fn plain_sample(rows: u64) -> Sample {
    Sample::with(rows, 43, |options| options.plain = true).await
}

/// Writes a document of the run.
async fn write(app: &TestApp<'_>, name: &str, text: &str) {
    let options = PutOptions::replace("application/json");
    app.run_blobs().put(&format!("rogo/{name}"), text.to_owned().into(), &options).await.unwrap();
}

/// The program with access to the account of the run store and to nothing else.
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
