//! What came after a result: lost rows that are moved again, and whatever else is not merged yet. Done markers stand from
//! before, so that neither they nor the result tell of it.

use std::collections::BTreeSet;

use super::{
    UNLESS_IT_RUNS, Verdict, end_of,
    seen::{finalize_of, of, redo_of},
    under_way::{given_up, shards_under_way, working},
};
use crate::{
    domain::shard_list,
    exit::Exit,
    ports::{JobEnd, RunJob},
    report::{grid::span, standing::RunState},
    run::{
        RunResult, Summary,
        clocks::{is_at_work, is_beating, newness},
        writers::Unmerged,
    },
    watch::standing::Facts,
};

/// The verdict if this result is not the last word; `None` if it is. Of rows that never had an outcome the shards
/// without a done marker tell.
pub(super) fn after(summary: &Summary, facts: &Facts) -> Option<Verdict> {
    if summary.result != RunResult::Complete && summary.lost.rows == 0 {
        return None;
    }
    by_jobs(summary, facts).or_else(|| by_writers(facts))
}

/// The Jobs that move lost rows again: the finalizer beside them waits for the Job's end, so that no result of theirs is
/// older than that.
fn by_jobs(summary: &Summary, facts: &Facts) -> Option<Verdict> {
    let jobs = facts.jobs.as_ref()?;
    if of(jobs, "shards").any(|job| job.redo && job.state.end.is_none()) {
        if let Some(given_up) = given_up(facts) {
            return Some(given_up);
        }
        let under_way = shards_under_way(facts, false)?;
        return Some(Verdict {
            reason: format!("lost rows are moved again: {}", under_way.reason),
            ..under_way
        });
    }
    let unmerged = |job: &&RunJob| job.redo && job.shard_job.is_some() && job.shard_job != summary.shard_job;
    let job = of(jobs, "finalize").last().filter(unmerged)?;
    match &job.state.end {
        None => {
            let reason = "lost rows were moved again, and the finalizer is at work";
            Some(Verdict::new(RunState::Finalizing, Exit::Temporary, reason))
        }
        Some(JobEnd::Failed(words)) => {
            let (exit, said) = match &job.last_word {
                Some(word) => (end_of(word.exit_code), &word.message),
                None => (Exit::Incomplete, words),
            };
            let reason = format!("lost rows were to be moved again, but Job {} failed: {said}", job.name);
            let verdict = Verdict::new(RunState::Incomplete, exit, reason);
            Some(verdict.next(redo_of(facts).unwrap_or_default()))
        }
        // A person merged since.
        Some(JobEnd::Complete) => None,
    }
}

/// Processes that registered after the result.
fn by_writers(facts: &Facts) -> Option<Verdict> {
    let newest =
        facts.unmerged.iter().map(|writer| writer.sign_at).max_by_key(|at| newness(*at, facts.at))?;
    let shards: BTreeSet<_> = facts.unmerged.iter().map(|writer| writer.shard).collect();
    let shards = shard_list(&shards.into_iter().collect::<Vec<_>>());
    // Jobs that have ended outweigh the last heartbeats of their pods.
    let is_working = |writer: &&Unmerged| !writer.is_stopped && is_beating(writer.sign_at, facts.at);
    let at_work = facts.unmerged.iter().filter(is_working).count();
    if at_work > 0 && facts.jobs.is_none() {
        let reason =
            format!("rows of shards {shards} are moved again since the last result: {}", working(at_work));
        return Some(Verdict::new(RunState::Running, Exit::Temporary, reason));
    }
    let silence = facts.at - newest;
    let moved = format!("rows of shards {shards} were moved again after the last result");
    if is_at_work(newest, facts.at) {
        let reason = format!("{moved}, and are not merged yet{UNLESS_IT_RUNS}");
        let verdict = Verdict::new(RunState::Finalizing, Exit::Temporary, reason);
        return Some(verdict.next(finalize_of(facts)));
    }
    let since = span(silence.to_std().unwrap_or_default());
    let reason = format!("{moved}, and nothing of that has been merged for {since}");
    Some(Verdict::new(RunState::Stalled, Exit::Incomplete, reason).next(finalize_of(facts)))
}
