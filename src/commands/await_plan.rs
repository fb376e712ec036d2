//! The wait for the plan, of shards and of a finalizer in a cluster.

use std::time::{Duration, Instant};

use crate::{
    domain::{Plan, Refusal},
    exit::{Exit, Stop},
    ports::{Fault, FaultKind, Retry},
    run_store::{RunStore, names},
    settings::Settings,
};

use super::connect;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The epoch of all processes outside of the chart, whatever their settings.
const NO_EPOCH: &str = "0";

/// Waits for the plan of this run; obeys a refusal of its own epoch only. Only a look that succeeded and found
/// nothing says that there is no plan.
pub async fn await_plan(settings: &Settings, store: &RunStore) -> Result<Plan, Stop> {
    let began = Instant::now();
    let mut away: Option<Instant> = None;
    loop {
        match look(settings, store).await {
            Ok(Some(found)) => return found,
            Ok(None) if began.elapsed() >= settings.wait_plan => return Err(no_plan(settings, store)),
            Ok(None) => {
                away = None;
                tracing::debug!("waiting for the plan");
            }
            Err(fault) if may_pass(settings, &fault) => {
                if away.get_or_insert_with(Instant::now).elapsed() >= settings.work.give_up_after {
                    return Err(given_up(settings, &fault));
                }
                tracing::warn!(fault = %fault.chain(), "cannot look for the plan");
            }
            Err(fault) => return Err(fault.into()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// In a pod also a refusal of access: Secrets and role assignments of a new release may come later than its pods.
fn may_pass(settings: &Settings, fault: &Fault) -> bool {
    fault.kind.retry() == Retry::Again || (settings.pod.name.is_some() && fault.kind == FaultKind::Denied)
}

fn no_plan(settings: &Settings, store: &RunStore) -> Stop {
    let message = format!(
        "no plan at {} after {} s (wait-plan): run `rogo-migrate plan` first, or see why it did not end",
        store.describe(names::PLAN),
        settings.wait_plan.as_secs()
    );
    Stop::new(Exit::Configuration, message)
}

fn given_up(settings: &Settings, fault: &Fault) -> Stop {
    let message = format!(
        "the plan could not be looked for during {} s (give-up-after): {}; mend the run store and run again",
        settings.work.give_up_after.as_secs(),
        fault.chain()
    );
    Stop::new(Exit::Temporary, message)
}

/// The plan, or why there will be none; `None` where neither stands yet.
async fn look(settings: &Settings, store: &RunStore) -> Result<Option<Result<Plan, Stop>>, Fault> {
    if let Some(stop) = connect::rolled_back(store).await? {
        return Ok(Some(Err(stop)));
    }
    // First: what was refused may be this epoch's settings beside a plan that stands. Without an epoch it may be
    // those of anybody, and the shard compares its own with the plan.
    let refusal = store.refusal(&settings.epoch).await?;
    if let Some(refusal) = refusal.as_ref().filter(|_| settings.epoch != NO_EPOCH) {
        return Ok(Some(Err(refused(refusal))));
    }
    let plan = store.plan().await?;
    Ok(plan.map(Ok).or_else(|| refusal.as_ref().map(|refusal| Err(refused(refusal)))))
}

fn refused(refusal: &Refusal) -> Stop {
    Stop::new(Exit::Configuration, format!("the plan was refused: {}", refusal.reasons.join("; ")))
}
