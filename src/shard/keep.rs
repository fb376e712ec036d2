//! Background work of a shard beside its rows: segments, heartbeat, displayed state.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    domain::{Outcome, ShardIndex},
    exit::Stop,
    ports::{Backoff, Patience, Service, every, pause},
    report::{events::Event, grid::count, observed::Observed},
    run::{Epoch, Heartbeat, PlanId, RunStore, State, WriterId, names, writers::mark_clean},
};

use super::{
    Shard,
    pace::{Pace, Trouble},
    record::Recorder,
    sample::Sampler,
    worker::joined,
};

const STATE_EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT_EVERY_STATES: u32 = 15;
/// A process that waits before its first row writes its first heartbeat after so many seconds.
const FIRST_WHILE_WAITING: u32 = 5;
/// How long the last heartbeat may take.
pub(super) const LAST_WORD_WITHIN: Duration = Duration::from_secs(2);
/// After a stop a segment that cannot be written is tried again this often: for 2 to 4 s.
const LAST_TRIES: u32 = 8;
const BETWEEN_LAST_TRIES: Backoff = Backoff::steady(Duration::from_millis(500));

/// [`record`] as a task of its own. If it panics, the workers end too, whose rows it can no longer record.
pub(super) fn recording(
    shard: Arc<Shard>,
    recorder: Recorder,
    outcomes: mpsc::Receiver<Outcome>,
) -> impl Future<Output = Result<u64, Stop>> {
    let recording = AbortOnDropHandle::new(tokio::spawn(record(shard.clone(), recorder, outcomes)));
    async move { joined(&shard, recording.await) }
}

/// Writes outcomes to segments until all senders are gone; how many were written. While the run store is unreachable the
/// outcomes wait, and after a while the workers too.
async fn record(
    shard: Arc<Shard>,
    recorder: Recorder,
    outcomes: mpsc::Receiver<Outcome>,
) -> Result<u64, Stop> {
    let writing = tokio::sync::Mutex::new((recorder, outcomes));
    let drive = || async {
        let (recorder, outcomes) = &mut *writing.lock().await;
        recorder.drive(outcomes).await
    };
    let mut patience = Patience::new(BETWEEN_LAST_TRIES);
    loop {
        match shard.pace.steady(&[Service::RunStore], drive).await {
            Ok(()) => return Ok(writing.lock().await.0.taken()),
            Err(trouble) => match patience.failed_at_most(LAST_TRIES) {
                Some(wait) if matches!(trouble, Trouble::Stopping) => pause(wait).await,
                _ => return Err(shard.end(trouble.into())),
            },
        }
    }
}

/// What a heartbeat says, and where it is written.
pub struct Heart<'a> {
    /// Store of the run, which gets the heartbeats.
    pub store: &'a RunStore,
    /// Id of the plan that the shard belongs to.
    pub plan: &'a PlanId,
    /// Index of the shard.
    pub shard: ShardIndex,
    /// Id of this process.
    pub writer: &'a WriterId,
    /// The chart's epoch.
    pub epoch: &'a Epoch,
    /// Number of rows in the shard.
    pub rows: u64,
    /// What the process waits for.
    pub pace: &'a Pace,
    /// What the shard tells of itself.
    pub observed: &'a Observed,
    /// Tells how full its queues are.
    pub gauge: &'a (dyn Fn() + Sync),
}

