//! Which outcome of a row counts where it has several: the one that the result counts, for whichever command reads them later.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Plan, PlanId, RowSet, RunStore, Summary, names, receipts::Receipts};
use crate::{
    domain::{Digest, Outcome, newest, stands},
    ports::Fault,
};

/// The rows that the target lacked when the result was made: of their outcomes the newest one counts, whatever it is. Of every
/// other row a migrated outcome beats all.
#[derive(Debug, Clone)]
pub struct Standing {
    absent: RowSet,
    is_told: bool,
    of: Option<ReceiptsOf>,
    at: Option<DateTime<Utc>>,
}

/// `absent.json`.
#[derive(Serialize, Deserialize)]
struct AbsentRows {
    plan: PlanId,
    /// The receipts of the result that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receipts: Option<ReceiptsOf>,
    /// When that result was made, as it says itself; absent in documents of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<DateTime<Utc>>,
    /// First and last row of each range, ascending.
    rows: Vec<(u64, u64)>,
}

/// What tells one result from another, beside its time: both digests differ, unless one of them was altered afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ReceiptsOf {
    root: Digest,
    /// Over the digests of all shards.
    shards: Digest,
}

impl From<&Receipts> for ReceiptsOf {
    fn from(receipts: &Receipts) -> Self {
        let shards: Vec<u8> = receipts.shards.iter().flat_map(|shard| *shard.as_bytes()).collect();
        Self { root: receipts.root, shards: Digest::of(&shards) }
    }
}

impl Standing {
    /// If the target lacks these rows.
    pub fn without(absent: RowSet) -> Self {
        Self { absent, is_told: true, of: None, at: None }
    }

    /// As the newest result says.
    pub async fn read(store: &RunStore, plan: &Plan) -> Result<Self, Fault> {
        let told: Option<AbsentRows> = store.read(names::ABSENT).await?;
        let told = told.filter(|told| told.plan == plan.id);
        let (is_told, at) = (told.is_some(), told.as_ref().and_then(|told| told.at));
        let of = told.as_ref().and_then(|told| told.receipts.clone());
        let mut absent = RowSet::new(plan.last_row());
        for (first, last) in told.into_iter().flat_map(|told| told.rows) {
            for row in first..=last.min(plan.last_row()) {
                // A row beyond the plan's has no outcome.
                let _ = absent.insert(row);
            }
        }
        Ok(Self { absent, is_told, of, at })
    }

    /// Publishes it in the place of the earlier result's. To be called while the run's lock is held, before the other results,
    /// of which these are the receipts and the time.
    pub async fn publish(
        &self,
        store: &RunStore,
        plan: &Plan,
        receipts: &Receipts,
        at: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let (plan, receipts) = (plan.id.clone(), Some(receipts.into()));
        let rows = AbsentRows { plan, receipts, at: Some(at), rows: self.absent.ranges() };
        store.replace_in_a_line(names::ABSENT, &rows).await
    }

    /// Whether the result says it: results of earlier programs do not, and no result says it of a run without one.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// Whether it is of this result. A merge that was stopped leaves it beside the result before, which was made at another time
    /// and has other receipts: a result of which only one of these is another was altered.
    pub fn is_of(&self, result: &Summary) -> bool {
        let (Some(own), Some(receipts)) = (&self.of, &result.receipts) else { return true };
        let told = ReceiptsOf::from(receipts);
        self.at == Some(result.at) || own.root == told.root || own.shards == told.shards
    }

    /// Whether the target lacked the row.
    pub fn lacks(&self, row: u64) -> bool {
        self.absent.contains(row)
    }

    /// Which of two outcomes of one row counts.
    pub fn of(&self, earlier: Outcome, later: Outcome) -> Outcome {
        if self.lacks(later.row) { newest(earlier, later) } else { stands(earlier, later) }
    }
}
