//! What is read of the target: its catalogue and what it holds.

use std::collections::HashSet;

use rogo_migrate::{
    domain::{Assessment, AttemptId, MalpracticeLevel, Section, SubmissionIds},
    ports::{FaultKind, Session, StoredTarget, Table, TargetReader, TargetWriter},
};

use super::world::{LMS, WRITER, Worker, ask, copied, database, malpractice, migration};

#[tokio::test]
async fn the_catalogue_holds_all_assessments_active_levels_and_the_oldest_admin() {
    let database = database().await;
    let catalogue = Worker::of(&database).start().catalogue().await.unwrap();
    let section = |id: &str, text: &str| Section { id: id.into(), question_text: text.into() };
    let assessment = |id: &str, name: &str, code: &str, sections| Assessment {
        id: id.into(),
        name: name.into(),
        code: code.into(),
        sections,
    };
    assert_eq!(
        catalogue.assessments,
        [
            assessment(
                "a1",
                "5HR03 PQ 24_01",
                "5HR03",
                vec![section("s1", "Question 1"), section("s2", "Question 2"), section("s3", "")]
            ),
            assessment("a2", "7HR01 PQ 24_01", "7HR01", vec![]),
        ]
    );
    let level = |id: &str, text: &str| MalpracticeLevel { id: id.into(), level_text: text.into() };
    assert_eq!(catalogue.malpractice_levels, [level("l1", "Moderate"), level("l2", "Considerable")]);
    assert_eq!(catalogue.rule_owner_id, "u1");
}

#[tokio::test]
async fn the_owner_of_applied_rules_is_whom_the_setting_names() {
    let database = database().await;
    let named = |name: &str| Worker { rule_owner: Some(name.into()), ..Worker::of(&database) }.start();
    assert_eq!(named("marker").catalogue().await.unwrap().rule_owner_id, "u0");
    let fault = named("nobody").catalogue().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Misconfigured);
    assert!(fault.chain().contains("--rule-owner"), "{}", fault.chain());

    database.run("update users set role = 'tutor'").await;
    let fault = Worker::of(&database).start().catalogue().await.unwrap_err();
    assert!(fault.chain().contains("no user with the role admin"), "{}", fault.chain());
}

#[tokio::test]
async fn the_launch_id_of_every_migrated_submission_is_handed_over_and_no_other() {
    let database = database().await;
    database
        .run(
            "insert into assignment_submissions (lti_launch_id)
                select 'rogo_' || n || '_x' from generate_series(1, 25000) n;
             insert into assignment_submissions (lti_launch_id)
                select id from unnest(array['rogox1_x', 'Rogo_1_x', 'launch-1', 'rogo']) id;
             insert into lti_launch_sessions (launch_id, consumer_key, expires_at)
                values ('rogo_25001_alone', 'key', now())",
        )
        .await;
    let mut ids = Vec::new();
    let mut batches = 0;
    let target = Worker::of(&database).start();
    target
        .launch_ids(&mut |batch| {
            batches += 1;
            ids.extend(batch.into_iter().map(|standing| standing.launch_id));
        })
        .await
        .unwrap();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 25_000);
    assert!(ids.iter().all(|id| id.starts_with("rogo_")));
    assert_eq!(batches, 3, "memory stays flat");
    ask(&target).await.expect("the connection is as good as before");
}

