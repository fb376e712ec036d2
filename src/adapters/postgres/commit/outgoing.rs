//! What is sent of one submission: its rows as a document and their digests.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{
    many,
    statement::{ALTERED, statement},
};
use crate::{
    adapters::postgres::{enforcement::Enforcement, receipt::TargetForm},
    domain::{
        Digest, Migration, Receipt, ReceiptFrom,
        form::{Layout, Part, RowForm, rows_digest},
    },
    ports::{CopiedMigration, Fault, FaultKind, Service},
    rules::rows::{RunValues, rows},
};

/// What every commit of a writer shares.
pub(in crate::adapters::postgres) struct Prepared {
    /// What the target's receipts depend on.
    pub form: TargetForm,
    /// The statement for one submission.
    sql: Arc<str>,
    /// The statement for several.
    sql_of_many: Arc<str>,
}

impl Prepared {
    /// The statements for this target.
    pub fn new(form: TargetForm) -> Self {
        Self { sql: statement(&form.layout).into(), sql_of_many: many::statement(&form.layout).into(), form }
    }
}

/// One submission, as it is sent.
pub(super) struct Outgoing<'m> {
    pub migration: &'m Migration,
    copied: &'m CopiedMigration<'m>,
    run: &'m RunValues,
    document: Arc<str>,
    sha256: Digest,
    enforcement_sha256: Option<Digest>,
}

/// The rows of a submission that neither has malpractice nor takes a launch session over: they may share a statement with
/// others.
pub(super) struct Parcel {
    pub launch_id: String,
    document: Arc<str>,
    sha256: Digest,
}

/// Whether the statement compares what it stored with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// It fails if they differ.
    Compare,
    /// It lets differences pass, so that they can be read.
    Off,
}

/// The statement's answer.
pub(super) enum Sent {
    Inserted {
        transaction: Option<u64>,
    },
    /// The launch id, or one of the launch session's other unique values, is taken.
    Taken,
    /// What was stored is not what was sent.
    Altered,
}

impl Sent {
    fn of(submissions: i64, transaction: Option<String>) -> Self {
        match submissions {
            0 => Self::Taken,
            _ => Self::Inserted { transaction: transaction.and_then(|id| id.parse().ok()) },
        }
    }
}

/// A row of the answer of several submissions: place, number of submissions written, transaction, proof.
type AnswerOfMany = (i64, i64, Option<String>, i32);

impl<'m> Outgoing<'m> {
    /// Keeps only the document and the digests of the rows while it waits: many wait at a time.
    pub fn new(copied: &'m CopiedMigration<'m>, run: &'m RunValues, layout: &Layout) -> Result<Self, Fault> {
        let migration = copied.migration();
        let rows = rows(migration, run, copied.files());
        let document = serde_json::to_string(&rows).map_err(|error| {
            let kind = FaultKind::Rejected("encoding".into());
            Fault::caused(Service::Database, kind, "the rows cannot be written as JSON", error)
        })?;
        let sha256 = rows_digest(layout, Part::Submission, &rows.forms(layout));
        let digest = |row: &RowForm| rows_digest(layout, Part::Enforcement, std::slice::from_ref(row));
        let enforcement_sha256 = rows.enforcement_form(layout).as_ref().map(digest);
        Ok(Self { migration, copied, run, document: document.into(), sha256, enforcement_sha256 })
    }

    /// The rows of the seven tables.
    pub fn forms(&self, layout: &Layout) -> Vec<RowForm> {
        rows(self.migration, self.run, self.copied.files()).forms(layout)
    }

    /// The enforcement row, if there is one.
    pub fn enforcement(&self, layout: &Layout) -> Option<RowForm> {
        rows(self.migration, self.run, self.copied.files()).enforcement_form(layout)
    }

    /// The receipt of these rows.
    pub fn receipt(&self, from: ReceiptFrom) -> Receipt {
        Receipt { sha256: self.sha256, from, enforcement: self.enforcement_sha256, transaction: None }
    }

