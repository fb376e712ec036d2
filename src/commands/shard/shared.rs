//! What a process makes once for all the shards that it moves.

use std::sync::Arc;

use crate::{
    ports::Gate,
    report::{
        board::Board,
        events::{Consumer, Events},
    },
    settings::{Settings, TargetGuard},
    shard::guard::Guard,
    telemetry::with_receivers,
};

/// Shared by the shards of a process.
pub(super) struct Shared {
    /// Leads to the consumers of the whole process.
    pub events: Events,
    /// Before the connections of all workers to the target.
    pub gate: Arc<Gate>,
    /// What closes the gate in part; `None`: `--target-guard off`.
    pub guard: Option<Arc<Guard>>,
}

impl Shared {
    pub(super) fn new(settings: &Settings, board: &Board) -> Self {
        let gate = Gate::new(settings.work.workers * settings.work.pool as usize);
        let guard =
            (settings.work.target_guard == TargetGuard::On).then(|| Arc::new(Guard::new(gate.clone())));
        let timing = guard.clone().map(|guard| guard as Arc<dyn Consumer>);
        Self { events: with_receivers(&board.events()).and(timing), gate, guard }
    }
}
