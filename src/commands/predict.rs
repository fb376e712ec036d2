//! `plan --predict`: the plan, and what its run is going to do.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::blobs,
    cli::PlanArgs,
    domain::PlannedFile,
    exit::{End, Stop},
    plan::{self, PlanReport, PlanState, Shelf},
    ports::{Fault, MayWrite, Service},
    predict::{self, Checked, Measured, Predicted, Sampled, Subject},
    report::{self, events::Way},
    run::{Expected, Prediction, RunStore, lines::no_room, names},
    settings::{Place, Settings},
    shard::copy::{Budget, Copier},
};

use super::{json::json, or_stopped, own_inputs, patience::patiently, plan::World};

/// Makes the plan, or with `--dry-run` only reads; then predicts its run, prints the prediction and keeps it in the run
/// store. If no plan can be made, the checks are printed all the same.
pub async fn run(settings: &Settings, args: &PlanArgs, stop: &CancellationToken) -> Result<End, Stop> {
    or_stopped(stop, own_inputs::refuse_predicted(settings)).await?;
    let world = World::connect(settings, super::connect::run_store(settings)?)?;
    let world = World { shelf: Some(Shelf::default()), ..world };
    let predicted = Box::pin(predicted(settings, args, &world, stop)).await;
    world.target.close().await;
    predicted
}

async fn predicted(
    settings: &Settings,
    args: &PlanArgs,
    world: &World,
    stop: &CancellationToken,
) -> Result<End, Stop> {
    let scratch = tempfile::tempdir().map_err(no_room)?;
    let planned = planned(settings, args, world, scratch.path().to_owned(), stop).await;
    or_stopped(stop, Box::pin(predict_it(settings, args, world, planned))).await
}

/// Predicts the run of the plan, or says why there is no plan.
async fn predict_it(
    settings: &Settings,
    args: &PlanArgs,
    world: &World,
    planned: Result<(PlanReport, RunStore), Stop>,
) -> Result<End, Stop> {
    let (made, queues) = match planned {
        Ok(planned) => planned,
        Err(stop) => return Err(refused(settings, args, world, stop).await),
    };
    let keeps = !args.dry_run;
    let shelf = world.shelf.as_ref();
    let listing = shelf.and_then(|shelf| shelf.lock().unwrap_or_else(PoisonError::into_inner).take());
    let Predicted { mut prediction, tables, sample, seen } = predict::predict(Subject {
        plan: &made.plan,
        queues: &queues,
        store: &world.store,
        rules: &plan::rule_config(settings),
        inputs: &world.inputs,
        warehouse: world.warehouse.as_ref(),
        source: world.source.as_ref(),
        target: &world.target,
        listing: listing.as_ref(),
    })
    .await?;
    prediction.checks = predict::checks(checked(settings, args, world).await, None).await;
    prediction.checks.extend(predict::of_plan(&made.plan));
    let widths = predict::widths(&settings.work, &prediction);
    let measured = if args.prediction.probe { Some(probe(world, sample, &widths).await?) } else { None };
    predict::complete(&mut prediction, &made.plan, settings, seen, measured);
    prediction.documents = tables.publish(keeps.then_some(&world.store), &settings.out).await?;
    if keeps {
        prediction.documents.push(world.store.describe(names::PREDICTION));
        world.store.replace(names::PREDICTION, &prediction).await?;
    } else {
        prediction.plan = None;
    }
    tell(args, &prediction, Some(&made))?;
    if let Some(expected) = Expected::read(settings.expect.as_deref())? {
        expected.compare_files(&prediction.files)?;
    }
    let (run, rows) = (&made.plan.run, made.plan.rows);
    let mending = prediction.to_mend.len();
    Ok(End::done(format!("the run {run} of {rows} rows is predicted; {mending} thing(s) to mend")))
}

/// Measures copies as a run makes them: by the storage service where it can, else streamed.
async fn probe(world: &World, sample: Vec<Sampled>, widths: &[usize]) -> Result<Measured, Stop> {
    let (source, target) = (&world.source, &world.target_blobs);
    let copier = Copier::new(target.clone(), source.clone(), Budget::new(), Arc::new(Unfenced));
    copier.learn_ways().await;
    let copy = async |file: &PlannedFile, name: &str| -> Result<(u64, Way), Fault> {
        let mut way = copier.way(file);
        loop {
            match copier.copy(way, file, name, Vec::new()).await? {
                Some(file) => return Ok((file.size_bytes, way)),
                None => way = Way::Streamed,
            }
        }
    };
    predict::probe(source.as_ref(), target.as_ref(), sample, widths, copy).await
}

/// A probe is no writer of the run: it is never retired, and no sweep looks at its copies.
struct Unfenced;

#[async_trait]
impl MayWrite for Unfenced {
    async fn prove_fence(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// The plan and where its queues are: in a dry run in a temporary folder, unless the plan exists already.
async fn planned(
    settings: &Settings,
    args: &PlanArgs,
    world: &World,
    scratch: std::path::PathBuf,
    stop: &CancellationToken,
) -> Result<(PlanReport, RunStore), Stop> {
    if !args.dry_run {
        let making = patiently(settings, async || super::plan::make_in(settings, world).await);
        let made = super::plan::beating(settings, stop, &world.progress, making).await?;
        return Ok((made, world.store.clone()));
    }
    or_stopped(stop, rehearsed(settings, world, scratch)).await
}

async fn rehearsed(
    settings: &Settings,
    world: &World,
    scratch: std::path::PathBuf,
) -> Result<(PlanReport, RunStore), Stop> {
    plan::roles_arrive(&[world.store.blobs().as_ref(), world.target_blobs.as_ref()]).await;
    let folder = blobs::open(&Place::Folder(scratch), &settings.account, Service::LocalDisk)?;
    let queues = RunStore::new(folder, &settings.run);
    let made = Box::pin(plan::rehearse_in(settings, world.services(), &queues)).await?;
    let queues = if made.state == PlanState::Stood { world.store.clone() } else { queues };
    Ok((made, queues))
}

/// Prints what the checks say of a plan that could not be made.
async fn refused(settings: &Settings, args: &PlanArgs, world: &World, stop: Stop) -> Stop {
    let mut prediction = Prediction::new(&settings.run, None, chrono::Utc::now());
    prediction.checks = predict::checks(checked(settings, args, world).await, Some(&stop)).await;
    predict::mend(&mut prediction);
    match tell(args, &prediction, None) {
        Ok(()) => stop,
        Err(bug) => bug,
    }
}

async fn checked<'a>(settings: &'a Settings, args: &PlanArgs, world: &'a World) -> Checked<'a> {
    Checked {
        settings,
        warehouse: world.warehouse.as_ref(),
        target_blobs: world.target_blobs.as_ref(),
        run_store: world.store.blobs().as_ref(),
        target: &world.target,
        tried_to_write: !args.dry_run,
        // A target folder is known by what a plan leaves in it, and a dry run leaves nothing. A run store that does not
        // answer is a check of its own.
        makes_folder: args.dry_run && !world.store.exists(names::PLAN).await.unwrap_or(true),
    }
}

fn tell(args: &PlanArgs, prediction: &Prediction, made: Option<&PlanReport>) -> Result<(), Stop> {
    if args.json {
        report::print(&json("prediction", prediction)?);
        return Ok(());
    }
    let plan = made.map(|made| made.lines().join("\n") + "\n\n").unwrap_or_default();
    report::print(&(plan + &prediction.text()));
    Ok(())
}
