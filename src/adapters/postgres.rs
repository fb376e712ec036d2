//! The target database: PostgreSQL through sqlx. Writes a submission in one atomic statement, holds the
//! run's lock meanwhile, and reads what stands.

mod connect;
mod pool;
mod fence;
mod fault;
mod catalogue;
mod held;
mod identity;
mod sweep;
mod stored;
mod enforcement;
mod commit;
mod schema;
mod preflight;

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;

pub use enforcement::EnforcementLedger;
pub use fence::{FenceKey, PostgresFence, Retired, SharedFence};

use crate::{
    domain::{Catalogue, Migration, TargetIdentity},
    ports::{Absent, Committed, CopiedFile, Fault, HeldSubmission, Target},
    rules::rows::RunValues,
    settings::{DatabaseSettings, Organisation, RuleSettings},
};
use connect::Connector;
use pool::Pool;

/// What a worker's side of the database is made of.
pub struct PostgresOptions<'settings> {
    /// How it is reached.
    pub database: &'settings DatabaseSettings,
    /// Source of Entra tokens; set only with [`crate::settings::DatabaseAuth::Entra`].
    pub credential: Option<Arc<dyn TokenCredential>>,
    /// Largest number of open connections in the pool.
    pub pool: u32,
    /// What the server shows beside the connections and their locks: `run/shard/writer`, at most 63 bytes.
    pub application_name: String,
    /// `azure_container_name` of the files.
    pub container: String,
    /// Whose submissions these are.
    pub organisation: &'settings Organisation,
    /// Instruction set, assignment title, owner of applied rules.
    pub rules: &'settings RuleSettings,
    /// The run's lock. Without it the target can only be read.
    pub fence: Option<SharedFence>,
    /// Where images of enforcement rows go; needed to commit malpractice.
    pub ledger: Option<Arc<dyn EnforcementLedger>>,
}

/// One worker's side of the target database.
pub struct PostgresTarget {
    connector: Connector,
    pool: Pool,
    fixed: RunValues,
    rule_owner: Option<String>,
    ledger: Option<Arc<dyn EnforcementLedger>>,
}

impl PostgresTarget {
    /// Prepares the pool; connections are opened when they are needed.
    pub fn new(options: PostgresOptions<'_>) -> Self {
        let PostgresOptions { organisation, rules, .. } = options;
        let connector =
            Connector::new(options.database.clone(), options.credential, options.application_name);
        Self {
            pool: Pool::new(connector.clone(), options.fence, options.pool),
            connector,
            fixed: RunValues {
                consumer_key: organisation.consumer_key.clone(),
                lms_instance: organisation.lms_instance.clone(),
                lms_name: organisation.lms_name.clone(),
                instruction_set: rules.instruction_set.clone(),
                assignment_title: rules.assignment_title.clone(),
                container: options.container,
            },
            rule_owner: rules.rule_owner.clone(),
            ledger: options.ledger,
        }
    }

    /// Ends every connection, and with them the shared locks, once statements under way have ended
    /// (10 s at most). Nothing can be asked afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        catalogue::catalogue(&self.pool, self.rule_owner.as_deref()).await
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        held::held(&self.pool, launch_ids).await
    }

    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault> {
        sweep::named(&self.pool, &self.fixed.lms_instance, names).await
    }

    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Fault> {
        held::absent(&self.pool, launch_ids).await
    }

    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Fault> {
        held::submitted(&self.pool, launch_ids).await
    }

    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<String>) + Send)) -> Result<(), Fault> {
        held::launch_ids(&self.pool, each).await
    }

    async fn preflight(&self, connections: u32) -> Result<Vec<String>, Fault> {
        preflight::preflight(self, connections).await
    }

    async fn database(&self) -> Result<String, Fault> {
        let asking = async |connection: &mut _| {
            sqlx::query_scalar("select current_database()::text").fetch_one(connection).await
        };
        self.pool.read(Duration::from_secs(10), asking).await
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        preflight::session(self).await
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        identity::identity(&self.connector, &self.pool).await
    }

    async fn prove_fence(&self) -> Result<(), Fault> {
        self.pool.prove_fence().await
    }

    async fn commit(&self, migration: &Migration, files: &[CopiedFile]) -> Result<Committed, Fault> {
        if !self.pool.is_fenced() {
            return Err(fault::misconfigured("a bug: nothing may be written without the run's lock"));
        }
        commit::commit(self, migration, files).await
    }
}
