//! `deploy/roles.sql`: each right of it is needed, and the check of its duty names the one that is missing. That they suffice
//! is what all other tests show: their roles have exactly the rights of that file.

use rogo_migrate::ports::{StoredTarget, Table, TargetReader, TargetUndo};

use super::world::{Worker, database};
use crate::support::{
    documents::read,
    postgres::{TestDatabase, TestServer, binaries},
    process,
};

const ROLES: &str = include_str!("../../../deploy/roles.sql");

/// One right on one table, or on one of its columns.
struct Right {
    wish: &'static str,
    column: Option<&'static str>,
    table: &'static str,
}

impl Right {
    fn revoke(&self, role: &str) -> String {
        format!("revoke {} on {} from {role}", self.wish_on_column(), self.table)
    }

    fn grant(&self, role: &str) -> String {
        format!("grant {} on {} to {role}", self.wish_on_column(), self.table)
    }

    fn wish_on_column(&self) -> String {
        self.column.map_or_else(|| self.wish.to_owned(), |column| format!("{} ({column})", self.wish))
    }
}

/// Every right that the file gives to a role.
fn rights(role: &str) -> Vec<Right> {
    let mut all = Vec::new();
    for line in ROLES.lines().filter_map(|line| line.strip_prefix("grant ")) {
        let (wishes, rest) = line.split_once(" on ").unwrap();
        let (tables, to) = rest.trim_end_matches(';').split_once(" to ").unwrap();
        if to != role {
            continue;
        }
        let (wishes, columns) = match wishes.split_once(" (") {
            Some((wish, columns)) => (wish, Some(columns.trim_end_matches(')'))),
            None => (wishes, None),
        };
        for table in tables.split(", ") {
            for wish in wishes.split(", ") {
                match columns {
                    None => all.push(Right { wish, column: None, table }),
                    Some(columns) => {
                        all.extend(columns.split(", ").map(|column| Right {
                            wish,
                            column: Some(column),
                            table,
                        }));
                    }
                }
            }
        }
    }
    all
}

/// Takes each right away, asks, and gives it back. What is said names table, right and column.
async fn each_is_missed(
    database: &TestDatabase,
    role: &str,
    duty: &str,
    ask: impl AsyncFn() -> Vec<String>,
) -> usize {
    assert_eq!(ask().await, Vec::<String>::new(), "{duty}: the rights of the file suffice");
    let rights = rights(duty);
    for right in &rights {
        database.run(&right.revoke(role)).await;
        let said = ask().await.join("; ");
        let named = [right.table, right.column.unwrap_or(right.wish)];
        assert!(named.iter().all(|name| said.contains(name)), "{}: {said}", right.revoke(role));
        database.run(&right.grant(role)).await;
    }
    assert_eq!(ask().await, Vec::<String>::new(), "{duty}: and again");
    rights.len()
}

#[tokio::test]
async fn the_check_of_each_duty_names_every_right_that_is_missing() {
    let database = database().await;
    let mover = Worker::of(&database).start();
    let asked =
        each_is_missed(&database, "migrator", "rogo_move", async || mover.preflight(15).await.unwrap());
    assert_eq!(asked.await, 4 + 3 + 14 + 2 + 7);

    let verifier = Worker::at(database.verifiers_url()).read();
    let ask = async || {
        let said = verifier.unreadable().await.unwrap();
        said.into_iter().map(|one| format!("{}: may not select: {}", one.table, one.why)).collect()
    };
    assert_eq!(each_is_missed(&database, "verifier", "rogo_verify", ask).await, 4 + 3 + 8);
    let role = verifier.role().await.unwrap();
    assert_eq!(
        (role.name.as_str(), role.may_write),
        ("verifier", Vec::new()),
        "it could have written nothing"
    );

    let remover = Worker::at(database.removers_url()).undo();
    let ask = async || remover.removable().await.unwrap();
    assert_eq!(each_is_missed(&database, "remover", "rogo_rollback", ask).await, 16 + 7);
}

/// It has no right of its own to write, but `set role` gives it those of another.
#[tokio::test]
async fn a_role_that_may_take_on_one_that_writes_could_have_written() {
    let database = database().await;
    let name = database.name();
    database
        .run(&format!(
            "create role {name} login password 'pw' noinherit in role migrator;
             grant select on all tables in schema public to {name}"
        ))
        .await;
    let url = TestServer::url_as(name, "pw", TestServer::get().address(), name);
    let reader = Worker::at(url).read();
    let all: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
    assert_eq!(reader.role().await.unwrap().may_write, all);
    database.run(&format!("revoke migrator from {name}")).await;
    assert_eq!(reader.role().await.unwrap().may_write, Vec::<String>::new());
    database
        .run(&format!(
            "alter table submission_grades owner to {name}; revoke all on submission_grades from {name}"
        ))
        .await;
    assert_eq!(reader.role().await.unwrap().may_write, ["submission_grades"]);
}

#[tokio::test]
async fn no_duty_may_do_that_of_another_or_read_a_password() {
    let database = database().await;
    let may = async |role: &str, table: &str, right: &str| {
        let sql = format!("select has_table_privilege('{role}', '{table}', '{right}')::text");
        let answer: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(database.pool()).await.unwrap();
        answer == "true"
    };
    for (role, right, is_granted) in [
        ("migrator", "insert", true),
        ("migrator", "delete", false),
        ("migrator", "update", false),
        ("verifier", "select", true),
        ("verifier", "insert", false),
        ("remover", "delete", true),
        ("remover", "insert", false),
        ("remover", "truncate", false),
    ] {
        assert_eq!(may(role, "submission_files", right).await, is_granted, "{role} {right}");
    }
    for role in ["migrator", "verifier", "remover"] {
        let sql = format!("select has_column_privilege('{role}', 'users', 'password', 'select')::text");
        let answer: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(database.pool()).await.unwrap();
        assert_eq!(answer, "false", "{role}");
    }
}

/// Of deploy/RUNNING.md, chapter 12; it may be repeated after the application changed its schema.
#[tokio::test]
async fn the_command_of_the_document_makes_the_roles() {
    let running = read("deploy/RUNNING.md");
    let command = running.split('`').find(|code| code.starts_with("psql ")).unwrap();
    let database = database().await;
    let path = std::env::join_paths(
        std::iter::once(binaries()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let (path, url) = (path.unwrap(), TestServer::get().superusers_url(database.name()));
    for _ in 0..2 {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-euc", command]).env("ADMIN_URL", &url).env("PATH", &path);
        bash.current_dir(env!("CARGO_MANIFEST_DIR"));
        let done = tokio::task::spawn_blocking(move || process::blocking(bash)).await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    for (role, table, right) in [
        ("rogo_move", "submission_grades", "insert"),
        ("rogo_verify", "submission_grades", "select"),
        ("rogo_rollback", "submission_grades", "delete"),
    ] {
        let sql = format!("select has_table_privilege('{role}', '{table}', '{right}')::int::bigint");
        assert_eq!(database.number(&sql).await, 1, "{role}");
    }
}
