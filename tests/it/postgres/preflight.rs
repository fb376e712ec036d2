//! Pre-flight names everything in the database that would stop a run.

use rogo_migrate::ports::{FaultKind, TargetReader, TargetWriter};

use super::world::{Worker, copied, database, migration};
use crate::support::{
    pooler::Pooler,
    postgres::{TestDatabase, TestServer},
};

async fn findings(database: &TestDatabase, connections: u32) -> Vec<String> {
    Worker::of(database).start().preflight(connections).await.unwrap()
}

#[tokio::test]
async fn the_specified_schema_has_no_findings() {
    assert_eq!(findings(&database().await, 15).await, Vec::<String>::new());
}

#[tokio::test]
async fn each_thing_that_would_stop_a_run_is_named() {
    for (change, finding) in [
        ("drop table malpractice_enforcements", "the table malpractice_enforcements is missing"),
        (
            "alter table submission_files drop azure_blob_name",
            "the column azure_blob_name of submission_files is missing",
        ),
        (
            "alter table submission_grades alter final_grade type integer using 1",
            "the column final_grade of submission_grades is integer; text is needed",
        ),
        (
            "alter table assignment_submissions alter submitted_at type timestamp",
            "the column submitted_at of assignment_submissions is timestamp without time zone",
        ),
        (
            "alter table lti_launch_sessions drop constraint lti_launch_sessions_launch_id_key",
            "launch_id of lti_launch_sessions has no unique key",
        ),
        (
            "alter table lti_launch_sessions drop constraint lti_launch_sessions_launch_id_key;
             create unique index on lti_launch_sessions (launch_id) where user_id is null",
            "launch_id of lti_launch_sessions has no unique key",
        ),
        (
            "alter table submission_files add checked_by text not null",
            "the column checked_by of submission_files requires a value",
        ),
        (
            "alter type marking_status rename value 'released' to 'done'",
            "the column marking_status of submission_marking_assignments does not know the label released",
        ),
        ("update users set role = 'tutor'", "no user with the role admin"),
        (
            "create table archive (like submission_files);
             create rule keep as on insert to submission_files do also insert into archive values (new.*)",
            "the rule keep rewrites what is written to submission_files; disable it for the run",
        ),
        (
            "revoke insert on submission_files from migrator;
             grant insert (id, submission_id, file_name) on submission_files to migrator",
            "this user may not insert (original_file_name, file_size, ",
        ),
    ] {
        let database = database().await;
        database.run(change).await;
        let findings = findings(&database, 15).await;
        assert_eq!(findings.len(), 1, "{change}: {findings:?}");
        assert!(findings[0].contains(finding), "{change}: {findings:?}");
    }
}

#[tokio::test]
async fn several_things_are_named_at_once() {
    let database = database().await;
    database.run("drop table submission_grades; alter table users drop created_at").await;
    assert_eq!(
        findings(&database, 15).await,
        [
            "the table submission_grades is missing, or in a schema that this user's search_path or rights do not reach",
            "the column created_at of users is missing",
        ]
    );
}

