//! Promises of `plan --predict`: it says what the run then does, names what it cannot know, and only reads.

mod changed;
mod checks;
mod missing;
mod outcomes;
mod refusals;
mod sources;

use std::fmt::Write as _;

use futures_util::TryStreamExt;
use rogo_migrate::{
    ports::Blobs,
    run::{Check, Compared, Difference, Prediction, Summary},
};

use crate::support::{
    app::{Ended, TestApp},
    csv::Csv,
};

/// Runs `plan --predict --json` with more arguments.
async fn predict(app: &TestApp<'_>, more: &[&str]) -> Ended {
    app.run(&[&["plan", "--predict", "--json"], more].concat()).await
}

/// What it printed, after it ended well.
async fn predicted(app: &TestApp<'_>, more: &[&str]) -> Prediction {
    refused(app, more, 0).await.0
}

/// What it printed, after it ended with this code, and what it said on standard error.
async fn refused(app: &TestApp<'_>, more: &[&str], code: i32) -> (Prediction, String) {
    let Ended { stdout, stderr, .. } = predict(app, more).await.expect(code);
    let prediction = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    (prediction, stderr)
}

/// The check of this name.
fn check<'p>(prediction: &'p Prediction, name: &str) -> &'p Check {
    let found = prediction.checks.iter().find(|check| check.check == name);
    found.unwrap_or_else(|| panic!("no {name}: {:?}", prediction.checks))
}

/// The counts that differ: how long a test takes is no promise.
fn counts(compared: &Compared) -> Vec<&Difference> {
    compared.differences.iter().filter(|difference| difference.what != "duration_ms").collect()
}

fn summary(app: &TestApp<'_>) -> Summary {
    serde_json::from_str(&app.result("summary.json")).unwrap()
}

/// The rows of a CSV that stands in the out folder, without its header.
fn rows(app: &TestApp<'_>, file: &str) -> Vec<Vec<String>> {
    Csv::of(&app.result(file)).rows
}

/// Every row of the target database and every blob of a store.
async fn state(app: &TestApp<'_>, stores: &[std::sync::Arc<dyn Blobs>]) -> String {
    let mut text = app.database.dump_tables(&[]).await;
    for store in stores {
        let blobs: Vec<_> = store.list("").try_collect().await.unwrap();
        for blob in blobs {
            writeln!(text, "{} {} {:?}", blob.name, blob.size_bytes, blob.md5).unwrap();
        }
    }
    text
}
