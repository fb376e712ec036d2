//! Columns that `--target-alters` leaves out and from which other values follow: what cannot be compared says so, and is no
//! difference.

use rogo_migrate::{domain::form::AlteredColumn, ports::PutOptions};
use serde_json::{Value, json};

use super::{check, corruptions::in_folders, small, small_files, verification, verify};
use crate::support::app::{Sample, TestApp};

/// What the triggers below change.
const ALTERED: &str = "submission_grades.assessment_id,submission_files.azure_blob_name,submission_files.file_type,\
                       malpractice_enforcements.malpractice_level_id,assignment_submissions.email";

/// A target whose triggers change these columns, with a run in it.
async fn altered(sample: &Sample) -> TestApp<'_> {
    let mut app = in_folders(sample).await;
    for (table, body) in [
        (
            "submission_grades",
            "new.assessment_id := coalesce((select a.id from assessments a where left(a.code, 1)
                <> (select left(b.code, 1) from assessments b where b.id = new.assessment_id) order by a.id limit 1),
                new.assessment_id);",
        ),
        (
            "submission_files",
            "new.azure_blob_name := 'platform/' || split_part(new.azure_blob_name, '/', 2) || '/' || md5(new.azure_blob_name);
             new.file_type := 'odd';",
        ),
        (
            "malpractice_enforcements",
            "new.malpractice_level_id := coalesce((select l.id from malpractice_levels l
                where l.id <> new.malpractice_level_id order by l.id limit 1), new.malpractice_level_id);",
        ),
        ("assignment_submissions", "new.email := new.email || '~';"),
    ] {
        let sql = format!(
            "create function alter_{table}() returns trigger language plpgsql security definer as $$
                begin {body} return new; end $$;
             create trigger altering before insert or update on {table} for each row execute function alter_{table}()"
        );
        app.database.run(&sql).await;
    }
    app.set("ROGO_TARGET_ALTERS", ALTERED);
    app.run(&["run"]).await.expect(0);
    app
}

/// Checks of level rows that compare, or follow from, nothing but what is left out in some rows.
const OF_ROWS: [&str; 13] = [
    "launch_session_course",
    "session_record_course",
    "submission_course",
    "file_urls",
    "file_blob_names",
    "marks_sections",
    "marks_values",
    "marks_comments",
    "grade_assessment",
    "grade_final",
    "enforcement_newest",
    "nothing_surplus",
    "failed_absent",
];
const OF_BLOBS: [&str; 8] = [
    "source_files_unchanged",
    "blob_present",
    "blob_length",
    "blob_content_type",
    "blob_content_encoding",
    "blob_metadata",
    "blob_md5",
    "blobs_surplus",
];

