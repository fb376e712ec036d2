//! Shard: moves the rows of one queue: gather, decide, copy, commit, record.

pub mod pace;
pub mod guard;
pub mod breaker;
pub mod in_flight;
pub mod feed;
pub mod gather;
pub mod copy;
pub mod submission;
pub mod record;
pub mod worker;
pub mod start;
pub mod keep;
mod sample;
mod finish;
mod ended;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Outcome, ShardIndex},
    exit::Stop,
    ports::{Blobs, Service, TargetWriter, Warehouse},
    report::{
        events::{Beginning, Bounded, Ended, Event, Events, Wait},
        observed::Observed,
    },
    rules::{CatalogueIndex, RuleConfig},
    run::{
        Epoch, Plan, PlanId, RowSet, RunStore, WriterId,
        segments::RecordedRows,
        writers::{Writers, mark_clean},
    },
};

use self::{
    breaker::Breaker,
    copy::Copier,
    feed::Queue,
    finish::{finish, finish_broken, mark_recorded},
    guard::Guard,
    in_flight::InFlight,
    keep::Heart,
    pace::{Pace, Trouble},
    record::Recorder,
};

/// Outcomes that wait for the recorder; beyond it the workers wait.
const OUTCOMES_WAITING: usize = 4_096;

/// What a process needs to move one shard.
pub struct ShardInputs {
    /// Store that the outcomes are written to.
    pub store: RunStore,
    /// Frozen plan of the run.
    pub plan: Arc<Plan>,
    /// Index of the shard to run.
    pub index: ShardIndex,
    /// This process, registered as a writer.
    pub writer: WriterId,
    /// The chart's epoch.
    pub epoch: Epoch,
    /// The rules' configuration.
    pub rules: RuleConfig,
    /// The target's catalogue.
    pub catalogue: Arc<CatalogueIndex>,
    /// Connections and clients, one set per worker.
    pub workers: Vec<WorkerServices>,
    /// Limits on submissions and copies under way, which the process has found so far.
    pub in_flight: Arc<InFlight>,
    /// Longest time between an outcome and its segment.
    pub flush: Duration,
    /// The breaker's share; `None`: off.
    pub breaker: Option<f64>,
    /// Health of the services, shared by all workers.
    pub pace: Arc<Pace>,
    /// Slows the process down while the target is under load; `None`: `--target-guard off`.
    pub guard: Option<Arc<Guard>>,
    /// Rows with an outcome from earlier processes.
    pub recorded: RecordedRows,
    /// Rows that were recorded as migrated and that the target lost: they are moved again.
    pub lost: RowSet,
    /// Where the shard's events are told, and what it tells of itself; `pace` and the workers tell theirs there too.
    pub observed: Arc<Observed>,
    /// Cancelled by SIGTERM.
    pub stop: CancellationToken,
    /// A child of it, which the shard cancels itself when it must end; `pace` waits no longer than it.
    pub ending: CancellationToken,
}

/// Connections and clients of one worker.
pub struct WorkerServices {
    /// Its own connections to the target database.
    pub target: Arc<dyn TargetWriter>,
    /// Its own connections to the warehouse; `None` if the plan made facts files.
    pub warehouse: Option<Arc<dyn Warehouse>>,
    /// Its own client of the target container.
    pub target_blobs: Arc<dyn Blobs>,
    /// Copies from the sources to the target container.
    pub copier: Copier,
}

/// State shared by all workers of a process.
pub struct Shard {
    store: RunStore,
    plan: PlanId,
    index: ShardIndex,
    writer: WriterId,
    lost: RowSet,
    rules: RuleConfig,
    catalogue: Arc<CatalogueIndex>,
    pace: Arc<Pace>,
    breaker: Breaker,
    in_flight: Arc<InFlight>,
    writers: Writers,
    last_commit: submission::LastCommit,
    observed: Arc<Observed>,
    events: Events,
    outcomes: Mutex<Option<mpsc::Sender<Outcome>>>,
    left_blobs: AtomicBool,
    /// Cancelled by SIGTERM or by [`Shard::end`].
    stop: CancellationToken,
    ended_by: Mutex<Option<ended::Ended>>,
}

impl Shard {
    /// A place for one outcome with the recorder; waits while too many outcomes wait already. `None` only if recording
    /// ended the process: a later process repeats the row and recovers it.
    async fn place_with_recorder(&self) -> Option<mpsc::OwnedPermit<Outcome>> {
        let sender = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        self.events.waited(Wait::Recorder, sender.reserve_owned()).await.ok()
    }

    /// Tells how full its queues are.
    fn gauge(&self, targets: &[Arc<dyn TargetWriter>]) {
        let waiting = self
            .outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|sender| sender.max_capacity() - sender.capacity());
        let (usage, limit) = (waiting.unwrap_or_default(), OUTCOMES_WAITING);
        self.events.tell(Event::Sized { queue: Bounded::Outcomes, usage, limit });
        let (usage, limit) = (self.in_flight.usage(), self.in_flight.limit());
        self.events.tell(Event::Sized { queue: Bounded::Copies, usage, limit });
        let (usage, limit) = targets
            .iter()
            .map(|target| target.connections())
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.events.tell(Event::Sized { queue: Bounded::Pool, usage, limit });
    }

    /// Closes the channel: the recorder writes the outcomes it has and ends.
    fn close_outcomes(&self) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Notes that this process may have left blobs that no row names; only the sweep may delete them.
    fn left_blobs(&self) {
        self.left_blobs.store(true, Ordering::Relaxed);
    }
}

