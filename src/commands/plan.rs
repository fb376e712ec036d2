//! `plan`: checks every service, then freezes the queue.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    adapters::postgres::PostgresReader,
    cli::PlanArgs,
    exit::{End, Stop},
    inputs::{Excluded, Inputs},
    plan::{self, PlanReport, Progress, Services, Shelf},
    ports::{Blobs, Source, Warehouse},
    report,
    run::{Decided, Expected, RunStore, TraceParent, decisions},
    settings::Settings,
    telemetry::{Step, step, trace_parent},
};

use super::{connect, decided::decided, json::json, or_stopped, patience::patiently};

/// Makes the plan, or in a dry run reports the plan that it would make.
pub async fn run(settings: &Settings, args: &PlanArgs, stop: &CancellationToken) -> Result<End, Stop> {
    if args.prediction.predict {
        return super::predict::run(settings, args, stop).await;
    }
    let made = if args.dry_run {
        Expected::without_prediction(settings.expect.as_deref())?;
        tell_uncompared(settings);
        or_stopped(stop, rehearse(settings)).await?
    } else {
        tell_uncompared(settings);
        let progress = Progress::default();
        let making = patiently(settings, async || make_now(settings, &progress).await);
        beating(settings, stop, &progress, making).await?
    };
    if args.json {
        report::print(&json("plan", &made)?);
    } else {
        report::print(&made.lines().join("\n"));
    }
    let (run, rows, shards) = (&made.plan.run, made.plan.rows, made.plan.shards.len());
    let stands = if args.dry_run { "could be made" } else { "stands" };
    Ok(End::done(format!("the plan of run {run} {stands}: {rows} rows in {shards} shards")))
}

/// Says once what of `--expect` only a prediction compares. What cannot be read is refused later.
fn tell_uncompared(settings: &Settings) {
    if let Ok(Some(line)) = Expected::without_prediction(settings.expect.as_deref()) {
        report::tell(&line);
    }
}

/// Refuses an `--expect` of which only a prediction compares anything. A plan that stands is kept: that is only told.
async fn expects_something(settings: &Settings, store: &RunStore) -> Result<(), Stop> {
    let path = settings.expect.as_deref();
    let Err(stop) = Expected::without_prediction(path) else { return Ok(()) };
    if Expected::read(path).is_ok() && store.plan().await?.is_some() {
        report::tell(&stop.message);
        return Ok(());
    }
    Err(stop)
}

/// Makes the plan, or reports that it already exists. Nothing is predicted.
pub async fn make(settings: &Settings, stop: &CancellationToken) -> Result<PlanReport, Stop> {
    tell_uncompared(settings);
    let progress = Progress::default();
    beating(settings, stop, &progress, make_now(settings, &progress)).await
}

async fn make_now(settings: &Settings, progress: &Progress) -> Result<PlanReport, Stop> {
    step(Step::Plan, settings.traceparent.as_ref(), make_once(settings, progress)).await
}

async fn make_once(settings: &Settings, progress: &Progress) -> Result<PlanReport, Stop> {
    let store = connect::run_store(settings)?;
    let connected = async {
        expects_something(settings, &store).await?;
        World::connect(settings, store.clone())
    };
    let world = match connected.await {
        Ok(world) => World { progress: progress.clone(), ..world },
        // Shards that wait end too.
        Err(stop) => return Err(plan::refuse(settings, &store, stop).await),
    };
    let made = make_in(settings, &world).await;
    world.target.close().await;
    made
}

/// Heartbeats until `making` has ended, or was dropped because the process is to stop. They do not pause between two tries.
pub(super) async fn beating<T>(
    settings: &Settings,
    stop: &CancellationToken,
    progress: &Progress,
    making: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let store = connect::run_store(settings)?;
    plan::beating(&store, &settings.epoch, progress, or_stopped(stop, Box::pin(making))).await
}

/// The same with services that are open.
pub(super) async fn make_in(settings: &Settings, world: &World) -> Result<PlanReport, Stop> {
    plan::roles_arrive(&[world.store.blobs().as_ref(), world.target_blobs.as_ref()]).await;
    let excluding = match exclusion(settings, &world.store).await {
        Ok(excluding) => excluding,
        // Shards that wait end too.
        Err(stop) => return Err(plan::refuse(settings, &world.store, stop).await),
    };
    let made = Box::pin(plan::make(settings, world.services())).await?;
    if let Some(decided) = excluding {
        let attempts = match &made.counts {
            Some(counts) => counts.excluded(),
            None => Excluded::read(settings.exclude.as_deref())?.attempts().count() as u64,
        };
        let decided = Decided { attempts, ..decided };
        decisions::log_once(&world.store, &format!("exclude-{}", made.plan.id), &decided).await?;
    }
    Ok(made)
}

/// `--exclude` is a decision: said with its reason before anything is read. A plan that stands needs none; one that is given
/// is recorded, should the process that made the plan have ended before it did that.
async fn exclusion(settings: &Settings, store: &RunStore) -> Result<Option<Decided>, Stop> {
    let Some(path) = &settings.exclude else { return Ok(None) };
    let file = path.file_name().unwrap_or(path.as_os_str()).display();
    match (decided(settings, &format!("plan --exclude {file}")), store.plan().await?) {
        (Err(_), Some(_)) => Ok(None),
        (said, _) => said.map(Some),
    }
}

async fn rehearse(settings: &Settings) -> Result<PlanReport, Stop> {
    let world = World::connect(settings, connect::run_store(settings)?)?;
    plan::roles_arrive(&[world.store.blobs().as_ref(), world.target_blobs.as_ref()]).await;
    let made = Box::pin(plan::rehearse(settings, world.services())).await;
    world.target.close().await;
    made
}

/// Opened services of a plan.
pub(super) struct World {
    pub inputs: Inputs,
    pub warehouse: Arc<dyn Warehouse>,
    pub source: Arc<dyn Source>,
    pub target_blobs: Arc<dyn Blobs>,
    pub target: PostgresReader,
    pub store: RunStore,
    /// The caller's span, else the one under way.
    pub traceparent: Option<TraceParent>,
    pub progress: Progress,
    /// Set by a prediction, which then needs no listing of its own.
    pub shelf: Option<Shelf>,
}

impl World {
    pub fn connect(settings: &Settings, store: RunStore) -> Result<Self, Stop> {
        Ok(Self {
            inputs: connect::inputs(settings)?,
            warehouse: connect::warehouse(settings)?,
            source: connect::source(settings)?,
            target_blobs: connect::target_blobs(settings)?,
            target: connect::database(settings, 2, &format!("{}/plan/{}", settings.run, std::process::id()))?,
            store,
            traceparent: settings.traceparent.clone().or_else(trace_parent),
            progress: Progress::default(),
            shelf: None,
        })
    }

    pub fn services(&self) -> Services<'_> {
        Services {
            inputs: &self.inputs,
            warehouse: self.warehouse.as_ref(),
            source: self.source.as_ref(),
            target_blobs: self.target_blobs.as_ref(),
            target: &self.target,
            store: &self.store,
            traceparent: self.traceparent.as_ref(),
            progress: &self.progress,
            shelf: self.shelf.as_ref(),
        }
    }
}
