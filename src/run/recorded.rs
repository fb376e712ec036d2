//! A sample of the rows that the run recorded as migrated, by which it is seen what the target is.

use std::collections::BTreeSet;

use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{Plan, RunStore, decisions, names, segments::read_segment};
use crate::{
    domain::{Fate, ShardIndex, attempt_of_launch_id},
    ports::{Fault, FaultKind},
};

/// Recorded rows that are looked up in the target, and segments that they are taken from.
const LOOKED_UP: usize = 1_000;
const SEGMENTS_READ: usize = 20;
/// … at most, if all rows of these were taken out.
const MOST_SEGMENTS_READ: usize = 200;
/// Once so many names of segments are known, no other shard is listed: as many as Azure gives in one answer.
const NAMES_LISTED: usize = 5_000;
/// Names that are listed of one shard: those of a day, at one segment in ten seconds.
const NAMES_OF_A_SHARD: usize = 10_000;

/// Launch ids of rows that the run recorded as migrated and that no person took out since, at most 1,000, from segments all
/// over the time of some shards, which are spread over the plan. The only sampler of recorded rows: each start of a process takes
/// a sample, so it does not list every segment.
pub(super) async fn recorded_sample(store: &RunStore, plan: &Plan) -> Result<Vec<String>, Fault> {
    let folder = store.path("");
    let names = names_of(spread(plan.shards.len()), |shard| {
        let listed = store.blobs().list(&store.path(&names::segments(shard)));
        listed.map_ok(|info| info.name.strip_prefix(&folder).unwrap_or(&info.name).to_owned())
    });
    let names = names.await?;
    let mut launch_ids = BTreeSet::new();
    let mut taken_out = None;
    for (read, name) in sampled_first(&names).enumerate() {
        // That all rows of these were taken out says nothing about those of the other segments.
        let goes_on = launch_ids.is_empty() && taken_out.is_some() && read < MOST_SEGMENTS_READ;
        if read >= SEGMENTS_READ && !goes_on {
            break;
        }
        let segment = match read_segment(store, plan, name).await {
            Ok(segment) => segment,
            // Only the shard that owns the segment and the merge are refused for it; the other shards go on.
            Err(fault) if fault.kind == FaultKind::Corrupt => continue,
            Err(fault) => return Err(fault),
        };
        let outcomes = segment.outcomes().map_while(Result::ok);
        let migrated: Vec<String> = outcomes.filter_map(|outcome| migrated(outcome.fate)).collect();
        if migrated.is_empty() {
            continue;
        }
        if taken_out.is_none() {
            taken_out = Some(decisions::taken_out(store).await?);
        }
        launch_ids.extend(migrated.into_iter().filter(|launch_id| {
            let attempt = attempt_of_launch_id(launch_id).zip(taken_out.as_ref());
            attempt.is_none_or(|(attempt, taken_out)| !taken_out.contains_key(&attempt))
        }));
        if launch_ids.len() >= LOOKED_UP {
            break;
        }
    }
    Ok(launch_ids.into_iter().take(LOOKED_UP).collect())
}

fn migrated(fate: Fate) -> Option<String> {
    match fate {
        Fate::Migrated(migrated) => Some(migrated.launch_id),
        Fate::Skipped { .. } | Fate::Failed { .. } => None,
    }
}

/// All names: first at most [`SEGMENTS_READ`] that are spread over them, then the others.
fn sampled_first(names: &[String]) -> impl Iterator<Item = &String> {
    let step = names.len().div_ceil(SEGMENTS_READ).max(1);
    let others = names.iter().enumerate().filter(move |(place, _)| place % step != 0);
    names.iter().step_by(step).chain(others.map(|(_, name)| name))
}

/// Some of so many shards, in an order in which each goes to the middle of a gap that the earlier ones left.
fn spread(shards: usize) -> Vec<ShardIndex> {
    let chosen = (0..shards).step_by(shards.div_ceil(SEGMENTS_READ).max(1));
    let mut chosen: Vec<(u32, ShardIndex)> = (0_u32..)
        .zip(chosen)
        .map(|(place, shard)| (place.reverse_bits(), ShardIndex(u32::try_from(shard).unwrap_or(u32::MAX))))
        .collect();
    chosen.sort_unstable_by_key(|(order, _)| *order);
    chosen.into_iter().map(|(_, shard)| shard).collect()
}

/// Names of segments, shard after shard, each as a whole so that all of its time is among them, until there are enough.
async fn names_of<S>(shards: Vec<ShardIndex>, list: impl Fn(ShardIndex) -> S) -> Result<Vec<String>, Fault>
where
    S: Stream<Item = Result<String, Fault>>,
{
    let mut names = Vec::new();
    for shard in shards {
        let listed: Vec<String> = list(shard).take(NAMES_OF_A_SHARD).try_collect().await?;
        names.extend(listed);
        if names.len() >= NAMES_LISTED {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures_util::stream;

    use super::*;

    /// The shards that are listed and the names that are asked for, if each of so many shards has so many segments.
    async fn listed(shards: usize, segments: usize) -> (Vec<u32>, usize, Vec<String>) {
        let (order, delivered) = (RefCell::new(Vec::new()), Cell::new(0));
        let list = |shard: ShardIndex| {
            order.borrow_mut().push(shard.0);
            let delivered = &delivered;
            stream::iter(0..segments).map(move |segment| {
                delivered.set(delivered.get() + 1);
                Ok(format!("{shard}/{segment}"))
            })
        };
        let names = names_of(spread(shards), list).await.unwrap();
        (order.into_inner(), delivered.get(), names)
    }

    #[tokio::test]
    async fn a_start_lists_some_shards_as_a_whole_and_not_every_segment() {
        let (order, delivered, names) = listed(8, 3_000).await;
        assert_eq!((order, delivered), (vec![0, 4], 6_000), "of 24,000 segments");
        assert!(names.contains(&"4/2999".to_owned()), "the newest of a shard are among them");
        let (order, delivered, _) = listed(8, 100_000).await;
        assert_eq!((order, delivered), (vec![0], NAMES_OF_A_SHARD));
        let (order, delivered, _) = listed(1_000, 12).await;
        assert_eq!((order.len(), delivered), (SEGMENTS_READ, SEGMENTS_READ * 12));
    }

    #[tokio::test]
    async fn shards_that_have_recorded_nothing_do_not_end_the_search() {
        let (order, _, names) = listed(8, 0).await;
        assert_eq!((order, names.len()), (vec![0, 4, 2, 6, 1, 5, 3, 7], 0));
    }
}
