//! Shards that are under way: by their Jobs, or by their heartbeats.

use super::{
    Verdict,
    seen::{is_alive, of, release},
};
use crate::{
    exit::Exit,
    ports::RunJob,
    report::standing::RunState,
    watch::{rerun::release_with, standing::Facts},
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
        (Some(queue), _) => paused(format!("its queue {queue} has no room for it yet")),
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
