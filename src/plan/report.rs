//! The report on a plan that is printed for the operator.

use std::collections::BTreeMap;

use serde::Serialize;

use super::draft::EarlyCode;
use crate::{
    domain::{FailCode, SkipCode},
    ports::Holdings,
    report::grid::count,
    run::{Plan, Warning},
};

/// A plan that exists, or that a dry run would have made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    /// The plan; in a rehearsal without digests of queues.
    pub plan: Plan,
    /// Whether the plan was made, found or rehearsed.
    pub state: PlanState,
    /// Numbers of rows by the result of the rules without facts; `None` if the plan existed before.
    pub counts: Option<Counts>,
    /// What the target holds: before the run, or now if the plan existed before; `None` if it was not asked.
    pub holdings: Option<Holdings>,
    /// How the sources were listed; `None` if they were not, because nothing copies from them by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<ListedSources>,
    /// What does not stop the run.
    pub remarks: Vec<String>,
    /// What does not stop the run either, and that its summary says again.
    pub warnings: Vec<Warning>,
}

/// What listings of the sources told of the files that rows may migrate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ListedSources {
    /// Files that a listing may show.
    pub files: u64,
    /// Those of them that were shown: their copies need no look at their source.
    pub known: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Containers that were not listed to their end, and why.
    pub not_listed: Vec<String>,
}

impl ListedSources {
    fn lines(&self) -> impl Iterator<Item = String> {
        let known = format!(
            "  sources     {} of {} files are listed: no look at them is needed before the storage service copies them",
            count(self.known),
            count(self.files)
        );
        let not_listed =
            |why: &String| format!("  note: {why}; its files are looked at one by one when they are copied");
        [known].into_iter().chain(self.not_listed.iter().map(not_listed).collect::<Vec<_>>())
    }
}

/// How the plan came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// This process made the plan.
    Made,
    /// The plan existed before; nothing changed.
    Stood,
    /// A dry run: nothing was written.
    Rehearsed,
}

/// Numbers of rows by the result of the rules without facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Left out by the trial: in no other count.
    pub left_out: u64,
    /// Rows that will fail.
    pub failed: BTreeMap<FailCode, u64>,
    /// Rows that will be skipped.
    pub skipped: BTreeMap<SkipCode, u64>,
    /// The rest: the report and the target's catalogue decide.
    pub eligible: u64,
    /// Rows of the rest that the target holds, and that are compared with what an earlier run moved.
    pub compared: u64,
}

impl Counts {
    /// Counts one more row.
    pub fn count(&mut self, code: Option<EarlyCode>) {
        *match code {
            Some(EarlyCode::Fails(code)) => self.failed.entry(code).or_default(),
            Some(EarlyCode::Skips(code)) => self.skipped.entry(code).or_default(),
            None => &mut self.eligible,
        } += 1;
    }

    /// Rows that their owner leaves out.
    pub fn excluded(&self) -> u64 {
        self.skipped.get(&SkipCode::ExcludedByOwner).copied().unwrap_or_default()
    }

    /// A sentence if no row is left because of the versions that the run takes: more likely than such an export is a wrong
    /// setting, with which the run would skip everything and be COMPLETE.
    pub fn no_version_fits(&self, plan: &Plan) -> Option<String> {
        let skipped = |code| self.skipped.get(&code).copied().unwrap_or_default();
        let excluded = skipped(SkipCode::UnitVersionExcluded);
        let is_suspect = excluded > 0 && self.eligible == 0 && skipped(SkipCode::AlreadyMigrated) == 0;
        let versions = plan.settings.get("unit-versions").map_or("", String::as_str);
        is_suspect.then(|| {
            format!(
                "NO ROW WILL BE MOVED: the Unit Code Version of {excluded} of {} rows begins with none of unit-versions \
                 ({versions}); if that setting is wrong, correct it and start a run with another name",
                plan.rows
            )
        })
    }

    fn lines(&self) -> Vec<String> {
        let line = |name: &str, rows: u64| format!("  {rows:>9}  {name}");
        let failed = self.failed.iter().map(|(code, rows)| line(code.code(), *rows));
        let skipped = self.skipped.iter().map(|(code, rows)| line(code.code(), *rows));
        let rest = self.eligible - self.compared.min(self.eligible);
        let eligible = (rest > 0).then(|| line("to be decided by their reports", rest));
        let compared =
            (self.compared > 0).then(|| line("to be compared with the earlier run", self.compared));
        failed.chain(skipped).chain(eligible).chain(compared).collect()
    }
}

impl PlanReport {
    /// What the plan itself tells.
    pub fn of(plan: Plan, state: PlanState) -> Self {
        let warnings = plan.warnings();
        Self { plan, state, counts: None, holdings: None, listed: None, remarks: Vec::new(), warnings }
    }

    /// The report as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let plan = &self.plan;
        let what = match self.state {
            PlanState::Made => format!("plan {} of run {} stands", plan.id, plan.run),
            PlanState::Stood => {
                format!("plan {} of run {} existed already, nothing changed", plan.id, plan.run)
            }
            PlanState::Rehearsed => format!("a plan of run {} can be made, nothing was written", plan.run),
        };
        let mut lines = vec![
            format!("{what}: {} rows; the target is {}{}", count(plan.rows), plan.identity, self.held()),
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
        if !plan.after.is_empty() {
            let runs: Vec<&str> = plan.after.iter().map(crate::run::RunName::as_str).collect();
            lines.push(format!(
                "  after       {}: {} of its attempts are in no row of this input; they are counted too, as withdrawn",
                runs.join(", "),
                plan.withdrawn
            ));
        }
        if let Some(excluded) = &plan.excluded {
            lines.push(format!("  excluded    {excluded}"));
        }
        lines.extend(self.listed.iter().flat_map(ListedSources::lines));
        if let Some(counts) = &self.counts {
            lines.extend(counts.lines());
        }
        lines.extend(self.remarks.iter().map(|remark| format!("  note: {remark}")));
        let warned = |Warning { code, detail }: &Warning| format!("  warning: {}: {detail}", code.code());
        lines.extend(self.warnings.iter().map(warned));
        lines
    }
}

impl PlanReport {
    fn held(&self) -> String {
        match &self.holdings {
            None => String::new(),
            Some(Holdings { submissions, newest }) => {
                let newest = newest.map_or_else(String::new, |at| {
                    format!(", the newest of {}", at.format("%Y-%m-%d %H:%M UTC"))
                });
                format!(", and holds {} submissions already{newest}", count(*submissions))
            }
        }
    }
}

fn per_shard(plan: &Plan) -> u64 {
    plan.rows.div_ceil(plan.shards.len().max(1) as u64)
}
