//! Shards that are under way: by their Jobs, or by their heartbeats.

use super::{
    Verdict,
    seen::{is_alive, of, release},
};
use crate::{
    exit::Exit,
    ports::{JobEnd, RunJob},
    report::standing::RunState,
    watch::{
        rerun::{more_disk, release_with},
        standing::Facts,
    },
};

/// What the cluster says of the shard Jobs; without such a Job what the heartbeats say. `None` if no shard is under way.
pub(super) fn shards_under_way(facts: &Facts, merged: bool) -> Option<Verdict> {
    let jobs: Vec<&RunJob> = facts.jobs.iter().flat_map(|jobs| of(jobs, "shards")).collect();
    let going: Vec<&RunJob> = jobs.iter().copied().filter(|job| job.state.end.is_none()).collect();
    if let Some(job) = going.iter().copied().find(|job| !job.state.suspended) {
        return Some(Verdict::new(RunState::Running, Exit::Temporary, pods(job)));
    }
    if let Some(job) = going.first() {
        return Some(suspended(job, facts));
    }
    let at_work = facts.beats.values().filter(|beat| is_alive(beat, facts.at)).count();
    // Jobs that have ended outweigh the last heartbeats of their pods.
    if !jobs.is_empty() || merged || at_work == 0 {
        return None;
    }
    Some(Verdict::new(RunState::Running, Exit::Temporary, working(at_work)))
}

/// The newest finalizer gave up before its shard Job ended, because that Job never ends: its pods are evicted again and
/// again. What the shards still record is merged by no process.
pub(super) fn given_up(facts: &Facts) -> Option<Verdict> {
    let jobs = facts.jobs.as_ref()?;
    let finalizer = of(jobs, "finalize").last()?;
    let Some(JobEnd::Failed(_)) = &finalizer.state.end else { return None };
    let word = finalizer.last_word.as_ref().filter(|word| word.exit_code == Exit::Incomplete as i32)?;
    let awaited = finalizer.shard_job.as_deref()?;
    // A result of its own says more than its exit.
    let has_result = facts.summary.as_ref().is_some_and(|summary| summary.shard_job == finalizer.shard_job);
    let goes_on = of(jobs, "shards").any(|job| job.name == awaited && job.state.end.is_none());
    if has_result || !goes_on {
        return None;
    }
    let reason = format!("Job {} waits no longer for Job {awaited}: {}", finalizer.name, word.message);
    let next = release(facts).as_ref().map(more_disk).unwrap_or_default();
    Some(Verdict::new(RunState::Incomplete, Exit::Incomplete, reason).next(next))
}

/// So many processes, as a person reads it.
pub(super) fn working(processes: usize) -> String {
    match processes {
        1 => "1 process is at work".to_owned(),
        _ => format!("{processes} processes are at work"),
    }
}

/// With a queue the chart sets no suspension: no line of Helm ends it.
fn suspended(job: &RunJob, facts: &Facts) -> Verdict {
    let paused = |why: String| {
        let reason = format!("Job {} is suspended: {why}", job.name);
        Verdict::new(RunState::Paused, Exit::Temporary, reason)
    };
    match (&job.queue, release(facts)) {
        (Some(queue), _) => paused(format!("its queue {queue} has no room for it yet, or is held")),
        (None, Some(release)) => paused("it was paused (shards.suspend)".to_owned())
            .next(release_with(&release, &["shards.suspend=false"])),
        (None, None) => paused("it was paused (shards.suspend)".to_owned()),
    }
}

/// The pods of a Job that goes on, and what keeps them from starting.
fn pods(job: &RunJob) -> String {
    let RunJob { name, state, obstacles, .. } = job;
    let pods = match state.active {
        0 => format!("Job {name} has no pod just now"),
        active => format!("{} of {active} pods of Job {name} are ready", state.ready),
    };
    match obstacles.first() {
        Some(obstacle) if state.ready == 0 => format!("{pods} ({}: {})", obstacle.kind.name(), obstacle.what),
        _ => pods,
    }
}
