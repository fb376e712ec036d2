//! Submissions on which the application has worked since are left and named, until a person decides otherwise.

use super::{attempts_file, results, rollback, target};
use crate::support::app::{Sample, TestApp, assert_same};

/// What the application does, and how the rollback names it. `$` is the submission's id.
const WORK: [(&str, &str); 10] = [
    ("update submission_grades set word_count = 7 where submission_id = '$'", "changed_after_run"),
    (
        "update submission_marking_assignments set assigned_marker_id = (select min(id) from users)
        where submission_id = '$'",
        "marker_assigned",
    ),
    ("insert into submission_section_marks (submission_id, marks_awarded) values ('$', 1)", "rows_added"),
    ("insert into comments values (1, (select min(id) from submission_files where submission_id = '$'))", "rows_added"),
    ("delete from submission_files where submission_id = '$' and upload_order = 1", "rows_removed"),
    (
        "delete from submission_section_marks where id = (select min(id) from submission_section_marks where submission_id = '$')",
        "rows_removed",
    ),
    ("delete from submission_section_marks where submission_id = '$'", "rows_removed"),
    ("delete from assignment_submissions where id = '$'", "submission_deleted"),
    (
        "insert into submission_files (submission_id, file_name, original_file_name, file_url, azure_blob_name)
        select null, 'copy', 'copy', 'x', azure_blob_name from submission_files
        where submission_id = '$' and upload_order = 1",
        "blob_shared",
    ),
    (
        "insert into malpractice_enforcements
            (lms_user_id, custom_assessment_code, malpractice_level_id, submission_id, rule_applied_by)
        select 'x', 'x', (select min(id) from malpractice_levels), '$', (select min(id) from users)",
        "rows_added",
    ),
];

/// The application's own table, which refers to files.
const COMMENTS: &str =
    "create table comments (id int, file_id varchar references submission_files (id) on delete cascade);
    grant select on comments to remover;";

/// Submissions of the run, with two files at least.
async fn submissions(app: &TestApp<'_>) -> Vec<String> {
    sqlx::query_scalar(
        "select id from assignment_submissions where file_count > 1 and lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$' order by 1",
    )
    .fetch_all(app.database.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn what_the_application_worked_on_is_refused_and_named_and_goes_by_decision() {
    let sample = Sample::with(60, 59, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.database.run(COMMENTS).await;
    let before = target(&app).await;
    app.run(&["run"]).await.expect(0);
    let all = app.migrated().len();
    let ids = submissions(&app).await;
    for ((work, _), id) in WORK.iter().zip(&ids) {
        app.database.run(&work.replace('$', id)).await;
    }

    let refused = rollback(&app, &["--yes", "--reason", "a test"]).await.expect(69);
    let kept = app.result("rolled_back.csv");
    for ((work, code), id) in WORK.iter().zip(&ids) {
        let line = kept.lines().find(|line| line.contains(id.as_str())).unwrap();
        assert!(line.contains(",kept,") && line.contains(code), "{work}: {line}");
        // One cause is named: marks that are gone are no marks that were added.
        assert!(*code != "rows_removed" || !line.contains("rows_added"), "{work}: {line}");
        assert!(refused.stdout.contains(&format!("{code}: attempt ")), "{}", refused.stdout);
    }
    assert!(refused.stderr.contains("10 are left"), "{}", refused.stderr);
    assert_eq!((results(&app, "removed"), results(&app, "kept")), (all - 10, 10));

    let forced = rollback(&app, &["--yes", "--force-touched", "--reason", "a test"]).await.expect(69);
    assert!(forced.stdout.contains("target_rejected: attempt "), "a foreign key stays: {}", forced.stdout);
    assert_eq!((results(&app, "removed"), results(&app, "kept")), (9, 1));
    app.database.run("delete from malpractice_enforcements where lms_user_id = 'x'").await;
    app.database.run("delete from submission_files where file_name = 'copy'").await;
    rollback(&app, &["--yes", "--force-touched", "--reason", "a test"]).await.expect(0);
    assert_same(&target(&app).await, &before);
}

#[tokio::test]
async fn an_attempt_that_a_rollback_left_is_verified_like_any_other() {
    let sample = Sample::with(12, 62, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let chosen = app.migrated();
    let (left, gone) = (chosen[0].as_str(), chosen[1].as_str());
    let grade = async |change: &str| {
        let update = format!(
            "update submission_grades set {change} where submission_id in
                (select id from assignment_submissions where lti_launch_id like 'rogo\\_{left}\\_%')"
        );
        app.database.run(&update).await;
    };
    // A column that the run does not write.
    grade("word_count = 7").await;
    let ids = attempts_file(&app, &[left, gone]);
    let said = rollback(&app, &["--attempts", &ids, "--yes", "--reason", "two were wrong"]).await.expect(69);
    assert!(said.stderr.contains("1 are left (1 changed_after_run)"), "{}", said.stderr);
    assert!(app.migrated().contains(&left.to_owned()) && !app.migrated().contains(&gone.to_owned()));

    let verify = async || app.run_as(&app.database.verifiers_url(), &["verify", "--recheck", "0s"]).await;
    let verified = verify().await.expect(0);
    assert!(verified.stdout.starts_with("VERIFIED"), "{}", verified.stdout);
    grade("final_grade = 'Distinction with a star'").await;
    verify().await.expect(1);
    let found = app.result("verification_failures.csv");
    assert!(found.lines().skip(1).all(|line| line.starts_with(left)) && found.contains("grade"), "{found}");
}

#[tokio::test]
async fn a_table_that_refers_to_the_runs_rows_must_be_readable() {
    let sample = Sample::with(6, 60, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    app.database.run(COMMENTS).await;
    app.database.run("revoke select on comments from remover").await;
    app.run(&["run"]).await.expect(0);
    let refused = rollback(&app, &[]).await.expect(78);
    assert!(refused.stderr.contains("this user may not select comments; grant it"), "{}", refused.stderr);
}
