//! Whether the inputs are still those that were planned.

use crate::{
    domain::InputDigest,
    exit::{Exit, Stop},
    inputs::{Fingerprint, InputError, InputSource},
    run::{Plan, pins::input_differences},
    settings::Settings,
};

use super::connect;

/// An input of at most so many bytes is read by every shard, which takes a fraction of a second.
const SMALL_BYTES: u64 = 64 << 20;

/// Refuses the run if an input differs from the planned one. Both inputs are read completely.
pub async fn compare_inputs(settings: &Settings, plan: &Plan) -> Result<(), Stop> {
    let inputs = connect::inputs(settings)?;
    let submissions = inputs.submissions.fingerprint().await?;
    let mapping = inputs.mapping.fingerprint().await?;
    unchanged(&input_differences(plan, &submissions, &mapping))
}

/// As [`compare_inputs`], in a shard, of which there may be a thousand: small local files are read completely, of others the
/// size is compared. An input that is not within reach is left to the finalizer: a shard moves the rows of its
/// queue.
pub async fn compare_inputs_at_hand(settings: &Settings, plan: &Plan) -> Result<(), Stop> {
    let inputs = connect::inputs(settings)?;
    let submissions = at_hand(&plan.submissions, &inputs.submissions).await;
    let mapping = at_hand(&plan.mapping, &inputs.mapping).await;
    unchanged(&input_differences(plan, &submissions, &mapping))
}

/// The planned fingerprint, with what can be told cheaply of how it changed.
async fn at_hand(planned: &InputDigest, source: &InputSource) -> Fingerprint {
    let as_planned = Fingerprint::from(planned);
    let now = async {
        let size_bytes = source.size_bytes().await?;
        match source {
            InputSource::File(_) if size_bytes == planned.size_bytes && size_bytes <= SMALL_BYTES => {
                source.fingerprint().await
            }
            _ => Ok(Fingerprint { size_bytes, ..as_planned.clone() }),
        }
    };
    now.await.unwrap_or_else(|error: InputError| {
        tracing::debug!(%error, input = planned.location, "an input is not compared with the plan");
        as_planned
    })
}

/// Refuses if anything changed.
pub fn unchanged(changed: &[String]) -> Result<(), Stop> {
    if changed.is_empty() { Ok(()) } else { Err(Stop::new(Exit::Configuration, changed.join("; "))) }
}
