//! The target database: PostgreSQL through sqlx. Writes a submission in one atomic statement, holds the
//! run's lock meanwhile, and reads what stands.

mod options;
mod connect;
mod copies;
mod pool;
mod fence;
mod fault;
mod catalogue;
mod held;
mod load;
mod sweep;
mod stored;
mod enforcement;
mod receipt;
mod commit;
mod schema;
mod preflight;
mod undo;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::OnceCell;

pub use enforcement::EnforcementLedger;
pub use fence::{FenceKey, PostgresFence, Retired, SharedFence};
pub use options::{NextShard, OnSent, PostgresOptions, SentStatement, WriterOptions};
pub use pool::{OnWait, WaitedFor};
pub use undo::{PostgresUndo, Undoing};

use crate::{
    domain::{Catalogue, Digest, SubmissionIds, TargetIdentity, form::AlteredColumn},
    ports::{
        Absent, Committed, Compared, CopiedMigration, Fault, Finding, HeldSubmission, Holdings, MayWrite,
        StandingSubmission, TargetLoad, TargetReader, TargetWriter,
    },
    rules::rows::RunValues,
};
use commit::{Company, Prepared, Statement};
use connect::Connector;
use pool::Pool;

/// The target database; `Side` says what may be done there.
pub struct PostgresTarget<Side> {
    connector: Connector,
    pool: Pool,
    lms_instance: String,
    rule_owner: Option<String>,
    side: Side,
}

/// A side that can only read.
pub struct Reading;

/// A side that can write: it is only made with the run's lock.
pub struct Writing {
    fixed: RunValues,
    ledger: Arc<dyn EnforcementLedger>,
    target_alters: Vec<AlteredColumn>,
    /// Shared by the workers of the process.
    prepared: Arc<OnceCell<Prepared>>,
    sent: OnSent,
    /// This worker's commits that wait for a connection.
    company: Company,
}

/// Reads the target database and needs no lock.
pub type PostgresReader = PostgresTarget<Reading>;

/// One worker's side of the target database: each of its connections holds the run's lock.
pub type PostgresWriter = PostgresTarget<Writing>;

impl PostgresReader {
    /// Prepares the pool; connections are opened when they are needed.
    pub fn new(options: PostgresOptions<'_>) -> Result<Self, Fault> {
        Self::open(options, None, Reading)
    }
}

impl PostgresWriter {
    /// Prepares the pool; connections are opened, and take the lock, when they are needed.
    pub fn new(options: PostgresOptions<'_>, writer: WriterOptions) -> Result<Self, Fault> {
        let PostgresOptions { organisation, rules, .. } = options;
        let fixed = RunValues {
            consumer_key: organisation.consumer_key.clone(),
            lms_instance: organisation.lms_instance.clone(),
            lms_name: organisation.lms_name.clone(),
            instruction_set: rules.instruction_set.clone(),
            assignment_title: rules.assignment_title.clone(),
            container: writer.container,
        };
        let target_alters = options.database.target_alters.clone();
        let side = Writing {
            fixed,
            ledger: writer.ledger,
            target_alters,
            prepared: Arc::default(),
            sent: writer.sent,
            company: Company::new(options.pool),
        };
        let mut target = Self::open(options, Some(writer.fence), side)?;
        target.pool.slow_by(writer.gate, writer.waited);
        Ok(target)
    }

    /// What every commit shares; it is looked up before the first one.
    async fn prepared(&self) -> Result<&Prepared, Fault> {
        let looking_up = async || {
            let left_out = &self.side.target_alters;
            let asking = async |connection: &mut _| receipt::target_form(connection, left_out).await;
            Ok(Prepared::new(self.pool.read(commit::LIMIT, asking).await??))
        };
        self.side.prepared.get_or_try_init(looking_up).await
    }

    /// The side of the same worker for the next shard of the process, over the same connections. The shard before is over:
    /// its side is used no more.
    #[must_use]
    pub fn handed_on(&self, next: &NextShard) -> Self {
        let NextShard { application_name, fence, waited, sent } = next;
        let pool = self.pool.handed_on(application_name, fence.clone(), waited.clone());
        self.over(self.connector.named(application_name), pool, sent)
    }

    /// The side of another worker of the process, with connections of its own, which are refused if they lead to another
    /// database than those of this one.
    pub fn another(&self) -> Result<Self, Fault> {
        Ok(self.over(self.connector.clone(), self.pool.another()?, &self.side.sent))
    }

