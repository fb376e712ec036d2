//! `shard`: one process moves the rows of one shard.

mod shared;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    adapters::postgres::PostgresWriter,
    domain::ShardIndex,
    exit::{End, Exit, Stop},
    ports::Service,
    report::{
        self,
        board::Board,
        events::{Beginning, Ended, Event, Events},
        observed::Observed,
        progress::{Style, display, show_now},
    },
    run::{Decided, DoneMarker, Plan, RunStore, WriterId, decisions},
    settings::{LogFormat, LogSettings, Settings, Terminal},
    shard::{
        self, ShardInputs, WorkerServices,
        copy::{Budget, Copier},
        keep::Heart,
        pace::{Pace, Trouble},
        start::{Start, Started},
    },
    telemetry::shard_step,
};

use super::{await_plan::await_plan, connect, decided, signals};
use shared::Shared;

const SHOW_EVERY: Duration = Duration::from_secs(10);

/// Waits for the plan, then moves the shard's rows. Exit 0 only if every row has an outcome and the
/// done marker stands.
pub async fn run(settings: &Settings, log: &LogSettings, stop: &CancellationToken) -> Result<End, Stop> {
    let Some(index) = settings.shard else {
        return Err(Stop::new(Exit::Usage, "which shard? Give --shard, or JOB_COMPLETION_INDEX"));
    };
    let store = connect::run_store(settings)?;
    let plan = super::or_stopped(stop, await_plan(settings, &store)).await?;
    super::or_stopped(stop, decided::redo(settings, &store, &plan)).await?;
    let rows = plan.shard(index).map_or(0, |shard| shard.rows);
    let board = Board::new(rows, 1);
    let shared = Shared::new(settings, &board);
    let plan = Arc::new(plan);
    let moving = shard_step(&plan, index, move_shard(settings, &store, plan.clone(), index, &shared, stop));
    shown(&board, log, Box::pin(moving)).await?;
    Ok(End::done(format!("every row of shard {index} has an outcome")))
}

/// Moves the shards of an existing plan one after another; a shard that is done ends at once. If there are several, a
/// shard that fails because of its rows or a bug does not stop the others: the merge names it.
pub async fn move_all(
    settings: &Settings,
    store: &RunStore,
    plan: &Arc<Plan>,
    log: &LogSettings,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    let shards = plan.shards.len();
    let board = Board::new(plan.rows, shards);
    let shared = Shared::new(settings, &board);
    let moving = async {
        for index in (0..).map(ShardIndex).take(shards) {
            let moving = move_shard(settings, store, plan.clone(), index, &shared, stop);
            match Box::pin(shard_step(plan, index, moving)).await {
                Err(failed) if shards > 1 && matches!(failed.exit, Exit::DataRefused | Exit::Bug) => {
                    report::tell(&format!("error: shard {index}: {failed}"));
                }
                moved => moved?,
            }
        }
        Ok(())
    };
    shown(&board, log, moving).await
}

/// Shows the board while the work goes on.
async fn shown<T>(board: &Board, log: &LogSettings, work: impl Future<Output = T>) -> T {
    let ended = CancellationToken::new();
    let working = async {
        let result = work.await;
        ended.cancel();
        result
    };
    let style = Style::choose(log.effective_format() == LogFormat::Json, log.terminal == Terminal::Full);
    let when_asked = ended.run_until_cancelled(signals::each_usr1(|| show_now(board, style)));
    tokio::join!(working, display(board, style, SHOW_EVERY, ended.clone()), when_asked).0
}

/// Moves one shard of an existing plan.
async fn move_shard(
    settings: &Settings,
    store: &RunStore,
    plan: Arc<Plan>,
    index: ShardIndex,
    shared: &Shared,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    let shards = plan.shards.len();
    let Some(rows) = plan.shard(index).map(|shard| shard.rows) else {
        let message = format!(
            "there is no shard {index}: the plan of run {} has {shards} shards, from 0 to {}; check --shard, or \
             JOB_COMPLETION_INDEX and SHARD_INDEXES",
            store.run(),
            shards.saturating_sub(1)
        );
        return Err(Stop::new(Exit::Usage, message));
    };
    let ending = stop.child_token();
    let observed = Arc::new(Observed::new(rows, &shared.events));
    let pace = Pace::new(settings.work.give_up_after, ending.clone()).telling(&observed.events);
    let pace = Arc::new(pace);
    let done = pace.at_start(Service::RunStore, || store.done(&plan.id, index)).await;
    if let Some(marker) = done.map_err(Trouble::of_one_shard)?.filter(|_| !settings.redo_lost) {
        tracing::info!(%index, "every row of this shard has an outcome already");
        tell_done(&shared.events, &plan, rows, &marker);
        return Ok(());
    }
    without_breaker(settings, store, &plan, &pace).await?;
    let id = WriterId::fresh();
    let databases =
        connect::worker_databases(settings, store, &plan, index, &id, &shared.gate, &observed.events)?;
    let process = Process {
        settings,
        store,
        plan: &plan,
        index,
        writer: &id,
        rows,
        pace: &pace,
        observed: &observed,
        databases: &databases,
        shared,
    };
    let moved = async { shard::run(process.prepare_patiently(stop, ending).await?).await };
    let result = moved.await;
    for database in &databases {
        database.close().await;
    }
    if result.is_ok() {
        tracing::info!(%index, rows, "every row of this shard has an outcome");
    }
    result
}

