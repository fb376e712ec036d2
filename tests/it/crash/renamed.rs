//! An application that names the files of committed rows anew, so that no row names a writer of the run any more: nothing is
//! doubled, failed or deleted.

use std::collections::BTreeSet;

use rogo_migrate::ports::PutOptions;

use super::{Cut, Proxy, TestServer, names, submissions};
use crate::support::{
    app::{Sample, TestApp},
    csv::Csv,
    process::{ended, until},
};

const ROWS: u64 = 40;

/// The name that the application gives to a blob of a writer.
const RENAMED: &str = "'platform/' || md5(azure_blob_name)";
const IS_A_WRITERS: &str = "azure_blob_name ~ '^(LTI_Uploads|Marker_files)/[0-9a-f]{12}/'";

async fn sample() -> Sample {
    Sample::with(ROWS, 33, |options| options.plain = true).await
}

/// Attempts that a run has skipped because the target holds them.
fn held(app: &TestApp<'_>, folder: &str) -> BTreeSet<String> {
    let skipped = Csv::of(&app.result(&format!("{folder}/skipped.csv")));
    let codes: BTreeSet<&str> = skipped.column("Code").collect();
    assert!(codes.iter().all(|code| *code == "already_migrated"), "{codes:?}");
    skipped.column("Attempt ID").map(str::to_owned).collect()
}

/// Every row of the input stands in the target once.
async fn all_stand_once(app: &TestApp<'_>) {
    let rows = i64::try_from(ROWS).unwrap();
    assert_eq!(submissions(app).await, rows);
    let sql = "select count(*) from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    assert_eq!(app.database.number(sql).await, rows);
}

/// A run of which some rows stand and one process was killed, before it recorded any of them.
async fn killed_in_the_middle(sample: &Sample) -> TestApp<'_> {
    let app = TestApp::without_cluster(sample).await;
    app.run(&["plan"]).await.expect(0);
    let one_at_a_time = ["--workers", "1", "--pool", "1", "--in-flight", "1", "--flush", "5m"];
    let mut process = app.start(&[&["shard", "--shard", "0"][..], &one_at_a_time].concat());
    until("rows stand", || async { submissions(&app).await >= 10 }).await;
    process.kill().await.unwrap();
    app
}

/// Blobs of writers that rows name.
async fn committed(app: &TestApp<'_>) -> BTreeSet<String> {
    let sql = format!("select azure_blob_name from submission_files where {IS_A_WRITERS}");
    let names: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(app.database.pool()).await.unwrap();
    names.into_iter().collect()
}

/// The new names look like those of the killed process, of other attempts, numbers and kinds of file.
#[tokio::test]
async fn blobs_of_rows_whose_new_names_look_like_other_rows_are_kept() {
    let sample = sample().await;
    for renamed in [
        r"regexp_replace(azure_blob_name, '/([0-9]+)_', '/9\1_')",
        r"regexp_replace(azure_blob_name, '/([0-9]+)_([0-9]+)_', '/\1_7\2_')",
        "case when azure_blob_name like 'LTI\\_Uploads/%' then replace(azure_blob_name, 'LTI_Uploads/', 'Marker_files/')
            else replace(azure_blob_name, 'Marker_files/', 'LTI_Uploads/') end",
    ] {
        let app = killed_in_the_middle(&sample).await;
        let before = committed(&app).await;
        let orphan = upload_ahead(&app, &before).await;
        app.database
            .run(&format!("update submission_files set azure_blob_name = {renamed} where {IS_A_WRITERS}"))
            .await;
        let after = committed(&app).await;
        assert!(after.len() >= before.len() && after.is_disjoint(&before), "{renamed}: each has a new name");
        app.run(&["run"]).await;
        all_stand_once(&app).await;
        let standing = names(&app).await;
        let missing: Vec<_> = before.difference(&standing).collect();
        assert!(missing.is_empty(), "{renamed}: the sweep took blobs of committed rows: {missing:?}");
        assert!(!standing.contains(&orphan), "{renamed}: the sweep left {orphan}, which no row means");
    }
}

