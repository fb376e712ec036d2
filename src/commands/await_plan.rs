//! The wait for the plan, of shards and of a finalizer in a cluster.

use std::time::{Duration, Instant};

use crate::{
    domain::Plan,
    exit::{Exit, Stop},
    ports::Fault,
    run_store::{RunStore, names},
    settings::Settings,
};

use super::connect;

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Waits for the plan of this run; obeys a refusal of its own epoch only.
pub async fn await_plan(settings: &Settings, store: &RunStore) -> Result<Plan, Stop> {
    let began = Instant::now();
    loop {
        match look(settings, store).await {
            Ok(Some(found)) => return found,
            Ok(None) => tracing::debug!("waiting for the plan"),
            // Whether there is a plan, nobody knows: that is no reason to end every pod.
            Err(fault) if fault.may_pass() && began.elapsed() >= settings.wait_plan => {
                return Err(Stop::new(Exit::Temporary, fault.chain()));
            }
            Err(fault) if fault.may_pass() => {
                tracing::warn!(fault = %fault.chain(), "cannot look for the plan");
            }
            Err(fault) => return Err(fault.into()),
        }
        if began.elapsed() >= settings.wait_plan {
            let message = format!(
                "no plan at {} after {} s (wait-plan): run `rogo-migrate plan` first, or see why it did not end",
                store.describe(names::PLAN),
                settings.wait_plan.as_secs()
            );
            return Err(Stop::new(Exit::Configuration, message));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The plan, or why there will be none; `None` where neither stands yet.
async fn look(settings: &Settings, store: &RunStore) -> Result<Option<Result<Plan, Stop>>, Fault> {
    if let Some(stop) = connect::rolled_back(store).await? {
        return Ok(Some(Err(stop)));
    }
    if let Some(plan) = store.plan().await? {
        return Ok(Some(Ok(plan)));
    }
    let refusal = store.refusal(&settings.epoch).await?;
    Ok(refusal.map(|refusal| {
        let message = format!("the plan was refused: {}", refusal.reasons.join("; "));
        Err(Stop::new(Exit::Configuration, message))
    }))
}