/// `--breaker off` is a decision: logged once for each reason, however many shards it concerns.
async fn without_breaker(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    pace: &Pace,
) -> Result<(), Stop> {
    if settings.work.breaker.is_some() {
        return Ok(());
    }
    let decided = Decided { attempts: plan.rows, ..decided::decided(settings, "--breaker off")? };
    let id = format!("breaker-off-{}-{}", plan.id, decided::short_digest(&decided.reason));
    pace.at_start(Service::RunStore, || decisions::log_once(store, &id, &decided)).await?;
    Ok(())
}

/// Tells of a shard that was done before this process began.
fn tell_done(events: &Events, plan: &Plan, rows: u64, marker: &DoneMarker) {
    let shard = marker.shard;
    events.tell(Event::ShardBegan(Beginning {
        shard,
        rows,
        last_row: plan.last_row(),
        earlier: &marker.books,
        workers: 0,
    }));
    events.tell(Event::ShardEnded { shard, ended: Ended::Complete });
}

/// One process on one shard, before its first row.
struct Process<'a> {
    settings: &'a Settings,
    store: &'a RunStore,
    plan: &'a Arc<Plan>,
    index: ShardIndex,
    writer: &'a WriterId,
    rows: u64,
    pace: &'a Arc<Pace>,
    observed: &'a Arc<Observed>,
    databases: &'a [Arc<PostgresWriter>],
    shared: &'a Shared,
}

impl Process<'_> {
    /// Prepares; a wait gives heartbeats as rows do.
    async fn prepare_patiently(
        &self,
        stop: &CancellationToken,
        ending: CancellationToken,
    ) -> Result<ShardInputs, Stop> {
        let Self { settings, store, plan, index, writer, rows, pace, observed, .. } = *self;
        let (plan, epoch) = (&plan.id, &settings.epoch);
        let gauge = &|| {};
        let heart = Heart { store, plan, shard: index, writer, epoch, rows, pace, observed, gauge };
        heart.beat_through(super::or_stopped(stop, self.prepare(stop, ending))).await
    }

    /// Makes every check that would fail in the same way in every pod.
    async fn prepare(
        &self,
        stop: &CancellationToken,
        ending: CancellationToken,
    ) -> Result<ShardInputs, Stop> {
        let Self { settings, store, plan, index, pace, .. } = *self;
        let first =
            self.databases.first().ok_or_else(|| Stop::new(Exit::Usage, "workers must be at least 1"))?;
        let (host, target_blobs) = (host(), connect::target_blobs(settings)?);
        let workers = workers(settings, plan, self.databases, &self.observed.events)?;
        let start = Start {
            settings,
            store,
            plan,
            index,
            writer: self.writer,
            host: &host,
            pace,
            target: first.as_ref(),
            // With facts files no warehouse is needed: the plan has read it.
            warehouse: workers.first().and_then(|worker| worker.warehouse.as_deref()),
            target_blobs: target_blobs.as_ref(),
        };
        let Started { catalogue, recorded, lost } = start.run().await?;
        Ok(ShardInputs {
            store: store.clone(),
            plan: plan.clone(),
            index,
            writer: self.writer.clone(),
            epoch: settings.epoch.clone(),
            rules: crate::plan::rule_config(settings),
            catalogue: catalogue.into(),
            workers,
            in_flight: settings.work.in_flight,
            flush: settings.work.flush,
            breaker: settings.work.breaker,
            pace: pace.clone(),
            guard: self.shared.guard.clone(),
            recorded,
            lost,
            observed: self.observed.clone(),
            stop: stop.clone(),
            ending,
        })
    }
}

/// Each worker's own connections and clients; one budget for the bytes of all.
fn workers(
    settings: &Settings,
    plan: &Plan,
    databases: &[Arc<PostgresWriter>],
    events: &Events,
) -> Result<Vec<WorkerServices>, Stop> {
    let warehouses = if plan.facts_files {
        vec![None; databases.len()]
    } else {
        let warehouses = connect::warehouses(settings, databases.len())?;
        for warehouse in &warehouses {
            plan.reported.into_iter().for_each(|attempt| warehouse.expect_report(attempt));
        }
        warehouses.into_iter().map(Some).collect()
    };
    let mut workers: Vec<WorkerServices> = Vec::with_capacity(databases.len());
    for (database, warehouse) in databases.iter().zip(warehouses) {
        let target_blobs = connect::target_blobs(settings)?;
        let source = connect::source(settings)?;
        let copier = match workers.first() {
            None => {
                let budget = Budget::new();
                Copier::new(target_blobs.clone(), source, budget, database.clone()).telling(events)
            }
            Some(WorkerServices { copier, .. }) => {
                copier.another(target_blobs.clone(), source, database.clone())
            }
        };
        workers.push(WorkerServices { target: database.clone(), warehouse, target_blobs, copier });
    }
    Ok(workers)
}

/// Host name, for people who read `writers/`.
pub(super) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
