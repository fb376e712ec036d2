//! Removes a run's submissions. The role needs `select` and `delete` only, so that no row can be locked before it is
//! looked at: each transaction is repeatable read, in which PostgreSQL refuses to delete, or to cascade to, what another
//! transaction changed or added since the look.

mod examine;
mod keys;
mod rights;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::sync::OnceCell;

use super::{
    PostgresOptions, PostgresTarget,
    commit::CHANGED,
    enforcement::key_of,
    fault::{Phase, answer},
    held::scan,
};
use crate::{
    domain::SubmissionIds,
    ports::{Decide, Fault, FaultKind, OWN_TABLES, Removal, RuleUndo, TargetUndo, WrittenSubmission},
    run::WriterId,
};
use keys::ForeignKey;

/// For a statement of a transaction that removes or looks: without an index it reads whole tables.
const LIMIT: Duration = Duration::from_mins(10);
/// The server's own limit, a little shorter.
const SERVER_LIMIT: &str = "set local statement_timeout = '580s'";

/// A side that can remove a run's submissions. The caller holds the run's lock exclusively.
#[derive(Default)]
pub struct Undoing {
    keys: OnceCell<Vec<ForeignKey>>,
}

/// The target database, from which submissions are removed.
pub type PostgresUndo = PostgresTarget<Undoing>;

impl PostgresUndo {
    /// Prepares the pool; connections are opened when they are needed.
    pub fn new(options: PostgresOptions<'_>) -> Result<Self, Fault> {
        Self::open(options, None, Undoing::default())
    }

    async fn keys(&self) -> Result<&[ForeignKey], Fault> {
        Ok(self.side.keys.get_or_try_init(|| keys::foreign_keys(&self.pool)).await?)
    }
}

#[async_trait]
impl TargetUndo for PostgresUndo {
    async fn removable(&self) -> Result<Vec<String>, Fault> {
        let mut findings = super::preflight::server_alone(&self.connector, &self.pool).await?;
        if findings.is_empty() {
            findings = rights::lacking(&self.pool, self.keys().await?).await?;
        }
        Ok(findings)
    }

    async fn slow_keys(&self) -> Result<Vec<String>, Fault> {
        Ok(self.keys().await?.iter().filter_map(ForeignKey::advice).collect())
    }

    async fn files_of(
        &self,
        writers: &[WriterId],
        each: &mut (dyn FnMut(Vec<(String, String)>) + Send),
    ) -> Result<(), Fault> {
        const SQL: &str = "select id, azure_blob_name from submission_files
            where split_part(azure_blob_name, '/', 2) in (select unnest($1::text[]))";
        let writers: Vec<String> = writers.iter().map(ToString::to_string).collect();
        scan(&self.pool, |connection| sqlx::query_as(SQL).bind(writers).fetch(connection), each).await
    }

    async fn created(&self, ids: &[String]) -> Result<Vec<(String, DateTime<Utc>)>, Fault> {
        const SQL: &str = "select id, created_at from assignment_submissions
            where id = any($1) and created_at is not null";
        let asking = async |connection: &mut _| sqlx::query_as(SQL).bind(ids).fetch_all(connection).await;
        self.pool.read(LIMIT, asking).await
    }

    async fn examine(&self, submissions: &[SubmissionIds]) -> Result<Vec<WrittenSubmission>, Fault> {
        let keys = self.keys().await?;
        let mut lease = self.pool.lease().await?;
        let connection = lease.connection();
        begin(connection, "read only").await?;
        let looking = examine::examine(connection, keys, submissions);
        let found = answer(Phase::Reading, LIMIT, looking).await?;
        let asked = Instant::now();
        answer(Phase::Reading, LIMIT, connection.execute("commit")).await?;
        lease.give_back(asked);
        Ok(found)
    }

