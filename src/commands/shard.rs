//! `shard`: one process moves the rows of one shard.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    adapters::postgres::PostgresWriter,
    domain::{Books, Digest, ShardIndex},
    exit::{End, Exit, Stop},
    ports::Service,
    report::{
        self,
        progress::{Progress, Style, display, display_meanwhile},
    },
    run::{Decided, Plan, RunStore, WriterId, decisions},
    settings::{LogFormat, LogSettings, Settings},
    shard::{
        self, ShardInputs, WorkerServices,
        copy::{Budget, Copier},
        keep::Heart,
        pace::{Pace, Trouble},
        start::{Start, Started},
    },
};

use super::{await_plan::await_plan, connect, decided::decided};

const SHOW_EVERY: Duration = Duration::from_secs(10);

/// Waits for the plan, then moves the shard's rows. Exit 0 only if every row has an outcome and the
/// done marker stands.
pub async fn run(settings: &Settings, log: &LogSettings, stop: &CancellationToken) -> Result<End, Stop> {
    let Some(index) = settings.shard else {
        return Err(Stop::new(Exit::Usage, "which shard? Give --shard, or JOB_COMPLETION_INDEX"));
    };
    let store = connect::run_store(settings)?;
    let plan = super::or_stopped(stop, await_plan(settings, &store)).await?;
    move_shard(settings, &store, Arc::new(plan), index, log, stop).await?;
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
    for index in (0..).map(ShardIndex).take(shards) {
        match move_shard(settings, store, plan.clone(), index, log, stop).await {
            Err(failed) if shards > 1 && matches!(failed.exit, Exit::DataRefused | Exit::Bug) => {
                report::tell(&format!("error: shard {index}: {failed}"));
            }
            moved => moved?,
        }
    }
    Ok(())
}

/// Moves one shard of an existing plan.
pub async fn move_shard(
    settings: &Settings,
    store: &RunStore,
    plan: Arc<Plan>,
    index: ShardIndex,
    log: &LogSettings,
    stop: &CancellationToken,
) -> Result<(), Stop> {
    let shards = plan.shards.len();
    let Some(rows) = plan.shards.get(index.0 as usize).map(|shard| shard.rows) else {
        let message = format!(
            "there is no shard {index}: the plan of run {} has {shards} shards, from 0 to {}; check --shard, or \
             JOB_COMPLETION_INDEX and SHARD_INDEXES",
            store.run(),
            shards.saturating_sub(1)
        );
        return Err(Stop::new(Exit::Usage, message));
    };
    let ending = stop.child_token();
    let pace = Arc::new(Pace::new(settings.work.give_up_after, ending.clone()));
    let done = pace.at_start(Service::RunStore, || store.done(&plan.id, index)).await;
    if done.map_err(Trouble::of_one_shard)?.is_some() && !settings.redo_lost {
        tracing::info!(%index, "every row of this shard has an outcome already");
        return Ok(());
    }
    without_breaker(settings, store, &plan, &pace).await?;
    let id = WriterId::fresh();
    let databases = connect::worker_databases(settings, store, &plan, index, &id)?;
    let process = Process {
        settings,
        store,
        plan: &plan,
        index,
        writer: &id,
        rows,
        pace: &pace,
        databases: &databases,
    };
    let moved = async {
        let inputs = process.prepare_visibly(stop, ending, log).await?;
        let shown = CancellationToken::new();
        let progress = inputs.progress.clone();
        let showing = display(&progress, style(log), SHOW_EVERY, shown.clone());
        let moving = async {
            let result = shard::run(inputs).await;
            shown.cancel();
            result
        };
        tokio::join!(moving, showing).0
    };
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
    let decided = Decided { attempts: plan.rows, ..decided(settings, "--breaker off")? };
    let reason = Digest::of(decided.reason.as_bytes()).to_string();
    let id = format!("breaker-off-{}-{}", plan.id, reason.get(..12).unwrap_or_default());
    pace.at_start(Service::RunStore, || decisions::log_once(store, &id, &decided)).await?;
    Ok(())
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
    databases: &'a [Arc<PostgresWriter>],
}

impl Process<'_> {
    /// Prepares; a wait shows heartbeats and progress as rows do.
    async fn prepare_visibly(
        &self,
        stop: &CancellationToken,
        ending: CancellationToken,
        log: &LogSettings,
    ) -> Result<ShardInputs, Stop> {
        let Self { settings, store, plan, index, writer, rows, pace, .. } = *self;
        let nothing_yet = Books::default();
        let progress = Progress::new(Instant::now(), rows, &nothing_yet, settings.work.workers);
        let heart = Heart {
            store,
            plan: &plan.id,
            shard: index,
            writer,
            epoch: &settings.epoch,
            rows,
            pace,
            progress: &progress,
        };
        let shown = CancellationToken::new();
        let preparing = async {
            let prepared = heart.beat_through(super::or_stopped(stop, self.prepare(stop, ending))).await;
            shown.cancel();
            prepared
        };
        let showing = display_meanwhile(&progress, style(log), SHOW_EVERY, shown.clone());
        tokio::join!(preparing, showing).0
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
        let workers = workers(settings, plan, self.databases)?;
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
        let progress = Progress::new(Instant::now(), self.rows, &recorded.books, settings.work.workers);
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
            recorded,
            lost,
            progress: Arc::new(progress),
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
            None => Copier::new(target_blobs.clone(), source, Budget::new(), database.clone()),
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

fn style(log: &LogSettings) -> Style {
    Style::choose(log.effective_format() == LogFormat::Json)
}
