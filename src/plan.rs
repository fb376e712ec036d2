//! The first step of a run: both inputs read once, joined, reversed and split into the shards' queues,
//! then frozen by `plan.json`. Before it is written, everything is asked that could stop the run.

mod draft;
mod facts;
mod heartbeat;
mod held;
mod listed;
mod earlier;
mod later;
mod mapping;
mod preflight;
mod prepared;
mod queues;
mod rehearse;
mod report;
mod roles;
mod rules;
mod trial;
mod witnesses;

use chrono::Utc;

pub use draft::EarlyCode;
pub use heartbeat::{Progress, beating};
pub use listed::Shelf;
pub use rehearse::{rehearse, rehearse_in};
pub use report::{Counts, ListedSources, PlanReport, PlanState};
pub use roles::roles_arrive;
pub use rules::rule_config;

use self::{
    preflight::{Reasons, Touch},
    prepared::{Prepared, prepare},
    trial::Selection,
};
use crate::{
    exit::{Exit, Stop},
    inputs::{Excluded, Inputs},
    ports::{Blobs, FaultKind, Source, TargetReader, Warehouse},
    run::{
        Expected, Plan, PlanId, Refusal, RunStore, TraceParent, names,
        pins::{Present, another_database, differences, ended, input_differences},
    },
    settings::Settings,
};

/// The services that a plan reads.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    /// The submissions and mapping CSVs.
    pub inputs: &'a Inputs,
    /// Source of the reports and scores.
    pub warehouse: &'a dyn Warehouse,
    /// Where files are read.
    pub source: &'a dyn Source,
    /// Container to which files are copied.
    pub target_blobs: &'a dyn Blobs,
    /// The application's tables.
    pub target: &'a dyn TargetReader,
    /// Where the plan is kept.
    pub store: &'a RunStore,
    /// The span below which the run is traced.
    pub traceparent: Option<&'a TraceParent>,
    /// Told what takes long.
    pub progress: &'a Progress,
    /// Where a listing of the sources is left for a prediction that follows; `None` if none does.
    pub shelf: Option<&'a Shelf>,
}

/// Makes the run's plan, or finds that it stands already and nothing it pins has changed. If a run
/// could not succeed, `refused/<epoch>.json` says why, so that waiting shards end too.
pub async fn make(settings: &Settings, services: Services<'_>) -> Result<PlanReport, Stop> {
    let made = match standing(services.store).await? {
        Some(plan) => stand(plan, settings, services).await,
        None => make_new(settings, services).await,
    };
    match made {
        Ok(report) => {
            services.store.delete(&[names::refused(&settings.epoch)]).await?;
            Ok(report)
        }
        Err(stop) => Err(refuse(settings, services.store, stop).await),
    }
}

/// Refuses a run if its plan differs from the current settings, services or inputs: for `plan` and `run`.
/// A shard compares [`differences`] and the recorded rows only.
pub async fn compare(plan: &Plan, settings: &Settings, services: Services<'_>) -> Result<(), Stop> {
    let database = services.target.identity().await?;
    let mut now = Present::of(settings, &plan.id, database, &services.target_blobs.location());
    now.warehouse = Some(services.warehouse.description().await?);
    now.shards = Some(settings.shards);
    now.trial = Some(Selection::read(&settings.trial)?.pinned());
    now.after = Some(settings.after.clone());
    now.excluded = Some(Excluded::read(settings.exclude.as_deref())?.pinned());
    let mut found = differences(plan, &now);
    let submissions = services.inputs.submissions.fingerprint().await?;
    let mapping = services.inputs.mapping.fingerprint().await?;
    found.extend(input_differences(plan, &submissions, &mapping));
    if found.is_empty() {
        found.extend(another_database(services.store, plan, services.target, now.loss).await?);
    }
    if found.is_empty() { Ok(()) } else { Err(Stop::new(Exit::Configuration, found.join("\n"))) }
}

/// The plan, if there is one; refuses a run that a person has ended.
async fn standing(store: &RunStore) -> Result<Option<Plan>, Stop> {
    if let Some(refusal) = ended(store).await? {
        return Err(Stop::new(Exit::Configuration, refusal));
    }
    Ok(store.plan().await?)
}

/// Returns the existing plan, if nothing that it pins has changed and the run could still succeed.
async fn stand(plan: Plan, settings: &Settings, services: Services<'_>) -> Result<PlanReport, Stop> {
    compare(&plan, settings, services).await?;
    if let Some(expected) = Expected::read(settings.expect.as_deref())? {
        expected.compare(&plan.submissions, &plan.mapping, &plan.warehouse_extent)?;
    }
    let mut reasons = Reasons::default();
    // Only read access is checked: each shard checks write access before its first row. The run's own processes may
    // hold its connections already.
    preflight::services(&services, settings, Touch::Stands, 0, &mut reasons).await;
    reasons.into_result()?;
    stood(plan, services).await
}

async fn make_new(settings: &Settings, services: Services<'_>) -> Result<PlanReport, Stop> {
    let prepared = prepare(settings, services, Touch::Write).await?;
    // A random id: a second planning process writes under other names.
    let id = PlanId::fresh();
    let shards = settings.shards;
    let written = match queues::write(services.store, &id, shards, prepared.rows()).await {
        Ok(written) => written,
        Err(fault) => {
            // The files hold personal data. If they cannot be removed, they stay but are never read.
            let _ = services.store.delete(&queues::written(&id, shards)).await;
            return Err(fault.into());
        }
    };
    let plan = prepared.plan(settings, services, id, written);
    match services.store.create(names::PLAN, &plan).await {
        Ok(()) => Ok(prepared.report(plan, PlanState::Made)),
        Err(fault) if fault.kind == FaultKind::Exists => yield_to(settings, services, plan, &prepared).await,
        Err(fault) => Err(fault.into()),
    }
}

/// Another process made the plan meanwhile: it is used, if it belongs to the same run.
async fn yield_to(
    settings: &Settings,
    services: Services<'_>,
    mine: Plan,
    prepared: &Prepared,
) -> Result<PlanReport, Stop> {
    match standing(services.store).await? {
        // The request was repeated and found the document that the first one wrote.
        Some(theirs) if theirs.id == mine.id => Ok(prepared.report(theirs, PlanState::Made)),
        Some(theirs) => {
            services.store.delete(&queues::written(&mine.id, settings.shards)).await?;
            compare(&theirs, settings, services).await?;
            stood(theirs, services).await
        }
        None => Err(Stop::new(Exit::Temporary, "plan.json vanished while it was written; run again")),
    }
}

/// The report on a plan that existed. It says what the target holds now, by which a person sees a copy that is restored or wrong.
async fn stood(plan: Plan, services: Services<'_>) -> Result<PlanReport, Stop> {
    let holdings = Some(services.target.holdings().await?);
    Ok(PlanReport { holdings, ..PlanReport::of(plan, PlanState::Stood) })
}

/// Writes the refusal document, unless a retry may help.
pub async fn refuse(settings: &Settings, store: &RunStore, stop: Stop) -> Stop {
    if !matches!(stop.exit, Exit::Usage | Exit::DataRefused | Exit::Configuration) {
        return stop;
    }
    let refusal = Refusal {
        reasons: stop.message.lines().map(str::to_owned).collect(),
        exit_code: stop.exit as u8,
        at: Utc::now(),
    };
    match store.replace(&names::refused(&settings.epoch), &refusal).await {
        Ok(()) => stop,
        Err(fault) => Stop::new(
            stop.exit,
            format!("{}\nand this could not be recorded: {}", stop.message, fault.chain()),
        ),
    }
}
