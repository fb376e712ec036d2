//! Verify on real servers: a clean run is VERIFIED, and what is changed in the target by hand is found and named.

mod altered;
mod away;
mod azure;
mod blanks;
mod beside;
mod blobs;
mod broken_rules;
mod claims;
mod content;
pub(crate) mod corruptions;
mod documents;
mod doubts;
mod failed;
mod files;
mod hand;
mod looks;
mod nights;
mod receipts;
mod redone;
mod run_store;
mod second_look;
mod self_test;
mod shards;
mod silent;
mod states;

use std::collections::{BTreeMap, BTreeSet};

use rogo_migrate::sample::SampleOptions;
use serde_json::Value;

use crate::support::{
    app::{Ended, Sample, TestApp},
    csv::Csv,
};
use corruptions::in_folders;

/// Files of few bytes.
fn small_files(options: &mut SampleOptions) {
    options.file_bytes = "10-200".parse().unwrap();
}

/// The same, and all rows migrate.
fn small(options: &mut SampleOptions) {
    options.plain = true;
    small_files(options);
}

/// Runs verify as a role that may only read, with a second look at once.
async fn verify(app: &TestApp<'_>, arguments: &[&str]) -> Ended {
    app.run_as(&app.database.verifiers_url(), &[&["verify", "--recheck", "0s"], arguments].concat()).await
}

fn verification(app: &TestApp<'_>) -> Value {
    serde_json::from_str(&app.result("verification.json")).unwrap()
}

/// The failure CSV: attempt and check of each line, sorted, each once.
fn failures(app: &TestApp<'_>) -> Vec<(String, String)> {
    let failures = Csv::of(&app.result("verification_failures.csv"));
    assert_eq!(failures.header, ["Attempt ID", "Check", "Issue"]);
    let mut lines: Vec<_> =
        failures.rows.into_iter().map(|line| (line[0].clone(), line[1].clone())).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The checks that found something, by attempt.
fn by_attempt(app: &TestApp<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (attempt, check) in failures(app) {
        all.entry(attempt).or_default().insert(check);
    }
    all
}

/// The result of one check.
fn check<'v>(verification: &'v Value, name: &str) -> &'v Value {
    let checks = verification["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check {name}"))
}

/// A check that finds nothing any more fails the test that plants what it has to find: each of those demands its checks by
/// name, and no other.
#[test]
fn every_check_is_demanded_by_a_corruption_that_a_test_plants() {
    let others = [&states::FOUND[..], &content::BY_MANIFEST].concat();
    let demanded: BTreeSet<&str> = corruptions::demanded()
        .into_iter()
        .chain(blobs::demanded())
        .chain(run_store::demanded())
        .chain(others)
        .collect();
    let all: BTreeSet<&str> = rogo_migrate::verify::CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(demanded, all);
}

/// Checks that find a kind in a real target and not in copies: its other rows go with a row of the real tables, and of a blob
/// that is not there no byte can be read.
const FOR_REAL: [(&str, &[&str]); 5] = [
    (
        "a lost submission",
        &[
            "files_present",
            "learner_file_present",
            "marking_assignment_present",
            "marks_present",
            "grade_present",
        ],
    ),
    ("a lost session record", &["submission_present"]),
    ("lti_session_records.id", &["submission_present"]),
    ("a missing blob", &["content_source"]),
    ("a renamed blob", &["content_source"]),
];

