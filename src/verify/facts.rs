//! The warehouse's facts, for one range of rows after the other: asked for, or split once by one scan.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::mapping::InputIndex;
use crate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts},
    exit::{Exit, Stop},
    ports::{Fault, Warehouse, in_order},
    run::{
        RunStore,
        lines::{self, Buckets, SpooledBuckets},
        outcomes::Ranges,
    },
};

/// Bytes of facts that are compared together, about: a report of a megabyte is no reason to hold hundreds of them.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// A file in the verify store that holds lines about one range of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLines {
    /// Name of the file.
    pub name: String,
    /// Its SHA-256, hex.
    pub sha256: String,
}

/// Where facts come from.
pub enum FactsSource<'a> {
    /// The warehouse is asked about many attempts at a time.
    Asked(&'a dyn Warehouse),
    /// It was read once, and its rows were dealt by ranges of input rows.
    Split(SpooledBuckets),
    /// The same, by another process: a file for each range.
    Shared(RunStore, Vec<SharedLines>),
    /// It is not there; why.
    Absent(String),
}

impl FactsSource<'_> {
    /// Reads a warehouse whole in which looking attempts up is dear.
    pub async fn split(
        warehouse: &dyn Warehouse,
        index: &InputIndex,
        ranges: Ranges,
    ) -> Result<SpooledBuckets, Fault> {
        let mut dealt = Buckets::new(ranges.count())?;
        warehouse
            .scan(&mut |rows| {
                for row in rows {
                    let (attempt, facts) = match row {
                        FactRow::Report(attempt, report) => {
                            (attempt, Facts { reports: vec![report], scores: Vec::new() })
                        }
                        FactRow::Score(attempt, score) => {
                            (attempt, Facts { reports: Vec::new(), scores: vec![score] })
                        }
                    };
                    if let Some(newest) = index.newest(attempt) {
                        dealt.push(ranges.of_row(newest), &AttemptFacts { attempt, facts })?;
                    }
                }
                Ok(())
            })
            .await?;
        dealt.finish()
    }

    /// Writes what [`Self::split`] read to the verify store, a file for each range, named by `name`.
    pub async fn share(
        split: &SpooledBuckets,
        store: &RunStore,
        name: impl Fn(usize) -> String,
    ) -> Result<Vec<SharedLines>, Fault> {
        let mut shared = Vec::with_capacity(split.len());
        for range in 0..split.len() {
            let mut lines: Vec<Result<AttemptFacts, Fault>> = Vec::new();
            split.read(range, |one: AttemptFacts| {
                lines.push(Ok(one));
                Ok(())
            })?;
            let name = name(range);
            let sha256 = lines::create(store, &name, lines.into_iter()).await?;
            shared.push(SharedLines { name, sha256 });
        }
        Ok(shared)
    }

    /// The facts that were split for a range; empty if they are asked for.
    pub async fn of_range(&self, range: usize) -> Result<HashMap<AttemptId, Facts>, Fault> {
        let mut all: HashMap<AttemptId, Facts> = HashMap::new();
        let mut take = |one: AttemptFacts| {
            let facts = all.entry(one.attempt).or_default();
            facts.reports.extend(one.facts.reports);
            facts.scores.extend(one.facts.scores);
        };
        match self {
            Self::Asked(_) | Self::Absent(_) => {}
            Self::Split(buckets) => buckets.read(range, |one| {
                take(one);
                Ok(())
            })?,
            Self::Shared(store, files) => {
                if let Some(file) = files.get(range) {
                    let mut lines = lines::open(store, &file.name, &file.sha256).await?;
                    while let Some(one) = lines.next().await? {
                        take(one);
                    }
                }
            }
        }
        Ok(all)
    }

    /// The facts of the first of these attempts, in their order: of as many as take [`PART_BYTES`], and of one however large
    /// they are. `None` if there is no warehouse.
    pub async fn of_first(
        &self,
        attempts: &[AttemptId],
        split: &HashMap<AttemptId, Facts>,
    ) -> Result<Option<Vec<Facts>>, Stop> {
        match self {
            Self::Absent(_) => Ok(None),
            Self::Split(_) | Self::Shared(..) => Ok(Some(first_of(attempts, split))),
            Self::Asked(_) if attempts.is_empty() => Ok(Some(Vec::new())),
            Self::Asked(warehouse) => {
                let answers = warehouse.fetch_some(attempts, PART_BYTES).await?;
                in_order(attempts, answers).map(Some).map_err(|what| Stop::new(Exit::Bug, what))
            }
        }
    }
}

fn first_of(attempts: &[AttemptId], split: &HashMap<AttemptId, Facts>) -> Vec<Facts> {
    let (mut first, mut bytes) = (Vec::new(), 0);
    for attempt in attempts {
        let facts = split.get(attempt).cloned().unwrap_or_default();
        bytes += facts.size_bytes();
        if bytes > PART_BYTES && !first.is_empty() {
            break;
        }
        first.push(facts);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Report, Value};

    #[test]
    fn facts_with_long_texts_are_compared_a_few_at_a_time() {
        let facts = |mebibytes: usize| {
            let marker_notes = Value::Text("x".repeat(mebibytes << 20));
            let reports = vec![Report { marker_notes, ..Report::default() }];
            Facts { reports, scores: Vec::new() }
        };
        let all: Vec<AttemptId> = ["1", "2", "3", "4"].map(|text| text.parse().unwrap()).to_vec();
        let of = |sizes: [usize; 4]| {
            let split = all.iter().copied().zip(sizes.map(facts)).collect();
            first_of(&all, &split).len()
        };
        assert_eq!(of([0, 0, 0, 0]), 4);
        assert_eq!(of([3, 1, 1, 1]), 2);
        assert_eq!(of([9, 0, 0, 0]), 1, "one is never too large");
        assert_eq!(first_of(&all, &HashMap::new()).len(), 4, "no facts are facts too");
    }
}
