//! A receipt is the digest of the rows as they are stored: what a trigger changes is found, named and not committed.

use rogo_migrate::{
    domain::{
        Digest, Migration, PlannedFile, Receipt,
        form::{ColumnKind, ENFORCEMENT, TABLES, TableForm},
    },
    ports::{Committed, FaultKind, TargetWriter},
    rules::rows::{
        EnforcementRow, File, GradeRow, LaunchSession, Mark, MarkingAssignment, SessionRecord, Submission,
    },
};

use super::world::{Worker, copied, copied_by, database, malpractice, migration};
use crate::support::postgres::TestDatabase;

/// Changes one column (argument 1, of kind argument 2) of the new row, or leaves the row out (no argument).
const CHANGE: &str = r"
    create function change() returns trigger language plpgsql as $$
    declare held text := to_jsonb(new) ->> tg_argv[0];
    begin
        if tg_nargs = 0 then return null; end if;
        return jsonb_populate_record(new, jsonb_build_object(tg_argv[0], case tg_argv[1]
            when 'Text' then case held when 'released' then 'waiting' when 'submission' then 'feedback'
                when 'feedback' then 'submission' else coalesce(held, '') || 'x' end
            when 'Bool' then (not held::boolean)::text
            when 'Time' then (held::timestamptz + interval '1 microsecond')::text
            else (coalesce(held, '0')::numeric + 1)::text end));
    end $$;
    create function change_after() returns trigger language plpgsql security definer as $$
    begin
        execute format('update %I set %I = %L where id = %L', tg_table_name, tg_argv[0], 'changed', new.id);
        return null;
    end $$;";

async fn trigger(database: &TestDatabase, when: &str, table: &str, call: &str) {
    let (kind, when, deferred) = match when {
        "deferred" => ("constraint trigger", "after insert", "deferrable initially deferred"),
        when => ("trigger", when, ""),
    };
    let sql =
        format!("create {kind} changing {when} on {table} {deferred} for each row execute function {call}");
    database.run(&sql).await;
}

async fn is_empty(database: &TestDatabase) -> bool {
    for table in TABLES.iter().chain([&ENFORCEMENT]) {
        if database.number(&format!("select count(*) from {}", table.name)).await > 0 {
            return false;
        }
    }
    true
}

async fn committed(database: &TestDatabase, migration: &Migration) -> Committed {
    Worker::of(database).start().commit(&copied(migration)).await.unwrap()
}

fn receipt(committed: Committed) -> Receipt {
    match committed {
        Committed::Inserted { receipt, .. } => receipt,
        other => panic!("{other:?}"),
    }
}

