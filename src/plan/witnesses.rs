//! Attempts that had rows in the warehouse when the run was planned.

use crate::{
    domain::{AttemptId, Facts},
    gather::CHUNK_BYTES,
    ports::{Fault, Warehouse},
};

/// Attempts of the sample that have rows in a warehouse that is asked row by row: while they have none, its tables are
/// being loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Witnesses {
    /// Has a report.
    pub reported: Option<AttemptId>,
    /// Has a score.
    pub scored: Option<AttemptId>,
}

impl Witnesses {
    /// The first of the attempts that has a report, and the first that has a score.
    pub async fn among(attempts: &[AttemptId], warehouse: &dyn Warehouse) -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut rest = attempts;
        while !rest.is_empty() && (found.reported.is_none() || found.scored.is_none()) {
            let some = warehouse.fetch_some(rest, CHUNK_BYTES).await?;
            let first =
                |has: fn(&Facts) -> bool| some.iter().find(|one| has(&one.facts)).map(|one| one.attempt);
            found.reported = found.reported.or_else(|| first(|facts| !facts.reports.is_empty()));
            found.scored = found.scored.or_else(|| first(|facts| !facts.scores.is_empty()));
            rest = rest.get(some.len().max(1)..).unwrap_or_default();
        }
        Ok(found)
    }
}