    /// The same writer over other connections; no commit waits there yet.
    fn over(&self, connector: Connector, pool: Pool, sent: &OnSent) -> Self {
        let Writing { fixed, ledger, target_alters, prepared, .. } = &self.side;
        let side = Writing {
            fixed: fixed.clone(),
            ledger: ledger.clone(),
            target_alters: target_alters.clone(),
            prepared: prepared.clone(),
            sent: sent.clone(),
            company: Company::new(pool.size()),
        };
        let (lms_instance, rule_owner) = (self.lms_instance.clone(), self.rule_owner.clone());
        Self { connector, pool, lms_instance, rule_owner, side }
    }
}

impl<Side> PostgresTarget<Side> {
    fn open(options: PostgresOptions<'_>, fence: Option<SharedFence>, side: Side) -> Result<Self, Fault> {
        let connector =
            Connector::new(options.database.clone(), options.credential, options.application_name);
        Ok(Self {
            pool: Pool::new(connector.clone(), fence, options.pool)?,
            connector,
            lms_instance: options.organisation.lms_instance.clone(),
            rule_owner: options.rules.rule_owner.clone(),
            side,
        })
    }

    /// Ends every connection, and with them the shared locks, once statements under way have ended
    /// (10 s at most). Nothing can be asked afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl<Side: Send + Sync> TargetReader for PostgresTarget<Side> {
    async fn catalogue(&self) -> Result<Catalogue, Fault> {
        catalogue::catalogue(&self.pool, self.rule_owner.as_deref()).await
    }

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Fault> {
        held::held(&self.pool, launch_ids).await
    }

    async fn blob_names_of_writers(&self, names: &[String]) -> Result<HashSet<String>, Fault> {
        sweep::named(&self.pool, &self.lms_instance, names).await
    }

    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Fault> {
        held::absent(&self.pool, launch_ids).await
    }

    async fn written_in(&self, launch_ids: &[String]) -> Result<HashMap<String, Option<u32>>, Fault> {
        held::written_in(&self.pool, launch_ids).await
    }

    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Fault> {
        held::submitted(&self.pool, launch_ids).await
    }

    async fn launch_ids(&self, each: &mut (dyn FnMut(Vec<StandingSubmission>) + Send)) -> Result<(), Fault> {
        held::launch_ids(&self.pool, each).await
    }

    async fn standing(&self, ids: &[String]) -> Result<HashSet<String>, Fault> {
        held::standing(&self.pool, ids).await
    }

    async fn holdings(&self) -> Result<Holdings, Fault> {
        held::holdings(&self.pool).await
    }

    async fn inspect(&self, connections: u32) -> Result<Vec<Finding>, Fault> {
        preflight::inspect(&self.connector, &self.pool, self.rule_owner.as_deref(), connections).await
    }

    async fn session(&self) -> Result<Vec<String>, Fault> {
        preflight::session(&self.connector, &self.pool).await
    }

    async fn load(&self) -> Result<TargetLoad, Fault> {
        load::load(&self.pool).await
    }

    async fn wake_ups(&self) -> Result<Vec<Duration>, Fault> {
        load::wake_ups(&self.pool).await
    }

    async fn identity(&self) -> Result<TargetIdentity, Fault> {
        self.pool.database().await
    }
}

#[async_trait]
impl MayWrite for PostgresWriter {
    async fn prove_fence(&self) -> Result<(), Fault> {
        self.pool.prove_fence().await
    }
}

#[async_trait]
impl TargetWriter for PostgresWriter {
    async fn commit(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        commit::commit(self, copied, Statement::Shared).await
    }

    async fn commit_alone(&self, copied: &CopiedMigration<'_>) -> Result<Committed, Fault> {
        commit::commit(self, copied, Statement::Own).await
    }

    async fn rehearse(&self, copied: &CopiedMigration<'_>) -> Result<(), Fault> {
        commit::rehearse(self, copied).await
    }

    async fn compare(&self, copied: &CopiedMigration<'_>) -> Result<Compared, Fault> {
        commit::compare(self, copied).await
    }

    async fn stored_digest(&self, ids: &SubmissionIds) -> Result<Digest, Fault> {
        commit::stored_digest(self, ids).await
    }

    async fn open_for(&self, rows: u64) {
        let statements = usize::try_from(rows).unwrap_or(usize::MAX).div_ceil(commit::MOST);
        // A fault is met again by the first commit.
        let looking_up = async { drop(self.prepared().await) };
        tokio::join!(self.pool.open(statements), looking_up);
    }

    fn connections(&self) -> (usize, usize) {
        self.pool.connections()
    }
}
