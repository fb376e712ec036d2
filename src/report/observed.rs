//! What the process of one shard tells of itself: the stream of its events, and the consumers whose state goes into its
//! heartbeats and its done marker.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use tokio::sync::Notify;

use super::{
    events::{Consumer, Event, Events, now},
    invariants::Invariants,
    limits::Limits,
    progress::Progress,
};
use crate::{domain::Books, run::Work};

/// A shard's own consumers, and the stream that leads to them.
pub struct Observed {
    /// The stream; all parts of the process tell their events there.
    pub events: Events,
    progress: Arc<Progress>,
    limits: Arc<Limits>,
    invariants: Arc<Invariants>,
    segments: Arc<Segments>,
}

/// Wakes who waits for the next segment.
#[derive(Default)]
struct Segments(Notify);

impl Consumer for Segments {
    fn take(&self, _: Instant, event: &Event<'_>) {
        if let Event::Recorded { .. } = event {
            self.0.notify_one();
        }
    }
}

impl Observed {
    /// Of a shard with so many rows, which begins now; `events` leads to the consumers of the whole process.
    pub fn new(rows: u64, events: &Events) -> Self {
        let progress = Arc::new(Progress::new(now(), rows, 1));
        let (limits, invariants) = (Arc::<Limits>::default(), Arc::new(Invariants::of_this_build(events)));
        let segments = Arc::<Segments>::default();
        let own: [Arc<dyn Consumer>; 4] =
            [progress.clone(), limits.clone(), invariants.clone(), segments.clone()];
        Self { events: events.and(own), progress, limits, invariants, segments }
    }

    /// Ends once a segment was written since the last call; several of them count once.
    pub async fn recorded(&self) {
        self.segments.0.notified().await;
    }

    /// Counts of the shard so far, earlier processes included.
    pub fn books(&self) -> Books {
        self.progress.books()
    }

    /// Rows per second now.
    pub fn rows_per_second(&self) -> f64 {
        self.progress.snapshot(now()).rate_now
    }

    /// What this process's time went into.
    pub fn work(&self) -> Work {
        self.limits.whole(now())
    }

    /// The same in the last minute.
    pub fn recent_work(&self) -> Work {
        self.limits.recent(now())
    }

    /// Checks what must hold of a shard whose done marker is about to be made.
    pub fn completes(&self) {
        self.invariants.completes();
    }

    /// How often each promise of the run was broken, by its id.
    pub fn violations(&self) -> BTreeMap<String, u64> {
        self.invariants.violations()
    }
}
