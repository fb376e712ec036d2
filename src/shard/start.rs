//! The start of a process: everything that fails for what is the same in every pod fails here, before its first row, and
//! before anything of it stands that another process would have to look at.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::{
    domain::{Outcome, ShardIndex, TargetIdentity},
    exit::{Exit, Stop},
    ports::{Blobs, Service, TargetWriter, Warehouse},
    rules::CatalogueIndex,
    run::{
        Plan, RowSet, RunStore, WriterId,
        lost::{self, RecordedBy},
        pins::{self, Present, refusal},
        segments::{self, RecordedRows},
        writers,
    },
    settings::Settings,
    shard::{
        copy::Copier,
        feed::chunk_rows,
        pace::{Pace, Trouble},
    },
};

/// One process on one shard, before its first row.
pub struct Start<'a> {
    /// What is compared with the plan.
    pub settings: &'a Settings,
    /// Store that the outcomes are written to.
    pub store: &'a RunStore,
    /// Frozen plan of the run.
    pub plan: &'a Plan,
    /// Index of the shard to run.
    pub index: ShardIndex,
    /// This process's writer, not registered yet.
    pub writer: &'a WriterId,
    /// The machine's name, for people who read `writers/`.
    pub host: &'a str,
    /// Health of the services.
    pub pace: &'a Pace,
    /// The first worker's side of the target database: its connections hold the run's shared lock.
    pub target: &'a dyn TargetWriter,
    /// The other workers' sides.
    pub others: &'a [Arc<dyn TargetWriter>],
    /// The first worker's warehouse; `None` if the plan made facts files.
    pub warehouse: Option<&'a dyn Warehouse>,
    /// Where that warehouse would be, as this process has it; `None` if that is not known.
    pub warehouse_address: Option<String>,
    /// Container to which files are copied.
    pub target_blobs: &'a dyn Blobs,
    /// What copies them.
    pub copier: &'a Copier,
    /// The catalogue, if an earlier shard of this process began on the same connections and ended in order.
    pub known: Option<&'a Arc<CatalogueIndex>>,
}

/// Result of a successful start.
pub struct Started {
    /// The target's catalogue.
    pub catalogue: Arc<CatalogueIndex>,
    /// Rows with an outcome from earlier processes.
    pub recorded: RecordedRows,
    /// Rows that were recorded as migrated and that the target lost.
    pub lost: RowSet,
}

