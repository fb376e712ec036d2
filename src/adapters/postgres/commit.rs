//! Writing one submission: one atomic statement in one round trip, which submissions that wait at the same time share. With
//! malpractice, or with triggers that run after a row is written, a short transaction around a statement of its own.

mod altered;
mod company;
mod many;
mod outgoing;
mod rehearse;
mod statement;

pub(super) use company::{Company, MOST};
pub(super) use outgoing::Prepared;
pub(super) use rehearse::rehearse;
pub(super) use statement::CHANGED;

use std::time::{Duration, Instant};

use sqlx::{Executor, PgConnection};

use super::{
    PostgresWriter, SentStatement,
    enforcement::{self, Enforcement, EnforcementLedger, Standing},
    fault::{Phase, answer},
    receipt::stored,
};
use crate::{
    domain::{
        Digest, Migration, Note, Receipt, ReceiptFrom, SubmissionIds,
        form::{Part, row_differences, rows_digest},
    },
    ports::{Committed, Compared, CopiedMigration, Fault, FaultKind, Service},
};
use company::Answer;
use outgoing::{Check, Outgoing, Sent};

/// For the server's answer to a write: longer than the session's own limits, so that the server
/// ordinarily decides first, and says so.
pub(super) const LIMIT: Duration = Duration::from_secs(45);

/// For the run store to keep an image, while the transaction waits: less than the session may be idle.
const IMAGE_LIMIT: Duration = Duration::from_secs(30);

/// Rows beyond the decided ones that are looked for when stored rows are compared.
const MORE_ROWS: usize = 10;

/// Files, and marks, that a submission has at most, where it can no longer be decided how many it has.
const MOST_ROWS: usize = 1_000;

/// Whose statement a submission goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// One that it may share with others that wait for a connection.
    Shared,
    /// One of its own.
    Own,
}

/// What a try to write came to.
enum Written {
    Inserted {
        notes: Vec<Note>,
        transaction: Option<u64>,
    },
    /// The launch id, or one of the launch session's other unique values, is taken.
    Taken,
    /// What was stored is not what was sent; nothing was committed. Empty if it is not known where they differ.
    Altered(Vec<String>),
}

impl From<Sent> for Written {
    fn from(sent: Sent) -> Self {
        match sent {
            Sent::Inserted { transaction } => Self::Inserted { notes: Vec::new(), transaction },
            Sent::Taken => Self::Taken,
            Sent::Altered => Self::Altered(Vec::new()),
        }
    }
}

/// Writes the submission, or reads back the rows that already exist under its launch id.
pub(super) async fn commit(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
    statement: Statement,
) -> Result<Committed, Fault> {
    let prepared = target.prepared().await?;
    let outgoing = Outgoing::new(copied, &target.side.fixed, &prepared.form.layout)?;
    let launch_id = copied.migration().ids.launch_id();
    // What few rows need is boxed here and below: the futures of hundreds of rows wait for their commit at a time.
    let held = || Box::pin(super::held::held(&target.pool, std::slice::from_ref(&launch_id)));
    // A row that was met and is gone again: asked once more.
    for statement in [statement, Statement::Own] {
        match write(target, prepared, &outgoing, statement).await {
            Ok(Written::Inserted { notes, transaction }) => {
                let receipt = Receipt { transaction, ..outgoing.receipt(ReceiptFrom::Sent) };
                return Ok(Committed::Inserted { notes, receipt });
            }
            Ok(Written::Altered(columns)) if columns.is_empty() => {
                return Ok(Committed::Altered(
                    Box::pin(altered::columns(target, prepared, &outgoing)).await?,
                ));
            }
            Ok(Written::Altered(columns)) => return Ok(Committed::Altered(columns)),
            Ok(Written::Taken) => {}
            // Beside a launch session that stands, the primary keys are the guard: a twin may have been faster.
            Err(fault)
                if copied.migration().takes_over_session && matches!(fault.kind, FaultKind::Rejected(_)) =>
            {
                let twins = held().await?.into_iter().find(|held| held.submission_id.is_some());
                return twins.map(Committed::Held).ok_or(fault);
            }
            Err(fault) => return Err(fault),
        }
        if let Some(held) = held().await?.into_iter().next() {
            return Ok(Committed::Held(held));
        }
    }
    // A trigger leaves it out, or a row of another launch id has its id.
    Ok(Committed::Altered(vec!["lti_launch_sessions (the row was neither added nor is it there)".to_owned()]))
}

async fn write(
    target: &PostgresWriter,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
    statement: Statement,
) -> Result<Written, Fault> {
    if outgoing.migration.malpractice.is_some() || prepared.form.has_after_triggers {
        return Box::pin(write_in_transaction(target, prepared, outgoing)).await;
    }
    let Some(parcel) = outgoing.parcel().filter(|_| statement == Statement::Shared) else {
        return Box::pin(write_plain(target, prepared, outgoing)).await;
    };
    match company::send(target, prepared, parcel).await? {
        Answer::Sent(sent) => Ok(sent.into()),
        Answer::Singly => Box::pin(write_plain(target, prepared, outgoing)).await,
        Answer::Failed(fault) => Err(fault),
    }
}

