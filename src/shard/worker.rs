//! A worker: pulls chunks from the shard's queue, and has several submissions under way.

mod turn;
mod under_way;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use futures_util::FutureExt;
use tokio::{sync::mpsc, task::JoinSet};
use tracing::Instrument;

use crate::{
    domain::{
        AttemptId, Decision, FailCode, Failure, Fate, Migration, Outcome, SourceDigest, source_digest,
        source_with_parts,
    },
    exit::{Exit, Stop},
    gather::{GatheredRow, row_bytes},
    ports::{HeldSubmission, Permit, overdue},
    report::events::{Event, Settled, StageTimes, Wait, now, since},
    rules::decide,
};

use super::{
    Shard, WorkerServices,
    feed::Chunk,
    gather::{Gathered, gather},
    pace::Trouble,
    submission,
};

use turn::turn;
use under_way::UnderWay;

/// How long submissions that are under way may go on after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Works until the queue is empty or the process stops. `number` counts from 1.
pub async fn work(
    shard: Arc<Shard>,
    number: usize,
    services: Arc<WorkerServices>,
    chunks: async_channel::Receiver<Chunk>,
) -> Result<(), Stop> {
    let (ahead, gathered) = mpsc::channel(1);
    let gathering = gather_ahead(&shard, &services, chunks, ahead);
    let working = Worker { shard: shard.clone(), number, services: services.clone() }.run(gathered);
    let (gathering, working) = tokio::join!(gathering, working);
    working.and(gathering)
}

/// Keeps one chunk gathered while another is worked on.
async fn gather_ahead(
    shard: &Shard,
    services: &WorkerServices,
    chunks: async_channel::Receiver<Chunk>,
    ahead: mpsc::Sender<Gathered>,
) -> Result<(), Stop> {
    while !shard.stop.is_cancelled() {
        let chunk = tokio::select! {
            chunk = chunks.recv() => chunk,
            () = shard.stop.cancelled() => return Ok(()),
        };
        let Ok(chunk) = chunk else { return Ok(()) };
        // It only reads, so it may be dropped half-way: a service that is silent must not hold up a stop.
        let gathering = tokio::select! {
            gathered = gather(shard, services, chunk, &ahead) => gathered,
            () = shard.stop.cancelled() => return Ok(()),
        };
        match gathering {
            Ok(()) if ahead.is_closed() => return Ok(()),
            Ok(()) => {}
            Err(Trouble::Stopping) => return Ok(()),
            Err(trouble) => return Err(shard.end(trouble.into())),
        }
    }
    Ok(())
}

/// What a row that is not settled by its decision needs.
enum Work {
    Migrate(Box<Migration>),
    Recover(Option<Box<Migration>>, HeldSubmission),
}

/// The row that an outcome is of.
struct RowOf {
    number: u64,
    attempt: Option<AttemptId>,
    began: Instant,
    /// Written before it is settled.
    source: Option<SourceDigest>,
    times: StageTimes,
    under_way: UnderWay,
}

#[derive(Clone)]
struct Worker {
    shard: Arc<Shard>,
    number: usize,
    services: Arc<WorkerServices>,
}

impl Worker {
    async fn run(self, mut gathered: mpsc::Receiver<Gathered>) -> Result<(), Stop> {
        let mut under_way = JoinSet::new();
        let taken = self.take_all(&mut gathered, &mut under_way).await;
        // Closes the channel, so that the gathering task does not wait for a place in it.
        drop(gathered);
        taken.and(self.drain(under_way).await)
    }

    /// Takes rows until there are none or the process stops.
    async fn take_all(
        &self,
        gathered: &mut mpsc::Receiver<Gathered>,
        under_way: &mut JoinSet<Result<(), Stop>>,
    ) -> Result<(), Stop> {
        loop {
            let began = now();
            // The wait for the end of the queue is no wait for facts.
            let Some(Gathered { rows, took }) = gathered.recv().await else { return Ok(()) };
            self.shard.events.tell(Event::Waited { on: Wait::Facts, took: since(began) });
            for row in rows {
                if self.shard.stop.is_cancelled() {
                    return Ok(());
                }
                self.begin(row, took, under_way).await?;
            }
        }
    }

