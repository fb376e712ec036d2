//! The verdict over a run: what it is at, and how `status` ends. Reads its argument only.

mod again;
mod lines;
mod seen;
mod sweep;
mod under_way;
mod unplanned;

use super::{Facts, Searched};
use crate::{
    domain::{ShardIndex, shard_list},
    exit::Exit,
    ports::JobEnd,
    report::{
        grid::{count, span},
        standing::{RunState, Standing},
    },
    run::{
        Plan, RunResult, State,
        clocks::{is_at_work, may_be_at_work, newness},
    },
    watch::rerun,
};
pub use seen::{look_before_redo, redo_of};

use lines::{eta_s, job_line, limits, rows, shards, sum_of_rates, verified, verifying};
use seen::{finalize_of, is_alive, is_stopped, last_sign, of, rerun_of, undone, unfinished};
use under_way::{given_up, shards_under_way};
use unplanned::{refused, without_plan};

/// When the line that merges is to be typed. Behind the line itself it would be typed too.
const UNLESS_IT_RUNS: &str = " (if no finalizer is at work, the next line merges it)";

/// What it is at, why, how `status` ends and what to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In a word.
    pub state: RunState,
    /// In a sentence.
    pub reason: String,
    /// How `status` ends.
    pub exit: Exit,
    /// What to type; may be empty.
    pub next: String,
}

impl Verdict {
    fn new(state: RunState, exit: Exit, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), exit, next: String::new() }
    }

    fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// Whether waiting may still change it.
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, RunState::Planning | RunState::Running | RunState::Paused | RunState::Finalizing)
    }
}

/// The verdict, and all that people see of the run.
pub fn judge(facts: &Facts) -> (Verdict, Standing) {
    let verdict = sweep::with_its_rest(verdict(facts), facts);
    let shards = facts.plan.as_ref().map_or_else(Vec::new, |plan| shards(plan, facts));
    let (rows, rows_at) = rows(facts, &shards);
    let rows_per_second = sum_of_rates(shards.iter().map(|shard| shard.rows_per_second));
    let standing = Standing {
        run: facts.run.clone(),
        run_store: facts.whereabouts.run_store.clone(),
        state: verdict.state,
        reason: verdict.reason.clone(),
        exit_code: verdict.exit as u8,
        plan: facts.plan.as_ref().map(|plan| plan.id.clone()),
        planned_at: facts.plan.as_ref().map(|plan| plan.created_at),
        eta_s: eta_s(rows, rows_per_second),
        rows,
        rows_at,
        rows_per_second,
        shards_done: shards.iter().filter(|shard| shard.done).count(),
        shards,
        verifying: facts.verifying.iter().map(verifying).collect(),
        verified: facts
            .verification
            .as_ref()
            .map(|verification| verified(verification, facts.summary.as_ref())),
        limits: limits(facts, verdict.state),
        jobs: facts.jobs.iter().flat_map(|jobs| &jobs.jobs).map(job_line).collect(),
        next_command: verdict.next.clone(),
        at: facts.at,
    };
    (verdict, standing)
}

fn verdict(facts: &Facts) -> Verdict {
    if facts.rolled_back {
        let reason = "it was rolled back; use another name for the next";
        return Verdict::new(RunState::RolledBack, Exit::Configuration, reason);
    }
    let Some(plan) = &facts.plan else { return without_plan(facts) };
    let summary = facts.summary.as_ref().filter(|summary| summary.plan == plan.id);
    if let Some(again) = summary.and_then(|summary| again::after(summary, facts)) {
        return again;
    }
    if let Some(summary) = summary.filter(|summary| summary.result == RunResult::Complete) {
        return sweep::complete(summary, plan, facts);
    }
    // Without Jobs a refusal beside a plan may be of any process's writer.
    if let Some(refusal) = facts.epoch().and_then(|epoch| facts.refusals.get(epoch)) {
        return refused(refusal);
    }
    let undone = undone(plan, facts);
    let merged = summary.is_some_and(|summary| summary.at > last_sign(plan, facts));
    if let Some(given_up) = given_up(facts).filter(|_| !merged) {
        return given_up;
    }
    // Lost rows are moved again although their shards' done markers stand.
    let is_lost = summary.is_some_and(|summary| summary.lost.rows > 0);
    if (is_lost || !undone.is_empty())
        && let Some(under_way) = shards_under_way(facts, merged)
    {
        return under_way;
    }
    if let Some(sweeping) = summary.filter(|_| merged).and_then(|summary| sweep::under_way(summary, facts)) {
        return sweeping;
    }
    // A finalizer that has said what is missing has only its exit left.
    if unfinished(facts, "finalize") && (undone.is_empty() || !merged) {
        return Verdict::new(RunState::Finalizing, Exit::Temporary, "the finalizer is at work");
    }
    let ended = facts.jobs.as_ref().is_some_and(|jobs| of(jobs, "finalize").next().is_some());
    let rerun = rerun_line(facts, &undone, merged);
    if !undone.is_empty() && (merged || ended) {
        let reason = format!("rows of shards {} have no outcome", shard_list(&undone));
        return Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(rerun);
    }
    if let Some(failed) = failed_finalizer(facts).filter(|_| !merged) {
        return failed;
    }
    if !undone.is_empty()
        && !merged
        && let Some(reason) = no_process_works(facts)
    {
        return Verdict::new(RunState::Stalled, Exit::Incomplete, reason).next(rerun);
    }
    let verdict = silent(plan, facts, &undone, merged, rerun);
    if undone.is_empty() { verdict } else { unless_elsewhere(verdict, facts) }
}

