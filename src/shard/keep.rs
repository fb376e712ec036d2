//! Background work of a shard beside its rows: segments, heartbeat, displayed state.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::run::Epoch;
use crate::{
    domain::Outcome,
    exit::Stop,
    ports::Service,
    run::{Heartbeat, names},
};

use super::{Shard, pace::Trouble, record::Recorder};

const STATE_EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT_EVERY_STATES: u32 = 15;
/// After a stop a segment that cannot be written is tried this often, half a second apart.
const LAST_TRIES: u32 = 6;
const LAST_TRY_APART: Duration = Duration::from_millis(500);

/// Writes outcomes to segments until all senders are gone. While the run store is away the outcomes
/// wait, and after a while the workers too.
pub(super) async fn record(
    shard: &Shard,
    recorder: Recorder,
    outcomes: mpsc::Receiver<Outcome>,
) -> Result<(), Stop> {
    let writing = tokio::sync::Mutex::new((recorder, outcomes));
    let drive = || async {
        let (recorder, outcomes) = &mut *writing.lock().await;
        recorder.drive(outcomes).await
    };
    let mut last_tries = LAST_TRIES;
    loop {
        match shard.pace.steady(&[Service::RunStore], drive).await {
            Ok(()) => return Ok(()),
            Err(Trouble::Stopping) if last_tries > 0 => {
                last_tries -= 1;
                tokio::time::sleep(LAST_TRY_APART).await;
            }
            Err(trouble) => return Err(shard.end(trouble.into())),
        }
    }
}

/// Shows the state and writes the heartbeat until `done`.
pub(super) async fn heartbeat(shard: Arc<Shard>, epoch: Epoch, rows: u64, done: CancellationToken) {
    let name = names::heartbeat(&epoch, shard.index, &shard.writer);
    for beat in 0_u32.. {
        let state = shard.pace.state();
        shard.progress.set_state(state.clone());
        if beat % HEARTBEAT_EVERY_STATES == 0 {
            let now = std::time::Instant::now();
            let heartbeat = Heartbeat {
                plan: shard.plan.clone(),
                shard: shard.index,
                writer: shard.writer.clone(),
                at: Utc::now(),
                books: shard.progress.books(),
                rows,
                rows_per_second: shard.progress.snapshot(now).rate_now,
                state,
            };
            if let Err(fault) = shard.store.replace(&name, &heartbeat).await {
                tracing::debug!(fault = %fault.chain(), "no heartbeat this time");
            }
        }
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(STATE_EVERY) => {}
        }
    }
}
