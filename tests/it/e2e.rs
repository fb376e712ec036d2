//! Promises of the whole line, on real servers: SQL Server's protocol, PostgreSQL, Azurite, the built program.

use std::collections::{BTreeMap, BTreeSet};

use rogo_migrate::{
    domain::{FailCode, NoteCode, SkipCode, SubmissionIds},
    sample::LMS_INSTANCE,
};

use crate::support::app::{Sample, TestApp, assert_same};

#[tokio::test]
async fn every_row_has_the_outcome_that_the_sample_promises() {
    let sample = Sample::new(300, 7).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);

    let promised: BTreeMap<u64, (String, String)> =
        sample.expected().into_iter().map(|(row, expected)| (row, (expected.kind, expected.code))).collect();
    let outcomes = app.outcomes();
    let differing: Vec<_> = promised.iter().filter(|(row, fate)| outcomes.get(row) != Some(fate)).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert_eq!(outcomes.len(), 300);

    let reached: BTreeSet<&str> = promised.values().map(|(_, code)| code.as_str()).collect();
    let by_data_alone = |code: &FailCode| {
        // These need a source or a server that misbehaves; other tests cause them.
        !matches!(
            code,
            FailCode::FileForbidden
                | FailCode::FileArchived
                | FailCode::FileNameRefused
                | FailCode::FileChanged
                | FailCode::TargetAltered
                | FailCode::Unavailable
                | FailCode::InternalError
        )
    };
    for code in FailCode::ALL.iter().filter(|code| by_data_alone(code)) {
        assert!(reached.contains(code.code()), "no row of the sample fails as {code}");
    }
    // What a person decides, or an earlier run says.
    let by_run = |code: &&SkipCode| !crate::sample::SKIPPED_NOT_BY_DATA_ALONE.contains(code);
    for code in SkipCode::ALL.iter().filter(by_run) {
        assert!(reached.contains(code.code()), "no row of the sample is skipped as {code}");
    }
    let notes = app.result("notes.csv");
    // Only a row that is recovered after its blob was removed, or its rows were changed, carries one of these.
    let by_run = |code: &&NoteCode| !matches!(code, NoteCode::FileBlobMissing | NoteCode::ChangedSince);
    for code in NoteCode::ALL.iter().filter(by_run) {
        assert!(notes.contains(code.code()), "no row of the sample carries {code}");
    }
}

#[tokio::test]
async fn a_second_run_of_the_same_name_changes_nothing() {
    let sample = Sample::new(120, 8).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let before = app.everything().await;
    app.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &before);
}

#[tokio::test]
async fn a_new_run_skips_what_an_earlier_one_migrated() {
    let sample = Sample::new(120, 9).await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let migrated = app.result("migrated.csv").lines().count() - 1;
    let blobs = app.blobs().await.len();
    app.run(&["run", "--run", "second"]).await.expect(0);
    assert_eq!(app.result("migrated.csv").lines().count(), 1, "only the header");
    let skipped = app.result("skipped.csv").matches("already_migrated").count();
    assert!(skipped >= migrated, "{skipped} skipped, {migrated} were migrated");
    assert_eq!(app.blobs().await.len(), blobs);
}

#[tokio::test]
async fn an_attempt_is_migrated_where_a_submission_says_so_and_a_launch_session_alone_refuses_its_row() {
    let sample = Sample::with(12, 12, |options| options.plain = true).await;
    let app = TestApp::new(&sample).await;
    let mut reader = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap();
    let place = reader.headers().unwrap().iter().position(|name| name == "Attempt ID").unwrap();
    let attempts: Vec<String> = reader.records().map(|row| row.unwrap()[place].to_owned()).collect();
    let ours = |row: usize| SubmissionIds::new(LMS_INSTANCE, attempts[row - 1].parse().unwrap()).launch_id();
    let older = |row: usize| format!("rogo_{}_1733011200000k3x9q0z7a", attempts[row - 1]);
    let session = |id: &str| {
        format!(
            "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('{id}', 'k', now());"
        )
    };
    let submission =
        |id: &str| format!("insert into assignment_submissions (lti_launch_id) values ('{id}');");
    let (alone, meanwhile) = (ours(1), ours(2));
    app.database
        .run(&[session(&alone), session(&older(3)), submission(&older(4)), submission(&ours(5))].concat())
        .await;
    // One that comes when the row's files are copied already.
    app.database
        .run(&format!(
            "create function come_between() returns trigger language plpgsql security definer as $$ begin
                 if new.launch_id = '{meanwhile}' and new.consumer_key <> 'k' then {} end if;
                 return new;
             end $$;
             create trigger come_between before insert on lti_launch_sessions
                 for each row execute function come_between()",
            session(&meanwhile)
        ))
        .await;
    app.run(&["run"]).await.expect(0);
    let fates = app.outcomes();
    let fate = |kind: &str, code: &str| (kind.to_owned(), code.to_owned());
    for (row, expected) in [
        (1, fate("failed", "target_rejected")),
        (2, fate("failed", "target_rejected")),
        (3, fate("migrated", "")),
        (4, fate("skipped", "already_migrated")),
        (5, fate("skipped", "already_migrated")),
        (6, fate("migrated", "")),
    ] {
        assert_eq!(fates[&row], expected, "row {row}");
    }
    let failed = app.result("submissions_failed_migration.csv");
    for launch_id in [alone, meanwhile] {
        assert!(failed.contains(&format!("refuses the row: {launch_id} is already there")), "{failed}");
    }
    assert_eq!(app.blobs().await.len(), usize::try_from(app.database.number(
        "select count(*) from submission_files where azure_blob_name is not null and submission_id not like 'submission-%'"
    ).await).unwrap(), "what a refused row had copied is gone");
}

#[tokio::test]
async fn the_three_steps_by_hand_equal_one_run() {
    let sample = Sample::new(150, 10).await;
    let (one, three) = (TestApp::new(&sample).await, TestApp::new(&sample).await);
    one.run(&["run"]).await.expect(0);
    three.run(&["plan", "--shards", "4"]).await.expect(0);
    for shard in ["2", "0", "3", "1"] {
        three.run(&["shard", "--shard", shard]).await.expect(0);
    }
    three.run(&["finalize"]).await.expect(0);
    assert_same(&three.everything().await, &one.everything().await);
}

#[tokio::test]
async fn the_failure_csv_is_the_input_of_the_next_run() {
    let sample = Sample::new(150, 11).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let failed = app.result("submissions_failed_migration.csv");
    let again = app.out.path().join("again.csv");
    std::fs::write(&again, &failed).unwrap();
    app.set("ROGO_SUBMISSIONS", again.display().to_string());
    app.run(&["run", "--run", "again"]).await.expect(0);
    assert_same(&app.result("submissions_failed_migration.csv"), &failed);
}