/// What is not known of a run of the chart if its Jobs were looked for in the namespace of the context, or not at all.
fn unless_elsewhere(verdict: Verdict, facts: &Facts) -> Verdict {
    let (unknown, named) = match facts.no_jobs_in.as_ref().filter(|_| facts.is_of_chart) {
        Some(Searched::OfContext(name)) => (
            format!(
                "namespace {name} of the cluster (that of the context) has no Job of this run: whether it is paused or failed in \
                 another namespace is not known (ROGO_NAMESPACE names it)"
            ),
            rerun::IN_NAMESPACE,
        ),
        Some(Searched::Nowhere) => (
            "this machine knows no cluster: whether it is paused or failed there is not known (KUBECONFIG and ROGO_NAMESPACE \
             name cluster and namespace)"
                .to_owned(),
            rerun::IN_CLUSTER,
        ),
        Some(Searched::Chosen(_)) | None => return verdict,
    };
    let Verdict { state, reason, exit, next } = verdict;
    let reason = format!("{reason}; {unknown}");
    let ask = format!("{named} {}", rerun::status(&facts.run, &facts.whereabouts));
    let next = if next.is_empty() { next } else { ask };
    Verdict { state, reason, exit, next }
}

/// The line that runs shards again. The result that tells of them knows where its files went.
fn rerun_line(facts: &Facts, undone: &[ShardIndex], merged: bool) -> String {
    let told = facts.summary.as_ref().map(|summary| &summary.next_command);
    match told.filter(|line| merged && facts.jobs.is_none() && !line.is_empty()) {
        Some(line) => line.clone(),
        None => rerun_of(facts).command(&facts.run, undone),
    }
}

/// Why no process is at work and none will begin by itself; `None` if that is not known. A pod that was stopped is
/// started again elsewhere, unless the cluster has no Job of the run.
fn no_process_works(facts: &Facts) -> Option<String> {
    if facts.beats.values().any(|beat| is_alive(beat, facts.at)) {
        return None;
    }
    if facts.is_of_chart {
        // Its Jobs need not be in the namespace of the context.
        let Some(Searched::Chosen(name)) = &facts.no_jobs_in else { return None };
        return Some(format!(
            "namespace {name} of the cluster has no Job of this run (any more), and no process is at work"
        ));
    }
    let last = facts.beats.values().max_by_key(|beat| newness(beat.at, facts.at))?;
    let State::Stopped(at) = &last.state else { return None };
    let all_stopped = facts.beats.values().all(|beat| is_stopped(beat) || !is_at_work(beat.at, facts.at));
    all_stopped.then(|| format!("no process is at work; the last one {at} of shard {}", last.shard))
}

/// Where neither the finalizer nor the cluster decides: how long ago the last heartbeat was.
fn silent(plan: &Plan, facts: &Facts, undone: &[ShardIndex], merged: bool, rerun: String) -> Verdict {
    let sign_at = last_sign(plan, facts);
    if may_be_at_work(sign_at, facts.at) && !merged {
        return match undone {
            [] => Verdict::new(
                RunState::Finalizing,
                Exit::Temporary,
                format!("every shard is done, but nothing is merged yet{UNLESS_IT_RUNS}"),
            )
            .next(finalize_of(facts)),
            _ => Verdict::new(RunState::Running, Exit::Temporary, "no process gives a heartbeat just now"),
        };
    }
    let since = span((facts.at - sign_at).to_std().unwrap_or_default());
    if !undone.is_empty() {
        let reason = format!("no heartbeat for {since}");
        return Verdict::new(RunState::Stalled, Exit::Incomplete, reason).next(rerun);
    }
    let next = finalize_of(facts);
    if merged {
        let lost = facts.summary.as_ref().filter(|summary| summary.lost.rows > 0);
        let Some(summary) = lost else {
            let reason = "every shard is done, but rows have no outcome: see the finalizer's message";
            return Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(next);
        };
        let reason = format!(
            "{} rows that were migrated are not in the target any more (lost.csv names them){}{}",
            count(summary.lost.rows),
            summary.lost.of_another_told(),
            summary.lost.ways_on()
        );
        return Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(&summary.next_command);
    }
    let reason = format!("every shard has been done for {since}, but nothing is merged");
    Verdict::new(RunState::Stalled, Exit::Incomplete, reason).next(next)
}

/// Every shard is done, but the newest finalizer failed: no process will merge the outcomes.
fn failed_finalizer(facts: &Facts) -> Option<Verdict> {
    let job = of(facts.jobs.as_ref()?, "finalize").last()?;
    let Some(JobEnd::Failed(words)) = &job.state.end else { return None };
    let (exit, said) = match &job.last_word {
        Some(word) => (end_of(word.exit_code), &word.message),
        None => (Exit::Incomplete, words),
    };
    let reason = format!("every shard is done, but Job {} failed: {said}", job.name);
    // A shard that is done ends at once, and a finalizer of its own follows.
    let next = rerun_of(facts).command(&facts.run, &[ShardIndex(0)]);
    Some(Verdict::new(RunState::Incomplete, exit, reason).next(next))
}

/// How `status` ends where the run's last process ended so: never with what says that it goes on.
fn end_of(code: i32) -> Exit {
    let ends = [Exit::Usage, Exit::DataRefused, Exit::Bug, Exit::Configuration];
    ends.into_iter().find(|exit| *exit as i32 == code).unwrap_or(Exit::Incomplete)
}

#[cfg(test)]
mod tests;
