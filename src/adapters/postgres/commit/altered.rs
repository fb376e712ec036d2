//! Names the columns in which the stored rows differ from what was sent.

use std::time::Instant;

use sqlx::{Executor, PgConnection};

use super::{Check, LIMIT, Outgoing, Prepared, Sent, begin};
use crate::{
    adapters::postgres::{
        PostgresWriter,
        enforcement::{self, Enforcement},
        fault::{Phase, answer},
        receipt::stored,
    },
    domain::form::row_differences,
    ports::Fault,
};

/// Sends the submission once more, lets its rows be altered, reads them and rolls back. Empty if they are not altered
/// again.
pub(super) async fn columns(
    target: &PostgresWriter,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
) -> Result<Vec<String>, Fault> {
    let mut lease = target.pool.lease_in_turn().await?;
    let connection = lease.connection();
    let rows = begin(connection, outgoing.migration).await?;
    let decided = enforcement::weigh(outgoing.migration, &rows);
    let sending = outgoing.send(connection, prepared, decided, Check::Off);
    let found = match answer(Phase::Reading, LIMIT, sending).await {
        Ok(Sent::Inserted { .. }) => after_triggers(connection, prepared, outgoing, decided).await,
        Ok(Sent::Taken | Sent::Altered) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    };
    let asked = Instant::now();
    if answer(Phase::Reading, LIMIT, connection.execute("rollback")).await.is_ok() {
        lease.give_back(asked);
    }
    found
}

/// Lets the triggers run that wait for the commit, then reads the rows: where they differ from what was sent.
pub(super) async fn after_triggers(
    connection: &mut PgConnection,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
    enforcement: Enforcement<'_>,
) -> Result<Vec<String>, Fault> {
    let immediate = "set constraints all immediate";
    answer(Phase::Reading, LIMIT, connection.execute(immediate)).await?;
    let layout = &prepared.form.layout;
    let mut expected = outgoing.forms(layout);
    let mut ids: Vec<String> = expected.iter().map(|row| row.id().to_owned()).collect();
    if enforcement.is_written() {
        expected.extend(outgoing.enforcement(layout));
    }
    match (enforcement, &outgoing.migration.malpractice) {
        (Enforcement::Add, Some(rule)) => ids.push(rule.enforcement_id.clone()),
        (Enforcement::Change(row), _) => ids.push(row.id.clone()),
        _ => {}
    }
    let stored = answer(Phase::Reading, LIMIT, stored(connection, layout, &ids)).await?;
    Ok(row_differences(layout, &expected, &stored))
}
