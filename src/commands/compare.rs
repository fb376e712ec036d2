//! Whether the inputs are still those that were planned.

use crate::{
    exit::Stop,
    run::{
        Plan,
        pins::{input_differences, unchanged},
    },
    settings::Settings,
};

use super::connect;

/// Refuses where an input is not the one that was planned. Both are read whole.
pub async fn compare_inputs(settings: &Settings, plan: &Plan) -> Result<(), Stop> {
    let inputs = connect::inputs(settings)?;
    let submissions = inputs.submissions.fingerprint().await?;
    let mapping = inputs.mapping.fingerprint().await?;
    unchanged(&input_differences(plan, &submissions, &mapping))
}
