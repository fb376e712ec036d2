//! What limited a run, where its time went, and which promises were broken in it: from the done markers of its shards and
//! the last heartbeats of the processes that made none, also of a shard that another process completed later.

use std::collections::BTreeMap;

use crate::{
    domain::{Books, ShardIndex},
    ports::Fault,
    report::limits::of_shards,
    run::{
        Commits, DoneMarker, DoneMarkers, Heartbeat, Limit, Plan, RunStore, StageLatency, Warning,
        WarningCode, Work,
    },
};

/// What the processes of all shards tell of the run.
pub(super) struct Limited {
    /// Over all shards, the most important first.
    pub limits: Vec<Limit>,
    /// Statements that committed submissions.
    pub commits: Commits,
    /// Of processes that broke a promise, and of shards whose breaker opened with their last rows.
    pub warnings: Vec<Warning>,
}

/// Reads the done markers; `beats` are the last heartbeats of all processes.
pub(super) async fn limited(store: &RunStore, plan: &Plan, beats: &[Heartbeat]) -> Result<Limited, Fault> {
    let mut markers = DoneMarkers::new(store.clone());
    let done = markers.look(plan).await?;
    let Told { mut work, mut broken } = without_marker(beats, done);
    for marker in done.values() {
        work.entry(marker.shard).or_default().add(&marker.work);
        for (invariant, times) in &marker.violations {
            *broken.entry(invariant.clone()).or_default() += times;
        }
    }
    let limits =
        of_shards(work.iter().filter_map(|(shard, work)| Some((*shard, plan.shard(*shard)?.rows, work))));
    let mut commits = Commits::default();
    for work in work.values() {
        commits.add(work.commits);
    }
    let opened = done.values().filter_map(breaker_opened);
    Ok(Limited { limits, commits, warnings: warning(&broken).into_iter().chain(opened).collect() })
}

/// What processes tell of their work.
#[derive(Default)]
struct Told {
    /// Of each shard, summed over its processes: a shard that took several is one shard in the advice.
    work: BTreeMap<ShardIndex, Work>,
    /// Broken promises by id.
    broken: BTreeMap<String, u64>,
}

/// From the heartbeats of the processes that made no done marker: stopped, evicted or killed ones. A process that made one
/// tells everything there.
fn without_marker(beats: &[Heartbeat], done: &BTreeMap<ShardIndex, DoneMarker>) -> Told {
    let mut found = Told::default();
    for beat in beats {
        if done.get(&beat.shard).is_none_or(|marker| marker.writer != beat.writer) {
            found.work.entry(beat.shard).or_default().add(&beat.work);
            for (invariant, times) in &beat.violations {
                *found.broken.entry(invariant.clone()).or_default() += times;
            }
        }
    }
    found
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

fn breaker_opened(marker: &DoneMarker) -> Option<Warning> {
    let detail = format!(
        "shard {}: {}; its last rows were under way and have outcomes; correct the cause before the failed rows are run again",
        marker.shard,
        marker.breaker_opened.as_ref()?
    );
    Some(Warning { code: WarningCode::BreakerOpened, detail })
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
