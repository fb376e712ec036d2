//! The attempts that a person asked for by `--attempts`: those of them of which the run has no outcome.

use crate::{
    domain::AttemptId,
    exit::{Exit, Stop},
    verify::{
        pass::{Tally, World},
        run::Verified,
    },
};

/// Ids that a message names.
const NAMED: usize = 5;

/// Ids of `--attempts` of which the run has no outcome.
pub(super) fn unknown(world: &World<'_>, tally: &Tally) -> Vec<AttemptId> {
    world.attempts.map(|asked| asked.difference(&tally.met).copied().collect()).unwrap_or_default()
}

/// Refuses `--attempts` if the run has an outcome of none of the ids: a verdict about no row would read as a proof. What the target holds of
/// them is a difference all the same.
pub(super) fn refuse_if_all_are_unknown(world: &World<'_>, verified: &Verified) -> Result<(), Stop> {
    let Some(asked) = world.attempts else { return Ok(()) };
    let found_something = verified.differences > 0 || verified.accepted > 0;
    if verified.unknown.len() < asked.len() || found_something {
        return Ok(());
    }
    let message = format!(
        "--attempts: this run has an outcome of none of the {} ids ({}): nothing was compared; give ids whose rows it has moved, \
         failed or skipped, or name the run that they are of (--run)",
        asked.len(),
        first_ids(&verified.unknown)
    );
    Err(Stop::new(Exit::Usage, message))
}

/// The first ids, and whether there are more.
pub fn first_ids(attempts: &[AttemptId]) -> String {
    let mut named: Vec<String> = attempts.iter().take(NAMED).map(ToString::to_string).collect();
    named.extend((attempts.len() > NAMED).then(|| "…".to_owned()));
    named.join(", ")
}
