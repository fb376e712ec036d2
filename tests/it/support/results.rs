//! What a run left: results in the out folder, documents in the run store, rows in the target.
#![allow(dead_code, reason = "tests and benchmark each use a part")]

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use futures_util::TryStreamExt;
use rogo_migrate::{ports::Blobs, run::Decided};
use serde_json::Value;

use super::{app::TestApp, csv::Csv};

/// The results of a complete run; the first four are its books.
pub const RESULTS: [&str; 6] = [
    "migrated.csv",
    "submissions_failed_migration.csv",
    "skipped.csv",
    "notes.csv",
    "summary.json",
    "report.html",
];

impl TestApp<'_> {
    /// A result as it stands in the out folder.
    pub fn result(&self, file: &str) -> String {
        let path = self.out.path().join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The books of the last finalize.
    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.result("summary.json")).unwrap()
    }

    /// The document that a command prints as it ends with this code.
    pub async fn json(&self, arguments: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.run(arguments).await.expect(code).stdout).unwrap()
    }

    /// Attempts that the last finalize lists as migrated.
    pub fn migrated(&self) -> Vec<String> {
        self.migrated_in(".")
    }

    /// The same of a run whose results went to a folder below.
    pub fn migrated_in(&self, folder: &str) -> Vec<String> {
        let migrated = Csv::of(&self.result(&format!("{folder}/migrated.csv")));
        migrated.column("Attempt ID").map(str::to_owned).collect()
    }

    /// Attempt, as the input writes it, and code of every row of the failure CSV.
    pub fn failed_in(&self, folder: &str) -> Vec<(String, String)> {
        let failed = Csv::of(&self.result(&format!("{folder}/submissions_failed_migration.csv")));
        let code = |error: &str| error.split_once(": ").unwrap().0.to_owned();
        failed.column("Attempt ID").map(str::to_owned).zip(failed.column("Error").map(code)).collect()
    }

    /// Every outcome by row number, as the results tell it: kind and code.
    pub fn outcomes(&self) -> BTreeMap<u64, (String, String)> {
        let mut rows = rows_by_attempt(&self.sample.path("submission_files.csv"));
        let mut outcomes = BTreeMap::new();
        for row in Csv::of(&self.result("skipped.csv")).rows {
            outcomes.insert(row[1].parse().unwrap(), ("skipped".to_owned(), row[2].clone()));
        }
        for (attempt, code) in self.failed_in(".") {
            let number = take_row(&mut rows, &attempt, &outcomes);
            outcomes.insert(number, ("failed".to_owned(), code));
        }
        for attempt in self.migrated() {
            let number = take_row(&mut rows, &attempt, &outcomes);
            outcomes.insert(number, ("migrated".to_owned(), String::new()));
        }
        outcomes
    }

    /// A document of the run store.
    pub async fn document(&self, name: &str) -> String {
        String::from_utf8(read(&*self.run_blobs(), name).await).unwrap()
    }

    /// Whether the run store has this document.
    pub async fn has_document(&self, name: &str) -> bool {
        self.run_blobs().head(name).await.unwrap().is_some()
    }

    /// Every decision that a run has logged.
    pub async fn decided(&self, run: &str) -> Vec<Decided> {
        let text = self.document(&format!("{run}/decisions.jsonl")).await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Deletes a submission as a failover loses it: all rows of its one transaction.
    pub async fn lose(&self, attempt: &str) {
        self.delete_submission(attempt).await;
        for table in ["lti_session_records", "lti_launch_sessions"] {
            let sql = format!("delete from {table} where launch_id like 'rogo\\_{attempt}\\_%'");
            self.database.run(&sql).await;
        }
    }

    /// Deletes a submission as the application does: launch session and session record stay.
    pub async fn delete_submission(&self, attempt: &str) {
        let sql =
            format!("delete from assignment_submissions where lti_launch_id like 'rogo\\_{attempt}\\_%'");
        self.database.run(&sql).await;
    }
}

/// The bytes of a blob, which is there.
pub async fn read(store: &dyn Blobs, name: &str) -> Vec<u8> {
    let reader = store.get(name).await.unwrap().unwrap_or_else(|| panic!("no {name}"));
    let parts: Vec<bytes::Bytes> = reader.body.try_collect().await.unwrap();
    parts.concat()
}

/// Row numbers by Attempt ID, compared as numbers where they are, oldest first.
fn rows_by_attempt(submissions: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut rows: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (number, attempt) in (1..).zip(Csv::read(submissions).column("Attempt ID")) {
        rows.entry(attempt_key(attempt)).or_default().push(number);
    }
    rows
}

fn attempt_key(text: &str) -> String {
    let text = text.trim();
    text.parse::<i64>().map_or_else(|_| text.to_owned(), |number| number.to_string())
}

/// The oldest row of the attempt that has no outcome yet.
fn take_row(
    rows: &mut BTreeMap<String, Vec<u64>>,
    attempt: &str,
    taken: &BTreeMap<u64, (String, String)>,
) -> u64 {
    let candidates =
        rows.get_mut(&attempt_key(attempt)).unwrap_or_else(|| panic!("attempt {attempt} is in the input"));
    candidates.retain(|number| !taken.contains_key(number));
    candidates.remove(0)
}

/// The files of a zip with their text, in order.
pub fn entries(zip: &Path) -> Vec<(String, String)> {
    let mut zip = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let mut entries = Vec::new();
    for place in 0..zip.len() {
        let mut entry = zip.by_index(place).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        entries.push((entry.name().unwrap().into_owned(), text));
    }
    entries
}
