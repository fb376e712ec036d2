//! One process on one shard, before its first row.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{kept::Kept, shared::Shared};
use crate::{
    commands::{connect, host::host, or_stopped},
    domain::ShardIndex,
    exit::{Exit, Stop},
    report::observed::Observed,
    run::{Plan, RunStore, WriterId},
    settings::Settings,
    shard::{
        ShardInputs,
        keep::Heart,
        pace::Pace,
        start::{Start, Started},
    },
};

/// One process on one shard, before its first row.
pub(super) struct Process<'a> {
    pub settings: &'a Settings,
    pub store: &'a RunStore,
    pub plan: &'a Arc<Plan>,
    pub index: ShardIndex,
    pub writer: &'a WriterId,
    pub rows: u64,
    pub pace: &'a Arc<Pace>,
    pub observed: &'a Arc<Observed>,
    pub kept: &'a Kept,
    pub shared: &'a Shared,
}

impl Process<'_> {
    /// Prepares; a wait gives heartbeats as rows do.
    pub(super) async fn prepare_patiently(
        &self,
        stop: &CancellationToken,
        ending: CancellationToken,
    ) -> Result<ShardInputs, Stop> {
        let Self { settings, store, plan, index, writer, rows, pace, observed, .. } = *self;
        let (plan, epoch) = (&plan.id, &settings.epoch);
        let gauge = &|| {};
        let heart = Heart { store, plan, shard: index, writer, epoch, rows, pace, observed, gauge };
        // Boxed: what is asked side by side makes a large future.
        heart.beat_through(Box::pin(or_stopped(stop, self.prepare(stop, ending)))).await
    }

    /// Makes every check that would fail in the same way in every pod.
    async fn prepare(
        &self,
        stop: &CancellationToken,
        ending: CancellationToken,
    ) -> Result<ShardInputs, Stop> {
        let Self { settings, store, plan, index, pace, kept, .. } = *self;
        let host = host();
        let workers = kept.workers(&self.observed.events);
        let first = workers.first().ok_or_else(|| Stop::new(Exit::Usage, "workers must be at least 1"))?;
        let others: Vec<_> = workers.iter().skip(1).map(|worker| worker.target.clone()).collect();
        let start = Start {
            settings,
            store,
            plan,
            index,
            writer: self.writer,
            host: &host,
            pace,
            target: first.target.as_ref(),
            others: &others,
            // With facts files no warehouse is needed: the plan has read it.
            warehouse: first.warehouse.as_deref(),
            warehouse_address: connect::warehouse_address(settings),
            target_blobs: first.target_blobs.as_ref(),
            copier: &first.copier,
            known: kept.catalogue.as_ref(),
        };
        let Started { catalogue, recorded, lost } = start.run().await?;
        Ok(ShardInputs {
            store: store.clone(),
            plan: plan.clone(),
            index,
            writer: self.writer.clone(),
            epoch: settings.epoch.clone(),
            rules: crate::plan::rule_config(settings),
            catalogue,
            workers,
            in_flight: self.shared.in_flight.clone(),
            flush: settings.work.flush,
            breaker: settings.work.breaker,
            pace: pace.clone(),
            guard: self.shared.guard.clone(),
            recorded,
            lost,
            observed: self.observed.clone(),
            stop: stop.clone(),
            ending,
        })
    }
}