async fn write_plain(
    target: &PostgresWriter,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
) -> Result<Written, Fault> {
    let mut lease = target.pool.lease_in_turn().await?;
    let asked = Instant::now();
    let sending = outgoing.send(lease.connection(), prepared, Enforcement::None, Check::Compare);
    let result = answer(Phase::Writing, LIMIT, sending).await;
    let took = asked.elapsed();
    if !is_in_doubt(&result) {
        lease.give_back(asked);
    }
    let sent = result?;
    (target.side.sent)(SentStatement { submissions: 1, took, in_transaction: false });
    Ok(sent.into())
}

async fn write_in_transaction(
    target: &PostgresWriter,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
) -> Result<Written, Fault> {
    let mut lease = target.pool.lease_in_turn().await?;
    let began = Instant::now();
    let connection = lease.connection();
    let rows = begin(connection, outgoing.migration).await?;
    let decided = enforcement::weigh(outgoing.migration, &rows);
    keep_image(target.side.ledger.as_ref(), decided).await?;

    // Until `commit` is sent nothing can take effect.
    let written = write_and_settle(connection, prepared, outgoing, decided).await;
    let asked = Instant::now();
    let ended = match written {
        Ok(written @ Written::Inserted { .. }) => {
            answer(Phase::Writing, LIMIT, connection.execute("commit")).await.map(|_| written)
        }
        Ok(written) => answer(Phase::Reading, LIMIT, connection.execute("rollback")).await.map(|_| written),
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
    if ended.is_ok() {
        (target.side.sent)(SentStatement { submissions: 1, took: began.elapsed(), in_transaction: true });
    }
    ended
}

/// Begins a transaction. With malpractice the lock of its key is taken, and the rows of the key are read.
async fn begin(connection: &mut PgConnection, migration: &Migration) -> Result<Vec<Standing>, Fault> {
    if migration.malpractice.is_none() {
        answer(Phase::Reading, LIMIT, connection.execute("begin")).await?;
        return Ok(Vec::new());
    }
    // The lock is a separate statement, so that the next statement's snapshot is taken after the lock.
    let lock = format!("begin; select pg_advisory_xact_lock({})", enforcement::lock_key(migration));
    answer(Phase::Reading, LIMIT, connection.execute(sqlx::AssertSqlSafe(lock))).await?;
    answer(Phase::Reading, LIMIT, enforcement::standing(connection, migration)).await
}

/// Sends the statement; with triggers that run after it, lets them run and compares what they left.
async fn write_and_settle(
    connection: &mut PgConnection,
    prepared: &Prepared,
    outgoing: &Outgoing<'_>,
    decided: Enforcement<'_>,
) -> Result<Written, Fault> {
    let sending = outgoing.send(connection, prepared, decided, Check::Compare);
    let transaction = match answer(Phase::Reading, LIMIT, sending).await? {
        Sent::Inserted { transaction } => transaction,
        Sent::Taken => return Ok(Written::Taken),
        Sent::Altered => return Ok(Written::Altered(Vec::new())),
    };
    if prepared.form.has_after_triggers {
        let columns = altered::after_triggers(connection, prepared, outgoing, decided).await?;
        if !columns.is_empty() {
            return Ok(Written::Altered(columns));
        }
    }
    Ok(Written::Inserted { notes: decided.notes(), transaction })
}

/// Compares the stored rows with what the submission is decided to be now.
pub(super) async fn compare(
    target: &PostgresWriter,
    copied: &CopiedMigration<'_>,
) -> Result<Compared, Fault> {
    let layout = &target.prepared().await?.form.layout;
    let outgoing = Outgoing::new(copied, &target.side.fixed, layout)?;
    let migration = copied.migration();
    let (files, marks) = (copied.files().len(), migration.section_marks.len());
    let ids = ids(&migration.ids, files + MORE_ROWS, marks + MORE_ROWS);
    let asking = async |connection: &mut PgConnection| stored(connection, layout, &ids).await;
    let stored = target.pool.read(LIMIT, asking).await?;
    let columns = row_differences(layout, &outgoing.forms(layout), &stored);
    Ok(Compared { receipt: outgoing.receipt(ReceiptFrom::Decided), columns })
}

/// The digest of a submission's rows as they are stored.
pub(super) async fn stored_digest(target: &PostgresWriter, ids_of: &SubmissionIds) -> Result<Digest, Fault> {
    let layout = &target.prepared().await?.form.layout;
    let ids = ids(ids_of, MOST_ROWS, MOST_ROWS);
    let asking = async |connection: &mut PgConnection| stored(connection, layout, &ids).await;
    Ok(rows_digest(layout, Part::Submission, &target.pool.read(LIMIT, asking).await?))
}

/// Ids of a submission's rows in the seven tables.
fn ids(of: &SubmissionIds, files: usize, marks: usize) -> Vec<String> {
    let count = |table: &str| match table {
        "submission_files" => files,
        "submission_section_marks" => marks,
        _ => 1,
    };
    let tables = Part::Submission.tables().iter();
    tables.flat_map(|table| (1..=count(table.name)).map(|n| of.row(table.name, n))).collect()
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
