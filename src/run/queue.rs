//! A shard's queue: its rows as the plan froze them, newest first, a JSON line each.

use serde::Deserialize;

use super::{
    Plan, PlanId, RunStore, ShardPlan,
    lines::{self, JsonLines},
    names,
};
use crate::{
    domain::{QueuedRow, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// Writes the shard's queue; its SHA-256 (hex), which the plan keeps.
pub async fn write<I>(store: &RunStore, plan: &PlanId, shard: ShardIndex, rows: I) -> Result<String, Fault>
where
    I: Iterator<Item = Result<QueuedRow, Fault>> + Send + 'static,
{
    lines::create(store, &names::queue(plan, shard), rows).await
}

/// The rows of one shard, newest first.
pub struct QueueReader(JsonLines<QueuedRow>);

impl QueueReader {
    /// Opens the shard's queue.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Self, Fault> {
        let planned = &shard_plan(store, plan, shard)?.queue_sha256;
        lines::open(store, &names::queue(&plan.id, shard), planned).await.map(Self)
    }

    /// The next row; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<QueuedRow>, Fault> {
        self.0.next().await
    }
}

/// The numbers of one shard's rows, newest first, without their cells.
pub struct NumbersReader(JsonLines<Numbered>);

/// The rest of a queued row is not needed.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

impl NumbersReader {
    /// Opens the shard's queue; `None` if it is gone, as after a run that is complete.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Option<Self>, Fault> {
        let planned = &shard_plan(store, plan, shard)?.queue_sha256;
        let name = names::queue(&plan.id, shard);
        if !store.exists(&name).await? {
            return Ok(None);
        }
        lines::open(store, &name, planned).await.map(|lines| Some(Self(lines)))
    }

    /// The next row's number; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<u64>, Fault> {
        Ok(self.0.next().await?.map(|row| row.number))
    }
}

/// What the plan keeps of the shard.
pub(super) fn shard_plan<'a>(
    store: &RunStore,
    plan: &'a Plan,
    shard: ShardIndex,
) -> Result<&'a ShardPlan, Fault> {
    plan.shard(shard).ok_or_else(|| {
        let what = format!(
            "there is no shard {shard} in run {}: its plan has {}, counted from 0; check --shard",
            store.run(),
            plan.shards.len()
        );
        Fault::new(Service::RunStore, FaultKind::Misconfigured, what)
    })
}