impl Start<'_> {
    /// Takes the run's lock, compares this process with the plan, and registers the writer, in this order; then reads what
    /// earlier processes recorded and opens connections for the rows that are left, and beside that checks that files may be
    /// stored. Each step waits for its service. What is the same for every shard of a process is compared and checked for
    /// the first of them.
    pub async fn run(&self) -> Result<Started, Stop> {
        let Self { store, plan, index, pace, target, .. } = *self;
        // The first connection holds the run's shared lock; only then may the writer be registered.
        let database = pace.at_start(Service::Database, || target.identity()).await?;
        if self.known.is_some() {
            self.not_ended().await?;
        } else {
            self.compare(database).await?;
        }
        pace.at_start(Service::RunStore, || writers::register(store, self.writer, index, self.host)).await?;
        let recorded = async {
            let lost = self.lost().await?;
            let read = || segments::recorded_without(store, plan, index, &lost);
            let recorded = pace.at_start(Service::RunStore, read).await.map_err(Trouble::of_one_shard)?;
            self.open(&recorded).await;
            Ok((recorded, lost))
        };
        // The catalogue first: it takes the connection that is open, so that the others are opened beside it.
        let (catalogue, (recorded, lost)) = tokio::try_join!(self.catalogue(), recorded)?;
        Ok(Started { catalogue, recorded, lost })
    }

    /// Reads the catalogue, and checks that files may be stored.
    async fn catalogue(&self) -> Result<Arc<CatalogueIndex>, Stop> {
        let Self { pace, target, target_blobs, copier, .. } = *self;
        if let Some(known) = self.known {
            return Ok(known.clone());
        }
        let read = pace.at_start(Service::Database, || target.catalogue());
        let checked = async {
            pace.at_start(Service::TargetBlobs, || target_blobs.check()).await?;
            copier.learn_ways().await;
            Ok(())
        };
        let (catalogue, ()) = tokio::try_join!(read, checked)?;
        Ok(Arc::new(catalogue.into()))
    }

    /// Opens the connections of the workers that get rows, so that the first rows of all wait together for one round of
    /// opening. A later shard of the process has those of the one before.
    async fn open(&self, recorded: &RecordedRows) {
        if self.known.is_some() {
            return;
        }
        let planned = self.plan.shard(self.index).map_or(0, |shard| shard.rows);
        let rows = planned.saturating_sub(recorded.books.rows());
        let workers = self.others.len() + 1;
        let chunks = rows.div_ceil(chunk_rows(rows, workers) as u64);
        let busy = chunks.clamp(1, workers as u64);
        let targets = std::iter::once(self.target).chain(self.others.iter().map(|target| &**target));
        let opening = targets.zip(0..busy).map(|(target, _)| target.open_for(rows.div_ceil(busy)));
        join_all(opening).await;
    }

    /// The rows that `--redo lost` moves again; none without it.
    async fn lost(&self) -> Result<RowSet, Stop> {
        let Self { settings, store, plan, index, pace, target, .. } = *self;
        let limit = plan.last_row();
        if !settings.redo_lost {
            return Ok(RowSet::new(limit));
        }
        let look = || lost::recorded(store, plan, Some(index), target);
        let found = pace.at_start(Service::Database, look).await.map_err(Trouble::of_one_shard)?;
        if !found.of_another_run.is_empty() {
            let rows = found.of_another_run.len();
            tracing::warn!(%index, rows, "another run's submissions stand under rows of this run: they are not moved");
        }
        let found = lost::rows(&found.absent, limit);
        // Their blobs are orphans once they are moved again, whether or not a finalize has met them before.
        if !found.is_empty() {
            let unclean = async || {
                let is_one = |outcome: &Outcome| found.contains(outcome.row);
                RecordedBy::read(store, plan, Some(index), is_one).await?.writers_are_unclean(store).await
            };
            pace.at_start(Service::RunStore, unclean).await.map_err(Trouble::of_one_shard)?;
        }
        let add = async || {
            let mut rows = found.clone();
            lost::deleted(store, plan, index, &mut rows).await.map(|()| rows)
        };
        let rows = pace.at_start(Service::RunStore, add).await.map_err(Trouble::of_one_shard)?;
        tracing::info!(%index, rows = rows.len(), "rows that the target lost are moved again");
        Ok(rows)
    }

    /// Refuses a run that was rolled back or purged meanwhile. Settings, plan, target and sessions are those of the shard
    /// before: no session leads to another database than the first one, whatever becomes of its secret.
    async fn not_ended(&self) -> Result<(), Stop> {
        let refused = self.pace.at_start(Service::RunStore, || pins::ended(self.store)).await?;
        refused.map_or(Ok(()), |refusal| Err(Stop::new(Exit::Configuration, refusal)))
    }

    /// Refuses a run that differs from its plan.
    async fn compare(&self, database: TargetIdentity) -> Result<(), Stop> {
        let Self { settings, store, plan, pace, target, .. } = *self;
        let mut now = Present::of(settings, &plan.id, database, &self.target_blobs.location());
        now.warehouse = match self.warehouse {
            Some(warehouse) => Some(pace.at_start(Service::Warehouse, || warehouse.description()).await?),
            None => self.warehouse_address.clone(),
        };
        let refused = pace.at_start(Service::Database, || refusal(store, plan, target, &now)).await?;
        refused.map_or(Ok(()), |refusal| Err(Stop::new(Exit::Configuration, refusal)))
    }
}
