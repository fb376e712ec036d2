//! What limited a run, where its time went, and which promises were broken in it: from the done markers of its shards and
//! the last heartbeats of the processes that made none.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use crate::{
    domain::{Books, ShardIndex},
    ports::Fault,
    report::limits::of_shards,
    run::{
        Commits, DoneMarker, DoneMarkers, Limit, Plan, RunStore, StageLatency, Warning, WarningCode, Work,
        names,
    },
};

/// Heartbeats that are read at a time.
const READS: usize = 16;

/// What the processes of all shards tell of the run.
pub(super) struct Limited {
    /// Over all shards, the most important first.
    pub limits: Vec<Limit>,
    /// Statements that committed submissions.
    pub commits: Commits,
    /// Of processes that broke a promise.
    pub warning: Option<Warning>,
}

/// Reads the done markers and the heartbeats.
pub(super) async fn limited(store: &RunStore, plan: &Plan) -> Result<Limited, Fault> {
    let mut markers = DoneMarkers::new(store.clone());
    let done = markers.look(plan).await?;
    let Unmarked { work, mut broken } = unmarked(store, plan, done).await?;
    for (invariant, times) in done.values().flat_map(|marker| &marker.violations) {
        *broken.entry(invariant.clone()).or_default() += times;
    }
    let works = done.values().map(|marker| (marker.shard, &marker.work));
    let works = works.chain(work.iter().map(|(shard, work)| (*shard, work)));
    let limits = of_shards(works.filter_map(|(shard, work)| Some((shard, plan.shard(shard)?.rows, work))));
    let mut commits = Commits::default();
    for marker in done.values() {
        commits.add(marker.work.commits);
    }
    Ok(Limited { limits, commits, warning: warning(&broken) })
}

/// What the processes that made no done marker tell: stopped, evicted or killed ones.
#[derive(Default)]
struct Unmarked {
    /// Of each shard without a marker, over all its processes.
    work: BTreeMap<ShardIndex, Work>,
    /// Broken promises by id; a process that made a marker tells its own there.
    broken: BTreeMap<String, u64>,
}

/// Reads their last heartbeats. One that cannot be read is left out: it changes no row.
async fn unmarked(
    store: &RunStore,
    plan: &Plan,
    done: &BTreeMap<ShardIndex, DoneMarker>,
) -> Result<Unmarked, Fault> {
    let mut found = Unmarked::default();
    let names = store.list(names::HEARTBEATS).await?;
    let mut beats = stream::iter(names)
        .map(|name| async move { (store.heartbeat(&plan.id, &name).await, name) })
        .buffered(READS);
    while let Some((read, name)) = beats.next().await {
        let beat = match read {
            Ok(Some(beat)) => beat,
            Ok(None) => continue,
            Err(fault) => {
                tracing::debug!(name, fault = %fault.chain(), "the summary leaves out this heartbeat");
                continue;
            }
        };
        let marker = done.get(&beat.shard);
        if marker.is_none() {
            found.work.entry(beat.shard).or_default().add(&beat.work);
        }
        if marker.is_none_or(|marker| marker.writer != beat.writer) {
            for (invariant, times) in beat.violations {
                *found.broken.entry(invariant).or_default() += times;
            }
        }
    }
    Ok(found)
}

fn warning(broken: &BTreeMap<String, u64>) -> Option<Warning> {
    if broken.is_empty() {
        return None;
    }
    let broken: Vec<String> =
        broken.iter().map(|(invariant, times)| format!("{invariant} ({times} times)")).collect();
    let detail = format!(
        "a bug: the program broke a promise of its own: {}; the books balance all the same; please report it with the \
         shards' logs, and verify the run",
        broken.join(", ")
    );
    Some(Warning { code: WarningCode::InvariantViolated, detail })
}

/// Where the time went, slowest first.
pub(super) fn stages(books: &Books) -> Vec<StageLatency> {
    let mut stages: Vec<StageLatency> = [("copy", books.copy), ("commit", books.commit)]
        .into_iter()
        .filter(|(_, latency)| latency.rows > 0)
        .map(|(stage, latency)| StageLatency {
            stage: stage.to_owned(),
            rows: latency.rows,
            total_ms: latency.total_ms,
            longest_ms: latency.longest_ms,
        })
        .collect();
    stages.sort_by_key(|stage| std::cmp::Reverse(stage.total_ms));
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_promises_are_named_with_their_number_and_none_is_no_warning() {
        assert_eq!(warning(&BTreeMap::new()), None);
        let warned =
            warning(&BTreeMap::from([("books_balance".into(), 1), ("one_outcome".into(), 2)])).unwrap();
        assert!(warned.detail.contains(": books_balance (1 times), one_outcome (2 times);"), "{warned:?}");
    }
}