#[tokio::test]
async fn missing_rights_and_hidden_rows_are_named() {
    let database = database().await;
    let name = database.name();
    let server = TestServer::get();
    database
        .run(&format!(
            "create role {name} login password 'pw';
             grant select, insert, update on all tables in schema public to {name};
             revoke update on malpractice_enforcements from {name};
             revoke select, insert on submission_files from {name};
             alter table users enable row level security"
        ))
        .await;
    let limited = Worker::at(TestServer::url_as(name, "pw", server.address(), name)).start();
    assert_eq!(
        limited.preflight(15).await.unwrap(),
        [
            "row security is active on users for this user; grant it bypassrls",
            "this user may not select, insert submission_files; grant it",
            "this user may not update malpractice_enforcements; grant it",
        ]
    );
    database
        .run(&format!(
            "grant select, insert on submission_files to {name}; grant update on malpractice_enforcements to {name};
             alter table users disable row level security"
        ))
        .await;
    assert_eq!(limited.preflight(15).await.unwrap(), Vec::<String>::new());
    database.run(&format!("alter role {name} connection limit 10")).await;
    let findings = limited.preflight(15).await.unwrap();
    assert!(
        findings[0].starts_with("the run needs 15 connections; of 10 that the server allows"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn rights_granted_by_preflight_suffice_for_a_commit() {
    let database = database().await;
    let name = database.name();
    let server = TestServer::get();
    database
        .run(&format!(
            "create role {name} login password 'pw';
             grant select on users, assessments, assessment_sections, malpractice_levels to {name};
             grant select, insert on lti_launch_sessions, lti_session_records, assignment_submissions, submission_files,
                submission_marking_assignments, submission_section_marks, submission_grades to {name};
             grant select, insert, update on malpractice_enforcements to {name}"
        ))
        .await;
    let target = Worker::at(TestServer::url_as(name, "pw", server.address(), name)).start();
    assert_eq!(target.preflight(15).await.unwrap(), Vec::<String>::new());
    for attempt in 1..=2 {
        let migration = super::world::malpractice(attempt, &format!("2024-05-0{attempt}T00:00:00Z"));
        target.commit(&super::world::copied(&migration)).await.unwrap();
        assert_eq!(target.held(&[migration.ids.launch_id()]).await.unwrap()[0].files, 3);
    }
    target.catalogue().await.unwrap();
}

#[tokio::test]
async fn a_read_only_database_one_that_checks_nothing_and_another_encoding_are_named() {
    let database = database().await;
    let name = database.name();
    database.run(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let found = findings(&database, 15).await;
    assert!(found[0].starts_with("default_transaction_read_only is on"), "{found:?}");
    database
        .run(&format!(
            "alter database {name} reset all; alter database {name} set session_replication_role = replica"
        ))
        .await;
    let found = findings(&database, 15).await;
    assert!(found[0].starts_with("session_replication_role is replica"), "{found:?}");

    let latin = TestDatabase::in_encoding("LATIN1").await;
    let found = findings(&latin, 15).await;
    assert_eq!(found[0], "the database's encoding is LATIN1; UTF8 is needed");
}

#[tokio::test]
async fn more_connections_than_the_server_has_are_refused_with_the_figures() {
    let found = findings(&database().await, 290).await;
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("the run needs 290 connections; of 297 that the server allows "),
        "{found:?}"
    );
    assert!(found[0].ends_with("lower --parallelism, --workers or --pool"), "{found:?}");
}

#[tokio::test]
async fn an_ordinary_role_counts_the_connections_of_other_users() {
    let database = database().await;
    let (name, server) = (database.name(), TestServer::get());
    database.run(&format!("create role {name} login password 'pw'")).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(server.connect(name).await);
    }
    // A role of its own: sessions of its own would be seen in any case.
    let ordinary = Worker::at(TestServer::url_as(name, "pw", server.address(), name)).start();
    let found = ordinary.preflight(290).await.unwrap();
    let counted = found.last().unwrap().split(" that the server allows ").nth(1).unwrap();
    let used: usize = counted.split(' ').next().unwrap().parse().unwrap();
    assert!(used >= others.len(), "{found:?}");
}

#[tokio::test]
async fn a_pooler_that_hands_sessions_on_as_they_were_left_is_refused_by_everyone() {
    let database = database().await;
    let pooler = Pooler::start(TestServer::get().address()).await;
    let url = database.url_through(pooler.address());
    let says = "hands sessions on as they were left";
    let finding = Worker::at(url.clone()).start().preflight(15).await.unwrap();
    assert_eq!(finding.len(), 1);
    assert!(finding[0].contains(says), "{finding:?}");
    let finding = Worker::at(url.clone()).start().session().await.unwrap();
    assert!(finding[0].contains(says), "{finding:?}");
    let first = Worker::at(url.clone()).start();
    first.catalogue().await.unwrap();
    first.close().await;
    let fault = Worker::at(url).start().catalogue().await.unwrap_err();
    assert!(fault.what.contains(says), "{}", fault.chain());
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

#[tokio::test]
async fn every_process_asks_again_for_sessions_and_unique_keys() {
    let database = database().await;
    let target = Worker::of(&database).start();
    assert_eq!(target.session().await.unwrap(), Vec::<String>::new());
    database.run("alter table lti_launch_sessions drop constraint lti_launch_sessions_launch_id_key").await;
    let found = target.session().await.unwrap();
    assert!(found[0].starts_with("launch_id of lti_launch_sessions has no unique key"), "{found:?}");
}

#[tokio::test]
async fn rights_on_the_columns_that_a_run_touches_suffice() {
    let database = database().await;
    database
        .run(
            "revoke insert on submission_section_marks from migrator;
             grant insert (id, submission_id, section_id, marks_awarded, feedback)
                on submission_section_marks to migrator",
        )
        .await;
    assert_eq!(findings(&database, 15).await, Vec::<String>::new());
    let migration = migration(987);
    Worker::of(&database).start().commit(&copied(&migration)).await.unwrap();
}