impl Heart<'_> {
    /// Shows the state and writes the heartbeat until `done`; then the last one, unless the shard is done. Each segment is
    /// followed by a heartbeat: `status`, which reads no segment of a process that gives heartbeats, would know less than the
    /// run store holds.
    pub(super) async fn beat_until(&self, done: &CancellationToken) {
        let mut ticks = every(STATE_EVERY);
        ticks.tick().await;
        let (mut sampler, mut told) = (Sampler::begin(), None);
        // The first heartbeat is due at once.
        let (mut seconds, mut has_recorded) = (HEARTBEAT_EVERY_STATES, false);
        loop {
            let state = self.pace.sample(Utc::now());
            self.tell(&state, &mut told);
            if !has_recorded {
                self.observed.events.tell(Event::Sampled(sampler.sample()));
                (self.gauge)();
            }
            if has_recorded || seconds >= HEARTBEAT_EVERY_STATES {
                self.write(state).await;
                seconds = 0;
            }
            // A heartbeat that is under way is never cut off: it could arrive after the last one.
            has_recorded = tokio::select! {
                biased;
                () = done.cancelled() => break,
                _ = ticks.tick() => false,
                () = self.observed.recorded() => true,
            };
            seconds += u32::from(!has_recorded);
        }
        self.write_last().await;
    }

    /// Runs the start of a process. One that waits for a service gives heartbeats like one that moves rows.
    pub async fn beat_through<T>(&self, start: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let mut has_beaten = false;
        let started = tokio::select! {
            started = start => started,
            never = self.beat_while_waiting(&mut has_beaten) => match never {},
        };
        if started.is_err() {
            let last = async {
                if has_beaten {
                    self.write(State::Stopped("stopped before its first row".to_owned())).await;
                }
                self.mark_idle().await;
            };
            let _ = timeout(LAST_WORD_WITHIN, last).await;
        }
        started
    }

    /// If the writer is registered: it wrote nothing, so that no command has to wait for it.
    async fn mark_idle(&self) {
        if let Ok(true) = self.store.exists(&names::writer(self.writer)).await {
            mark_clean(self.store, self.writer).await;
        }
    }

    async fn beat_while_waiting(&self, has_beaten: &mut bool) -> Infallible {
        let mut ticks = every(STATE_EVERY);
        ticks.tick().await;
        let (mut second, mut told) = (0_u32, None);
        loop {
            ticks.tick().await;
            second += 1;
            let state = self.pace.sample(Utc::now());
            self.tell(&state, &mut told);
            if second % HEARTBEAT_EVERY_STATES == FIRST_WHILE_WAITING {
                *has_beaten = true;
                self.write(state).await;
            }
        }
    }

    /// Tells the state if it is another than was told last.
    fn tell(&self, state: &State, told: &mut Option<State>) {
        if told.as_ref() != Some(state) {
            self.observed.events.tell(Event::StateChanged { state });
            *told = Some(state.clone());
        }
    }

    /// Says where the process ended, so that `status` does not count it as running by its earlier heartbeats.
    async fn write_last(&self) {
        let done = self.observed.books().rows();
        if done >= self.rows && !self.pace.waits().is_empty() {
            // The report tells when the process waited.
            let _ = timeout(LAST_WORD_WITHIN, self.write(State::Running)).await;
        }
        if done < self.rows {
            let at = State::Stopped(format!("stopped at {} of {} rows", count(done), count(self.rows)));
            self.observed.events.tell(Event::StateChanged { state: &at });
            // A run store that is unreachable must not hold up the end.
            let _ = timeout(LAST_WORD_WITHIN, self.write(at)).await;
        }
    }

    async fn write(&self, state: State) {
        let has_ended = matches!(state, State::Stopped(_));
        let name = names::heartbeat(self.epoch, self.shard, self.writer);
        let heartbeat = Heartbeat {
            plan: self.plan.clone(),
            shard: self.shard,
            writer: self.writer.clone(),
            at: Utc::now(),
            books: self.observed.books(),
            rows: self.rows,
            rows_per_second: self.observed.rows_per_second(),
            state,
            waits: self.pace.waits(),
            work: if has_ended { self.observed.work() } else { self.observed.recent_work() },
            violations: self.observed.violations(),
        };
        if let Err(fault) = self.store.replace(&name, &heartbeat).await {
            tracing::debug!(fault = %fault.chain(), "no heartbeat this time");
        }
    }
}
