//! The results of a run against the oracle, the input and the database; and what must stand in no document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Finished,
    inputs::{Record, records},
    oracle::Expected,
};
use crate::support::app::Expected as Promise;

/// Panics where a result says something else than the input, the promise and the database.
pub fn check(run: &Finished, expected: &Expected, promised: &BTreeMap<u64, Promise>) {
    assert_eq!(run.app.outcomes().len(), promised.len(), "every row has an outcome");
    migrated(run, expected);
    failed(run, promised);
    skipped_and_notes(run, expected, promised);
    summary(run, promised);
    no_personal_data(run);
}

fn result(run: &Finished, name: &str) -> Vec<Record> {
    let (here, stored) = (run.app.result(name), &run.documents[&format!("results/{name}")]);
    assert_eq!(here.as_bytes(), stored, "{name} is the same in the run store");
    records(&run.app.out.path().join(name))
}

fn migrated(run: &Finished, expected: &Expected) {
    let columns =
        ["Attempt ID", "Launch ID", "Submission ID", "Session Record ID", "User ID", "LTI Context ID"];
    let lines: Vec<Vec<String>> = result(run, "migrated.csv")
        .iter()
        .map(|line| columns.iter().map(|column| line[*column].clone()).collect())
        .collect();
    let wanted: Vec<Vec<String>> = expected.migrated.values().cloned().collect();
    assert_eq!(lines, wanted, "migrated.csv, in the input's order");
    for line in &lines {
        let row = &run.after["assignment_submissions"][&line[2]];
        let stands = [
            &row["lti_launch_id"],
            &row["id"],
            &row["lti_session_record_id"],
            &row["lms_user_id"],
            &row["context_id"],
        ];
        assert!(stands.into_iter().eq(&line[1..]), "{line:?} is {row:?}");
    }
}

fn failed(run: &Finished, promised: &BTreeMap<u64, Promise>) {
    let mut lines = result(run, "submissions_failed_migration.csv");
    let mut codes = Vec::new();
    for line in &mut lines {
        let error = line.insert("Error".into(), String::new()).unwrap();
        let (code, message) = error.split_once(": ").unwrap();
        assert!(!message.is_empty(), "{error}");
        codes.push(code.to_owned());
    }
    let failing: Vec<(&u64, &Promise)> =
        promised.iter().filter(|(_, promise)| promise.kind == "failed").collect();
    assert!(codes.iter().eq(failing.iter().map(|(_, promise)| &promise.code)), "{codes:?}");
    let rows: Vec<&Record> = failing.iter().map(|(row, _)| run.inputs.row(**row)).collect();
    assert!(lines.iter().eq(rows), "the failed rows are the input's, cell by cell, in its order");
}

fn skipped_and_notes(run: &Finished, expected: &Expected, promised: &BTreeMap<u64, Promise>) {
    let read = |name: &str| -> Vec<(u64, String, String)> {
        let line = |line: Record| {
            assert!(!line["Detail"].is_empty(), "{line:?}");
            (line["Row"].parse().unwrap(), line["Attempt ID"].clone(), line["Code"].clone())
        };
        result(run, name).into_iter().map(line).collect()
    };
    let skipped: Vec<(u64, String)> =
        read("skipped.csv").into_iter().map(|(row, _, code)| (row, code)).collect();
    let wanted = promised.iter().filter(|(_, promise)| promise.kind == "skipped");
    assert_eq!(skipped, wanted.map(|(row, promise)| (*row, promise.code.clone())).collect::<Vec<_>>());
    let mut notes = read("notes.csv");
    notes.sort();
    let wanted: Vec<(u64, String, String)> = expected
        .notes
        .iter()
        .map(|(row, attempt, code)| (*row, attempt.clone(), (*code).to_owned()))
        .collect();
    assert_eq!(notes, wanted);
}

