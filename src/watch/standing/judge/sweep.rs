//! The verdict over a run whose result stands while blobs of killed processes are removed, or may be left.

use super::{
    Verdict,
    seen::{finalize_of, unfinished},
};
use crate::{
    exit::Exit,
    report::standing::RunState,
    run::{Plan, Summary, clocks::is_at_work},
    watch::{rerun, standing::Facts},
};

/// What a finalizer does that has published its results.
const SWEEPS: &str = "the results stand, and the finalizer removes blobs that killed processes left";
/// When the line that merges once more is to be typed.
const UNLESS_IT_RUNS: &str =
    " (if it is not at work any more, the next line merges once more and removes them)";
/// What a result with such blobs leaves to say.
const LEFT: &str =
    "blobs that killed processes left may still be in the target container, and the next merge removes them";

/// The verdict of a run of which every row has an outcome.
pub(super) fn complete(summary: &Summary, plan: &Plan, facts: &Facts) -> Verdict {
    if let Some(under_way) = under_way(summary, facts) {
        return under_way;
    }
    let books = summary.below_the_verdict();
    if !summary.is_unswept() {
        let fetch = rerun::fetch(plan, &facts.whereabouts);
        return Verdict::new(RunState::Complete, Exit::Done, books).next(fetch);
    }
    // It tries again until its Job fails.
    if unfinished(facts, "finalize") {
        return Verdict::new(RunState::Finalizing, Exit::Temporary, SWEEPS);
    }
    let verdict = Verdict::new(RunState::Complete, Exit::Temporary, format!("{books}; {LEFT}"));
    verdict.next(finalize_of(facts))
}

/// A finalizer that has published this result and sweeps; `None` if none is at work. One outside the cluster gives no other sign
/// than the time of the result.
pub(super) fn under_way(summary: &Summary, facts: &Facts) -> Option<Verdict> {
    if !summary.sweeping {
        return None;
    }
    let verdict = |reason: &str| Verdict::new(RunState::Finalizing, Exit::Temporary, reason);
    if facts.jobs.is_some() {
        return unfinished(facts, "finalize").then(|| verdict(SWEEPS));
    }
    let is_young = is_at_work(summary.at, facts.at);
    is_young.then(|| verdict(&format!("{SWEEPS}{UNLESS_IT_RUNS}")).next(finalize_of(facts)))
}

/// The verdict of a run with rows that are missing or lost, with a word on the blobs that its result leaves.
pub(super) fn with_its_rest(verdict: Verdict, facts: &Facts) -> Verdict {
    let plan = facts.plan.as_ref().map(|plan| &plan.id);
    let is_left =
        facts.summary.as_ref().is_some_and(|summary| Some(&summary.plan) == plan && summary.is_unswept());
    if verdict.state != RunState::Incomplete || !is_left {
        return verdict;
    }
    Verdict { reason: format!("{}; {LEFT}", verdict.reason), ..verdict }
}
