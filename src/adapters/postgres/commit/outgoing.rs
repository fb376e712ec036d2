//! What is sent of one submission: its rows as a document and their digests.

use std::sync::Arc;

use sqlx::PgConnection;

use super::statement::{ALTERED, statement};
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
    /// The statement for it.
    sql: Arc<str>,
}

impl Prepared {
    /// The statement for this target.
    pub fn new(form: TargetForm) -> Self {
        Self { sql: statement(&form.layout).into(), form }
    }
}

/// One submission, as it is sent.
pub(super) struct Outgoing<'m> {
    pub migration: &'m Migration,
    /// The rows of the seven tables.
    pub forms: Vec<RowForm>,
    /// The enforcement row, if there is one.
    pub enforcement: Option<RowForm>,
    document: String,
    sha256: Digest,
    enforcement_sha256: Option<Digest>,
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

impl<'m> Outgoing<'m> {
    pub fn new(copied: &CopiedMigration<'m>, run: &RunValues, layout: &Layout) -> Result<Self, Fault> {
        let migration = copied.migration();
        let rows = rows(migration, run, copied.files());
        let document = serde_json::to_string(&rows).map_err(|error| {
            let kind = FaultKind::Rejected("encoding".into());
            Fault::caused(Service::Database, kind, "the rows cannot be written as JSON", error)
        })?;
        let (forms, enforcement) = (rows.forms(layout), rows.enforcement_form(layout));
        let sha256 = rows_digest(layout, Part::Submission, &forms);
        let digest = |row: &RowForm| rows_digest(layout, Part::Enforcement, std::slice::from_ref(row));
        let enforcement_sha256 = enforcement.as_ref().map(digest);
        Ok(Self { migration, forms, enforcement, document, sha256, enforcement_sha256 })
    }

    /// The receipt of these rows.
    pub fn receipt(&self, from: ReceiptFrom) -> Receipt {
        Receipt { sha256: self.sha256, from, enforcement: self.enforcement_sha256, transaction: None }
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
            Enforcement::Change(row) => Some(&row.id),
            _ => None,
        };
        let expected = (check == Check::Compare).then_some(self.sha256.as_bytes().as_slice());
        let written = self.enforcement_sha256.as_ref().filter(|_| enforcement.is_written());
        let answer: Result<(i64, Option<String>, i32), _> =
            sqlx::query_as(sqlx::AssertSqlSafe(prepared.sql.clone()))
                .bind(&self.document)
                .bind(matches!(enforcement, Enforcement::Add))
                .bind(changed)
                .bind(self.migration.takes_over_session)
                .bind(expected)
                .bind(written.map(|digest| digest.as_bytes().as_slice()))
                .fetch_one(connection)
                .await;
        match answer {
            Ok((0, ..)) => Ok(Sent::Taken),
            Ok((_, transaction, _)) => {
                Ok(Sent::Inserted { transaction: transaction.and_then(|id| id.parse().ok()) })
            }
            Err(sqlx::Error::Database(said))
                if said.code().as_deref() == Some("22P02") && said.message().contains(ALTERED) =>
            {
                Ok(Sent::Altered)
            }
            Err(error) => Err(error),
        }
    }
}
