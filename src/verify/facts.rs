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

    /// The facts of each attempt; `None` if there is no warehouse.
    pub async fn of(
        &self,
        attempts: &[AttemptId],
        split: &HashMap<AttemptId, Facts>,
    ) -> Result<Option<HashMap<AttemptId, Facts>>, Stop> {
        match self {
            Self::Absent(_) => Ok(None),
            Self::Split(_) | Self::Shared(..) => {
                let of = |attempt: &AttemptId| (*attempt, split.get(attempt).cloned().unwrap_or_default());
                Ok(Some(attempts.iter().map(of).collect()))
            }
            Self::Asked(warehouse) => {
                let facts = ask(*warehouse, attempts).await?;
                Ok(Some(attempts.iter().copied().zip(facts).collect()))
            }
        }
    }
}

/// The facts of every attempt, in the order asked. All of them are held at once.
async fn ask(warehouse: &dyn Warehouse, attempts: &[AttemptId]) -> Result<Vec<Facts>, Stop> {
    let mut all = Vec::with_capacity(attempts.len());
    while let Some(rest) = attempts.get(all.len()..).filter(|rest| !rest.is_empty()) {
        let some = warehouse.fetch_some(rest, usize::MAX).await?;
        all.extend(in_order(rest, some).map_err(|what| Stop::new(Exit::Bug, what))?);
    }
    Ok(all)
}
