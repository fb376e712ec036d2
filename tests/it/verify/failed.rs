//! Rows that failed, and what stands of their attempts that is none of this run's fault.

use std::fs;

use rogo_migrate::{domain::SubmissionIds, sample::LMS_INSTANCE};

use super::{check, corruptions::in_folders, failures, small, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
};

const FAILED: &str = "failed_absent";

fn ids(attempt: &str) -> SubmissionIds {
    SubmissionIds::new(LMS_INSTANCE, attempt.trim().parse().unwrap())
}

/// A submission under this id and launch id, and nothing beside it.
async fn stand(app: &TestApp<'_>, id: &str, launch_id: &str) {
    let sql =
        format!("insert into assignment_submissions (id, lti_launch_id) values ('{id}', '{launch_id}')");
    app.database.run(&sql).await;
}

/// A file of this run under a submission.
async fn with_our_file(app: &TestApp<'_>, id: &str, submission: &str) {
    let sql = format!(
        "insert into submission_files (id, submission_id, file_name, original_file_name, file_url, azure_blob_name)
         select '{id}', '{submission}', 'a', 'a', 'a', azure_blob_name from submission_files
         where azure_blob_name like 'LTI_Uploads/%' limit 1"
    );
    app.database.run(&sql).await;
}

#[tokio::test]
async fn an_older_row_that_is_not_sound_is_no_difference_beside_its_migrated_attempt() {
    let sample = Sample::in_folder(12, 31, small).await;
    let mut app = in_folders(&sample).await;
    let mut input = Csv::read(&sample.path("submission_files.csv"));
    let [attempt, surname] = ["Attempt ID", "Surname"].map(|column| input.place(column));
    // Of two attempts one older row, of a third two.
    for row in [3, 5, 7, 7] {
        let mut older = input.rows[row].clone();
        older[surname].push('\0');
        input.rows.insert(0, older);
    }
    let migrated = input.rows[7][attempt].trim().to_owned();
    let path = app.out.path().join("twice.csv");
    input.write(&path);
    app.set("ROGO_SUBMISSIONS", path.display().to_string());
    app.set("ROGO_BREAKER", "off");
    app.set("ROGO_REASON", "a test");
    app.run(&["run"]).await.expect(0);
    let codes: Vec<String> = app.failed_in(".").into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["row_invalid"; 4]);
    assert_eq!(app.migrated().len(), 12);

    let ended = verify(&app, &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, app.result("verification_failures.csv"));
    let list = app.out.path().join("list");
    fs::write(&list, format!("{migrated}\n")).unwrap();
    verify(&app, &["--attempts", list.to_str().unwrap()]).await.expect(0);
    // Without the inputs it is not known which row is the newest.
    app.set("ROGO_SUBMISSIONS", sample.path("gone.csv").display().to_string());
    verify(&app, &[]).await.expect(69);
    let why = check(&verification(&app), FAILED)["not_possible"].clone();
    assert!(why.as_str().is_some_and(|why| why.contains("gone.csv cannot be read")), "{why}");
}

#[tokio::test]
async fn a_submission_that_made_the_target_refuse_a_row_is_no_difference_unless_it_holds_a_file_of_the_run() {
    let sample = Sample::in_folder(12, 31, small).await;
    let app = in_folders(&sample).await;
    let input = Csv::read(&sample.path("submission_files.csv"));
    let attempt = input.column("Attempt ID").next().unwrap().trim().to_owned();
    let own = ids(&attempt);
    let submission = own.row("assignment_submissions", 1);
    stand(&app, &submission, "another-program").await;
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.failed_in("."), [(attempt.clone(), "target_rejected".to_owned())]);
    let ended = verify(&app, &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, app.result("verification_failures.csv"));

    with_our_file(&app, &own.row("submission_files", 1), &submission).await;
    verify(&app, &[]).await.expect(1);
    assert_eq!(failures(&app), [(attempt, FAILED.to_owned())]);
}

#[tokio::test]
async fn whose_a_submission_without_files_is_of_a_failed_attempt_is_told_from_when_it_was_made() {
    let sample = Sample::in_folder(12, 31, small).await;
    let mut app = in_folders(&sample).await;
    let mut input = Csv::read(&sample.path("submission_files.csv"));
    let [attempt, email] = ["Attempt ID", "Learner Email"].map(|column| input.place(column));
    input.rows[0][email].clear();
    let failed = input.rows[0][attempt].trim().to_owned();
    let path = app.out.path().join("without.csv");
    input.write(&path);
    app.set("ROGO_SUBMISSIONS", path.display().to_string());
    app.run(&["run"]).await.expect(0);
    assert_eq!(app.failed_in(".").len(), 1);
    let launch_id = format!("rogo_{failed}_1733011200000k3x9q0z7a");
    stand(&app, "nameless", &launch_id).await;
    // No session: no program leaves it so.
    verify(&app, &[]).await.expect(1);
    assert_eq!(failures(&app), [(failed.clone(), FAILED.to_owned())]);

    let session = format!(
        "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('{launch_id}', 'k', now())"
    );
    app.database.run(&session).await;
    let ended = verify(&app, &[]).await.expect(69);
    assert!(ended.stdout.starts_with("VERIFIED IN PART"), "{}", ended.stdout);
    let why = check(&verification(&app), FAILED)["not_possible"].clone();
    assert!(why.as_str().is_some_and(|why| why.contains("no file that says who wrote them")), "{why}");

    // When the run made its own.
    let of_run = ids(&app.migrated()[0]).launch_id();
    let sql = format!(
        "update lti_launch_sessions set created_at = (select created_at from lti_launch_sessions
         where launch_id = '{of_run}') where launch_id = '{launch_id}'"
    );
    app.database.run(&sql).await;
    verify(&app, &[]).await.expect(1);
    assert_eq!(failures(&app), [(failed, FAILED.to_owned())]);
}
