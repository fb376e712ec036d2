//! Temporary tables with the names of the real ones, which every unqualified name of the session then means. What writes
//! names `pg_temp`: without the copies it fails, and never reaches a real table.

use std::{fmt::Write, time::Duration};

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::PostgresTarget;
use crate::ports::{Fault, Table, TargetCopies};

/// For one statement; the first ones read whole tables.
const LIMIT: Duration = Duration::from_secs(45);

/// Submissions without malpractice, or whose malpractice stands as a rule: another attempt's rule is not copied.
const CHOOSE: &str = "insert into pg_temp.self_test_chosen
    select id, launch_id from (
        select s.id::text, s.lti_launch_id::text as launch_id,
            row_number() over (partition by e.submission_id is null order by s.id) as place,
            e.submission_id is null as is_plain
        from assignment_submissions s
        left join (select distinct submission_id from malpractice_enforcements) e on e.submission_id = s.id
        left join submission_grades g on g.submission_id = s.id
        where s.id = any($1) and (g.malpractice_level_id is null or e.submission_id is not null)
    ) fitting where is_plain or place <= $2 / 2 order by is_plain, id limit $2";

#[async_trait::async_trait]
impl<Side: Send + Sync> TargetCopies for PostgresTarget<Side> {
    async fn may_copy(&self) -> Result<Result<(), (String, String)>, Fault> {
        const SQL: &str =
            "select has_database_privilege(current_database(), 'temporary'), current_user::text,
            current_database()::text";
        let asking = async |connection: &mut PgConnection| sqlx::query_as(SQL).fetch_one(connection).await;
        let (may, role, database): (bool, String, String) = self.pool.read(LIMIT, asking).await?;
        Ok(if may { Ok(()) } else { Err((role, database)) })
    }

    async fn copy(&self, submissions: &[String], most: i64) -> Result<Vec<String>, Fault> {
        let asking = async |connection: &mut PgConnection| {
            connection.execute("create temporary table self_test_chosen (id text, launch_id text)").await?;
            sqlx::query(CHOOSE).bind(submissions).bind(most).execute(&mut *connection).await?;
            connection.execute(AssertSqlSafe(copying())).await?;
            sqlx::query_scalar("select id from pg_temp.self_test_chosen order by id")
                .fetch_all(connection)
                .await
        };
        self.pool.read(LIMIT, asking).await
    }

    async fn pair(&self, condition: &str) -> Result<Option<(String, String)>, Fault> {
        let sql = format!(
            "select s.id::text, o.id::text from pg_temp.assignment_submissions s
             join pg_temp.assignment_submissions o on o.id <> s.id where {condition} limit 1"
        );
        let asking = async |connection: &mut PgConnection| {
            sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(connection).await
        };
        self.pool.read(LIMIT, asking).await
    }

    async fn plant(&self, sql: &str) -> Result<u64, Fault> {
        let sql = sql.to_owned();
        let asking = async |connection: &mut PgConnection| {
            Ok(connection.execute(AssertSqlSafe(sql)).await?.rows_affected())
        };
        self.pool.read(LIMIT, asking).await
    }

    async fn restore(&self) -> Result<(), Fault> {
        let mut sql = String::new();
        for name in Table::ALL.iter().map(|table| table.name()) {
            // Writing to a String cannot fail.
            let _ = write!(
                sql,
                "delete from pg_temp.{name}; insert into pg_temp.{name} table pg_temp.self_test_{name};"
            );
        }
        self.plant(&sql).await.map(drop)
    }
}

/// Copies all real tables before the first name means a copy.
fn copying() -> String {
    let (mut clean, mut copies) = (String::new(), String::new());
    for table in Table::ALL {
        let (name, columns) = (table.name(), table.columns().join(", "));
        let (key, of) = match table {
            Table::LaunchSessions | Table::SessionRecords => ("launch_id", "launch_id"),
            Table::Submissions => ("id", "id"),
            _ => ("submission_id", "id"),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            clean,
            "create temporary table self_test_{name} as select {columns} from {name}
             where {key} in (select {of} from pg_temp.self_test_chosen);"
        );
        let _ = write!(copies, "create temporary table {name} as table pg_temp.self_test_{name};");
    }
    clean + &copies
}
