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
    ports::{Fault, processors, side_by_side},
    run::{PlanId, RunStore, ShardPlan, facts, names, queue},
};

/// Shards written at a time, at least and at most: a few more than there are processors, because a disk is waited for, and
/// few enough to hold a part of the facts of each in memory.
const UNDER_WAY: (usize, usize) = (4, 8);

/// What the files of every shard are written from.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// What the inputs and the target tell of them.
    pub draft: &'a Arc<Draft>,
    /// What the warehouse holds of them, if facts files are written.
    pub facts: Option<&'a Arc<FactSpool>>,
    /// What the sources' listings tell of their files.
    pub hints: Option<&'a Arc<Hints>>,
}

/// Writes the files of every shard; what the plan keeps of each, in order.
pub async fn write(
    store: &RunStore,
    plan: &PlanId,
    shards: u32,
    rows: Rows<'_>,
) -> Result<Vec<ShardPlan>, Fault> {
    stream::iter(0..shards)
        .map(|shard| write_shard(store, plan, ShardIndex(shard), shards, rows))
        .buffered(processors().clamp(UNDER_WAY.0, UNDER_WAY.1))
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
    Rows { draft, facts: spooled, hints }: Rows<'_>,
) -> Result<ShardPlan, Fault> {
    let rows = draft.queue(shard, shards).count() as u64;
    let of = Arc::clone(draft);
    let mut hints = hints.map(|hints| HintsOfShard::new(Arc::clone(hints), shard));
    let queued = (0_u64..).zip(draft.queue(shard, shards)).map(move |(place, index)| {
        let (mut row, cells) = of.queued_text(index)?;
        if let Some(hints) = &mut hints {
            row.listed = hints.take(place)?;
        }
        queue::line(row, &cells)
    });
    let facts = async {
        let Some(spooled) = spooled else { return Ok(None) };
        let lines = Arc::clone(spooled).of_shard(Arc::clone(draft), shard);
        facts::write(store, plan, shard, lines).await.map(Some)
    };
    let (queue_sha256, facts_sha256) = side_by_side(queue::write(store, plan, shard, queued), facts).await?;
    Ok(ShardPlan { rows, queue_sha256, facts_sha256 })
}
