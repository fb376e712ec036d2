//! Columns that `--target-alters` leaves out and from which other values follow: what cannot be compared says so, and is no
//! difference.

use rogo_migrate::domain::form::AlteredColumn;
use serde_json::{Value, json};

use super::{check, corruptions::in_folders, small_files, verification, verify};
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
fn a_column_by_which_rows_are_recognised_is_refused() {
    for column in [
        "assignment_submissions.id",
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
        let refused = column.parse::<AlteredColumn>().unwrap_err();
        assert!(refused.starts_with(column) && refused.contains("must not be altered"), "{refused}");
    }
    for column in ALTERED.split(',') {
        assert_eq!(column.parse::<AlteredColumn>().unwrap().to_string(), column);
    }
}