/// The self-test shares its statements with the program, so that each of its kinds is planted for real, too, by statements of
/// the tests, and has to be found by the same checks.
#[test]
fn each_kind_of_the_self_test_is_planted_for_real_and_found_by_the_same_checks() {
    let mut planted: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (kind, checks) in corruptions::planted().chain(blobs::planted()).chain(azure::planted()) {
        planted.entry(kind).or_default().extend(checks);
    }
    let table = rogo_migrate::verify::self_test::table();
    assert!(table.len() > 150, "{} kinds", table.len());
    let for_real: BTreeMap<&str, &[&str]> = FOR_REAL.into();
    for (kind, _, checks) in table {
        let more = for_real.get(kind.as_str()).copied().unwrap_or_default();
        let expected: BTreeSet<&str> = checks.iter().chain(more).copied().collect();
        let found = planted.get(&kind).unwrap_or_else(|| panic!("planted in copies only: {kind}"));
        assert_eq!(*found, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_run_that_nobody_changed_is_verified_and_says_of_how_many_rows() {
    let sample = Sample::new(300, 7).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let ended = verify(&app, &["--show-values"]).await;
    let failures = app.result("verification_failures.csv");
    assert_eq!(ended.code, Some(0), "{}\n{}\n{failures}", ended.stdout, ended.stderr);
    let result = verification(&app);
    assert_eq!((&result["result"], &result["rows_compared"]), (&"VERIFIED".into(), &300.into()));
    let sum: u64 = ["migrated", "failed", "skipped"].iter().map(|fate| result[fate].as_u64().unwrap()).sum();
    assert_eq!(sum, 300);
    let said = format!("VERIFIED at level rows: 300 rows ({} migrated", result["migrated"]);
    assert!(ended.stdout.starts_with(&said), "{}", ended.stdout);
    for check in result["checks"].as_array().unwrap() {
        assert!(check["compared"].as_u64().unwrap() > 0, "{check}: compares nothing");
        assert_eq!(check["not_possible"], Value::Null, "{check}");
    }
    assert_eq!(failures.lines().count(), 1, "only the header");
}

#[tokio::test]
async fn the_screen_names_the_first_differences_without_values_and_says_how_many_more_there_are() {
    let sample = Sample::in_folder(12, 35, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let planted = "update submission_grades set final_grade = 'Planted' where submission_id in
        (select id from assignment_submissions where lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$')";
    app.database.run(planted).await;
    let ended = verify(&app, &["--show-values"]).await.expect(1);
    // Grade and receipt of each.
    let named = |line: &&str| {
        line.starts_with("attempt ")
            && (line.contains(
                ": grade_final: submission_grades.final_grade differs (compared with the warehouse's Grade",
            ) || line.contains(": receipt_unchanged: "))
    };
    assert_eq!(ended.stdout.lines().filter(named).count(), 10, "{}", ended.stdout);
    assert!(ended.stdout.contains("and 14 more, in verification_failures.csv"), "{}", ended.stdout);
    let written = app.result("verification.json");
    for text in [&ended.stdout, &ended.stderr, &written] {
        assert!(!text.contains("Planted"), "a value outlives a purge: {text}");
    }
    assert!(app.result("verification_failures.csv").contains("Planted"), "values were asked for");
}

#[tokio::test]
async fn controls_are_counted_in_the_target_with_their_statement_and_equal_the_predicted_ones() {
    let sample = Sample::in_folder(120, 41, small).await;
    let app = in_folders(&sample).await;
    app.run(&["plan", "--predict"]).await.expect(0);
    let sums = |text: &str| {
        let table = Csv::of(text.trim_start_matches('\u{feff}'));
        let bytes = table.header.iter().position(|name| name == "Bytes" || name == "Megabytes").unwrap();
        let without = |mut row: Vec<String>| {
            row.remove(bytes);
            row
        };
        [table.header].into_iter().chain(table.rows).map(without).collect::<Vec<_>>()
    };
    let predicted = sums(&app.result("controls.csv"));
    assert!(predicted.len() > 4, "{predicted:?}");
    app.run(&["run"]).await.expect(0);
    verify(&app, &[]).await.expect(0);
    assert_eq!(sums(&app.result("controls.csv")), predicted);

    // Another hand counts a mark that was changed since.
    let mark =
        "update submission_grades set total_marks_awarded = total_marks_awarded + 0.25 where submission_id =
        (select min(submission_id) from submission_files where azure_blob_name ~ '/[0-9a-f]{12}/')";
    app.database.run(mark).await;
    let sum =
        format!("select sum(\"Marks Awarded\"::numeric)::text from ({}) counted", app.result("controls.sql"));
    let counted: String =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sum)).fetch_one(app.database.pool()).await.unwrap();
    verify(&app, &[]).await.expect(1);
    let awarded =
        |rows: &[Vec<String>]| rows[1..].iter().map(|row| row[4].parse::<f64>().unwrap()).sum::<f64>();
    let changed = awarded(&sums(&app.result("controls.csv")));
    assert!((changed - awarded(&predicted) - 0.25).abs() < 1e-6, "{changed}");
    assert!((changed - counted.parse::<f64>().unwrap()).abs() < 1e-6, "{changed} {counted}");

    // One statement that the target cannot answer costs its file, and not the verdict.
    let huge = "update assignment_submissions set total_file_size = repeat('9', 140000) || ' MB' where id =
        (select min(submission_id) from submission_files where azure_blob_name ~ '/[0-9a-f]{12}/')";
    app.database.run(huge).await;
    verify(&app, &[]).await.expect(1);
    let written: serde_json::Value = serde_json::from_str(&app.result("verification.json")).unwrap();
    let verdict = written["verdict"].as_str().unwrap();
    assert!(verdict.contains("DIFFERENCES") && verdict.contains("controls.csv"), "{verdict}");
}
