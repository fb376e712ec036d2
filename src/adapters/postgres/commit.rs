//! Writing one submission: one atomic statement in one round trip; with malpractice a short transaction
//! around it (lock, read, write), because the enforcement table has no unique key.

mod statement;

pub(super) use statement::CHANGED;

use std::time::{Duration, Instant};

use sqlx::{Executor, PgConnection};

use super::{
    PostgresWriter,
    enforcement::{self, Enforcement, EnforcementLedger},
    fault::{Phase, answer},
};
use crate::{
    ports::{Committed, CopiedMigration, Fault, FaultKind, Service},
    rules::rows::{RunValues, rows},
};

/// For the server's answer to a write: longer than the session's own limits, so that the server
/// ordinarily decides first, and says so.
const LIMIT: Duration = Duration::from_secs(45);

/// For the run store to keep an image, while the transaction waits: less than the session may be idle.
const IMAGE_LIMIT: Duration = Duration::from_secs(30);

/// Writes the submission, or reads back the rows that already exist under its launch id.
pub(super) async fn commit(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
) -> Result<Committed, Fault> {
    let migration = copied.migration();
    let written = if migration.malpractice.is_none() {
        write_plain(target, copied).await
    } else {
        write_with_enforcement(target, copied).await
    };
    let launch_id = migration.ids.launch_id();
    let held = || super::held::held(&target.pool, std::slice::from_ref(&launch_id));
    match written {
        Ok(Some(committed)) => return Ok(committed),
        Ok(None) => {}
        // Beside a launch session that stands, the primary keys are the guard: a twin may have been faster.
        Err(fault) if migration.takes_over_session && matches!(fault.kind, FaultKind::Rejected(_)) => {
            let twins = held().await?.into_iter().find(|held| held.submission_id.is_some());
            return twins.map(Committed::Held).ok_or(fault);
        }
        Err(fault) => return Err(fault),
    }
    let held = held().await?;
    held.into_iter().next().map(Committed::Held).ok_or_else(|| {
        let what =
            format!("{launch_id} met a row that is gone again, or a row of another launch id with its id");
        Fault::new(Service::Database, FaultKind::Unavailable, what)
    })
}

/// `None` if the launch id, or one of the launch session's other unique values, is taken.
async fn write_plain(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
) -> Result<Option<Committed>, Fault> {
    let mut lease = target.pool.lease().await?;
    let asked = Instant::now();
    let connection = lease.connection();
    let result =
        answer(Phase::Writing, LIMIT, send(connection, &target.side.fixed, copied, Enforcement::None)).await;
    if !is_in_doubt(&result) {
        lease.give_back(asked);
    }
    Ok(result?.then_some(Committed::Inserted { notes: Vec::new() }))
}

async fn write_with_enforcement(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
) -> Result<Option<Committed>, Fault> {
    let migration = copied.migration();
    let mut lease = target.pool.lease().await?;
    let connection = lease.connection();
    // The lock is a separate statement, so that the next statement's snapshot is taken after the lock.
    let lock = format!("begin; select pg_advisory_xact_lock({})", enforcement::lock_key(migration));
    answer(Phase::Reading, LIMIT, connection.execute(sqlx::AssertSqlSafe(lock))).await?;
    let rows = answer(Phase::Reading, LIMIT, enforcement::standing(connection, migration)).await?;
    let decided = enforcement::weigh(migration, &rows);
    keep_image(target.side.ledger.as_ref(), decided).await?;

    // Until `commit` is sent nothing can take effect.
    let sending = send(connection, &target.side.fixed, copied, decided);
    let sent = answer(Phase::Reading, LIMIT, sending).await;
    let asked = Instant::now();
    let ended = match sent {
        Ok(true) => answer(Phase::Writing, LIMIT, connection.execute("commit")).await.map(|_| true),
        Ok(false) => answer(Phase::Reading, LIMIT, connection.execute("rollback")).await.map(|_| false),
        Err(fault) if matches!(fault.kind, FaultKind::Rejected(_)) => {
            if answer(Phase::Reading, LIMIT, connection.execute("rollback")).await.is_ok() {
                lease.give_back(asked);
            }
            return Err(fault);
        }
        Err(fault) => return Err(fault),
    };
    if !is_in_doubt(&ended) {
        lease.give_back(asked);
    }
    Ok(ended?.then(|| Committed::Inserted { notes: decided.notes() }))
}

/// Whether the connection may hold half an answer, or a transaction.
fn is_in_doubt<T>(result: &Result<T, Fault>) -> bool {
    result.as_ref().is_err_and(|fault| !matches!(fault.kind, FaultKind::Rejected(_)))
}

/// Before a row that this run did not write is changed, its image goes to the run store.
async fn keep_image(ledger: &dyn EnforcementLedger, decided: Enforcement<'_>) -> Result<(), Fault> {
    let Enforcement::Change(row) = decided else { return Ok(()) };
    let keeping = async {
        let writers = row.writers();
        if !writers.is_empty() && ledger.is_ours(&writers).await? {
            return Ok(());
        }
        let image = serde_json::from_str(&row.image).map_err(|error| {
            Fault::caused(Service::Database, FaultKind::Corrupt, "an enforcement row is not JSON", error)
        })?;
        ledger.keep_image(&row.id, &image).await
    };
    tokio::time::timeout(IMAGE_LIMIT, keeping).await.map_err(|_elapsed| {
        let what = "an enforcement row's image was not kept within 30 s";
        Fault::new(Service::RunStore, FaultKind::Unavailable, what)
    })?
}

/// Sends the one statement; whether it inserted.
async fn send(
    connection: &mut PgConnection,
    fixed: &RunValues,
    copied: &CopiedMigration<'_>,
    enforcement: Enforcement<'_>,
) -> Result<bool, sqlx::Error> {
    let migration = copied.migration();
    let rows = serde_json::to_string(&rows(migration, fixed, copied.files()))
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    let changed = match enforcement {
        Enforcement::Change(row) => Some(&row.id),
        _ => None,
    };
    let inserted: i64 = sqlx::query_scalar(statement::SQL.as_str())
        .bind(rows)
        .bind(matches!(enforcement, Enforcement::Add))
        .bind(changed)
        .bind(migration.takes_over_session)
        .fetch_one(connection)
        .await?;
    Ok(inserted == 1)
}
