//! What a process shows while it works: its progress and what limits it, of all its shards together.

use std::sync::Arc;

use super::{
    events::{Consumer, Events, now},
    limits::{Limits, advice, slow_shard},
    log_lines::LogLines,
    progress::{Progress, Snapshot},
};

/// The consumers whose state is shown.
#[derive(Clone)]
pub struct Board {
    progress: Arc<Progress>,
    limits: Arc<Limits>,
}

impl Board {
    /// Begins now, with so many rows in so many shards.
    pub fn new(rows: u64, shards: usize) -> Self {
        Self { progress: Arc::new(Progress::new(now(), rows, shards)), limits: Arc::default() }
    }

    /// A stream that this board and the log follow.
    pub fn events(&self) -> Events {
        let consumers: [Arc<dyn Consumer>; 3] =
            [self.progress.clone(), self.limits.clone(), Arc::new(LogLines)];
        Events::to(consumers)
    }

    /// All that is shown now.
    pub fn snapshot(&self) -> Snapshot {
        let now = now();
        let mut snapshot = self.progress.snapshot(now);
        snapshot.limits = advice(&self.limits.recent(now));
        snapshot.limits.extend(slow_shard(&snapshot.shard_times()));
        snapshot
    }
}