#[tokio::test]
async fn what_is_held_is_found_by_equality_alone() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let ours = migration(987);
    target.commit(&copied(&ours)).await.unwrap();
    // An older program's, one that stands alone, and one of an attempt that begins with the same digits.
    database
        .run(
            "insert into lti_launch_sessions (launch_id, consumer_key, expires_at)
                select id, 'key', now() from unnest(array['rogo_5_1700abc', 'rogo_6_1700abc', 'rogo_9876_x']) id;
             insert into assignment_submissions (id, lti_launch_id, file_count) values ('old', 'rogo_5_1700abc', 2);
             insert into submission_files (submission_id, file_name, original_file_name, file_url,
                azure_blob_name, upload_order) values ('old', 'b', 'b', 'u', 'x/b', 2), ('old', 'a', 'a', 'u', 'x/a', 1)",
        )
        .await;
    let absent = SubmissionIds::new(LMS, 1.try_into().unwrap()).launch_id();
    let asked =
        [ours.ids.launch_id(), "rogo_5_1700abc".into(), "rogo_6_1700abc".into(), "rogo_987_x".into(), absent];
    let mut held = target.held(&asked).await.unwrap();
    held.sort_by(|a, b| a.launch_id.cmp(&b.launch_id));

    let found: Vec<_> = held
        .iter()
        .map(|held| (held.launch_id.as_str(), held.submission_id.as_deref(), held.files))
        .collect();
    let (launch_id, submission_id) = (ours.ids.launch_id(), ours.ids.row("assignment_submissions", 1));
    assert_eq!(
        found,
        [
            ("rogo_5_1700abc", Some("old"), 2),
            ("rogo_6_1700abc", None, 0),
            (launch_id.as_str(), Some(submission_id.as_str()), 3),
        ]
    );
    assert_eq!(held[0].blob_names, ["x/a", "x/b"]);
    assert_eq!(held[2].shown_bytes.len(), 3);
    let ids = ["old".to_owned(), "absent".to_owned(), submission_id];
    let standing = target.standing(&ids).await.unwrap();
    assert_eq!(standing, [ids[0].clone(), ids[2].clone()].into());
    let holdings = target.holdings().await.unwrap();
    let submissions = database.number("select count(*) from assignment_submissions").await;
    assert_eq!(holdings.submissions, u64::try_from(submissions).unwrap());
    let newest: Option<chrono::DateTime<chrono::Utc>> =
        sqlx::query_scalar("select max(created_at) from assignment_submissions")
            .fetch_one(database.pool())
            .await
            .unwrap();
    assert!(newest.is_some() && holdings.newest == newest);
    assert_eq!(target.held(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_held_tells_whether_another_ones_rule_stands() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let migration = malpractice(987, "2024-05-01T00:00:00Z");
    target.commit(&copied(&migration)).await.unwrap();
    let launch_id = [migration.ids.launch_id()];
    assert!(!target.held(&launch_id).await.unwrap()[0].foreign_enforcement);

    database.run("update malpractice_enforcements set submission_id = null").await;
    assert!(target.held(&launch_id).await.unwrap()[0].foreign_enforcement);
    // Without malpractice of its own the rule is no concern of the submission.
    database.run("update submission_grades set malpractice_level_id = null").await;
    assert!(!target.held(&launch_id).await.unwrap()[0].foreign_enforcement);
}

#[tokio::test]
async fn a_blob_is_named_where_a_row_names_it_under_whatever_id() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let ours = migration(987);
    let files = copied(&ours);
    target.commit(&files).await.unwrap();
    let name = |file: &str| format!("LTI_Uploads/{WRITER}/{file}");
    database
        .run(&format!(
            "insert into submission_files (file_name, original_file_name, file_url, azure_blob_name) values
                ('copy', 'copy', 'u', '{}'), ('odd', 'odd', 'u', '{}'), ('other', 'other', 'u', '{}')",
            name("988_1_copied.pdf"),
            name("odd"),
            name("77_1_not asked.pdf"),
        ))
        .await;
    let mut asked: Vec<String> = files.files().iter().map(|file| file.blob_name.clone()).collect();
    asked.extend([name("988_1_copied.pdf"), name("odd")]);
    let named: HashSet<String> = asked.iter().cloned().collect();
    // An orphan of the same attempt by another process, one of an attempt that no row has, one of no form.
    asked.extend(["LTI_Uploads/ffffffffffff/987_1_essay.pdf".into(), name("989_1_orphan.pdf"), name("none")]);
    assert_eq!(target.blob_names_of_writers(&asked).await.unwrap(), named);
    assert_eq!(target.blob_names_of_writers(&[]).await.unwrap(), HashSet::new());

    // The service stored the names without their last dot.
    database.run("update submission_files set azure_blob_name = azure_blob_name || '.'").await;
    assert_eq!(target.blob_names_of_writers(&asked).await.unwrap(), named);
}

