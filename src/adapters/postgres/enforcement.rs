//! Malpractice enforcement: one row per lms user, assessment code and context, and the newest attempt's
//! rule stands. The result does not depend on the order in which attempts arrive, nor on the process that writes them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgConnection};

use crate::{
    domain::{Migration, Note},
    ports::Fault,
    rules::malpractice::RuleAge,
    run::{RunStore, WriterId, enforcements, names, writers::of_blob},
};

/// Stores images of enforcement rows in the run store.
#[async_trait]
pub trait EnforcementLedger: Send + Sync {
    /// Whether one of these writers is registered in this run's store: then this run wrote the row.
    async fn is_ours(&self, writers: &[WriterId]) -> Result<bool, Fault>;

    /// Stores the row as it is before it is changed, beside the images of earlier tries; an equal one is stored once.
    async fn keep_image(&self, id: &str, image: &serde_json::Value) -> Result<(), Fault>;
}

#[async_trait]
impl EnforcementLedger for RunStore {
    async fn is_ours(&self, writers: &[WriterId]) -> Result<bool, Fault> {
        for id in writers {
            if self.exists(&names::writer(id)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn keep_image(&self, id: &str, image: &serde_json::Value) -> Result<(), Fault> {
        enforcements::keep(self, id, image).await
    }
}

/// What the commit statement does with the enforcement row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enforcement<'row> {
    /// The migration has none.
    None,
    /// There is no row for the key.
    Add,
    /// The existing row is older and is replaced.
    Change(&'row Standing),
    /// The row stays: a migration wrote it, and it is newer.
    YieldToMigrated,
    /// The row stays: the application wrote it, and it is newer or of the same date.
    YieldToLive,
}

/// An enforcement row that the target already holds, and the submission it names.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Standing {
    /// `malpractice_enforcements.id`.
    pub id: String,
    /// `created_at` of the submission that it names, else `rule_applied_at`.
    pub dated: Option<DateTime<Utc>>,
    /// `lti_launch_id` of that submission.
    pub launch_id: Option<String>,
    /// `azure_blob_name` of that submission's files.
    pub blob_names: Vec<String>,
    /// The row as JSON.
    pub image: String,
}

impl Standing {
    fn age(&self) -> RuleAge {
        RuleAge::of_standing_row(self.dated, None, self.launch_id.as_deref())
    }

    /// The writers that its submission's files name: `<folder>/<writer>/<file>`.
    pub(super) fn writers(&self) -> Vec<WriterId> {
        let mut writers: Vec<WriterId> = self.blob_names.iter().filter_map(|name| of_blob(name)).collect();
        writers.sort_unstable();
        writers.dedup();
        writers
    }
}

/// Compares the migration with the newest row of its key; older rows stay as they are.
pub(super) fn weigh<'row>(migration: &Migration, rows: &'row [Standing]) -> Enforcement<'row> {
    if migration.malpractice.is_none() {
        return Enforcement::None;
    }
    let Some(newest) = rows.iter().max_by_key(|row| (row.age(), &row.id)) else { return Enforcement::Add };
    if newest.age() < RuleAge::of_migration(migration) {
        Enforcement::Change(newest)
    } else if newest.age().is_live() {
        Enforcement::YieldToLive
    } else {
        Enforcement::YieldToMigrated
    }
}

impl Enforcement<'_> {
    /// Whether the statement writes an enforcement row.
    pub(super) fn is_written(self) -> bool {
        matches!(self, Self::Add | Self::Change(_))
    }

    /// The note for the migrated row.
    pub(super) fn notes(self) -> Vec<Note> {
        match self {
            Self::YieldToLive => vec![Note::enforcement_kept()],
            Self::None | Self::Add | Self::Change(_) | Self::YieldToMigrated => Vec::new(),
        }
    }
}

/// Key of the advisory transaction lock: a digest of the user, the assessment code and the context.
pub(super) fn lock_key(migration: &Migration) -> i64 {
    key_of([&migration.lms_user_id, &migration.assessment_code, &migration.context_id])
}

/// The same for lms user, assessment code and context.
pub(super) fn key_of(key: [&str; 3]) -> i64 {
    let mut digest = Sha256::new_with_prefix("rogo-migrate enforcement");
    for part in key {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(8).fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

/// Every row of the migration's key, locked against the application until the transaction ends.
pub(super) async fn standing(
    connection: &mut PgConnection,
    migration: &Migration,
) -> Result<Vec<Standing>, sqlx::Error> {
    const SQL: &str = "select rule.id, coalesce(submission.created_at, rule.rule_applied_at) as dated,
            submission.lti_launch_id as launch_id, to_jsonb(rule)::text as image,
            array(select file.azure_blob_name from submission_files file
                where file.submission_id = submission.id and file.azure_blob_name is not null) as blob_names
        from malpractice_enforcements rule
        left join assignment_submissions submission on submission.id = rule.submission_id
        where rule.lms_user_id = $1 and rule.custom_assessment_code = $2 and rule.context_id = $3
        for update of rule";
    sqlx::query_as(SQL)
        .bind(&migration.lms_user_id)
        .bind(&migration.assessment_code)
        .bind(&migration.context_id)
        .fetch_all(connection)
        .await
}
