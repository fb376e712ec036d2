//! Commits that wait for a connection share its next statement, and nothing else: not a refusal, not a lost answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use rogo_migrate::{
    adapters::postgres::{PostgresWriter, SentStatement},
    domain::{Digest, Migration},
    ports::{Committed, Fault, FaultKind, Retry, TargetWriter},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::world::{Worker, copied, copied_by, database, malpractice, migration};
use crate::support::{
    postgres::{TestDatabase, TestServer},
    process::until,
    proxy::{Cut, Proxy},
};

/// A worker with one connection, whose statements are prepared, and the number of submissions of each since.
struct Lone {
    target: Arc<PostgresWriter>,
    sent: Arc<Mutex<Vec<usize>>>,
}

impl Lone {
    async fn at(url: String) -> Self {
        Self::of(Worker { pool: 1, ..Worker::at(url) }).await
    }

    async fn of(worker: Worker) -> Self {
        let sent = Arc::<Mutex<Vec<usize>>>::default();
        let noted = sent.clone();
        let sending = move |statement: SentStatement| noted.lock().unwrap().push(statement.submissions);
        let worker = Worker { sent: Arc::new(sending), ..worker };
        let target = Arc::new(worker.start());
        target.commit(&copied(&migration(1))).await.unwrap();
        sent.lock().unwrap().clear();
        Self { target, sent }
    }

    /// Commits a first row, which is held up until all the others wait for the connection too.
    async fn commit_together(
        &self,
        database: &TestDatabase,
        migrations: &[Migration],
    ) -> Vec<Result<Committed, Fault>> {
        let first = migration(2);
        let hold = Hold::of(database, &first).await;
        let (first, rest) = (copied(&first), migrations.iter().map(copied).collect::<Vec<_>>());
        let committing = join_all(rest.iter().map(|copied| self.target.commit(copied)));
        let release = async {
            database.until_lock_waits(1).await;
            hold.release().await;
        };
        let (first, committed, ()) = tokio::join!(self.target.commit(&first), committing, release);
        assert!(matches!(first, Ok(Committed::Inserted { .. })), "{first:?}");
        assert_eq!(self.sent.lock().unwrap().remove(0), 1);
        committed
    }

    fn sent(&self) -> Vec<usize> {
        self.sent.lock().unwrap().clone()
    }
}

/// A transaction that has inserted this launch id and is not decided: who inserts it too waits.
struct Hold(PgConnection);

impl Hold {
    async fn of(database: &TestDatabase, migration: &Migration) -> Self {
        let mut connection = TestServer::get().connect(database.name()).await;
        let insert = format!(
            "begin; insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ('{}', 'k', now())",
            migration.ids.launch_id()
        );
        connection.execute(AssertSqlSafe(insert)).await.unwrap();
        Self(connection)
    }

    async fn release(mut self) {
        self.0.execute("rollback").await.unwrap();
        self.0.close().await.unwrap();
    }
}

fn migrations(attempts: std::ops::Range<i32>) -> Vec<Migration> {
    attempts.map(migration).collect()
}

