//! The end of a shard: its done marker, and the mark that its writer left no blobs.

use std::sync::atomic::Ordering;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::{Pace, Shard, ShardInputs, ended::Ended};
use crate::{
    domain::ShardIndex,
    exit::{Exit, Stop},
    ports::{Fault, FaultKind, Service},
    report::observed::Observed,
    run::{DoneMarker, PlanId, RunStore, WriterId, names, writers::mark_clean},
};

/// Marks the shard as done, if every row has an outcome in the run store, and its writer as clean; else says why rows
/// have none. `recorded`: rows with an outcome there, from this process and earlier ones.
pub(super) async fn finish(
    shard: &Shard,
    rows: u64,
    recorded: u64,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    if !shard.left_blobs.load(Ordering::Relaxed) {
        mark_clean(&shard.store, &shard.writer).await;
    }
    let index = shard.index;
    if recorded < rows && stop.is_cancelled() {
        let message = format!("stopped at {recorded} of {rows} rows of shard {index}; run again to continue");
        return Err(Stop::new(Exit::Stopped, message));
    }
    if recorded < rows {
        let missing = rows - recorded;
        let message =
            format!("{missing} rows of shard {index} have no outcome; run again, and please report it");
        return Err(Stop::new(Exit::Bug, message));
    }
    let marker = done_marker(&shard.plan, index, &shard.writer, &shard.observed);
    mark_done(&shard.store, &shard.pace, &marker).await
}

/// The end of a shard that `ended` broke off. If that is the breaker, and the rows under way were all that was left, every
/// row has an outcome all the same: then the done marker says that the breaker opened, and so does the message.
pub(super) async fn finish_broken(shard: &Shard, rows: u64, recorded: u64, ended: Ended) -> Stop {
    let opened = match ended {
        Ended::By(stop) => return stop,
        Ended::Breaker(opened) => opened,
    };
    let stop = Stop::from(&opened);
    if recorded < rows {
        return stop;
    }
    let marker = done_marker(&shard.plan, shard.index, &shard.writer, &shard.observed);
    let marker = DoneMarker { breaker_opened: Some(opened.0), ..marker };
    if mark_done(&shard.store, &shard.pace, &marker).await.is_err() {
        return stop;
    }
    let message = format!(
        "{}. Every row of shard {} has an outcome all the same: the last ones were under way. The run can be finalized; \
         its failure CSV is the input of the next one",
        stop.message, shard.index
    );
    Stop::new(stop.exit, message)
}

/// Marks a shard as done whose rows all had an outcome before this process began: another was killed between its last
/// segment and the marker. The queue is not read, because finalize may have merged since, and deleted it.
pub(super) async fn mark_recorded(inputs: &ShardInputs) -> Result<(), Stop> {
    mark_clean(&inputs.store, &inputs.writer).await;
    let marker = done_marker(&inputs.plan.id, inputs.index, &inputs.writer, &inputs.observed);
    mark_done(&inputs.store, &inputs.pace, &marker).await
}

/// The marker of a complete shard, with every broken promise, those that only its end shows included.
fn done_marker(plan: &PlanId, shard: ShardIndex, writer: &WriterId, observed: &Observed) -> DoneMarker {
    observed.completes();
    DoneMarker {
        plan: plan.clone(),
        shard,
        writer: writer.clone(),
        books: observed.books(),
        at: Utc::now(),
        work: observed.work(),
        violations: observed.violations(),
        breaker_opened: None,
    }
}

async fn mark_done(store: &RunStore, pace: &Pace, marker: &DoneMarker) -> Result<(), Stop> {
    let name = names::done(marker.shard);
    let create = || async {
        match store.create(&name, marker).await {
            // A second process of the shard was faster, or an answer was lost: the marker already exists.
            Err(Fault { kind: FaultKind::Exists, .. }) | Ok(()) => Ok(()),
            Err(fault) => Err(fault),
        }
    };
    Ok(pace.steady(&[Service::RunStore], create).await?)
}
