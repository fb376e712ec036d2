//! Record: outcomes become create-only segments in the run store, in order, and none is lost on the way.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    domain::{Outcome, ShardIndex},
    ports::{Fault, FaultKind, PutOptions, Service, due},
    report::events::{Event, Events, now, since},
    run::{PlanId, RunStore, WriterId, lines, names, segments::SegmentDraft},
};

/// A segment is written at once when it holds so many outcomes, even if it is not due: this bounds the memory of
/// the writer, and of a reader, which holds a whole segment.
const FULL_LINES: usize = 2_000;
/// … or so many bytes.
const FULL_BYTES: usize = 1024 * 1024;

/// Writes one process's outcomes of one shard. The writer in the segments' names is the process's own,
/// so no other process writes under them.
///
/// A fault leaves every outcome here: calling again, for as long as the caller likes, goes on where it
/// stopped. Meanwhile a bounded channel holds the workers back.
pub struct Recorder {
    store: RunStore,
    shard: ShardIndex,
    writer: WriterId,
    every: Duration,
    sequence: u64,
    taken: u64,
    draft: SegmentDraft,
    due: Option<Instant>,
    /// A segment that was sent and not confirmed: its bytes must not change, for they may already stand.
    under_way: Option<Bytes>,
    events: Events,
}

impl Recorder {
    /// Writes a segment at most every `every`, the longest time an outcome waits here.
    pub fn new(
        store: RunStore,
        plan: &PlanId,
        shard: ShardIndex,
        writer: &WriterId,
        every: Duration,
    ) -> Self {
        Self {
            store,
            shard,
            writer: writer.clone(),
            every,
            sequence: 0,
            taken: 0,
            draft: SegmentDraft::new(plan, shard, writer),
            due: None,
            under_way: None,
            events: Events::default(),
        }
    }

    /// Tells how long its segments took.
    #[must_use]
    pub fn telling(self, events: &Events) -> Self {
        Self { events: events.clone(), ..self }
    }

    /// Takes outcomes until every sender is gone, then writes what is left: `Ok` means that all of them
    /// stand in the run store. On a fault nothing is lost; call again with the same channel.
    pub async fn drive(&mut self, outcomes: &mut mpsc::Receiver<Outcome>) -> Result<(), Fault> {
        loop {
            if self.under_way.is_some() || self.is_full() {
                self.flush().await?;
            }
            tokio::select! {
                outcome = outcomes.recv() => match outcome {
                    Some(outcome) => self.push(&outcome)?,
                    None => return self.flush().await,
                },
                () = due(self.due) => self.flush().await?,
            }
        }
    }

    /// Takes one outcome; it is safe after the next [`Self::flush`]. Where [`Self::is_full`], flush first.
    pub fn push(&mut self, outcome: &Outcome) -> Result<(), Fault> {
        self.draft.push(outcome)?;
        self.taken += 1;
        self.due.get_or_insert_with(|| Instant::now() + self.every);
        Ok(())
    }

    /// Number of outcomes that were taken; after [`Self::drive`] all of them stand in the run store.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the next segment has reached its size.
    pub fn is_full(&self) -> bool {
        self.draft.outcomes() >= FULL_LINES || self.draft.size_bytes() >= FULL_BYTES
    }

    /// Writes everything that was taken. On a fault it is kept; calling again writes it.
    pub async fn flush(&mut self) -> Result<(), Fault> {
        loop {
            if self.under_way.is_none() {
                self.under_way = self.draft.take();
                self.due = None;
            }
            let Some(segment) = self.under_way.clone() else { return Ok(()) };
            let began = now();
            self.write(segment).await?;
            self.events.tell(Event::Recorded { took: since(began) });
            self.under_way = None;
            self.sequence += 1;
        }
    }

    async fn write(&self, segment: Bytes) -> Result<(), Fault> {
        let name = names::segment(self.shard, &self.writer, self.sequence);
        let (path, options) = (self.store.path(&name), PutOptions::create(lines::JSON_LINES));
        match self.store.blobs().put(&path, segment.clone(), &options).await {
            Ok(_) => Ok(()),
            // Only this process writes this name: it is our own earlier attempt, whose answer was lost.
            Err(fault) if fault.kind == FaultKind::Exists => self.confirm(&name, &segment).await,
            Err(fault) => Err(fault),
        }
    }

    async fn confirm(&self, name: &str, segment: &Bytes) -> Result<(), Fault> {
        let stands = match self.store.open(name).await? {
            Some(reader) => reader.body.try_collect::<Vec<Bytes>>().await?.concat(),
            None => Vec::new(),
        };
        if stands == *segment {
            return Ok(());
        }
        let what = format!(
            "{} holds other outcomes than this process wrote: another process uses its writer id; run again",
            self.store.describe(name)
        );
        Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what))
    }
}
