//! Promises of a later run: a newer export adds what is new, names what differs, and changes nothing that stands.

mod decided;
mod excluded;
mod exports;
mod refusals;
mod repair;

use std::{collections::BTreeMap, fs, path::Path};

use futures_util::TryStreamExt;
use serde_json::Value;

use crate::support::app::{Sample, TestApp};

/// Header and rows of a CSV.
pub struct Csv {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    pub fn read(path: &Path) -> Self {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        Self { header, rows }
    }

    pub fn place(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap_or_else(|| panic!("no column {column}"))
    }

    /// The cell of the row whose id column holds this id.
    pub fn cell(&mut self, id_column: &str, id: &str, column: &str) -> &mut String {
        let (id_place, place) = (self.place(id_column), self.place(column));
        let row = self.rows.iter_mut().find(|row| row[id_place] == id).unwrap();
        &mut row[place]
    }

    pub fn text(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|row| writer.write_record(row).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }
}

/// Writes a file beside the sample's own; its path.
pub fn write(sample: &Sample, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = sample.path(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// Code and detail of every skipped row, by attempt; a row without a newer one of its attempt.
pub fn skipped(app: &TestApp<'_>, folder: &str) -> BTreeMap<String, (String, String)> {
    let text = app.result(&format!("{folder}/skipped.csv"));
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["Attempt ID", "Row", "Code", "Detail"]);
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[2] != "duplicate_row");
    rows.map(|row| (row[0].to_owned(), (row[2].to_owned(), row[3].to_owned()))).collect()
}

/// Attempts that a run lists as migrated.
pub fn migrated(app: &TestApp<'_>, folder: &str) -> Vec<String> {
    let text = app.result(&format!("{folder}/migrated.csv"));
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

pub fn summary(app: &TestApp<'_>, folder: &str) -> Value {
    serde_json::from_str(&app.result(&format!("{folder}/summary.json"))).unwrap()
}

/// A document of a run.
pub async fn document(app: &TestApp<'_>, name: &str) -> String {
    let reader = app.run_blobs().get(name).await.unwrap().unwrap_or_else(|| panic!("no {name}"));
    let parts: Vec<_> = reader.body.try_collect().await.unwrap();
    String::from_utf8(parts.concat()).unwrap()
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

pub async fn plain_app(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::new(sample).await;
    app.set("KUBECONFIG", "/nonexistent");
    app
}

pub async fn plain_sample(rows: u64, seed: u64) -> Sample {
    Sample::with(rows, seed, |options| options.plain = true).await
}

/// Deletes a submission as a failover loses it: all rows of its transaction.
pub async fn lose(app: &TestApp<'_>, attempt: &str) {
    for table in ["lti_session_records", "lti_launch_sessions"] {
        let sql = format!("delete from {table} where launch_id like 'rogo\\_{attempt}\\_%'");
        if table == "lti_session_records" {
            delete_submission(app, attempt).await;
        }
        app.database.run(&sql).await;
    }
}

/// Deletes a submission as the application does: session and session record stay.
pub async fn delete_submission(app: &TestApp<'_>, attempt: &str) {
    let sql = format!("delete from assignment_submissions where lti_launch_id like 'rogo\\_{attempt}\\_%'");
    app.database.run(&sql).await;
}