    /// What may share a statement; `None` if these rows have one of their own.
    pub fn parcel(&self) -> Option<Parcel> {
        let is_plain = self.migration.malpractice.is_none() && !self.migration.takes_over_session;
        is_plain.then(|| Parcel {
            launch_id: self.migration.ids.launch_id(),
            document: self.document.clone(),
            sha256: self.sha256,
        })
    }

    /// Sends the one statement.
    pub async fn send(
        &self,
        connection: &mut PgConnection,
        prepared: &Prepared,
        enforcement: Enforcement<'_>,
        check: Check,
    ) -> Result<Sent, sqlx::Error> {
        let changed = match enforcement {
            Enforcement::Change(row) => Some(row.id.as_str()),
            _ => None,
        };
        let expected = (check == Check::Compare).then_some(self.sha256.as_bytes().as_slice());
        let written = self.enforcement_sha256.as_ref().filter(|_| enforcement.is_written());
        let asking = sqlx::query_as(sqlx::AssertSqlSafe(prepared.sql.clone()))
            .bind(&*self.document)
            .bind(matches!(enforcement, Enforcement::Add))
            .bind(changed)
            .bind(self.migration.takes_over_session)
            .bind(expected)
            .bind(written.map(|digest| digest.as_bytes().as_slice()));
        told(asking.fetch_one(connection).await)
    }
}

impl Parcel {
    /// Sends it alone.
    pub async fn send(
        &self,
        connection: &mut PgConnection,
        prepared: &Prepared,
    ) -> Result<Sent, sqlx::Error> {
        let asking = sqlx::query_as(sqlx::AssertSqlSafe(prepared.sql.clone()))
            .bind(&*self.document)
            .bind(false)
            .bind(None::<&str>)
            .bind(false)
            .bind(Some(self.sha256.as_bytes().as_slice()))
            .bind(None::<&[u8]>);
        told(asking.fetch_one(connection).await)
    }

    /// Sends several in one statement; `None` if the rows of one were stored otherwise than they were sent: then nothing
    /// was written.
    pub async fn send_many(
        connection: &mut PgConnection,
        prepared: &Prepared,
        parcels: &[&Self],
    ) -> Result<Option<Vec<Sent>>, sqlx::Error> {
        let documents: Vec<&str> = parcels.iter().map(|parcel| &*parcel.document).collect();
        let digests: Vec<&[u8]> = parcels.iter().map(|parcel| parcel.sha256.as_bytes().as_slice()).collect();
        let answer: Result<Vec<AnswerOfMany>, _> =
            sqlx::query_as(sqlx::AssertSqlSafe(prepared.sql_of_many.clone()))
                .bind(documents)
                .bind(digests)
                .fetch_all(connection)
                .await;
        let mut rows = match answer {
            Err(error) if is_altered(&error) => return Ok(None),
            answer => answer?,
        };
        rows.sort_unstable_by_key(|(place, ..)| *place);
        if !rows.iter().map(|(place, ..)| *place).eq((1..).take(parcels.len())) {
            return Err(sqlx::Error::Protocol("not every row of a statement was answered".into()));
        }
        let sent = |(_, submissions, transaction, _)| Sent::of(submissions, transaction);
        Ok(Some(rows.into_iter().map(sent).collect()))
    }
}

fn told(answer: Result<(i64, Option<String>, i32), sqlx::Error>) -> Result<Sent, sqlx::Error> {
    match answer {
        Ok((submissions, transaction, _)) => Ok(Sent::of(submissions, transaction)),
        Err(error) if is_altered(&error) => Ok(Sent::Altered),
        Err(error) => Err(error),
    }
}

/// Whether the statement says that it stored other rows than were sent.
fn is_altered(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Database(said) if said.code().as_deref() == Some("22P02") && said.message().contains(ALTERED)
    )
}