#[tokio::test]
async fn what_follows_from_a_column_that_is_left_out_is_not_possible_and_no_difference() {
    let sample = Sample::in_folder(120, 35, small_files).await;
    let app = altered(&sample).await;
    let of_content = ["content_source", "content_receipt"];
    for (level, of_files) in [
        ("rows", &[][..]),
        ("blobs", &OF_BLOBS[..]),
        ("content", &[&OF_BLOBS[..], &of_content[..]].concat()[..]),
    ] {
        let ended = verify(&app, &["--level", level]).await;
        assert_eq!(
            ended.code,
            Some(69),
            "{level}: {}\n{}",
            ended.stdout,
            app.result("verification_failures.csv")
        );
        let result = verification(&app);
        assert_eq!(result["differences"], 0, "{level}: {result}");
        for name in OF_ROWS.iter().chain(of_files) {
            let found = check(&result, name);
            let why = found["not_possible"].as_str().unwrap_or_default();
            assert!(why.contains("--target-alters leaves out"), "{level}: {found}");
        }
        for name in
            ["grade_marks", "submission_learner", "files_present", "marks_present", "receipt_unchanged"]
        {
            let found = check(&result, name);
            assert!(found["not_possible"] == Value::Null && found["compared"] != 0, "{level}: {found}");
        }
        // The other columns of the learner were compared.
        let remarks: Vec<&str> =
            result["remarks"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let says = |text: &str| remarks.iter().any(|remark| remark.contains(text));
        assert!(!says("submission_learner had nothing to compare with"), "{remarks:?}");
        assert!(says("grade_assessment had nothing to compare with"), "{remarks:?}");
        assert!(says("not compared, because target-alters names them"), "{remarks:?}");
        assert!(says("controls.csv and controls.sql are not of this verification"), "{remarks:?}");
    }
}

#[tokio::test]
async fn a_self_test_plants_what_is_compared_and_names_what_is_left_out() {
    let sample = Sample::in_folder(600, 7, |options| options.file_bytes = "10-300".parse().unwrap()).await;
    let app = altered(&sample).await;
    let ended = app.run_as(&app.database.verifiers_url(), &["verify", "--self-test", "--json"]).await;
    let result: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let wrong: Vec<&Value> = result["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["missed"] == true || line["surprise"] == true)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    let not_planted = result["not_planted"].as_array().unwrap();
    for kind in ALTERED.split(',').chain(["blobs of two learners swapped", "marks of two learners swapped"]) {
        assert!(not_planted.contains(&json!(kind)), "{kind}: {not_planted:?}");
    }
    for kind in ["assignment_submissions.full_name", "submission_grades.percentage_score", "a lost file"] {
        assert!(!not_planted.contains(&json!(kind)), "{kind}: {not_planted:?}");
    }
    let remark = result["remark"].as_str().unwrap();
    assert!(
        remark.starts_with("--target-alters leaves out ") && !remark.contains("too few rows"),
        "{remark}"
    );
}

#[test]
fn columns_by_which_rows_are_recognised_are_keys() {
    for column in [
        "assignment_submissions.lti_launch_id",
        "assignment_submissions.created_at",
        "submission_files.submission_id",
        "submission_files.submission_file_type",
        "submission_marking_assignments.submission_id",
        "submission_section_marks.submission_id",
        "submission_section_marks.section_id",
        "submission_grades.submission_id",
        "malpractice_enforcements.lms_user_id",
        "malpractice_enforcements.custom_assessment_code",
        "malpractice_enforcements.context_id",
        "malpractice_enforcements.submission_id",
    ] {
        assert!(column.parse::<AlteredColumn>().unwrap().key().is_some(), "{column}");
    }
    let refused = "assignment_submissions.id".parse::<AlteredColumn>().unwrap_err();
    assert!(refused.contains("must not be altered"), "{refused}");
    for column in ALTERED.split(',') {
        let parsed: AlteredColumn = column.parse().unwrap();
        assert_eq!((parsed.to_string().as_str(), parsed.key()), (column, None));
    }
}

/// Such a run is that of an earlier version.
#[tokio::test]
async fn no_run_is_planned_with_a_key_column_and_one_that_was_is_ended_and_rolled_back() {
    const KEY: &str = "submission_section_marks.section_id";
    const PLAN: &str = "rogo/plan.json";
    let sample = Sample::with(12, 36, small).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.set("ROGO_TARGET_ALTERS", KEY);
    for planned in [&["plan"][..], &["plan", "--dry-run"], &["plan", "--predict"], &["run"]] {
        let refused = app.run(planned).await.expect(64);
        assert!(refused.stderr.contains(KEY), "{planned:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("must not be altered"), "{planned:?}: {}", refused.stderr);
        assert!(!app.has_document(PLAN).await, "{planned:?}");
    }
    app.unset("ROGO_TARGET_ALTERS");
    app.run(&["plan"]).await.expect(0);
    let plan = app.document(PLAN).await;
    let with_key = plan.replace("\"target-alters\": \"no column\"", &format!("\"target-alters\": \"{KEY}\""));
    assert_ne!(with_key, plan);
    app.run_blobs().put(PLAN, with_key.into(), &PutOptions::replace("application/json")).await.unwrap();
    let other = app.run(&["finalize"]).await.expect(78);
    assert!(other.stderr.contains("the setting target-alters changed"), "{}", other.stderr);

    app.set("ROGO_TARGET_ALTERS", KEY);
    app.run(&["plan"]).await.expect(0);
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    app.run(&["finalize"]).await.expect(0);
    assert!(!app.migrated().is_empty());
    app.run(&["resume"]).await.expect(0);
    app.run(&["status"]).await.expect(0);
    let refused = verify(&app, &[]).await.expect(64);
    assert!(
        refused.stderr.contains(KEY) && refused.stderr.contains("cannot be verified"),
        "{}",
        refused.stderr
    );
    let rollback = ["rollback", "--yes", "--reason", "a test"];
    app.run_as(&app.database.removers_url(), &rollback).await.expect(0);
    let left = "select count(*) from lti_session_records where launch_id like 'rogo\\_%'";
    assert_eq!(app.database.number(left).await, 0);
}
