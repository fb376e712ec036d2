//! `run`: plan, all shards and finalize in one process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    domain::ShardIndex,
    exit::{End, Stop},
    report,
    settings::{LogSettings, Settings},
};

use super::{connect, finalize, or_stopped, plan, shard};

/// The three in one. Interrupted, it goes on where it stopped when it is run again.
pub async fn run(settings: &Settings, log: &LogSettings, stop: &CancellationToken) -> Result<End, Stop> {
    let store = connect::run_store(settings)?;
    let made = or_stopped(stop, plan::make(settings)).await?;
    for line in made.lines() {
        report::tell(&line);
    }
    let plan = Arc::new(made.plan);
    for index in (0..).map(ShardIndex).take(plan.shards.len()) {
        shard::move_shard(settings, &store, plan.clone(), index, log, stop).await?;
    }
    or_stopped(stop, finalize::merge(settings, &store, &plan)).await
}