fn digest_and_transaction(committed: &Result<Committed, Fault>) -> (Digest, u64) {
    match committed {
        Ok(Committed::Inserted { receipt, .. }) => (receipt.sha256, receipt.transaction.unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn submissions(database: &TestDatabase) -> i64 {
    database.number("select count(*) from assignment_submissions").await
}

/// What differs between two databases that are written at different times.
const TIMES: [&str; 5] =
    ["*.created_at", "*.updated_at", "*.assigned_at", "*.rule_applied_at", "assessments.assessment_id"];

#[tokio::test]
async fn those_that_wait_go_together_and_stand_as_if_each_had_gone_alone() {
    let (together, alone) = (database().await, database().await);
    let mut migrations = migrations(10..19);
    // Without marks, with fewer files, and with text that JSON and SQL write in their own ways.
    migrations[3].section_marks.clear();
    migrations[4].files.truncate(1);
    migrations[5].full_name = "'; drop \\ \"table\" $1 \u{1f393}".into();
    let lone = Lone::at(together.url()).await;
    let committed = lone.commit_together(&together, &migrations).await;
    assert_eq!(lone.sent(), [9]);

    let other = Lone::at(alone.url()).await;
    other.target.commit(&copied(&migration(2))).await.unwrap();
    let transaction = digest_and_transaction(&committed[0]).1;
    for (migration, committed) in migrations.iter().zip(&committed) {
        let own = other.target.commit(&copied(migration)).await;
        let (digest, of_all) = digest_and_transaction(committed);
        assert_eq!((digest, of_all), (digest_and_transaction(&own).0, transaction));
    }
    assert_eq!(together.dump_tables(&TIMES).await, alone.dump_tables(&TIMES).await);
}

#[tokio::test]
async fn a_statement_takes_sixty_four_at_most_and_those_who_came_first() {
    let database = database().await;
    let lone = Lone::at(database.url()).await;
    let committed = lone.commit_together(&database, &migrations(10..80)).await;
    assert_eq!(lone.sent(), [64, 6]);
    let transactions: Vec<u64> = committed.iter().map(|one| digest_and_transaction(one).1).collect();
    assert!(transactions[..64].iter().all(|id| *id == transactions[0]));
    assert!(
        transactions[64..].iter().all(|id| *id == transactions[64]) && transactions[64] != transactions[0]
    );
}

#[tokio::test]
async fn a_row_with_malpractice_goes_alone() {
    let database = database().await;
    let lone = Lone::at(database.url()).await;
    let mut migrations = migrations(10..14);
    migrations.insert(1, malpractice(20, "2024-05-01T00:00:00Z"));
    migrations.push(malpractice(21, "2024-05-02T00:00:00Z"));
    let committed = lone.commit_together(&database, &migrations).await;
    assert!(committed.iter().all(Result::is_ok), "{committed:?}");
    let mut sent = lone.sent();
    sent.sort_unstable();
    assert_eq!(sent, [1, 1, 4]);
    assert_eq!(submissions(&database).await, 8);
}

#[tokio::test]
async fn a_row_that_is_refused_or_stored_otherwise_fails_no_other() {
    const CHANGE: &str = "create function change() returns trigger language plpgsql as
        $$ begin if new.{column} = '{value}' then new.{column} := 'another'; end if; return new; end $$;
        create trigger change before insert on {table} for each row execute function change()";
    let trigger = |table: &str, column: &str, value: &str| {
        CHANGE.replace("{table}", table).replace("{column}", column).replace("{value}", value)
    };
    let odd = migration(14);
    for (change, is_rejected) in [
        (
            "alter table assignment_submissions add constraint not_77 check (attempt_number <> 77)"
                .to_owned(),
            true,
        ),
        (
            "alter table submission_files add constraint not_odd check (file_name <> 'odd.pdf')".to_owned(),
            true,
        ),
        (trigger("submission_grades", "final_grade", "Odd"), false),
        // Ids by which the rows of several submissions are told apart.
        (trigger("lti_launch_sessions", "launch_id", &odd.ids.launch_id()), false),
        (trigger("lti_session_records", "launch_id", &odd.ids.launch_id()), false),
    ] {
        let database = database().await;
        database.run(&change).await;
        let lone = Lone::at(database.url()).await;
        let mut migrations = migrations(10..19);
        (migrations[4].attempt_number, migrations[4].grade.final_grade) = (77, "Odd".into());
        migrations[4].files[0].name = "odd.pdf".into();
        let committed = lone.commit_together(&database, &migrations).await;
        for (place, committed) in committed.iter().enumerate() {
            match committed {
                Err(fault) if place == 4 && is_rejected => {
                    assert!(matches!(fault.kind, FaultKind::Rejected(_)), "{change}: {}", fault.chain());
                }
                Ok(Committed::Altered(_)) if place == 4 && !is_rejected => {}
                Ok(Committed::Inserted { .. }) if place != 4 => {}
                other => panic!("{change}: {place}: {other:?}"),
            }
        }
        // The first two, and the eight neighbours.
        assert_eq!(submissions(&database).await, 10, "{change}");
        assert_eq!(database.number("select count(*) from lti_launch_sessions").await, 10, "{change}");
        let sent = lone.sent();
        assert!(sent.len() >= 8 && sent.iter().all(|rows| *rows == 1), "{change}: {sent:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_lost_for_all_and_settled_for_each() {
    let migrations = migrations(10..19);
    let needle = || migrations[5].ids.launch_id().into_bytes();
    for (cut, written) in [(Cut::BeforeRequest(needle()), 0), (Cut::BeforeAnswerTo(needle()), 9)] {
        let database = database().await;
        let proxy = Proxy::start(TestServer::get().address()).await;
        let lone = Lone::at(database.url_through(proxy.address())).await;
        proxy.cut(cut);
        for fault in lone.commit_together(&database, &migrations).await {
            let fault = fault.unwrap_err();
            assert_eq!(
                (&fault.kind, fault.kind.retry()),
                (&FaultKind::AnswerLost, Retry::Settle),
                "{}",
                fault.chain()
            );
        }
        assert_eq!(proxy.cuts(), 1);
        // The first two stand. A statement that was read whole ends, whether or not its client is there.
        until("the statement has ended", || async { submissions(&database).await == 2 + written }).await;

        let rows: Vec<_> = migrations.iter().map(copied).collect();
        for (settled, row) in join_all(rows.iter().map(|row| lone.target.commit(row))).await.iter().zip(&rows)
        {
            match settled {
                Ok(Committed::Inserted { .. }) => assert_eq!(written, 0),
                Ok(Committed::Held(held)) => {
                    let own: Vec<&String> = row.files().iter().map(|file| &file.blob_name).collect();
                    assert_eq!((written, held.blob_names.iter().collect()), (9, own));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(submissions(&database).await, 11);
        assert_eq!(database.number("select count(*) from submission_files").await, 33);
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_for_all_and_blames_none_and_the_next_try_writes_each() {
    for (sqlstate, kind) in [
        ("40001", FaultKind::Unavailable),
        ("40P01", FaultKind::Unavailable),
        ("57P01", FaultKind::AnswerLost),
    ] {
        let database = database().await;
        let migrations = migrations(10..19);
        database
            .run(&format!(
                "create sequence met;
                 create function refuse_once() returns trigger language plpgsql security definer as $$ begin
                     if nextval('met') = 1 then raise exception 'planted' using errcode = '{sqlstate}'; end if;
                     return new;
                 end $$;
                 create trigger refuse_once before insert on lti_launch_sessions for each row
                 when (new.launch_id = '{}') execute function refuse_once()",
                migrations[4].ids.launch_id()
            ))
            .await;
        let lone = Lone::at(database.url()).await;
        for fault in lone.commit_together(&database, &migrations).await {
            let fault = fault.unwrap_err();
            assert_eq!((&fault.kind, fault.code.as_deref()), (&kind, Some(sqlstate)), "{}", fault.chain());
        }
        // The first two: none of the nine was sent by itself.
        assert_eq!((submissions(&database).await, lone.sent()), (2, Vec::new()), "{sqlstate}");

        let rows: Vec<_> = migrations.iter().map(copied).collect();
        for committed in join_all(rows.iter().map(|row| lone.target.commit(row))).await {
            assert!(matches!(committed, Ok(Committed::Inserted { .. })), "{sqlstate}: {committed:?}");
        }
        assert_eq!(submissions(&database).await, 11, "{sqlstate}");
        assert_eq!(database.number("select count(*) from submission_files").await, 33, "{sqlstate}");
    }
}

#[tokio::test]
async fn who_is_sent_along_with_a_cancelled_commit_settles_as_after_a_lost_answer() {
    let database = database().await;
    let lone = Lone::at(database.url()).await;
    let (first, rest) = (migration(2), migrations(10..15));
    let (hold, second) = (Hold::of(&database, &first).await, Hold::of(&database, &rest[4]).await);
    let spawn = |migration: Migration| {
        let target = lone.target.clone();
        tokio::spawn(async move { target.commit(&copied(&migration)).await })
    };
    let first = spawn(first);
    database.until_lock_waits(1).await;
    let mut tasks: Vec<_> = rest.iter().cloned().map(spawn).collect();
    // Each of them is polled, and waits in the order in which it came.
    tokio::task::yield_now().await;
    hold.release().await;
    first.await.unwrap().unwrap();
    database.until_lock_waits(1).await;
    let sender = tasks.remove(0);
    sender.abort();
    assert!(sender.await.unwrap_err().is_cancelled());
    for task in tasks {
        let fault = task.await.unwrap().unwrap_err();
        assert_eq!(fault.kind, FaultKind::AnswerLost, "{}", fault.chain());
    }
    second.release().await;
    let rows: Vec<_> = rest.iter().map(copied).collect();
    for settled in join_all(rows.iter().map(|row| lone.target.commit(row))).await {
        assert!(matches!(settled, Ok(Committed::Inserted { .. } | Committed::Held(_))), "{settled:?}");
    }
    assert_eq!(submissions(&database).await, 7);
    assert_eq!(database.number("select count(*) from submission_files").await, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twins_that_commit_the_same_rows_in_opposite_orders_write_each_once() {
    const TWIN: &str = "fedcba987654";
    let database = database().await;
    let (one, other) =
        (Lone::at(database.url()).await, Lone::of(Worker { pool: 2, ..Worker::of(&database) }).await);
    let mut tasks = Vec::new();
    for attempt in 10..210 {
        for (lone, attempt, writer) in [(&one, attempt, super::world::WRITER), (&other, 219 - attempt, TWIN)]
        {
            let target = lone.target.clone();
            tasks.push(tokio::spawn(async move {
                (attempt, target.commit(&copied_by(&migration(attempt), writer)).await)
            }));
        }
    }
    let mut written = BTreeMap::<i32, usize>::new();
    for task in tasks {
        match task.await.unwrap() {
            (attempt, Ok(Committed::Inserted { .. })) => *written.entry(attempt).or_default() += 1,
            (_, Ok(Committed::Held(held))) => assert_eq!(held.files, 3),
            (attempt, other) => panic!("{attempt}: {other:?}"),
        }
    }
    assert_eq!((written.len(), written.values().max()), (200, Some(&1)));
    assert_eq!(submissions(&database).await, 201);
    assert_eq!(database.number("select count(*) from submission_files").await, 603);
    for lone in [one, other] {
        assert!(lone.sent().iter().any(|rows| *rows > 1), "{:?}", lone.sent());
    }
}
