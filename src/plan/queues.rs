//! The queue and facts files of every shard; a queue holds the hints of its rows too.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    draft::Draft,
    facts::FactSpool,
    listed::{Hints, HintsOfShard},
};
use crate::{
    domain::ShardIndex,
    ports::Fault,
    run::{PlanId, RunStore, ShardPlan, facts, names, queue},
};

/// Shards written at a time.
const UNDER_WAY: usize = 4;

/// Writes the files of every shard; what the plan keeps of each, in order.
pub async fn write(
    store: &RunStore,
    plan: &PlanId,
    shards: u32,
    draft: &Arc<Draft>,
    facts: Option<&Arc<FactSpool>>,
    hints: Option<&Arc<Hints>>,
) -> Result<Vec<ShardPlan>, Fault> {
    stream::iter(0..shards)
        .map(|shard| write_shard(store, plan, ShardIndex(shard), shards, draft, (facts, hints)))
        .buffered(UNDER_WAY)
        .try_collect()
        .await
}

/// The names of every file that [`write`] writes.
pub fn written(plan: &PlanId, shards: u32) -> Vec<String> {
    (0..shards)
        .map(ShardIndex)
        .flat_map(|shard| [names::queue(plan, shard), names::facts(plan, shard)])
        .collect()
}

async fn write_shard(
    store: &RunStore,
    plan: &PlanId,
    shard: ShardIndex,
    shards: u32,
    draft: &Arc<Draft>,
    (spooled, hints): (Option<&Arc<FactSpool>>, Option<&Arc<Hints>>),
) -> Result<ShardPlan, Fault> {
    let rows = draft.queue(shard, shards).count() as u64;
    let of = Arc::clone(draft);
    let mut hints = hints.map(|hints| HintsOfShard::new(Arc::clone(hints), shard));
    let queued = (0_u64..).zip(draft.queue(shard, shards)).map(move |(place, index)| {
        let mut row = of.queued(index)?;
        if let Some(hints) = &mut hints {
            row.listed = hints.take(place)?;
        }
        Ok(row)
    });
    let queue_sha256 = queue::write(store, plan, shard, queued).await?;
    let facts_sha256 = match spooled {
        None => None,
        Some(spooled) => {
            let lines = Arc::clone(spooled).of_shard(Arc::clone(draft), shard);
            Some(facts::write(store, plan, shard, lines).await?)
        }
    };
    Ok(ShardPlan { rows, queue_sha256, facts_sha256 })
}
