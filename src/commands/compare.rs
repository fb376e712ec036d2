//! Whether a run is still the one that was planned: compared before anything is written or deleted.

use crate::{
    exit::{Exit, Stop},
    ports::{Fault, Target},
    run::{
        Plan, RunStore,
        pins::{Present, another_database, differences, input_differences},
    },
    settings::Settings,
};

use super::connect;

/// Why this is not the run that was planned; `None` where everything is as it was.
pub async fn refusal(
    store: &RunStore,
    plan: &Plan,
    target: &dyn Target,
    now: &Present,
) -> Result<Option<Stop>, Fault> {
    if let Some(stop) = connect::rolled_back(store).await? {
        return Ok(Some(stop));
    }
    let mut changed = differences(plan, now);
    changed.extend(target.session().await?);
    changed.extend(another_database(store, plan, target).await?);
    Ok(unchanged(&changed).err())
}

/// Refuses where an input is not the one that was planned. Both are read whole.
pub async fn compare_inputs(settings: &Settings, plan: &Plan) -> Result<(), Stop> {
    let inputs = connect::inputs(settings)?;
    let submissions = inputs.submissions.fingerprint().await?;
    let mapping = inputs.mapping.fingerprint().await?;
    unchanged(&input_differences(plan, &submissions, &mapping))
}

/// Refuses where anything changed.
pub fn unchanged(changed: &[String]) -> Result<(), Stop> {
    if changed.is_empty() { Ok(()) } else { Err(Stop::new(Exit::Configuration, changed.join("; "))) }
}
