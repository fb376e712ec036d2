//! What a process makes once for all the shards that it moves.

use std::sync::{Arc, Mutex, PoisonError};

use super::kept::Kept;
use crate::{
    commands::open_files,
    ports::Gate,
    report::{
        board::Board,
        events::{Consumer, Events},
    },
    settings::{Settings, TargetGuard},
    shard::{guard::Guard, in_flight::InFlight},
    telemetry::with_receivers,
};

/// Shared by the shards of a process, which are moved one after another.
pub(super) struct Shared {
    /// Leads to the consumers of the whole process.
    pub events: Events,
    /// Before the connections of all workers to the target.
    pub gate: Arc<Gate>,
    /// What closes the gate in part; `None`: `--target-guard off`.
    pub guard: Option<Arc<Guard>>,
    /// Limits that were found so far.
    pub in_flight: Arc<InFlight>,
    /// `None` before the first shard, while a shard is moved, and after one that failed.
    kept: Mutex<Option<Kept>>,
}

impl Shared {
    pub(super) fn new(settings: &Settings, board: &Board) -> Self {
        let work = &settings.work;
        let gate = Gate::new(work.workers * work.pool as usize);
        let guard = (work.target_guard == TargetGuard::On).then(|| Arc::new(Guard::new(gate.clone())));
        let timing = guard.clone().map(|guard| guard as Arc<dyn Consumer>);
        let in_flight = InFlight::new(work.in_flight, work.workers, open_files::most());
        Self {
            events: with_receivers(&board.events())
                .and(timing)
                .and(Some(in_flight.clone() as Arc<dyn Consumer>)),
            gate,
            guard,
            in_flight,
            kept: Mutex::default(),
        }
    }

    /// The connections and clients of the shard before, if there are any.
    pub(super) fn take_kept(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps them for the next shard.
    pub(super) fn keep(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    /// After the last shard: ends the connections, and with them the shared locks.
    pub(super) async fn close(&self) {
        if let Some(kept) = self.take_kept() {
            kept.close().await;
        }
    }
}
