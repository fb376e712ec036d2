//! What a person is told of a plan.

use serde::Serialize;

use super::draft::Standing;
use crate::run::Plan;

/// A plan that stands, or in a rehearsal would.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    /// The plan; in a rehearsal without digests of queues.
    pub plan: Plan,
    /// What it is.
    pub state: PlanState,
    /// Rows by what the plan can know; `None` where the plan stood before.
    pub counts: Option<Counts>,
    /// What is worth a look, but stops nothing.
    pub remarks: Vec<String>,
}

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Made now.
    Made,
    /// It stood before; nothing changed.
    Stood,
    /// Nothing was written.
    Rehearsed,
}

/// Rows by what the plan can know of them; the first that applies counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Left out by the trial: in no other count.
    pub left_out: u64,
    /// Attempt ID is none.
    pub attempt_id_invalid: u64,
    /// A newer row names the attempt.
    pub duplicate_row: u64,
    /// The target holds it.
    pub already_migrated: u64,
    /// No mapping row.
    pub mapping_missing: u64,
    /// Mapping rows that differ.
    pub mapping_ambiguous: u64,
    /// Unit Code Version blank.
    pub unit_version_missing: u64,
    /// Not among the versions to migrate.
    pub unit_version_excluded: u64,
    /// The rest: its report and the target's catalogue decide.
    pub eligible: u64,
}

impl Counts {
    /// Counts one more row.
    pub fn count(&mut self, standing: Standing) {
        *match standing {
            Standing::AttemptInvalid => &mut self.attempt_id_invalid,
            Standing::Duplicate => &mut self.duplicate_row,
            Standing::Held => &mut self.already_migrated,
            Standing::MappingMissing => &mut self.mapping_missing,
            Standing::MappingAmbiguous => &mut self.mapping_ambiguous,
            Standing::VersionMissing => &mut self.unit_version_missing,
            Standing::VersionExcluded => &mut self.unit_version_excluded,
            Standing::Eligible => &mut self.eligible,
        } += 1;
    }
}

impl PlanReport {
    /// The report as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let plan = &self.plan;
        let what = match self.state {
            PlanState::Made => format!("plan {} of run {} stands", plan.id, plan.run),
            PlanState::Stood => {
                format!("plan {} of run {} stood already: nothing changed", plan.id, plan.run)
            }
            PlanState::Rehearsed => format!("a plan of run {} can be made: nothing was written", plan.run),
        };
        let mut lines = vec![
            what,
            format!("  rows        {}", plan.rows),
            format!("  shards      {}, about {} rows each", plan.shards.len(), per_shard(plan)),
            format!("  database    {}", plan.identity),
            format!("  target      {}", plan.target),
            format!("  warehouse   {}", plan.warehouse),
        ];
        if plan.rows_left_out > 0 {
            let trial = plan.trial.as_deref().unwrap_or_default();
            lines.push(format!(
                "  left out    {} rows, by {trial}: this run does not count them",
                plan.rows_left_out
            ));
        }
        if let Some(counts) = &self.counts {
            lines.extend(
                named(counts)
                    .into_iter()
                    .filter(|(_, rows)| *rows > 0)
                    .map(|(name, rows)| format!("  {rows:>9}  {name}")),
            );
        }
        lines.extend(self.remarks.iter().map(|remark| format!("  note: {remark}")));
        lines
    }
}

fn per_shard(plan: &Plan) -> u64 {
    plan.rows.div_ceil(plan.shards.len().max(1) as u64)
}

fn named(counts: &Counts) -> [(&'static str, u64); 8] {
    [
        ("attempt_id_invalid", counts.attempt_id_invalid),
        ("duplicate_row", counts.duplicate_row),
        ("already_migrated", counts.already_migrated),
        ("mapping_missing", counts.mapping_missing),
        ("mapping_ambiguous", counts.mapping_ambiguous),
        ("unit_version_missing", counts.unit_version_missing),
        ("unit_version_excluded", counts.unit_version_excluded),
        ("to be decided by their reports", counts.eligible),
    ]
}
