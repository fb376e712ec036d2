//! The last heartbeats of all processes of a run.

use futures_util::{StreamExt, stream};

use super::{Heartbeat, Plan, RunStore, names};
use crate::ports::{Fault, FaultKind};

/// Heartbeats that are read at a time.
const READS: usize = 16;

/// The last heartbeat of every process of the plan. One without a readable text is left out: it changes no row.
pub async fn all(store: &RunStore, plan: &Plan) -> Result<Vec<Heartbeat>, Fault> {
    let names = store.list(names::HEARTBEATS).await?;
    let mut beats = stream::iter(names)
        .map(|name| async move { (store.heartbeat(&plan.id, &name).await, name) })
        .buffered(READS);
    let mut all = Vec::new();
    while let Some((read, name)) = beats.next().await {
        match read {
            Ok(beat) => all.extend(beat),
            Err(fault) if fault.kind == FaultKind::Corrupt => {
                tracing::debug!(name, fault = %fault.chain(), "this heartbeat is left out");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(all)
}
