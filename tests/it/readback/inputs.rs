//! The sample's CSVs as plain text cells, by header name.

use std::{collections::BTreeMap, path::Path};

/// One line of a CSV, by column.
pub type Record = BTreeMap<String, String>;

/// Everything that a run reads but its files and the target.
pub struct Inputs {
    /// Oldest first: row number n is at n - 1.
    pub submissions: Vec<Record>,
    mapping: BTreeMap<i64, Record>,
    reports: BTreeMap<i64, Record>,
    scores: BTreeMap<i64, Vec<Record>>,
}

impl Inputs {
    /// Of the sample in `folder`.
    pub fn read(folder: &Path) -> Self {
        let by_attempt = |name: &str| -> BTreeMap<i64, Vec<Record>> {
            let mut grouped: BTreeMap<i64, Vec<Record>> = BTreeMap::new();
            for record in records(&folder.join(name)) {
                let attempt = record.get("Attempt ID").or(record.get("AttemptId")).unwrap();
                grouped.entry(number(attempt)).or_default().push(record);
            }
            grouped
        };
        // Of a row that migrates, all copies are equal.
        let first = |grouped: BTreeMap<i64, Vec<Record>>| {
            grouped.into_iter().map(|(attempt, mut copies)| (attempt, copies.remove(0))).collect()
        };
        Self {
            submissions: records(&folder.join("submission_files.csv")),
            mapping: first(by_attempt("attempt_number_mapping.csv")),
            reports: first(by_attempt("warehouse/Rogo_AssessmentReport.csv")),
            scores: by_attempt("warehouse/Rogo_AssessmentReportScores.csv"),
        }
    }

    pub fn row(&self, row: u64) -> &Record {
        &self.submissions[usize::try_from(row).unwrap() - 1]
    }

    pub fn mapping(&self, attempt: i64) -> &Record {
        &self.mapping[&attempt]
    }

    pub fn report(&self, attempt: i64) -> &Record {
        &self.reports[&attempt]
    }

    /// Equal rows count once.
    pub fn scores(&self, attempt: i64) -> Vec<&Record> {
        let mut scores: Vec<&Record> = Vec::new();
        for score in self.scores.get(&attempt).into_iter().flatten() {
            if !scores.contains(&score) {
                scores.push(score);
            }
        }
        scores
    }
}

/// An attempt id, however it is written.
pub fn number(cell: &str) -> i64 {
    cell.trim().parse().unwrap()
}

/// Every line of a CSV.
pub fn records(path: &Path) -> Vec<Record> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names = reader.headers().unwrap().clone();
    let name = |record: csv::StringRecord| {
        names.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|record| name(record.unwrap())).collect()
}

/// Writes a CSV anew, each line changed by `change`, which is given its number from 1.
pub fn edit(path: &Path, change: impl Fn(u64, &mut Record)) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names = reader.headers().unwrap().clone();
    drop(reader);
    let lines = records(path);
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(&names).unwrap();
    for (number, mut line) in (1..).zip(lines) {
        change(number, &mut line);
        writer.write_record(names.iter().map(|name| &line[name])).unwrap();
    }
    writer.flush().unwrap();
}
