//! The last heartbeats of all processes of a run: that they lived, and when they waited.

use futures_util::{StreamExt, stream};

use super::fold::Fold;
use crate::{
    ports::{Fault, FaultKind},
    run::{Plan, RunStore, names},
};

/// Heartbeats that are read at a time.
const READS: usize = 16;

/// Adds every process of the run. A heartbeat without a readable text is left out: it changes no result.
pub(super) async fn read(store: &RunStore, plan: &Plan, fold: &mut Fold) -> Result<(), Fault> {
    let names = store.list(names::HEARTBEATS).await?;
    let mut beats = stream::iter(names)
        .map(|name| async move { (store.heartbeat(&plan.id, &name).await, name) })
        .buffered(READS);
    while let Some((read, name)) = beats.next().await {
        match read {
            Ok(Some(beat)) => fold.process(beat.shard, &beat.waits),
            Ok(None) => {}
            Err(fault) if fault.kind == FaultKind::Corrupt => {
                tracing::debug!(name, fault = %fault.chain(), "the report leaves out this heartbeat");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
