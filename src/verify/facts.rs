//! The warehouse's facts, for one range of rows after the other: asked for, or split once by one scan.

use std::collections::HashMap;

use super::mapping::InputIndex;
use crate::{
    domain::{AttemptFacts, AttemptId, FactRow, Facts},
    ports::{Fault, Warehouse},
    run::{
        lines::{Buckets, SpooledBuckets},
        outcomes::Outcomes,
    },
};

/// Where facts come from.
pub enum FactsSource<'a> {
    /// The warehouse is asked about many attempts at a time.
    Asked(&'a dyn Warehouse),
    /// It was read once, and its rows were dealt by ranges of input rows.
    Split(SpooledBuckets),
    /// It is not there; why.
    Absent(String),
}

impl FactsSource<'_> {
    /// Reads a warehouse whole in which looking attempts up is dear.
    pub async fn split(
        warehouse: &dyn Warehouse,
        index: &InputIndex,
        outcomes: &Outcomes,
    ) -> Result<Self, Fault> {
        let mut dealt = Buckets::new(outcomes.buckets())?;
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
                        dealt.push(outcomes.bucket_of(newest), &AttemptFacts { attempt, facts })?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(Self::Split(dealt.finish()?))
    }

    /// The facts that were split for a range; empty if they are asked for.
    pub fn of_range(&self, bucket: usize) -> Result<HashMap<AttemptId, Facts>, Fault> {
        let mut all: HashMap<AttemptId, Facts> = HashMap::new();
        if let Self::Split(buckets) = self {
            buckets.read(bucket, |one: AttemptFacts| {
                let facts = all.entry(one.attempt).or_default();
                facts.reports.extend(one.facts.reports);
                facts.scores.extend(one.facts.scores);
                Ok(())
            })?;
        }
        Ok(all)
    }

    /// The facts of each attempt; `None` if there is no warehouse.
    pub async fn of(
        &self,
        attempts: &[AttemptId],
        split: &HashMap<AttemptId, Facts>,
    ) -> Result<Option<HashMap<AttemptId, Facts>>, Fault> {
        match self {
            Self::Absent(_) => Ok(None),
            Self::Split(_) => {
                let of = |attempt: &AttemptId| (*attempt, split.get(attempt).cloned().unwrap_or_default());
                Ok(Some(attempts.iter().map(of).collect()))
            }
            Self::Asked(warehouse) => {
                let facts = if attempts.is_empty() { Vec::new() } else { warehouse.fetch(attempts).await? };
                Ok(Some(attempts.iter().copied().zip(facts).collect()))
            }
        }
    }
}
