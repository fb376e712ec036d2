//! Writes a submission as one of an attempt that does not exist, and takes it back: whether the target takes others than the one
//! that it refuses.

use std::{future::ready, time::Instant};

use sqlx::Executor;
use uuid::Uuid;

use super::{Check, LIMIT, Outgoing, Sent, begin};
use crate::{
    adapters::postgres::{
        PostgresWriter, enforcement,
        fault::{Phase, answer},
    },
    domain::{AttemptId, Migration, PlannedFile, SubmissionIds},
    ports::{CopiedMigration, Fault, FaultKind, Service},
};

/// Triggers that wait for the commit run too.
const SETTLE: &str = "set constraints all immediate; rollback";

/// A commit that waits for the server's disk although it writes no row: a transaction that only has a number does not. Every
/// role may write this message, which no table and no reader of the tables sees.
const COMMIT: &str = "begin; select pg_logical_emit_message(true, 'rogo-migrate', ''::text); commit";

/// All tables that the submission needs are written as it would write them.
pub(in crate::adapters::postgres) async fn rehearse(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
) -> Result<(), Fault> {
    let prepared = target.prepared().await?;
    let other = of_no_attempt(copied.migration())?;
    let its_copy = |file: &PlannedFile| {
        let place = usize::try_from(file.upload_order).unwrap_or_default().wrapping_sub(1);
        ready(copied.files().get(place).cloned().ok_or(()))
    };
    let other = CopiedMigration::copy(&other, its_copy).await.map_err(|_| untold())?;
    let outgoing = Outgoing::new(&other, &target.side.fixed, &prepared.form.layout)?;
    // Without its end the session is closed, and the transaction with it.
    let mut lease = target.pool.lease_in_turn().await?;
    let connection = lease.connection();
    let rows = begin(connection, outgoing.migration).await?;
    let decided = enforcement::weigh(outgoing.migration, &rows);
    let sending = outgoing.send(connection, prepared, decided, Check::Compare);
    let Sent::Inserted { .. } = answer(Phase::Reading, LIMIT, sending).await? else { return Err(untold()) };
    answer(Phase::Reading, LIMIT, connection.execute(SETTLE)).await?;
    let asked = Instant::now();
    answer(Phase::Reading, LIMIT, connection.execute(COMMIT)).await?;
    lease.give_back(asked);
    Ok(())
}

/// The same submission under an attempt and ids that do not exist.
fn of_no_attempt(migration: &Migration) -> Result<Migration, Fault> {
    let attempt = AttemptId::try_from(i32::MAX).map_err(|_| untold())?;
    let ids = SubmissionIds::new(&Uuid::new_v4().to_string(), attempt);
    Ok(Migration { attempt, ids, takes_over_session: false, ..migration.clone() })
}

fn untold() -> Fault {
    let what = "the target did not take the same rows of another attempt either";
    Fault::new(Service::Database, FaultKind::Unavailable, what)
}
