//! What the facts of a run say: its Jobs, its heartbeats, its undone shards, and the commands that fit it.

use std::{collections::BTreeSet, path::Path};

use chrono::{DateTime, Utc};

use crate::{
    domain::ShardIndex,
    ports::{JobEnd, RunJob, RunJobs},
    run::{
        Heartbeat, Plan, State, Summary,
        clocks::{is_ahead, is_beating},
    },
    settings::HelmRelease,
    watch::{
        rerun::{self, Rerun},
        standing::Facts,
    },
};

use super::under_way::given_up;

/// The line that merges.
pub(super) fn finalize_of(facts: &Facts) -> String {
    rerun_of(facts).finalize(&facts.run)
}

/// Where the results went is not known here.
fn flags(plan: &Plan) -> String {
    rerun::away_from_inputs(plan, Path::new(rerun::folder_elsewhere(plan)))
}

/// Jobs of the newest epoch with this component, their additional ones included.
pub(super) fn of<'j>(jobs: &'j RunJobs, component: &'static str) -> impl Iterator<Item = &'j RunJob> {
    let same_epoch = |job: &&RunJob| jobs.epoch.is_none() || jobs.epoch == job.epoch;
    jobs.jobs
        .iter()
        .filter(same_epoch)
        .filter(move |job| job.component.strip_suffix("-again").unwrap_or(&job.component) == component)
}

pub(super) fn unfinished(facts: &Facts, component: &'static str) -> bool {
    facts.jobs.as_ref().is_some_and(|jobs| of(jobs, component).any(|job| job.state.end.is_none()))
}

/// How the run's shards are run again.
pub(super) fn rerun_of(facts: &Facts) -> Rerun {
    let flags = facts.plan.as_ref().map(flags).unwrap_or_default();
    Rerun::of(release(facts).as_ref(), &facts.whereabouts, &flags)
}

/// The line that moves the rows again that the target lost: for the shards that the newest result names, and those that
/// are not done; for all if it names none, as where a later run found what the target lacks. `None` while a shard Job never ends,
/// because Helm would refuse the line beside it, and if another run's submissions stand under all lost rows, because no line
/// moves these.
pub fn redo_of(facts: &Facts) -> Option<String> {
    let plan = facts.plan.as_ref()?;
    if given_up(facts).is_some() {
        return None;
    }
    let result = lost_in(facts);
    if result.is_some_and(|summary| !summary.lost.redo_helps()) {
        return None;
    }
    let shards: BTreeSet<ShardIndex> = match result {
        Some(summary) => summary.lost.shards.iter().copied().chain(undone(plan, facts)).collect(),
        None => (0..).map(ShardIndex).take(plan.shards.len()).collect(),
    };
    let shards: Vec<ShardIndex> = shards.into_iter().collect();
    let (rerun, run) = (rerun_of(facts), &facts.run);
    let redone = |job: &RunJob| job.redo && job.state.end == Some(JobEnd::Complete);
    Some(match &facts.summary {
        Some(summary) if facts.jobs.as_ref().is_some_and(|jobs| of(jobs, "finalize").any(redone)) => {
            rerun.redo_after(summary.at, run, &shards)
        }
        _ => rerun.redo(run, &shards),
    })
}

/// The line that merges once more, if nothing but lost rows is left and another run's submissions stand under all of them by the
/// newest result: a person may have rolled these back since, and only a merge looks.
pub fn look_before_redo(facts: &Facts) -> Option<String> {
    let is_rest = undone(facts.plan.as_ref()?, facts).is_empty();
    lost_in(facts).filter(|summary| is_rest && !summary.lost.redo_helps()).map(|_| finalize_of(facts))
}

/// The newest result, if it names lost rows.
fn lost_in(facts: &Facts) -> Option<&Summary> {
    let plan = facts.plan.as_ref()?;
    facts.summary.as_ref().filter(|summary| summary.plan == plan.id && summary.lost.rows > 0)
}

pub(super) fn release(facts: &Facts) -> Option<HelmRelease> {
    facts.jobs.as_ref().map(|jobs| HelmRelease {
        name: jobs.release.clone(),
        namespace: jobs.namespace.clone(),
        chart: jobs.chart.clone().unwrap_or_else(|| "charts/rogo-migrate".to_owned()),
        values_prefix: jobs.values_prefix.clone(),
    })
}

/// A process that may still move rows.
pub(super) fn is_alive(beat: &Heartbeat, at: DateTime<Utc>) -> bool {
    is_beating(beat.at, at) && !is_stopped(beat)
}

pub(super) fn is_stopped(beat: &Heartbeat) -> bool {
    matches!(beat.state, State::Stopped(_))
}

pub(super) fn undone(plan: &Plan, facts: &Facts) -> Vec<ShardIndex> {
    let all = (0..).map(ShardIndex).take(plan.shards.len());
    all.filter(|shard| !facts.done.contains_key(shard)).collect()
}

/// When a process last did something for this run. The last word of one that ended is none: it may come after the merge.
pub(super) fn last_sign(plan: &Plan, facts: &Facts) -> DateTime<Utc> {
    let done = facts.done.values().map(|marker| marker.at);
    let beats = facts.beats.values().filter(|beat| !is_stopped(beat)).map(|beat| beat.at);
    let beats = beats.filter(|at| !is_ahead(*at, facts.at));
    done.chain(beats).fold(plan.created_at, DateTime::max)
}
