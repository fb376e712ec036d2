//! A sample of the rows that the run recorded as migrated, by which it is seen what the target is.

use std::collections::BTreeSet;

use super::{Plan, RunStore, decisions, names, segments::read_segment};
use crate::{
    domain::{Fate, ShardIndex, attempt_of_launch_id},
    ports::{Fault, FaultKind},
};

/// Recorded rows that are looked up in the target, and segments that they are taken from.
const LOOKED_UP: usize = 1_000;
const SEGMENTS_READ: usize = 20;

/// Launch ids of rows that the run recorded as migrated and that no person took out since, at most 1,000, from segments all
/// over the shards. The only sampler of recorded rows.
pub(super) async fn recorded_sample(store: &RunStore, plan: &Plan) -> Result<Vec<String>, Fault> {
    let mut names = Vec::new();
    for shard in (0..plan.shards.len()).step_by(plan.shards.len().div_ceil(SEGMENTS_READ).max(1)) {
        let shard = ShardIndex(u32::try_from(shard).unwrap_or(u32::MAX));
        names.extend(store.list(&names::segments(shard)).await?);
    }
    let step = names.len().div_ceil(SEGMENTS_READ).max(1);
    let mut launch_ids = BTreeSet::new();
    for name in names.iter().step_by(step) {
        let segment = match read_segment(store, plan, name).await {
            Ok(segment) => segment,
            // Only the shard that owns the segment and the merge are refused for it; the other shards go on.
            Err(fault) if fault.kind == FaultKind::Corrupt => continue,
            Err(fault) => return Err(fault),
        };
        let outcomes = segment.outcomes().map_while(Result::ok);
        launch_ids.extend(outcomes.filter_map(|outcome| match outcome.fate {
            Fate::Migrated(migrated) => Some(migrated.launch_id),
            Fate::Skipped { .. } | Fate::Failed { .. } => None,
        }));
        if launch_ids.len() >= LOOKED_UP {
            break;
        }
    }
    let mut recorded: Vec<String> = launch_ids.into_iter().take(LOOKED_UP).collect();
    if !recorded.is_empty() {
        let taken_out = decisions::taken_out(store).await?;
        recorded.retain(|launch_id| {
            attempt_of_launch_id(launch_id).is_none_or(|attempt| !taken_out.contains_key(&attempt))
        });
    }
    Ok(recorded)
}
