//! A shard's queue: its rows as the plan froze them, newest first, a JSON line each.

use super::{
    Plan, RunStore, ShardPlan,
    lines::{self, JsonLines},
    names,
};
use crate::{
    domain::{QueuedRow, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// The rows of one shard, newest first.
pub struct QueueReader(JsonLines<QueuedRow>);

impl QueueReader {
    /// Opens the shard's queue.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Self, Fault> {
        let sha256 = shard_plan(store, plan, shard)?.queue_sha256.clone();
        lines::open(store, &names::queue(&plan.id, shard), sha256).await.map(Self)
    }

    /// The next row; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<QueuedRow>, Fault> {
        self.0.next().await
    }
}

/// What the plan keeps of the shard.
pub(super) fn shard_plan<'a>(
    store: &RunStore,
    plan: &'a Plan,
    shard: ShardIndex,
) -> Result<&'a ShardPlan, Fault> {
    usize::try_from(shard.0).ok().and_then(|index| plan.shards.get(index)).ok_or_else(|| {
        let what = format!(
            "there is no shard {shard} in run {}: its plan has {}, counted from 0; check --shard",
            store.run(),
            plan.shards.len()
        );
        Fault::new(Service::RunStore, FaultKind::Misconfigured, what)
    })
}