#[tokio::test]
async fn a_blob_whose_row_has_another_name_by_now_is_not_taken_for_an_orphan() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let ours = migration(987);
    let files = copied(&ours);
    target.commit(&files).await.unwrap();
    let asked: Vec<String> = files.files().iter().map(|file| file.blob_name.clone()).collect();
    let all: HashSet<String> = asked.iter().cloned().collect();
    let orphan = format!("LTI_Uploads/{WRITER}/989_1_orphan.pdf");
    for rewritten in [
        "'uploads/' || azure_blob_name",
        "replace(azure_blob_name, '/', '-')",
        "null",
        // The name behind the file's number alone.
        "replace(azure_blob_name, '.', '_')",
        "azure_blob_name || '..'",
    ] {
        database.run("create table kept as select id, azure_blob_name from submission_files").await;
        database.run(&format!("update submission_files set azure_blob_name = {rewritten}")).await;
        assert_eq!(target.blob_names_of_writers(&asked).await.unwrap(), all, "{rewritten}, by id");
        let with_orphan = [std::slice::from_ref(&orphan), asked.as_slice()].concat();
        assert_eq!(target.blob_names_of_writers(&with_orphan).await.unwrap(), all, "{rewritten}, by a scan");
        database.run("update submission_files f set azure_blob_name = k.azure_blob_name from kept k where k.id = f.id").await;
        database.run("drop table kept").await;
    }
    // Another process moved the row: what this one left of it is an orphan.
    let other = asked[0].replace(WRITER, "ffffffffffff");
    assert_eq!(target.blob_names_of_writers(&[other]).await.unwrap(), HashSet::new());
}

#[tokio::test]
async fn names_beyond_one_look_up_are_found_too() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let name = |attempt: i32| format!("LTI_Uploads/{WRITER}/{attempt}_1_essay.pdf");
    let id = |attempt: i32| {
        SubmissionIds::new(LMS, AttemptId::try_from(attempt).unwrap()).row("submission_files", 1)
    };
    let insert = "insert into submission_files (id, file_name, original_file_name, file_url, azure_blob_name)
        select id, 'essay', 'essay', 'u', name from unnest($1::text[], $2::text[]) as file(id, name)";
    let derived: Vec<i32> = (1..=2_100).collect();
    sqlx::query(insert)
        .bind(derived.iter().map(|attempt| id(*attempt)).collect::<Vec<_>>())
        .bind(derived.iter().map(|attempt| name(*attempt)).collect::<Vec<_>>())
        .execute(database.pool())
        .await
        .unwrap();
    // Of the last two one is an orphan, one is named under another id.
    sqlx::query(insert).bind(["a copy"]).bind([name(2_102)]).execute(database.pool()).await.unwrap();
    let asked: Vec<String> = (1..=2_102).map(name).collect();
    let named = target.blob_names_of_writers(&asked).await.unwrap();
    let unnamed: Vec<&String> = asked.iter().filter(|name| !named.contains(*name)).collect();
    assert_eq!(unnamed, [&name(2_101)]);
    let named = target.blob_names_of_writers(&asked[..2_100]).await.unwrap();
    assert_eq!(named.len(), 2_100);
}

