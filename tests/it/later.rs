//! Promises of a later run: a newer export adds what is new, names what differs, and changes nothing that stands.

mod decided;
mod excluded;
mod exports;
mod failure_csv;
mod refusals;
mod repair;
mod replaced;

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

/// Writes a file beside the sample's own; its path.
pub fn write(sample: &Sample, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = sample.path(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// Code and detail of every skipped row, by attempt; a row without a newer one of its attempt.
pub fn skipped(app: &TestApp<'_>, folder: &str) -> BTreeMap<String, (String, String)> {
    let skipped = Csv::of(&app.result(&format!("{folder}/skipped.csv")));
    assert_eq!(skipped.header, ["Attempt ID", "Row", "Code", "Detail"]);
    let rows = skipped.rows.into_iter().filter(|row| row[2] != "duplicate_row");
    rows.map(|row| (row[0].clone(), (row[2].clone(), row[3].clone()))).collect()
}

pub fn summary(app: &TestApp<'_>, folder: &str) -> Value {
    serde_json::from_str(&app.result(&format!("{folder}/summary.json"))).unwrap()
}

/// Everything in the target, a line each.
pub async fn target(app: &TestApp<'_>) -> Vec<String> {
    let dump = app.database.dump_tables(&[]).await;
    // The others count the rows of each table.
    let mut lines: Vec<String> =
        dump.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect();
    for mut blob in app.blobs().await {
        blob.metadata.sort();
        lines.push(format!("blob {blob:?}"));
    }
    lines.sort();
    lines
}

/// Lines of the first that the second lacks.
pub fn gone(before: &[String], after: &[String]) -> Vec<String> {
    let mut left: BTreeMap<&String, i64> = BTreeMap::new();
    for line in after {
        *left.entry(line).or_default() += 1;
    }
    let mut gone = Vec::new();
    for line in before {
        let count = left.entry(line).or_default();
        *count -= 1;
        if *count < 0 {
            gone.push(line.clone());
        }
    }
    gone
}

pub async fn plain_sample(rows: u64, seed: u64) -> Sample {
    Sample::with(rows, seed, |options| options.plain = true).await
}
