//! A submission is written whole, once, in one round trip.

use rogo_migrate::{
    domain::{Migration, PlannedFile},
    ports::{Committed, CopiedMigration, FaultKind, TargetWriter},
    rules::{self, rows::RunValues},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::world::{LMS, Worker, ask, copied, copied_by, database, is_written, malpractice, migration};
use crate::support::{
    postgres::{TestDatabase, TestServer},
    proxy::Proxy,
};

const WRITTEN: [&str; 7] = [
    "lti_launch_sessions",
    "lti_session_records",
    "assignment_submissions",
    "submission_files",
    "submission_marking_assignments",
    "submission_section_marks",
    "submission_grades",
];

/// Every row of a table as JSON, ordered by id where no better order is given.
async fn rows(database: &TestDatabase, table: &str, order: &str) -> Vec<Value> {
    let sql = format!("select to_jsonb(t)::text from {table} t order by {order}");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(database.pool()).await.unwrap();
    rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
}

/// The row without the columns whose defaults are the moment of the insert, which must be there.
fn without_now(mut row: Value, columns: &[&str]) -> Value {
    for column in columns {
        let value = row.as_object_mut().unwrap().remove(*column).unwrap();
        assert!(value.as_str().unwrap() > "2025", "{column} is {value}");
    }
    row
}

#[tokio::test]
async fn every_column_is_written_as_specified() {
    let database = database().await;
    let migration = migration(987);
    let target = Worker::of(&database).start();
    assert!(is_written(&target.commit(&copied(&migration)).await.unwrap()));

    let id = |table| migration.ids.row(table, 1);
    let (user, context) = (format!("{LMS}::user-1"), format!("{LMS}::section-1"));
    let forever = "2099-12-31T00:00:00+00:00";
    let (submitted, inserted) = ("2024-05-03T10:00:00+00:00", "2024-05-01T09:00:00.123456+00:00");

    let launch = rows(&database, "lti_launch_sessions", "id").await.remove(0);
    assert_eq!(
        without_now(launch, &["created_at"]),
        json!({
            "id": id("lti_launch_sessions"), "launch_id": migration.ids.launch_id(), "consumer_key": "key",
            "user_id": user, "user_email": "zoe@example.org", "user_name": "Zoë O'Hara 🎓",
            "course_name": "5HR03 PQ Attempt 2", "return_url": "https://lms.example.org/sections/section-1",
            "resource_link_id": null, "context_id": context, "tool_consumer_instance_guid": LMS,
            "custom_params": "{\"cis\":\"AIS\",\"cas\":\"5HR03\"}",
            "lti_message_type": "basic-lti-launch-request", "context_type": "CourseSection",
            "context_title": "Course", "roles": "Learner", "lis_person_name_given": "Zoë",
            "lis_person_name_family": "O'Hara 🎓", "lis_person_name_full": "Zoë O'Hara 🎓",
            "lis_person_contact_email_primary": "zoe@example.org", "tool_consumer_instance_name": "The LMS",
            "custom_action": "exercise_attempt", "assignment_title": "Submission Area",
            "custom_instruction_set": "AIS", "custom_assessment_code": "5HR03", "expires_at": forever,
        })
    );
    let session = rows(&database, "lti_session_records", "id").await.remove(0);
    assert_eq!(
        without_now(session, &["created_at"]),
        json!({
            "id": id("lti_session_records"), "launch_id": migration.ids.launch_id(), "lms_user_id": user,
            "consumer_name": "The LMS", "role": "Learner", "first_name": "Zoë", "last_name": "O'Hara 🎓",
            "full_name": "Zoë O'Hara 🎓", "email": "zoe@example.org", "custom_action": "exercise_attempt",
            "custom_instruction_set": "AIS", "custom_assessment_code": "5HR03",
            "context_type": "CourseSection", "context_title": "Course", "resource_link_id": null,
            "resource_link_title": "Course", "context_id": context, "consumer_key": "key",
            "tool_consumer_instance_guid": LMS, "return_url": "https://lms.example.org/sections/section-1",
            "has_file_submission": "true", "session_expiry": forever,
        })
    );
    assert_eq!(
        rows(&database, "assignment_submissions", "id").await,
        [json!({
            "id": id("assignment_submissions"), "lti_session_record_id": id("lti_session_records"),
            "lti_launch_id": migration.ids.launch_id(), "file_count": 3, "total_file_size": "0.8 MB",
            "submitted_at": submitted, "attempt_number": 2, "lms_user_id": user, "consumer_name": "The LMS",
            "role": "Learner", "first_name": "Zoë", "last_name": "O'Hara 🎓", "full_name": "Zoë O'Hara 🎓",
            "email": "zoe@example.org", "custom_instruction_set": "AIS", "custom_assessment_code": "5HR03",
            "custom_action": "exercise_attempt", "context_type": "CourseSection", "context_title": "Course",
            "context_id": context, "created_at": inserted, "updated_at": "2024-05-02T09:00:00+00:00",
        })]
    );
    let marking = rows(&database, "submission_marking_assignments", "id").await.remove(0);
    assert_eq!(
        without_now(marking, &["assigned_at"]),
        json!({
            "id": id("submission_marking_assignments"), "submission_id": id("assignment_submissions"),
            "assigned_marker_id": null, "marking_status": "released", "status_updated_at": submitted,
            "status_updated_by": null, "notes": null, "hold_reason": null, "priority": 0, "due_date": null,
            "created_at": inserted, "updated_at": inserted,
        })
    );
    let marks = rows(&database, "submission_section_marks", "section_id").await;
    for (n, (mark, (section, marks_awarded, feedback))) in
        marks.into_iter().zip([("s1", 12.5, Some("Good")), ("s2", 0.0, None)]).enumerate()
    {
        let mark = without_now(mark, &["created_at", "updated_at"]);
        assert_eq!(mark["marks_awarded"].as_f64(), Some(marks_awarded));
        assert_eq!(
            mark,
            json!({
                "id": migration.ids.row("submission_section_marks", n + 1),
                "submission_id": id("assignment_submissions"), "section_id": section, "marker_id": null,
                "selected_option_id": null, "feedback": feedback, "marking_criterias": null,
                "marks_awarded": mark["marks_awarded"],
            })
        );
    }
    let grade = rows(&database, "submission_grades", "id").await.remove(0);
    assert_eq!(
        without_now(grade, &["created_at", "updated_at"]),
        json!({
            "id": id("submission_grades"), "submission_id": id("assignment_submissions"),
            "assessment_id": "a1", "marker_id": null, "total_marks_awarded": 12.5,
            "total_marks_possible": 40, "percentage_score": 31.25, "final_grade": "Refer",
            "overall_summary": null, "skip_reason_id": null, "skipped_reason": null,
            "malpractice_level_id": null, "malpractice_notes": null, "word_count": null,
            "is_complete": true, "completed_at": submitted,
        })
    );
    assert_eq!(database.number("select count(*) from malpractice_enforcements").await, 0);
}

#[tokio::test]
async fn every_column_of_each_file_is_written_as_specified() {
    let database = database().await;
    let migration = migration(987);
    let copied = copied(&migration);
    let target = Worker::of(&database).start();
    target.commit(&copied).await.unwrap();

    let files = rows(&database, "submission_files", "upload_order").await;
    assert_eq!(files.len(), 3);
    for (n, file) in files.into_iter().enumerate() {
        let (planned, copied) = (&migration.files[n], &copied.files()[n]);
        let is_learners = n < 2;
        assert_eq!(
            file,
            json!({
                "id": migration.ids.row("submission_files", n + 1),
                "submission_id": migration.ids.row("assignment_submissions", 1),
                "file_name": planned.name, "original_file_name": planned.name, "file_size": "0.3 MB",
                "file_type": planned.file_type, "file_mime_type": "application/octet-stream",
                "file_url": copied.url, "azure_blob_url": copied.url, "azure_container_name": "target",
                "azure_blob_name": copied.blob_name, "upload_order": n + 1,
                "uploaded_at": "2024-05-03T10:00:00+00:00", "turnitin_submission_id": null,
                "turnitin_status": if is_learners { "complete" } else { "pending" },
                "turnitin_similarity_score": null, "turnitin_processed_at": null,
                "turnitin_error_message": null, "turnitin_pdf_id": null, "turnitin_pdf_status": "pending",
                "turnitin_pdf_url": null, "turnitin_report_url": null, "turnitin_pdf_generated_at": null,
                "submission_file_type": if is_learners { "submission" } else { "feedback" },
                "uploaded_by": if is_learners { json!("77") } else { json!(null) },
            })
        );
    }
}

#[tokio::test]
async fn a_submission_without_marks_is_written() {
    let database = database().await;
    let mut migration = migration(987);
    migration.section_marks.clear();
    let target = Worker::of(&database).start();
    assert!(is_written(&target.commit(&copied(&migration)).await.unwrap()));
    assert_eq!(database.number("select count(*) from submission_section_marks").await, 0);
    assert_eq!(database.number("select count(*) from submission_grades").await, 1);
}

#[tokio::test]
async fn a_refused_row_leaves_nothing_and_names_the_constraint_but_no_person() {
    for (table, with_malpractice) in WRITTEN
        .map(|table| (table, false))
        .into_iter()
        .chain(WRITTEN.map(|table| (table, true)))
        .chain([("malpractice_enforcements", true)])
    {
        let database = database().await;
        database.run(&format!("alter table {table} add constraint not_now check (id = '') not valid")).await;
        let migration =
            if with_malpractice { malpractice(987, "2024-05-01T00:00:00Z") } else { migration(987) };
        let target = Worker::of(&database).start();

        let fault = target.commit(&copied(&migration)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Rejected("not_now".into()), "{table}");
        assert_eq!(
            fault.chain(),
            format!("target database: not_now of {table} refuses the row (SQLSTATE 23514, check)")
        );
        for table in WRITTEN.into_iter().chain(["malpractice_enforcements"]) {
            assert_eq!(database.number(&format!("select count(*) from {table}")).await, 0, "{table}");
        }
        database.run(&format!("alter table {table} drop constraint not_now")).await;
        assert!(is_written(&target.commit(&copied(&migration)).await.unwrap()));
    }
}

#[tokio::test]
async fn what_refuses_a_row_is_named_without_its_values() {
    for (change, rejected, says) in [
        ("alter table submission_grades alter word_count set not null", "word_count", "SQLSTATE 23502"),
        ("alter table lti_session_records alter email type varchar(3)", "SQLSTATE 22001", "text too long"),
        ("alter table submission_grades alter final_grade type integer using 1", "", "22P02"),
        ("delete from assessments where id = 'a1'", "submission_grades_assessment_id_fkey", "foreign key"),
        (
            "create function refuse() returns trigger language plpgsql as
                $$ begin raise 'no % here', new.email; end $$;
             create trigger refuse before insert on lti_session_records
                for each row execute function refuse()",
            "SQLSTATE P0001",
            "raised by a trigger",
        ),
    ] {
        let database = database().await;
        database.run(change).await;
        let mut migration = migration(987);
        migration.section_marks.clear();
        let fault = Worker::of(&database).start().commit(&copied(&migration)).await.unwrap_err();
        let expected = match rejected {
            "" => FaultKind::Misconfigured,
            name => FaultKind::Rejected(name.into()),
        };
        assert_eq!(fault.kind, expected, "{change}: {}", fault.chain());
        assert!(fault.chain().contains(says), "{}", fault.chain());
        assert!(!fault.chain().contains("zoe@") && !fault.chain().contains("Hara"), "{}", fault.chain());
    }
}

#[tokio::test]
async fn a_second_commit_is_told_what_stands() {
    let database = database().await;
    let migration = migration(987);
    let target = Worker::of(&database).start();
    target.commit(&copied(&migration)).await.unwrap();
    let before = database.dump_tables(&[]).await;

    let Committed::Held(held) = target.commit(&copied(&migration)).await.unwrap() else {
        panic!("a second row");
    };
    assert_eq!(held.launch_id, migration.ids.launch_id());
    assert_eq!(held.submission_id, Some(migration.ids.row("assignment_submissions", 1)));
    assert_eq!(held.files, 3);
    assert_eq!(
        held.blob_names,
        copied(&migration).files().iter().map(|file| file.blob_name.clone()).collect::<Vec<_>>()
    );
    assert_eq!(database.dump_tables(&[]).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_commits_at_once_one_writes() {
    for migration in [migration(987), malpractice(988, "2024-05-01T00:00:00Z")] {
        let database = database().await;
        let workers: Vec<_> = (0..20)
            .map(|_| {
                let (target, migration) = (Worker::of(&database).start(), migration.clone());
                tokio::spawn(async move {
                    ask(&target).await.unwrap();
                    target.commit(&copied(&migration)).await.unwrap()
                })
            })
            .collect();
        let mut inserted = 0;
        for worker in workers {
            match worker.await.unwrap() {
                Committed::Inserted { .. } => inserted += 1,
                Committed::Held(held) => assert_eq!(held.files, 3),
                Committed::Altered(columns) => panic!("{columns:?}"),
            }
        }
        assert_eq!(inserted, 1);
        assert_eq!(database.number("select count(*) from submission_files").await, 3);
    }
}

#[tokio::test]
async fn a_commit_is_one_round_trip() {
    let database = database().await;
    let proxy = Proxy::start(TestServer::get().address()).await;
    let target = Worker { pool: 1, ..Worker::at(database.url_through(proxy.address())) }.start();
    // The first one also connects and prepares the statement.
    target.commit(&copied(&migration(1))).await.unwrap();

    let before = proxy.exchanges();
    for attempt in 2..=11 {
        let migration = migration(attempt);
        target.commit(&copied(&migration)).await.unwrap();
    }
    assert_eq!(proxy.exchanges() - before, 10);
    assert_eq!(proxy.accepted(), 1);

    let rule = malpractice(12, "2024-05-01T00:00:00Z");
    target.commit(&copied(&rule)).await.unwrap();
    let before = proxy.exchanges();
    let rule = malpractice(13, "2024-05-02T00:00:00Z");
    target.commit(&copied(&rule)).await.unwrap();
    assert_eq!(proxy.exchanges() - before, 4, "begin and lock, read, write, commit");
}

#[tokio::test]
async fn a_rehearsal_leaves_no_row_and_its_commit_has_reached_the_servers_disk() {
    let database = database().await;
    let target = Worker::of(&database).start();
    let before: String = sqlx::query_scalar("select pg_current_wal_insert_lsn()::text")
        .fetch_one(database.pool())
        .await
        .unwrap();
    for migration in [migration(1), malpractice(2, "2024-05-01T00:00:00Z")] {
        target.rehearse(&copied(&migration)).await.unwrap();
        let on_disk = format!("select (pg_current_wal_flush_lsn() > '{before}'::pg_lsn)::integer::bigint");
        assert_eq!(database.number(&on_disk).await, 1);
    }
    for table in ["lti_launch_sessions", "submission_files", "malpractice_enforcements"] {
        assert_eq!(database.number(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_migration_whose_files_are_not_all_copied_cannot_be_committed() {
    let migration = migration(987);
    let copy = async |file: &PlannedFile| match file.upload_order {
        1 => Ok(copied(&migration).files()[0].clone()),
        order => Err(order),
    };
    let failed = CopiedMigration::copy(&migration, copy).await.unwrap_err();
    let failed: Vec<(i32, i32)> =
        failed.into_iter().map(|(file, order)| (file.upload_order, order)).collect();
    assert_eq!(failed, [(2, 2), (3, 3)]);
}

#[tokio::test]
async fn a_number_goes_into_the_columns_own_type() {
    for (column, expected) in [("real", "12.1"), ("double precision", "12.1"), ("numeric(8, 3)", "12.100")] {
        let database = database().await;
        database
            .run(&format!(
                "alter table submission_grades alter total_marks_awarded type {column};
                 alter table submission_section_marks alter marks_awarded type {column}"
            ))
            .await;
        let mut migration = migration(987);
        migration.grade.total_marks_awarded = "12.1".parse().unwrap();
        migration.section_marks[0].marks_awarded = "12.1".parse().unwrap();
        Worker::of(&database).start().commit(&copied(&migration)).await.unwrap();
        for value in [
            "select total_marks_awarded::text from submission_grades",
            "select max(marks_awarded)::text from submission_section_marks",
        ] {
            let stored: String = sqlx::query_scalar(value).fetch_one(database.pool()).await.unwrap();
            assert_eq!(stored, expected, "{column}");
        }
    }
}

/// What the rules say is to be written, by table, each value as text in the target's own words.
#[tokio::test]
async fn every_value_reaches_the_column_of_its_name() {
    let database = database().await;
    let migration = malpractice(987, "2024-05-01T09:00:00.123456Z");
    let copied = copied(&migration);
    Worker::of(&database).start().commit(&copied).await.unwrap();
    let run = RunValues {
        consumer_key: "key".into(),
        lms_instance: LMS.into(),
        lms_name: "The LMS".into(),
        instruction_set: "AIS".into(),
        assignment_title: "Submission Area".into(),
        container: "target".into(),
    };
    let expected = serde_json::to_value(rules::rows::rows(&migration, &run, copied.files())).unwrap();
    let mut compared = 0;
    for (table, wanted) in expected.as_object().unwrap() {
        let order = if table == "submission_files" { "upload_order" } else { "id" };
        let stored = rows(&database, table, order).await;
        let mut wanted = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
        if order == "id" {
            wanted.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(stored.len(), wanted.len(), "{table}");
        for (stored, wanted) in stored.iter().zip(&wanted) {
            for (column, value) in wanted.as_object().unwrap() {
                if column == "turnitin_status" && value == "" {
                    assert_eq!(stored[column], "pending");
                    continue;
                }
                assert_eq!(plain(&stored[column]), plain(value), "{table}.{column}");
                compared += 1;
            }
        }
    }
    assert!(compared > 120, "{compared}");
}

/// A value without what JSON and PostgreSQL write differently.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let text = text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned);
    match chrono::DateTime::parse_from_rfc3339(&text) {
        Ok(time) => time.timestamp_micros().to_string(),
        Err(_) => text,
    }
}

#[tokio::test]
async fn of_two_processes_that_take_over_a_lone_launch_session_the_second_meets_the_first() {
    let database = database().await;
    let again = Migration { takes_over_session: true, ..migration(987) };
    let target = Worker::of(&database).start();
    assert!(is_written(&target.commit(&copied(&migration(987))).await.unwrap()));
    // The target loses the submission: its launch session stays alone.
    let lose = "delete from submission_files; delete from submission_section_marks; delete from submission_grades;
        delete from submission_marking_assignments; delete from assignment_submissions; delete from lti_session_records";
    database.run(lose).await;
    // The other process has sent its rows and not yet committed.
    let mut first = PgConnection::connect(&database.url()).await.unwrap();
    let (id, launch_id) = (again.ids.row("assignment_submissions", 1), again.ids.launch_id());
    let begun = format!(
        "begin; insert into assignment_submissions (id, lti_launch_id, created_at) values ('{id}', '{launch_id}', now())"
    );
    first.execute(AssertSqlSafe(begun)).await.unwrap();
    let committing = async {
        database.until_lock_waits(1).await;
        first.execute("commit").await.unwrap();
    };
    let copied = copied_by(&again, "b19876543210");
    let (second, ()) = tokio::join!(target.commit(&copied), committing);
    let second = second.unwrap();
    let Committed::Held(held) = second else { panic!("the launch session is no guard here: {second:?}") };
    assert_eq!(held.submission_id, Some(id));
    assert_eq!(database.number("select count(*) from submission_files").await, 0, "all of it or nothing");
}