    /// Decides the row; what needs no copy is settled here, the rest goes under way.
    async fn begin(
        &self,
        row: GatheredRow,
        gather: Duration,
        under_way: &mut JoinSet<Result<(), Stop>>,
    ) -> Result<(), Stop> {
        let GatheredRow { row, facts, takes_facts, held, written } = row;
        let mut row_of = RowOf {
            number: row.number,
            attempt: row.attempt,
            began: now(),
            source: None,
            times: StageTimes { gather, ..StageTimes::default() },
            under_way: UnderWay::begin(&self.shard.events, row.number),
        };
        let (number, attempt) = (row.number, row.attempt);
        let decision = std::panic::catch_unwind(AssertUnwindSafe(|| {
            decide(&row, &held, &facts, &self.shard.catalogue, &self.shard.rules)
        }))
        .unwrap_or_else(|_| Decision::Fail(panicked()));
        row_of.times.decide = since(row_of.began);
        let work = match decision {
            Decision::Migrate(migration) => Ok(Work::Migrate(migration)),
            Decision::Recover(migration) => Ok(Work::Recover(migration, written.unwrap_or_default())),
            Decision::Skip(skip) => Err(Fate::from(skip)),
            Decision::Fail(failure) => Err(failure.into()),
        };
        let facts = takes_facts.then_some(facts);
        let work = match work {
            Ok(work) => work,
            Err(fate) => {
                row_of.source = Some(source_digest(&row.cells, &row.mapping, facts.as_ref()));
                return self.settle(row_of, Ok(fate)).await;
            }
        };
        let reaches_copy = matches!(work, Work::Migrate(_));
        let bytes = row_bytes(&row, facts.as_ref());
        let Some(permits) = turn(&self.shard, reaches_copy, bytes, under_way).await? else { return Ok(()) };
        let worker = self.clone();
        let span = tracing::info_span!("submission", row = number, attempt = attempt.map(AttemptId::get));
        let under_way_now = async move {
            // A later export is compared with rows that were migrated, and only with them.
            row_of.source = Some(source_with_parts(&row.cells, &row.mapping, facts.as_ref()));
            drop((row, facts));
            let working = worker.work(work, permits.copying, &mut row_of.times);
            let fate = AssertUnwindSafe(working).catch_unwind().await.unwrap_or_else(|_| {
                worker.shard.left_blobs();
                Ok(panicked().into())
            });
            if reaches_copy && let Ok(fate) = &fate {
                worker.count(fate);
            }
            let settled = worker.settle(row_of, fate).await;
            drop((permits.under_way, permits.texts));
            settled
        };
        under_way.spawn(under_way_now.instrument(span));
        Ok(())
    }

    async fn work(
        &self,
        work: Work,
        copying: Option<Permit>,
        times: &mut StageTimes,
    ) -> Result<Fate, Trouble> {
        let (shard, services) = (&self.shard, &self.services);
        match work {
            Work::Recover(decided, written) => {
                submission::recover(shard, services, decided.as_deref(), written).await
            }
            Work::Migrate(migration) => {
                submission::migrate(shard, services, &migration, copying, times).await
            }
        }
    }

    /// One more row that reached copy.
    fn count(&self, fate: &Fate) {
        if let Err(opened) = self.shard.breaker.count(matches!(fate, Fate::Failed { .. })) {
            self.shard.break_off(opened);
        }
    }

    async fn settle(&self, row: RowOf, fate: Result<Fate, Trouble>) -> Result<(), Stop> {
        let RowOf { number: row, attempt, began, source, mut times, mut under_way } = row;
        let fate = match fate {
            Ok(fate) => fate,
            Err(Trouble::Stopping) => return Ok(()),
            Err(trouble) => return Err(self.shard.end(trouble.into())),
        };
        times.whole = since(began);
        let at = Utc::now();
        // First of all a place with the recorder: a stop may interrupt the wait for one, and then the row has no outcome.
        let Some(place) = self.shard.place_with_recorder().await else { return Ok(()) };
        under_way.is_settled = true;
        let worker = self.number;
        let breaker = self.shard.breaker.fill();
        self.shard.events.tell(Event::RowSettled(Settled {
            row,
            attempt,
            worker,
            fate: &fate,
            times,
            breaker,
        }));
        let gather_ms = submission::milliseconds(times.gather);
        let milliseconds = submission::milliseconds(times.whole);
        place.send(Outcome { row, attempt, at, worker, milliseconds, gather_ms, source, fate });
        Ok(())
    }

    /// Waits for the submissions under way; after a stop not longer than [`DRAIN`].
    async fn drain(&self, mut under_way: JoinSet<Result<(), Stop>>) -> Result<(), Stop> {
        let deadline = overdue(&self.shard.stop, DRAIN);
        tokio::pin!(deadline);
        let mut result = Ok(());
        loop {
            tokio::select! {
                ended = under_way.join_next() => match ended {
                    Some(ended) => result = result.and(joined(&self.shard, ended)),
                    None => return result,
                },
                () = &mut deadline => {
                    tracing::warn!(worker = self.number, rows = under_way.len(), "the stop interrupted rows under way");
                    self.shard.left_blobs();
                    under_way.shutdown().await;
                    return result;
                }
            }
        }
    }
}

/// What a task of the shard returned. A panic of one is the program's end.
pub(super) fn joined<T>(
    shard: &Shard,
    ended: Result<Result<T, Stop>, tokio::task::JoinError>,
) -> Result<T, Stop> {
    match ended {
        Ok(result) => result,
        // Rows catch their own panics: this one is the program's. Its words may hold what is known of a learner.
        Err(_) => Err(shard.end(Stop::new(
            Exit::Bug,
            "a bug: a worker or the recorder panicked; the log names the place; run again to continue, and please report it",
        ))),
    }
}

fn panicked() -> Failure {
    let message = "a bug in this program met this row; see the log, and please report it";
    Failure { code: FailCode::InternalError, message: message.to_owned() }
}
