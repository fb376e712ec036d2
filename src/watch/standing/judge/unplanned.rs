//! The verdict over a run that has no plan: it is being made, was refused, or was not begun.

use super::{Verdict, seen::of};
use crate::{
    exit::Exit,
    ports::JobEnd,
    report::standing::RunState,
    run::{Refusal, named_instead},
    watch::standing::Facts,
};

/// Being made, refused, or not begun. What the Jobs say outweighs heartbeats: that of a process that was killed stays young for
/// minutes.
pub(super) fn without_plan(facts: &Facts) -> Verdict {
    let failed = facts.jobs.as_ref().and_then(|jobs| {
        let mut plans = of(jobs, "plan");
        plans.find(|job| matches!(job.state.end, Some(JobEnd::Failed(_)))).map(|job| (jobs, job))
    });
    // What is being made began after any refusal of its epoch.
    if let Some(planning) = facts.planning().filter(|_| failed.is_none()) {
        let reason = format!("there is no plan at {} yet: {planning}", facts.whereabouts.run_store);
        return Verdict::new(RunState::Planning, Exit::Temporary, reason);
    }
    let refusal = match facts.epoch() {
        // An older epoch's refusal says nothing of this one.
        Some(epoch) => facts.refusals.get(epoch),
        None => facts.refusals.values().max_by_key(|refusal| refusal.at),
    };
    if let Some(refusal) = refusal {
        return refused(refusal);
    }
    if let Some((jobs, job)) = failed {
        let reason = format!("Job {} failed and left no plan", job.name);
        return Verdict::new(RunState::Refused, Exit::Configuration, reason)
            .next(format!("kubectl --namespace {} logs job/{}", jobs.namespace, job.name));
    }
    let instead = named_instead(&facts.other_runs);
    // A Job of the run is going to make it.
    let who = if facts.jobs.is_some() { "" } else { ", and no process makes it: `rogo-migrate plan` does" };
    let reason = format!("there is no plan at {} yet{who}{instead}", facts.whereabouts.run_store);
    Verdict::new(RunState::Planning, Exit::Temporary, reason)
}

/// A plan that was refused, and why.
pub(super) fn refused(Refusal { reasons, exit_code, .. }: &Refusal) -> Verdict {
    let exit = match exit_code {
        64 => Exit::Usage,
        65 => Exit::DataRefused,
        _ => Exit::Configuration,
    };
    Verdict::new(RunState::Refused, exit, reasons.join("; "))
}