fn summary(run: &Finished, promised: &BTreeMap<u64, Promise>) {
    let summary: Value = serde_json::from_str(&run.app.result("summary.json")).unwrap();
    assert_eq!(summary["result"], "COMPLETE");
    assert_eq!(summary["rows"], promised.len());
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for promise in promised.values() {
        *counts.entry((&promise.kind, &promise.code)).or_default() += 1;
    }
    let books = &summary["books"];
    for ((kind, code), count) in &counts {
        let said = if code.is_empty() { &books[kind] } else { &books[kind][code] };
        assert_eq!(said, count, "{kind} {code} in {books}");
    }
    let sum = |kind: &str| -> u64 {
        books[kind].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    };
    let all = books["migrated"].as_u64().unwrap() + sum("failed") + sum("skipped");
    assert_eq!(all, promised.len() as u64, "the books balance");
    let files: usize = run.blobs.len();
    let bytes: usize = run.blobs.values().map(|blob| blob.bytes.len()).sum();
    assert_eq!((books["files"].as_u64(), books["bytes"].as_u64()), (Some(files as u64), Some(bytes as u64)));
}

/// The plan, the segments and all else hold no learner, but for the results, the queues and the facts: these stay until
/// the run is verified or purged.
fn no_personal_data(run: &Finished) {
    let rows = ["results/", "queues/", "facts/"];
    let mut personal = BTreeSet::new();
    for row in &run.inputs.submissions {
        let name = format!("{} {}", row["First Name"].trim(), row["Surname"].trim());
        let cells = [
            "Learner Email",
            "Membership Number",
            "Rogo User Name",
            "Learner Azure Blob Names",
            "Learner File Names",
        ];
        let said = cells.iter().map(|cell| row[*cell].trim().to_owned()).chain([name]);
        // Shorter ones are found in any hexadecimal number.
        personal.extend(said.filter(|text| text.chars().count() > 7));
    }
    for (name, bytes) in
        run.documents.iter().filter(|(name, _)| !rows.iter().any(|prefix| name.starts_with(prefix)))
    {
        let text = String::from_utf8_lossy(bytes);
        let found: Vec<&String> = personal.iter().filter(|text_of| text.contains(text_of.as_str())).collect();
        assert!(found.is_empty(), "{name} holds {found:?}");
    }
    let without_rows = ["results/migrated.csv", "results/notes.csv", "results/summary.json"];
    for name in without_rows {
        let text = String::from_utf8_lossy(&run.documents[name]);
        let found: Vec<&String> = personal.iter().filter(|text_of| text.contains(text_of.as_str())).collect();
        assert!(found.is_empty(), "{name} holds {found:?}");
    }
}

/// Two runs of one sample wrote the same but for where the files lie, when rows were inserted, and the row
/// whose stored MD5 a folder cannot know.
pub fn differ_only_in_place(one: &Finished, other: &Finished) {
    let corrupt = failing(one, "file_corrupt");
    assert!(!corrupt.is_empty());
    let rest: BTreeSet<u64> = failing(other, "").difference(&failing(one, "")).copied().collect();
    assert!(rest.is_empty(), "{rest:?} failed in the second run only");
    for (table, rows) in &one.after {
        let others = &other.after[table];
        for (id, row) in rows {
            let same = others.get(id).unwrap_or_else(|| panic!("{table} {id} is in one run only"));
            for (column, value) in row {
                let place = ["file_url", "azure_blob_url", "azure_container_name", "azure_blob_name"];
                // Defaults at insert; what is not, the oracle has compared with both.
                let at_insert = column.ends_with("_at") && value != &same[column];
                assert!(
                    place.contains(&&**column) || at_insert || value == &same[column],
                    "{table} {id} {column}"
                );
            }
        }
        let more: BTreeSet<&String> = others.keys().filter(|id| !rows.contains_key(*id)).collect();
        let migrated_more = u64::try_from(more.len()).unwrap();
        let per_submission =
            ["lti_launch_sessions", "lti_session_records", "assignment_submissions", "submission_grades"];
        if per_submission.contains(&&**table) {
            assert_eq!(migrated_more, corrupt.len() as u64, "{table}: {more:?}");
        }
    }
}

fn failing(run: &Finished, code: &str) -> BTreeSet<u64> {
    let outcomes = run.app.outcomes().into_iter();
    outcomes
        .filter(|(_, (kind, of))| kind == "failed" && (code.is_empty() || of == code))
        .map(|(row, _)| row)
        .collect()
}