/// A blob of the killed process for a file of an attempt that another process is going to commit; its name. The process may have
/// uploaded it before it was killed.
async fn upload_ahead(app: &TestApp<'_>, committed: &BTreeSet<String>) -> String {
    let writer = committed.first().unwrap().split('/').nth(1).unwrap();
    let rows = Csv::read(&app.sample.path("submission_files.csv"));
    let is_committed = |attempt: &str| committed.iter().any(|name| name.contains(&format!("/{attempt}_")));
    let attempt = rows.column("Attempt ID").filter(|attempt| !is_committed(attempt)).last().unwrap();
    let name = format!("LTI_Uploads/{writer}/{attempt}_1_ahead.docx");
    app.target_blobs().put(&name, "x".into(), &PutOptions::replace("text/plain")).await.unwrap();
    name
}

#[tokio::test]
async fn rows_of_a_killed_process_whose_files_were_renamed_are_held_and_keep_their_blobs() {
    let sample = sample().await;
    let app = killed_in_the_middle(&sample).await;

    let committed = committed(&app).await;
    let stood = submissions(&app).await;
    app.database
        .run(&format!("update submission_files set azure_blob_name = {RENAMED} where {IS_A_WRITERS}"))
        .await;

    app.run(&["run"]).await.expect(0);
    all_stand_once(&app).await;
    let held_rows = held(&app, ".");
    assert_eq!(held_rows.len(), usize::try_from(stood).unwrap(), "all that it had committed, and no other");
    assert_eq!(app.migrated().len() + held_rows.len(), usize::try_from(ROWS).unwrap());
    assert!(app.failed_in(".").is_empty());
    let standing = names(&app).await;
    let missing: Vec<_> = committed.difference(&standing).collect();
    assert!(missing.is_empty(), "the sweep took blobs of committed rows: {missing:?}");

    // A run of another name: its plan sees all of them.
    app.run(&["run", "--run", "second", "--out", "second"]).await.expect(0);
    all_stand_once(&app).await;
    assert_eq!(held(&app, "second").len(), usize::try_from(ROWS).unwrap());
    assert_eq!(names(&app).await, standing);
}

#[tokio::test]
async fn rows_whose_answer_was_lost_and_whose_files_a_trigger_renamed_are_held_and_keep_their_blobs() {
    let sample = sample().await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.database
        .run(&format!(
            "create function rename() returns trigger language plpgsql as $$ begin
                select {RENAMED} into new.azure_blob_name from (select new.azure_blob_name) named
                where {IS_A_WRITERS};
                return new;
            end $$"
        ))
        .await;
    let trigger =
        "create trigger rename before insert on submission_files for each row execute function rename()";
    app.database.run(trigger).await;
    let altered = ["azure_blob_name", "file_url", "azure_blob_url"];
    app.set("ROGO_TARGET_ALTERS", altered.map(|column| format!("submission_files.{column}")).join(","));
    let proxy = Proxy::start(TestServer::get().address()).await;
    app.set("DATABASE_URL", app.database.url_through(proxy.address()));
    app.run(&["plan"]).await.expect(0);
    let mut process = app.start(&["shard", "--shard", "0"]);
    for cuts in 1..=2 {
        proxy.cut(Cut::BeforeAnswerTo(b"https://lms.example.org/course".to_vec()));
        until("an answer is cut", || async { proxy.cuts() >= cuts }).await;
    }
    let shard = ended(&mut process).await;
    assert_eq!(shard.code, Some(0), "{}", shard.stderr);
    app.run(&["finalize"]).await.expect(0);
    all_stand_once(&app).await;
    let held_rows = held(&app, ".").len();
    assert!(held_rows > 0, "rows whose answer was lost");
    assert_eq!(app.migrated().len() + held_rows, usize::try_from(ROWS).unwrap());
    assert!(app.failed_in(".").is_empty());
    let files = app
        .database
        .number("select count(*) from submission_files where azure_blob_name like 'platform/%'")
        .await;
    assert_eq!(names(&app).await.len(), usize::try_from(files).unwrap(), "a blob of each file, and no other");
}
