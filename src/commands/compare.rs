//! Whether the inputs are still those that were planned.

use crate::{
    exit::{Exit, Stop},
    run::{Plan, pins::input_differences},
    settings::Settings,
};

use super::connect;

/// Refuses the run if an input differs from the planned one. Both inputs are read completely.
pub async fn compare_inputs(settings: &Settings, plan: &Plan) -> Result<(), Stop> {
    let inputs = connect::inputs(settings)?;
    let submissions = inputs.submissions.fingerprint().await?;
    let mapping = inputs.mapping.fingerprint().await?;
    unchanged(&input_differences(plan, &submissions, &mapping))
}

/// Refuses if anything changed.
pub fn unchanged(changed: &[String]) -> Result<(), Stop> {
    if changed.is_empty() { Ok(()) } else { Err(Stop::new(Exit::Configuration, changed.join("; "))) }
}