/// Works until every row of the shard has an outcome, writes the done marker and returns;
/// or says why it ended before.
pub async fn run(inputs: ShardInputs) -> Result<(), Stop> {
    let rows = inputs.plan.shard(inputs.index).map_or(0, |shard| shard.rows);
    let (events, shard) = (inputs.observed.events.clone(), inputs.index);
    events.tell(Event::ShardBegan(Beginning {
        shard,
        rows,
        last_row: inputs.plan.last_row(),
        earlier: &inputs.recorded.books,
        workers: inputs.workers.len(),
    }));
    let moved = move_rows(inputs, rows).await;
    let ended = if moved.is_ok() { Ended::Complete } else { Ended::Unfinished };
    events.tell(Event::ShardEnded { shard, ended });
    moved
}

async fn move_rows(inputs: ShardInputs, rows: u64) -> Result<(), Stop> {
    if inputs.recorded.rows.len() == rows {
        return mark_recorded(&inputs).await;
    }
    let queue = open_queue(&inputs).await?;
    let recorder =
        Recorder::new(inputs.store.clone(), &inputs.plan.id, inputs.index, &inputs.writer, inputs.flush)
            .telling(&inputs.observed.events);
    let (outcomes, to_record) = mpsc::channel(OUTCOMES_WAITING);
    let shard = Arc::new(Shard {
        writers: Writers::new(inputs.store.clone()),
        last_commit: submission::LastCommit::default(),
        store: inputs.store,
        plan: inputs.plan.id.clone(),
        index: inputs.index,
        writer: inputs.writer,
        lost: inputs.lost,
        rules: inputs.rules,
        catalogue: inputs.catalogue,
        pace: inputs.pace,
        breaker: Breaker::new(inputs.breaker),
        in_flight: inputs.in_flight,
        events: inputs.observed.events.clone(),
        observed: inputs.observed,
        outcomes: Mutex::new(Some(outcomes)),
        left_blobs: AtomicBool::new(false),
        stop: inputs.ending,
        ended_by: Mutex::default(),
    });
    let targets: Vec<_> = inputs.workers.iter().map(|worker| worker.target.clone()).collect();
    let keeping = CancellationToken::new();
    let writing = keep::recording(shard.clone(), recorder, to_record);
    let moving = async {
        let working = work_all(shard.clone(), inputs.workers, queue, &inputs.recorded, rows);
        let (worked, written) = tokio::join!(working, writing);
        keeping.cancel();
        worked.and(written)
    };
    let heart = Heart {
        store: &shard.store,
        plan: &shard.plan,
        shard: shard.index,
        writer: &shard.writer,
        epoch: &inputs.epoch,
        rows,
        pace: &shard.pace,
        observed: &shard.observed,
        gauge: &|| shard.gauge(&targets),
    };
    let guarding = guard::watch(inputs.guard.as_deref(), &targets, &shard, &keeping);
    // The guard first: the first heartbeat tells its state.
    let ((), moved, ()) = tokio::join!(guarding, moving, heart.beat_until(&keeping));
    let done = moved.as_ref().map_or(0, |taken| inputs.recorded.rows.len() + taken);
    if let Some(ended) = shard.ended() {
        return Err(finish_broken(&shard, rows, done, ended).await);
    }
    moved?;
    finish(&shard, rows, done, &inputs.stop).await
}

/// A process that cannot open its queue has begun no row.
async fn open_queue(inputs: &ShardInputs) -> Result<Queue, Stop> {
    let open = || Queue::open(&inputs.store, &inputs.plan, inputs.index, &inputs.rules);
    let opened = inputs.pace.at_start(Service::RunStore, open).await;
    if opened.is_err() {
        let _ = timeout(keep::LAST_WORD_WITHIN, mark_clean(&inputs.store, &inputs.writer)).await;
    }
    opened.map_err(Trouble::of_one_shard)
}

/// Feeds the queue to all workers and waits for them.
async fn work_all(
    shard: Arc<Shard>,
    workers: Vec<WorkerServices>,
    queue: Queue,
    recorded: &RecordedRows,
    rows: u64,
) -> Result<(), Stop> {
    let chunk_rows = feed::chunk_rows(rows.saturating_sub(recorded.books.rows()), workers.len());
    // One chunk waits: the queue is read faster than its rows are moved, and each worker has two more of its own.
    let (chunks, to_workers) = async_channel::bounded(1);
    let mut working = tokio::task::JoinSet::new();
    for (place, services) in workers.into_iter().enumerate() {
        working.spawn(worker::work(shard.clone(), place + 1, Arc::new(services), to_workers.clone()));
    }
    drop(to_workers);
    // Boxed: a queue with its readers would make the future of the whole shard large.
    let fed = Box::pin(async {
        tokio::select! {
            fed = feed::feed(queue, &shard.pace, recorded, chunk_rows, chunks) => fed.map_err(|stop| shard.end(stop)),
            () = shard.stop.cancelled() => Ok(()),
        }
    });
    let worked = async {
        let mut result = Ok(());
        while let Some(ended) = working.join_next().await {
            result = result.and(worker::joined(&shard, ended));
        }
        result
    };
    let (fed, worked) = tokio::join!(fed, worked);
    // The recorder ends when the last sender is gone; the shard holds one until then.
    shard.close_outcomes();
    fed.and(worked)
}
