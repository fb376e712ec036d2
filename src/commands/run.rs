//! `run`: plan, all shards and finalize in one process.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    exit::{End, Stop},
    report,
    settings::{LogSettings, Settings},
};

use super::{
    beside::{ByHand, warn_of_jobs},
    connect, decided, finalize,
    notify::Teller,
    or_stopped, own_inputs, plan, shard,
};

/// Plan, shards and finalize in one process. After an interruption the same command continues where it stopped.
pub async fn run(
    settings: &Settings,
    log: &LogSettings,
    teller: &Teller,
    stop: &CancellationToken,
) -> Result<End, Stop> {
    or_stopped(stop, own_inputs::refuse(settings)).await?;
    let store = connect::run_store(settings)?;
    let (made, ()) =
        tokio::join!(Box::pin(plan::make(settings, stop)), warn_of_jobs(settings, ByHand::Moves));
    let made = made?;
    for line in made.lines() {
        report::tell(&line);
    }
    let plan = Arc::new(made.plan);
    or_stopped(stop, decided::redo(settings, &store, &plan)).await?;
    shard::move_all(settings, &store, &plan, log, stop).await?;
    or_stopped(stop, finalize::merge(settings, &store, &plan, teller)).await
}