    async fn remove(&self, submission: &WrittenSubmission, decide: &Decide<'_>) -> Result<Removal, Fault> {
        let keys = self.keys().await?;
        let mut lease = self.pool.lease().await?;
        let connection = lease.connection();
        let lock = submission.malpractice.as_ref().map(|malpractice| {
            let [user, code, context] = &malpractice.key;
            key_of([user, code, context])
        });
        // Before the transaction, whose one snapshot would be of before the wait.
        if let Some(key) = lock {
            let lock = sqlx::query("select pg_advisory_lock($1)").bind(key);
            answer(Phase::Reading, LIMIT, lock.execute(&mut *connection)).await?;
        }
        begin(connection, "read write").await?;
        let removal = match remove(connection, keys, &submission.ids, decide).await {
            Ok(Removal::Removed) => {
                answer(Phase::Writing, LIMIT, connection.execute("commit")).await.map(|_| Removal::Removed)
            }
            Ok(left) => rollback(connection, left).await,
            Err(Fault { kind: FaultKind::Rejected(name), .. }) => {
                rollback(connection, Removal::Refused(name)).await
            }
            Err(fault) => Err(fault),
        }?;
        if let Some(key) = lock {
            let unlock = sqlx::query("select pg_advisory_unlock($1)").bind(key);
            if answer(Phase::Reading, LIMIT, unlock.execute(&mut *connection)).await.is_err() {
                // The lock ends with the connection, which is not kept.
                return Ok(removal);
            }
        }
        lease.give_back(Instant::now());
        Ok(removal)
    }
}

async fn begin(connection: &mut PgConnection, access: &str) -> Result<(), Fault> {
    let begin = format!("begin isolation level repeatable read, {access}; {SERVER_LIMIT}");
    answer(Phase::Reading, LIMIT, connection.execute(AssertSqlSafe(begin))).await.map(drop)
}

async fn rollback(connection: &mut PgConnection, removal: Removal) -> Result<Removal, Fault> {
    answer(Phase::Reading, LIMIT, connection.execute("rollback")).await.map(|_| removal)
}

/// Everything but the commit, without which nothing takes effect.
async fn remove(
    connection: &mut PgConnection,
    keys: &[ForeignKey],
    ids: &SubmissionIds,
    decide: &Decide<'_>,
) -> Result<Removal, Fault> {
    let looking = examine::examine(connection, keys, std::slice::from_ref(ids));
    let found = answer(Phase::Reading, LIMIT, looking).await?.pop();
    let Some((standing, rules)) = found.and_then(|standing| decide(&standing).map(|rules| (standing, rules)))
    else {
        return Ok(Removal::Left);
    };
    for rule in &rules {
        let affected = answer(Phase::Reading, LIMIT, undo_rule(connection, rule)).await?;
        expect(affected, 1, "malpractice_enforcements")?;
    }
    for table in OWN_TABLES {
        let ids: Vec<&str> =
            standing.rows.iter().filter(|row| row.table == table).map(|row| row.id.as_str()).collect();
        if ids.is_empty() {
            continue;
        }
        let delete = format!("delete from {table} where id = any($1)");
        let deleting = sqlx::query(AssertSqlSafe(delete)).bind(&ids).execute(&mut *connection);
        let affected = answer(Phase::Reading, LIMIT, deleting).await?.rows_affected();
        expect(affected, ids.len(), table)?;
    }
    Ok(Removal::Removed)
}

/// A trigger that keeps rows from being deleted refuses the removal like a constraint.
fn expect(affected: u64, wanted: usize, table: &str) -> Result<(), Fault> {
    if usize::try_from(affected) == Ok(wanted) {
        return Ok(());
    }
    let name = format!("a trigger or rule on {table}");
    let what = format!("{affected} of {wanted} rows of {table} were changed");
    Err(Fault::new(crate::ports::Service::Database, FaultKind::Rejected(name), what))
}

async fn undo_rule(connection: &mut PgConnection, rule: &RuleUndo) -> Result<u64, sqlx::Error> {
    let done = match rule {
        RuleUndo::Delete { id } => {
            sqlx::query("delete from malpractice_enforcements where id = $1")
                .bind(id)
                .execute(connection)
                .await?
        }
        RuleUndo::Restore { id, image } => {
            let columns: Vec<String> =
                CHANGED.iter().map(|column| format!("{column} = was.{column}")).collect();
            let restore = format!(
                "update malpractice_enforcements as rule set {}
                from jsonb_populate_record(null::malpractice_enforcements, $2::text::jsonb) as was where rule.id = $1",
                columns.join(", ")
            );
            let query = sqlx::query(AssertSqlSafe(restore)).bind(id).bind(image.to_string());
            query.execute(connection).await?
        }
    };
    Ok(done.rows_affected())
}
