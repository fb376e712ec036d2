//! The verdict over a run: what it is at, and how `status` ends. Reads its argument only.

use chrono::{DateTime, TimeDelta, Utc};

use super::Facts;
use crate::{
    domain::{ShardIndex, shard_list},
    exit::Exit,
    ports::{JobEnd, RunJob, RunJobs},
    report::{
        grid::{rows_f64, span},
        standing::{Rows, RunState, ShardStanding, Standing},
    },
    run::{Heartbeat, Plan, Refusal, RunResult},
    settings::HelmRelease,
    watch::rerun::{self, Rerun},
};

/// A process whose heartbeat is younger is at work: it beats every 15 s.
const ALIVE: TimeDelta = TimeDelta::minutes(1);
/// Where nobody gave a sign of life for longer, nobody will.
const STILL: TimeDelta = TimeDelta::minutes(10);

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
        matches!(self.state, RunState::Planning | RunState::Running | RunState::Finalizing)
    }
}

/// The verdict, and all that people see of the run.
pub fn judge(facts: &Facts) -> (Verdict, Standing) {
    let verdict = verdict(facts);
    let shards = facts.plan.as_ref().map_or_else(Vec::new, |plan| shards(plan, facts));
    let rows = shards.iter().fold(Rows::default(), |sum, shard| Rows {
        total: sum.total + shard.rows.total,
        migrated: sum.migrated + shard.rows.migrated,
        failed: sum.failed + shard.rows.failed,
        skipped: sum.skipped + shard.rows.skipped,
    });
    let rows_per_second: f64 = shards.iter().map(|shard| shard.rows_per_second).sum();
    let standing = Standing {
        run: facts.run.clone(),
        run_store: facts.run_store.clone(),
        state: verdict.state,
        reason: verdict.reason.clone(),
        exit_code: verdict.exit as u8,
        plan: facts.plan.as_ref().map(|plan| plan.id.clone()),
        planned_at: facts.plan.as_ref().map(|plan| plan.created_at),
        eta_s: eta_s(rows, rows_per_second),
        rows,
        rows_per_second,
        shards_done: shards.iter().filter(|shard| shard.done).count(),
        shards,
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
    if let Some(summary) = summary.filter(|summary| summary.result == RunResult::Complete) {
        return Verdict::new(RunState::Complete, Exit::Done, summary.in_a_line())
            .next(by_hand("results", facts) + " --to .");
    }
    // Without Jobs a refusal beside a plan may be of any process's writer.
    let epoch = facts.jobs.as_ref().and_then(|jobs| jobs.epoch.as_ref());
    if let Some(refusal) = epoch.and_then(|epoch| facts.refusals.get(epoch)) {
        return refused(refusal);
    }
    let undone = undone(plan, facts);
    let at_work = facts.beats.values().filter(|beat| facts.at - beat.at < ALIVE).count();
    if !undone.is_empty() && (at_work > 0 || unfinished(facts, "shards")) {
        let reason = format!("{at_work} processes give signs of life");
        return Verdict::new(RunState::Running, Exit::Temporary, reason);
    }
    if unfinished(facts, "finalize") {
        return Verdict::new(RunState::Finalizing, Exit::Temporary, "the finalizer is at work");
    }
    let ended = facts.jobs.as_ref().is_some_and(|jobs| of(jobs, "finalize").next().is_some());
    let merged = summary.is_some_and(|summary| summary.at > last_sign(plan, facts));
    let rerun = rerun_of(facts).command(&facts.run, &undone);
    if !undone.is_empty() && (merged || ended) {
        let reason = format!("rows of shards {} have no outcome", shard_list(&undone));
        return Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(rerun);
    }
    if let Some(failed) = failed_finalizer(facts).filter(|_| !merged) {
        return failed;
    }
    let silence = facts.at - last_sign(plan, facts);
    if silence < STILL && !merged {
        return match undone.as_slice() {
            [] => Verdict::new(
                RunState::Finalizing,
                Exit::Temporary,
                "every shard is done, but nothing is merged yet",
            )
            .next(by_hand("finalize", facts) + ", unless it is running"),
            _ => Verdict::new(RunState::Running, Exit::Temporary, "no process gives a sign of life just now"),
        };
    }
    let since = span(silence.to_std().unwrap_or_default());
    if !undone.is_empty() {
        let reason = format!("nobody has given a sign of life for {since}");
        return Verdict::new(RunState::Still, Exit::Incomplete, reason).next(rerun);
    }
    let next = by_hand("finalize", facts);
    if merged {
        let reason = "every shard is done, but rows have no outcome: see the finalizer's message";
        return Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(next);
    }
    let reason = format!("every shard has been done for {since}, but nothing is merged");
    Verdict::new(RunState::Still, Exit::Incomplete, reason).next(next)
}

/// Refused, or not made yet.
fn without_plan(facts: &Facts) -> Verdict {
    let epoch = facts.jobs.as_ref().and_then(|jobs| jobs.epoch.as_ref());
    let refusal = match epoch {
        // An older epoch's refusal says nothing of this one.
        Some(epoch) => facts.refusals.get(epoch),
        None => facts.refusals.values().max_by_key(|refusal| refusal.at),
    };
    if let Some(refusal) = refusal {
        return refused(refusal);
    }
    let failed = facts.jobs.as_ref().and_then(|jobs| {
        let mut plans = of(jobs, "plan");
        plans.find(|job| matches!(job.state.end, Some(JobEnd::Failed(_)))).map(|job| (jobs, job))
    });
    if let Some((jobs, job)) = failed {
        let reason = format!("Job {} failed and left no plan", job.name);
        return Verdict::new(RunState::Refused, Exit::Configuration, reason)
            .next(format!("kubectl --namespace {} logs job/{}", jobs.namespace, job.name));
    }
    Verdict::new(RunState::Planning, Exit::Temporary, format!("there is no plan at {} yet", facts.run_store))
}

fn refused(Refusal { reasons, exit_code, .. }: &Refusal) -> Verdict {
    let exit = match exit_code {
        64 => Exit::Usage,
        65 => Exit::DataRefused,
        _ => Exit::Configuration,
    };
    Verdict::new(RunState::Refused, exit, reasons.join("; "))
}

/// Every shard is done, but the newest finalizer failed: nobody merges any more.
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

fn by_hand(command: &str, facts: &Facts) -> String {
    rerun::by_hand(command, &facts.run, &facts.run_store)
}

/// Jobs of the newest epoch with this component, their additional ones included.
fn of<'j>(jobs: &'j RunJobs, component: &'static str) -> impl Iterator<Item = &'j RunJob> {
    let same_epoch = |job: &&RunJob| jobs.epoch.is_none() || jobs.epoch == job.epoch;
    jobs.jobs
        .iter()
        .filter(same_epoch)
        .filter(move |job| job.component.strip_suffix("-again").unwrap_or(&job.component) == component)
}

fn unfinished(facts: &Facts, component: &'static str) -> bool {
    facts.jobs.as_ref().is_some_and(|jobs| of(jobs, component).any(|job| job.state.end.is_none()))
}

/// How the run's shards are run again.
fn rerun_of(facts: &Facts) -> Rerun {
    let release = facts.jobs.as_ref().map(|jobs| HelmRelease {
        name: jobs.release.clone(),
        namespace: jobs.namespace.clone(),
        chart: jobs.chart.clone().unwrap_or_else(|| "charts/rogo-migrate".to_owned()),
        values_prefix: jobs.values_prefix.clone(),
    });
    Rerun::of(release.as_ref(), &facts.run_store)
}

fn undone(plan: &Plan, facts: &Facts) -> Vec<ShardIndex> {
    let all = (0..).map(ShardIndex).take(plan.shards.len());
    all.filter(|shard| !facts.done.contains_key(shard)).collect()
}

/// When somebody last did something for this run.
fn last_sign(plan: &Plan, facts: &Facts) -> DateTime<Utc> {
    let done = facts.done.values().map(|marker| marker.at);
    let beats = facts.beats.values().map(|beat| beat.at);
    done.chain(beats).fold(plan.created_at, DateTime::max)
}

fn shards(plan: &Plan, facts: &Facts) -> Vec<ShardStanding> {
    let planned = (0..).map(ShardIndex).zip(&plan.shards);
    planned.map(|(shard, planned)| standing_of(shard, planned.rows, facts)).collect()
}

fn standing_of(shard: ShardIndex, total: u64, facts: &Facts) -> ShardStanding {
    let marker = facts.done.get(&shard);
    let beat = facts.beats.get(&shard);
    let books = marker.map(|marker| &marker.books).or(beat.map(|beat| &beat.books));
    let rows = books.map_or(Rows { total, ..Rows::default() }, |books| Rows {
        total,
        migrated: books.migrated,
        failed: books.rows_failed(),
        skipped: books.rows_skipped(),
    });
    let (state, rows_per_second) = match (marker, beat) {
        (Some(_), _) => ("done".to_owned(), 0.0),
        (None, Some(beat)) => life(beat, facts.at),
        (None, None) => ("not begun".to_owned(), 0.0),
    };
    ShardStanding { shard, rows, done: marker.is_some(), state, rows_per_second }
}

fn life(beat: &Heartbeat, at: DateTime<Utc>) -> (String, f64) {
    let silence = at - beat.at;
    if silence < ALIVE {
        return (beat.state.to_string(), beat.rows_per_second);
    }
    (format!("no sign of life for {}", span(silence.to_std().unwrap_or_default())), 0.0)
}

/// Seconds left; `None` where nothing moves or nothing is left.
fn eta_s(rows: Rows, rows_per_second: f64) -> Option<u64> {
    let left = rows.total.saturating_sub(rows.done());
    if left == 0 || rows_per_second <= 0.0 {
        return None;
    }
    std::time::Duration::try_from_secs_f64(rows_f64(left) / rows_per_second).ok().map(|left| left.as_secs())
}

fn job_line(job: &RunJob) -> String {
    let RunJob { name, component, state, .. } = job;
    let what = match &state.end {
        Some(JobEnd::Complete) => "complete".to_owned(),
        Some(JobEnd::Failed(words)) => format!("failed: {words}"),
        None if state.suspended => "suspended".to_owned(),
        None => format!("{} active, {} ready", state.active, state.ready),
    };
    // Of an additional Job they are places in its list, not shards.
    let failed = match state.failed_indexes.as_str() {
        indexes if component == "shards" && !indexes.is_empty() => format!("; shards failed: {indexes}"),
        _ => String::new(),
    };
    let waits = job.obstacles.first().map_or_else(String::new, |obstacle| {
        let pod = obstacle.pod.as_ref().map_or_else(String::new, |pod| format!(" of pod {pod}"));
        format!("; {}{pod}: {}", obstacle.kind.name(), obstacle.what)
    });
    format!("Job {name}: {what}; {} of {} succeeded{failed}{waits}", state.succeeded, state.completions)
}

#[cfg(test)]
mod tests;
