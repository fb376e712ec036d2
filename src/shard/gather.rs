//! How a shard asks for the facts of a chunk: each question waits out the faults of its service.

use std::{collections::HashSet, time::Duration};

use tokio::sync::mpsc;

use crate::{
    domain::{AttemptId, Facts, QueuedRow},
    exit::{Exit, Stop},
    gather::{Ask, GatheredRow, Gathering},
    ports::{Absent, HeldSubmission, Service, in_order},
    report::events::{Event, now, since},
};

use super::{Shard, WorkerServices, feed::Chunk, pace::Trouble};

/// Rows with their facts.
pub struct Gathered {
    /// In the order of the queue.
    pub rows: Vec<GatheredRow>,
    /// How long the facts of all of them took.
    pub took: Duration,
}

/// Gathers a chunk: what the target holds, then what the warehouse holds; hands its rows on in parts, so that facts of any size
/// take little memory. Ends early if the receiver is gone.
pub async fn gather(
    shard: &Shard,
    services: &WorkerServices,
    chunk: Chunk,
    ahead: &mpsc::Sender<Gathered>,
) -> Result<(), Trouble> {
    let mut began = now();
    let asking = Patiently { shard, services };
    let mut gathering = Gathering::begin(&asking, &shard.rules, chunk).await?;
    while !gathering.is_empty() {
        let rows = gathering.part(&asking).await?;
        let took = since(began);
        shard.events.tell(Event::Gathered { rows: rows.len(), took });
        if ahead.send(Gathered { rows, took }).await.is_err() {
            break;
        }
        began = now();
    }
    Ok(())
}

struct Patiently<'a> {
    shard: &'a Shard,
    services: &'a WorkerServices,
}

impl Ask for Patiently<'_> {
    type Error = Trouble;

    async fn held(&self, launch_ids: &[String]) -> Result<Vec<HeldSubmission>, Trouble> {
        let asking = || self.shard.events.asked(Service::Database, self.services.target.held(launch_ids));
        self.shard.pace.steady(&[Service::Database], asking).await
    }

    async fn absent(&self, launch_ids: &[String]) -> Result<Vec<Absent>, Trouble> {
        let asking = || self.shard.events.asked(Service::Database, self.services.target.absent(launch_ids));
        self.shard.pace.steady(&[Service::Database], asking).await
    }

    async fn wrote(&self, held: &HeldSubmission) -> Result<bool, Trouble> {
        self.shard.pace.steady(&[Service::RunStore], || self.shard.writers.wrote(held)).await
    }

    async fn submitted(&self, launch_ids: &[String]) -> Result<HashSet<String>, Trouble> {
        let asking =
            || self.shard.events.asked(Service::Database, self.services.target.submitted(launch_ids));
        self.shard.pace.steady(&[Service::Database], asking).await
    }

    async fn standing(&self, submission_ids: &[String]) -> Result<HashSet<String>, Trouble> {
        let asking =
            || self.shard.events.asked(Service::Database, self.services.target.standing(submission_ids));
        self.shard.pace.steady(&[Service::Database], asking).await
    }

    fn was_lost(&self, row: &QueuedRow) -> bool {
        self.shard.lost.contains(row.number)
    }

    async fn facts(&self, attempts: &[AttemptId], room: usize) -> Result<Vec<Facts>, Trouble> {
        // With facts files every row that needs facts has brought them along.
        let Some(warehouse) = &self.services.warehouse else {
            return Ok(vec![Facts::default(); attempts.len()]);
        };
        let asking = || self.shard.events.asked(Service::Warehouse, warehouse.fetch_some(attempts, room));
        let answers = self.shard.pace.steady(&[Service::Warehouse], asking).await?;
        in_order(attempts, answers).map_err(|message| Trouble::Process(Stop::new(Exit::Bug, message)))
    }
}
