//! `verify --self-test` on a real server: every kind is found, and nothing real is touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;

use super::{corruptions::in_folders, small};
use crate::support::{
    app::{Ended, Sample, TestApp},
    files::tree,
};

async fn self_test(app: &TestApp<'_>) -> Ended {
    app.run_as(&app.database.verifiers_url(), &["verify", "--self-test", "--json"]).await
}

/// Every row of the eight tables, with the transaction that wrote it.
async fn state(app: &TestApp<'_>) -> Vec<String> {
    let mut rows = Vec::new();
    for table in rogo_migrate::ports::Table::ALL {
        let sql = format!("select x.xmin::text || x::text from {} x order by 1", table.name());
        let of = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(sql));
        rows.extend(of.fetch_all(app.database.pool()).await.unwrap());
    }
    rows
}

/// Every file of the folder that stands in for the target container, with its bytes.
fn target_files(app: &TestApp<'_>) -> BTreeMap<PathBuf, Vec<u8>> {
    tree(&app.out.path().join("target-blobs"))
}

#[test]
fn the_table_of_kinds_is_the_readmes() {
    let table = rogo_migrate::verify::self_test::table();
    let line = |(kind, planted_in, checks): (String, String, Vec<&str>)| {
        let checks: Vec<String> = checks.iter().map(|check| format!("`{check}`")).collect();
        format!("| {kind} | {planted_in} | {} |", checks.join(", "))
    };
    let head = ["| what is wrong | planted in | found by |", "| --- | --- | --- |"].map(str::to_owned);
    let expected: Vec<String> = head.into_iter().chain(table.into_iter().map(line)).collect();
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("<!-- self-test -->\n").expect("the README has the table");
    let (found, _) = rest.split_once("<!-- /self-test -->").expect("the table ends");
    let found: Vec<&str> = found.lines().filter(|line| !line.is_empty()).collect();
    assert!(found == expected, "the README's table has to be:\n{}", expected.join("\n"));
}

/// Checks that no kind demands, with the reason. Other tests of `verify` plant what each of them has to find.
const NOT_DEMANDED: [(&str, &str); 9] = [
    ("outcome_ids", "about the run store, of which there is no copy"),
    ("report_present", "about the warehouse, of which there is no copy"),
    ("source_unchanged", "about inputs and warehouse, of which there is no copy"),
    ("run_receipt", "about the run store, of which there is no copy"),
    ("files_count_note", "about the inputs, of which there is no copy"),
    ("failed_absent", "only migrated rows are copied"),
    ("skipped_claims", "only migrated rows are copied"),
    ("source_files_unchanged", "about the sources, which are only read"),
    ("content_manifest", "is made with --manifest only"),
];

#[test]
fn each_check_is_demanded_by_a_kind_or_has_a_reason_why_none_can() {
    let table = rogo_migrate::verify::self_test::table();
    let demanded: BTreeSet<&str> = table.into_iter().flat_map(|(.., checks)| checks).collect();
    let all = rogo_migrate::verify::CHECKS.iter().map(|check| check.name);
    let missing: BTreeSet<&str> = all.filter(|check| !demanded.contains(check)).collect();
    let reasons: BTreeSet<&str> = NOT_DEMANDED.iter().map(|(check, _)| *check).collect();
    assert_eq!(missing, reasons);
}

#[tokio::test]
async fn every_kind_of_corruption_is_found_in_copies_and_the_target_is_not_touched() {
    let sample = Sample::in_folder(600, 7, |options| options.file_bytes = "10-300".parse().unwrap()).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    let before = (state(&app).await, target_files(&app));
    let ended = self_test(&app).await;
    let result: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let kinds = result["kinds"].as_array().unwrap();
    let wrong: Vec<_> = kinds.iter().filter(|line| line["ok"] != true).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!((&result["missed"], &result["surprises"]), (&0.into(), &0.into()));
    assert!(kinds.len() >= 60 && result["planted"] == kinds.len(), "{} kinds", kinds.len());
    assert!(result["submissions"].as_u64().unwrap() <= 200);
    assert!((state(&app).await, target_files(&app)) == before, "the target was touched");
    let scratch = app.out.path().join("target-blobs/rogo-migrate-self-test");
    assert!(!scratch.exists(), "folders were left");
    let planted: Vec<_> = kinds.iter().map(|line| &line["kind"]).collect();
    for kind in ["an orphan blob", "a missing blob", "one byte of the right length", "a lost content type"] {
        assert!(planted.iter().any(|planted| *planted == kind), "{kind}");
    }

    let revoke = "do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$";
    app.database.run(revoke).await;
    let ended = self_test(&app).await;
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("lacks the right TEMPORARY"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_could_not_be_tried_ends_with_69_and_is_named() {
    let sample = Sample::in_folder(24, 31, small).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    // Plain rows hold no malpractice.
    let ended = self_test(&app).await.expect(69);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&result["missed"], &result["surprises"]), (&0.into(), &0.into()), "{result}");
    let not_planted = result["not_planted"].as_array().unwrap();
    assert!(!not_planted.is_empty());
    let unplanted = result["kinds"].as_array().unwrap().iter().filter(|line| line["found_by"] == Value::Null);
    assert_eq!(unplanted.map(|line| line["kind"].clone()).collect::<Vec<_>>(), *not_planted);

    let gone = (sample.path("warehouse"), sample.path("gone"));
    std::fs::rename(&gone.0, &gone.1).unwrap();
    let ended = self_test(&app).await.expect(69);
    assert!(
        ended.stderr.contains("verify --self-test needs inputs, warehouse and every table"),
        "{}",
        ended.stderr
    );
    std::fs::rename(&gone.1, &gone.0).unwrap();

    app.database.run("update submission_grades set overall_summary = overall_summary || 'x' where id in (select id from submission_grades order by id)").await;
    let ended = self_test(&app).await.expect(69);
    let says =
        "differ before anything is planted (grade_summary, receipt_unchanged): let `rogo-migrate verify` say";
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}

/// A kind that was missed, or found by another check, is a fault of verify itself.
#[test]
fn a_missed_kind_and_a_surprise_end_with_70_whatever_else_could_not_be_tried() {
    use rogo_migrate::{domain::Level, exit::Exit, verify::self_test::SelfTest};
    let of = |missed, surprises, not_planted: &[&str]| SelfTest {
        level: Level::Rows,
        submissions: 1,
        planted: 1,
        missed,
        surprises,
        not_planted: not_planted.iter().map(ToString::to_string).collect(),
        remark: None,
        kinds: Vec::new(),
    };
    for (test, exit) in [
        (of(0, 0, &[]), Exit::Done),
        (of(0, 0, &["a"]), Exit::Incomplete),
        (of(1, 0, &["a"]), Exit::Bug),
        (of(0, 1, &[]), Exit::Bug),
    ] {
        assert_eq!(test.exit(), exit, "{test:?}");
    }
    assert!(of(2, 1, &[]).verdict().contains("2 missed, 1 with a surprise"));
}
