//! What limited a run, where its time went, and which promises were broken in it, from the done markers of its shards.

use std::collections::BTreeMap;

use crate::{
    domain::Books,
    ports::Fault,
    report::limits::of_shards,
    run::{DoneMarkers, Limit, Plan, RunStore, StageLatency, Warning, WarningCode},
};

/// The advice over all shards that are done, and a warning if a process broke a promise.
pub(super) async fn limited(store: &RunStore, plan: &Plan) -> Result<(Vec<Limit>, Option<Warning>), Fault> {
    let mut markers = DoneMarkers::new(store.clone());
    let done = markers.look(plan).await?;
    let limits = of_shards(done.values().filter_map(|marker| {
        let rows = plan.shard(marker.shard)?.rows;
        Some((marker.shard, rows, &marker.work))
    }));
    let mut broken: BTreeMap<&str, u64> = BTreeMap::new();
    for (invariant, times) in done.values().flat_map(|marker| &marker.violations) {
        *broken.entry(invariant).or_default() += times;
    }
    Ok((limits, warning(&broken)))
}

fn warning(broken: &BTreeMap<&str, u64>) -> Option<Warning> {
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
        let warned = warning(&BTreeMap::from([("books_balance", 1), ("one_outcome", 2)])).unwrap();
        assert!(warned.detail.contains(": books_balance (1 times), one_outcome (2 times);"), "{warned:?}");
    }
}
