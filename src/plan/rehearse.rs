//! A plan that could be made: everything is checked and read, and nothing is written to the run's store.

use super::{PlanReport, PlanState, Services, preflight::Touch, prepared::prepare, queues, stand, standing};
use crate::{
    domain::ShardIndex,
    exit::Stop,
    run::{PlanId, RunStore, ShardPlan},
    settings::Settings,
};

/// As [`super::make`], but writes nothing (`--dry-run`).
pub async fn rehearse(settings: &Settings, services: Services<'_>) -> Result<PlanReport, Stop> {
    if let Some(plan) = standing(services.store).await? {
        return stand(plan, settings, services).await;
    }
    let prepared = prepare(settings, services, Touch::Read).await?;
    let shards = (0..settings.shards)
        .map(|shard| ShardPlan {
            rows: prepared.draft.queue(ShardIndex(shard), settings.shards).count() as u64,
            queue_sha256: String::new(),
            facts_sha256: None,
        })
        .collect();
    let plan = prepared.plan(settings, services, PlanId::fresh(), shards);
    Ok(prepared.report(plan, PlanState::Rehearsed))
}

/// As [`rehearse`], but writes queues and facts files into `scratch`, so that they can be read. A plan that exists is
/// only compared: its queues are where they are.
pub async fn rehearse_in(
    settings: &Settings,
    services: Services<'_>,
    scratch: &RunStore,
) -> Result<PlanReport, Stop> {
    if let Some(plan) = standing(services.store).await? {
        return stand(plan, settings, services).await;
    }
    let prepared = prepare(settings, services, Touch::Read).await?;
    let id = PlanId::fresh();
    let written = queues::write(scratch, &id, settings.shards, prepared.rows()).await?;
    let plan = prepared.plan(settings, services, id, written);
    Ok(prepared.report(plan, PlanState::Rehearsed))
}
