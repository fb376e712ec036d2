//! What goes from shard to shard of a process: connections, clients, and what they know of their services.

use std::sync::Arc;

use crate::{
    adapters::postgres::{NextShard, PostgresWriter},
    commands::connect,
    exit::{Exit, Stop},
    ports::{Blobs, Gate, Source, Warehouse},
    report::events::Events,
    rules::CatalogueIndex,
    run::{Plan, RunStore},
    settings::Settings,
    shard::{
        WorkerServices,
        copy::{Budget, Copier},
    },
};

/// Connections and clients of the workers. They are handed on only after a shard whose rows all have an outcome.
pub(super) struct Kept {
    databases: Vec<Arc<PostgresWriter>>,
    clients: Arc<Clients>,
    /// `None` before the first shard has begun.
    pub catalogue: Option<Arc<CatalogueIndex>>,
}

struct Clients {
    workers: Vec<OfWorker>,
    /// Findings about ways and services, and one budget for the bytes of all.
    copier: Copier,
}

/// A worker's own clients.
struct OfWorker {
    warehouse: Option<Arc<dyn Warehouse>>,
    target: Arc<dyn Blobs>,
    source: Arc<dyn Source>,
}

impl Kept {
    /// New ones, for this shard.
    pub(super) fn connect(
        settings: &Settings,
        store: &RunStore,
        plan: &Plan,
        gate: &Arc<Gate>,
        shard: NextShard,
    ) -> Result<Self, Stop> {
        let databases = connect::worker_databases(settings, store, gate, shard)?;
        let warehouses = if plan.facts_files {
            vec![None; databases.len()]
        } else {
            let warehouses = connect::warehouses(settings, databases.len())?;
            for warehouse in &warehouses {
                plan.reported.into_iter().for_each(|attempt| warehouse.expect_report(attempt));
                plan.scored.into_iter().for_each(|attempt| warehouse.expect_score(attempt));
            }
            warehouses.into_iter().map(Some).collect()
        };
        let mut workers = Vec::with_capacity(databases.len());
        for warehouse in warehouses {
            let (target, source) = (connect::target_blobs(settings)?, connect::source(settings)?);
            workers.push(OfWorker { warehouse, target, source });
        }
        let (Some(database), Some(worker)) = (databases.first(), workers.first()) else {
            return Err(Stop::new(Exit::Usage, "workers must be at least 1"));
        };
        let (target, source) = (worker.target.clone(), worker.source.clone());
        let copier = Copier::new(target, source, Budget::new(), database.clone());
        Ok(Self { databases, clients: Arc::new(Clients { workers, copier }), catalogue: None })
    }

    /// The same for the next shard.
    pub(super) fn handed_on(self, next: &NextShard) -> Self {
        let databases = self.databases.iter().map(|database| Arc::new(database.handed_on(next))).collect();
        Self { databases, ..self }
    }

    /// The workers of a shard, whose copiers tell their events there.
    pub(super) fn workers(&self, events: &Events) -> Vec<WorkerServices> {
        let Clients { workers, copier } = &*self.clients;
        let each = self.databases.iter().zip(workers);
        each.map(|(database, worker)| {
            let OfWorker { warehouse, target, source } = worker;
            let copier = copier.another(target.clone(), source.clone(), database.clone());
            WorkerServices {
                target: database.clone(),
                warehouse: warehouse.clone(),
                target_blobs: target.clone(),
                copier: copier.telling(events),
            }
        })
        .collect()
    }

    /// The same after a shard that has read this catalogue.
    pub(super) fn knowing(self, catalogue: Arc<CatalogueIndex>) -> Self {
        Self { catalogue: Some(catalogue), ..self }
    }

    /// Ends every connection, and with them the shared locks.
    pub(super) async fn close(&self) {
        for database in &self.databases {
            database.close().await;
        }
    }
}
