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
    run::{Prediction, Summary},
};

use crate::support::{app::TestApp, csv::Csv};

/// What `plan --predict --json` printed, after it ended well.
async fn predicted(app: &TestApp<'_>, more: &[&str]) -> Prediction {
    let arguments: Vec<&str> =
        ["plan", "--predict", "--json"].into_iter().chain(more.iter().copied()).collect();
    let ended = app.run(&arguments).await.expect(0);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
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