#[tokio::test]
async fn a_lost_or_deleted_submission_is_told_from_its_launch_session_alone() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let migrations: Vec<_> = (1..=4).map(migration).collect();
    for migration in &migrations[..3] {
        target.commit(&copied(migration)).await.unwrap();
    }
    let launch_ids: Vec<String> = migrations.iter().map(|migration| migration.ids.launch_id()).collect();
    database
        .run(&format!(
            "delete from assignment_submissions where lti_launch_id = '{}';
             delete from lti_launch_sessions where launch_id = '{}'",
            launch_ids[1], launch_ids[2],
        ))
        .await;
    let absent: Vec<_> = target
        .absent(&launch_ids)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.launch_id, row.session))
        .collect();
    assert_eq!(
        absent,
        [
            (launch_ids[1].clone(), Session::Alone),
            (launch_ids[2].clone(), Session::Absent),
            (launch_ids[3].clone(), Session::Absent),
        ]
    );
    let transaction = "select xmin::text::bigint from assignment_submissions where lti_launch_id = '{}'";
    let written = database.number(&transaction.replace("{}", &launch_ids[0])).await;
    let expected = [(launch_ids[0].clone(), Some(u32::try_from(written).unwrap()))].into();
    assert_eq!(target.written_in(&launch_ids).await.unwrap(), expected);
}

#[tokio::test]
async fn rows_are_found_beside_an_application_of_any_size_by_pages_that_look_at_so_many_rows() {
    let database = database().await;
    // Of our sessions one begins the table and one ends it; the pages between hold the application's only.
    database
        .run(
            "insert into lti_launch_sessions (id, launch_id, consumer_key, expires_at)
                select to_char(n, 'FM000000'), case when n in (1, 70000) then 'rogo_' || n else 'app_' || n end, 'k', now()
                from generate_series(1, 70000) n",
        )
        .await;
    let target = Worker::of(&database).read();
    let (mut pages, mut found) = (0, Vec::new());
    let mut each = |links: Vec<rogo_migrate::ports::Link>| {
        pages += 1;
        found.extend(links.into_iter().filter_map(|link| Some((link.id, link.parent?))));
    };
    target.links(Table::LaunchSessions, &mut each).await.unwrap();
    let ours = |id: &str, launch: &str| (id.to_owned(), launch.to_owned());
    assert_eq!(found, [ours("000001", "rogo_1"), ours("070000", "rogo_70000")]);
    assert!(pages >= 4, "70,000 rows were looked at in {pages} statements");
}

/// A policy of the table tells each statement the limit that the server holds it to, and refuses any but "none". The role
/// itself has one of a second.
#[tokio::test]
async fn what_reads_a_whole_table_is_held_to_no_time_limit_of_the_server() {
    let database = database().await;
    database
        .run(&format!(
            "insert into assignment_submissions (id, lti_launch_id) values ('s1', 'rogo_1_x');
             create function is_unlimited() returns boolean language plpgsql volatile as $$
             begin
                if current_setting('statement_timeout') <> '0' then
                    raise exception 'held to %', current_setting('statement_timeout');
                end if;
                return true;
             end $$;
             alter table assignment_submissions enable row level security;
             create policy unlimited on assignment_submissions using (is_unlimited());
             alter role migrator in database {} set statement_timeout = '1s'",
            database.name()
        ))
        .await;
    let target = Worker::of(&database).start();
    let fault = target.standing(&["s1".into()]).await.unwrap_err();
    assert!(fault.chain().contains("P0001"), "a lookup has a limit: {}", fault.chain());

    let mut found = Vec::new();
    target
        .launch_ids(&mut |batch| found.extend(batch.into_iter().map(|standing| standing.id)))
        .await
        .unwrap();
    assert_eq!(found, ["s1"]);
    assert_eq!(target.submitted(&["rogo_1_x".into()]).await.unwrap(), ["rogo_1_x".to_owned()].into());
    assert_eq!(target.holdings().await.unwrap().submissions, 1);
    let fault = target.standing(&["s1".into()]).await.unwrap_err();
    assert!(fault.chain().contains("P0001"), "the limit is back: {}", fault.chain());
}