fn altered(committed: Committed) -> Vec<String> {
    match committed {
        Committed::Altered(columns) => columns,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_form_holds_every_column_that_a_run_writes() {
    let written: [(&str, &[&str]); 7] = [
        (LaunchSession::TABLE, LaunchSession::COLUMNS),
        (SessionRecord::TABLE, SessionRecord::COLUMNS),
        (Submission::TABLE, Submission::COLUMNS),
        (File::TABLE, File::COLUMNS),
        (MarkingAssignment::TABLE, MarkingAssignment::COLUMNS),
        (Mark::TABLE, Mark::COLUMNS),
        (GradeRow::TABLE, GradeRow::COLUMNS),
    ];
    let columns = |table: &TableForm| table.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>();
    let formed: Vec<(&str, Vec<&str>)> = TABLES.iter().map(|table| (table.name, columns(table))).collect();
    assert_eq!(formed, written.map(|(table, columns)| (table, columns.to_vec())));
    let enforcement: Vec<&str> =
        EnforcementRow::COLUMNS.iter().copied().filter(|column| *column != "id").collect();
    assert_eq!((ENFORCEMENT.name, columns(&ENFORCEMENT)), (EnforcementRow::TABLE, enforcement));
}

/// The form is a contract: receipts of earlier runs are compared with it. A second program, written from the form's
/// description, made these two digests.
#[tokio::test]
async fn the_receipt_of_a_known_submission_stays_what_it_was() {
    let database = database().await;
    let found = receipt(committed(&database, &malpractice(987, "2024-05-01T09:00:00.123456Z")).await);
    assert_eq!(found.sha256.to_string(), "5df789b0431ea24c3893082a036dc9b76e384406c5b9c51eecfc1f31f329651a");
    assert_eq!(
        found.enforcement.unwrap().to_string(),
        "4d39127099eb8cf9ecaa39903c5bcd33d911c557cd89ea074265c3c2a3066bbe"
    );
}

#[tokio::test]
async fn writers_time_zones_and_date_styles_give_the_same_receipt_and_what_stands_has_it() {
    let migration = malpractice(987, "2024-05-01T09:00:00.123456Z");
    let mut found: Vec<(Digest, Option<Digest>)> = Vec::new();
    for (writer, setting) in [("0123456789ab", ""), ("987654321000", "set timezone = 'Asia/Kolkata'")] {
        let database = database().await;
        if !setting.is_empty() {
            let name = database.name();
            database
                .run(&format!(
                    "alter database {name} {setting}; alter database {name} set datestyle = 'German'"
                ))
                .await;
        }
        let target = Worker::of(&database).start();
        let copied = copied_by(&migration, writer);
        let sent = receipt(target.commit(&copied).await.unwrap());
        let compared = target.compare(&copied).await.unwrap();
        assert_eq!((compared.columns, compared.receipt.sha256), (vec![], sent.sha256));
        assert_eq!(target.stored_digest(&migration.ids).await.unwrap(), sent.sha256);
        let xmin = database.number("select xmin::text::bigint from assignment_submissions").await;
        assert_eq!(sent.transaction.unwrap() & 0xffff_ffff, u64::try_from(xmin).unwrap());
        found.push((sent.sha256, sent.enforcement));
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test]
async fn each_column_that_a_trigger_changes_is_named_and_nothing_is_committed() {
    let database = database().await;
    database.run(CHANGE).await;
    let migration = malpractice(987, "2024-05-01T09:00:00.123456Z");
    let target = Worker::of(&database).start();
    let mut named = 0;
    for table in TABLES.iter().chain([&ENFORCEMENT]) {
        for (column, kind) in table.columns {
            let call = format!("change('{column}', '{kind:?}')");
            trigger(&database, "before insert", table.name, &call).await;
            match target.commit(&copied(&migration)).await {
                Ok(Committed::Altered(columns)) => {
                    let expected = format!("{}.{column}", table.name);
                    let is_id =
                        *column == "id" && columns.contains(&format!("{} (a row is absent)", table.name));
                    // Without its row's file type a status is a default.
                    assert!(is_id || columns.contains(&expected), "{expected}: {columns:?}");
                    named += 1;
                }
                // A key refers to it.
                Err(fault) => {
                    assert!(matches!(fault.kind, FaultKind::Rejected(_)), "{column}: {}", fault.chain());
                }
                other => panic!("{}.{column}: {other:?}", table.name),
            }
            assert!(is_empty(&database).await, "{}.{column}", table.name);
            database.run(&format!("drop trigger changing on {}", table.name)).await;
        }
    }
    assert!(named > 95, "{named}");
    receipt(target.commit(&copied(&migration)).await.unwrap());
}

#[tokio::test]
async fn rows_that_a_trigger_leaves_out_are_missed() {
    for table in TABLES.iter().chain([&ENFORCEMENT]) {
        let database = database().await;
        database.run(CHANGE).await;
        trigger(&database, "before insert", table.name, "change()").await;
        let migration = malpractice(987, "2024-05-01T09:00:00.123456Z");
        match Worker::of(&database).start().commit(&copied(&migration)).await {
            Ok(Committed::Altered(columns)) => {
                assert!(
                    columns.iter().any(|column| column.starts_with(table.name)),
                    "{}: {columns:?}",
                    table.name
                );
            }
            Err(fault) => assert!(matches!(fault.kind, FaultKind::Rejected(_)), "{}", fault.chain()),
            other => panic!("{}: {other:?}", table.name),
        }
        assert!(is_empty(&database).await, "{}", table.name);
    }
}

#[tokio::test]
async fn what_triggers_do_after_a_row_is_written_is_seen_before_the_commit() {
    for when in ["after insert", "deferred"] {
        for migration in [migration(987), malpractice(987, "2024-05-01T09:00:00Z")] {
            let database = database().await;
            database.run(CHANGE).await;
            trigger(&database, when, "submission_files", "change_after('file_name')").await;
            let target = Worker::of(&database).start();
            let found = altered(target.commit(&copied(&migration)).await.unwrap());
            assert_eq!(found, ["submission_files.file_name"], "{when}");
            assert!(is_empty(&database).await);
            database.run("drop trigger changing on submission_files").await;
            receipt(target.commit(&copied(&migration)).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_column_that_the_target_may_alter_is_left_out() {
    let database = database().await;
    database.run(CHANGE).await;
    trigger(&database, "before insert", "submission_files", "change('file_name', 'Text')").await;
    let accepting =
        |column: &str| Worker { target_alters: vec![column.parse().unwrap()], ..Worker::of(&database) };
    let migration = migration(987);
    let other = accepting("submission_files.file_type").start();
    assert_eq!(altered(other.commit(&copied(&migration)).await.unwrap()), ["submission_files.file_name"]);
    receipt(accepting("submission_files.file_name").start().commit(&copied(&migration)).await.unwrap());
    assert_eq!(database.number("select count(*) from submission_files where file_name like '%x'").await, 3);
}

#[tokio::test]
async fn what_was_changed_since_is_named() {
    let database = database().await;
    let migration = migration(987);
    let target = Worker::of(&database).start();
    let sent = receipt(target.commit(&copied(&migration)).await.unwrap());
    database
        .run(
            "update submission_grades set final_grade = 'Pass'; delete from submission_section_marks where section_id = 's1';
             insert into submission_files (id, submission_id, file_name, original_file_name, file_url)
             select '<id>', id, 'a', 'a', 'a' from assignment_submissions"
                .replace("<id>", &migration.ids.row("submission_files", 4))
                .as_str(),
        )
        .await;
    let compared = target.compare(&copied(&migration)).await.unwrap();
    assert_eq!(
        compared.columns,
        [
            "submission_files (a row more)",
            "submission_section_marks (a row is absent)",
            "submission_grades.final_grade"
        ]
    );
    assert_eq!(compared.receipt.sha256, sent.sha256, "the receipt is the decided rows'");
    assert_ne!(target.stored_digest(&migration.ids).await.unwrap(), sent.sha256);
}

#[tokio::test]
async fn a_submission_of_many_files_is_read_whole_for_its_receipt() {
    let database = database().await;
    let mut migration = migration(987);
    let file = migration.files[0].clone();
    migration.files = (1..=60).map(|order| PlannedFile { upload_order: order, ..file.clone() }).collect();
    let sent = receipt(committed(&database, &migration).await);
    let stored = Worker::of(&database).start().stored_digest(&migration.ids).await.unwrap();
    assert_eq!(stored, sent.sha256);
}

#[tokio::test]
async fn a_mark_is_compared_in_the_columns_own_type() {
    for (column, mark) in
        [("real", "12.1"), ("double precision", "12.1"), ("numeric(8, 3)", "12.1235"), ("numeric", "0.10")]
    {
        let database = database().await;
        database.run(&format!("alter table submission_grades alter percentage_score type {column}")).await;
        let mut migration = migration(987);
        migration.grade.percentage_score = mark.parse().unwrap();
        receipt(committed(&database, &migration).await);
    }
}

#[test]
fn only_columns_that_a_run_writes_may_be_altered() {
    use rogo_migrate::domain::form::AlteredColumn;
    assert_eq!(
        "submission_files.file_name".parse::<AlteredColumn>().unwrap().to_string(),
        "submission_files.file_name"
    );
    for wrong in
        ["file_name", "users.email", "submission_files.turnitin_pdf_id", "lti_launch_sessions.launch_id"]
    {
        assert!(wrong.parse::<AlteredColumn>().is_err(), "{wrong}");
    }
    assert!(TABLES.iter().flat_map(|table| table.columns).any(|(_, kind)| *kind == ColumnKind::Number));
}
