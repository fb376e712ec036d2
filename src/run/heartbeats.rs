//! The last heartbeats of all processes of a run.

use futures_util::{StreamExt, stream};

use super::{Heartbeat, Plan, RunStore, names};
use crate::ports::{Fault, FaultKind};

/// Heartbeats that are read at a time.
const READS: usize = 16;

/// Hands every heartbeat of the plan to `each`. One without a readable text is left out: it changes no row.
pub async fn each(store: &RunStore, plan: &Plan, mut each: impl FnMut(Heartbeat)) -> Result<(), Fault> {
    let names = store.list(names::HEARTBEATS).await?;
    let mut beats = stream::iter(names)
        .map(|name| async move { (store.heartbeat(&plan.id, &name).await, name) })
        .buffered(READS);
    while let Some((read, name)) = beats.next().await {
        match read {
            Ok(beat) => beat.into_iter().for_each(&mut each),
            Err(fault) if fault.kind == FaultKind::Corrupt => {
                tracing::debug!(name, fault = %fault.chain(), "this heartbeat is left out");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
