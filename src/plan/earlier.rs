//! `--after`: the books of the runs that a later export is compared with. A run that itself came after others brings their
//! books along: what it only skipped, one of them has moved.

mod books;
mod record;

use std::collections::VecDeque;

use chrono::Utc;

pub use books::EarlierBooks;

use super::Services;
use crate::{
    domain::TargetIdentity,
    exit::{Exit, Stop},
    ports::{EXPORTED_TABLES, WarehouseShape},
    run::{Plan, RunName, RunResult, RunStore, Summary, decisions, named_instead, names, planning},
    settings::{SameDatabase, Settings},
};

/// Setting of the plan from which all launch ids are derived.
const LMS_INSTANCE: &str = "lms-instance";

/// What the earlier runs must have in common with this one.
struct Now<'a> {
    database: &'a TargetIdentity,
    /// What the warehouse calls itself ([`crate::ports::Warehouse::description`]).
    warehouse: &'a str,
}

/// Reads the books of every run that `--after` names, and of those that they came after; `None` without `--after`. Refuses
/// with 78 a run that is no ground for a comparison. Without the warehouse's shape nothing is read: the run is refused
/// anyway.
pub async fn read(
    settings: &Settings,
    services: &Services<'_>,
    shape: Option<&WarehouseShape>,
) -> Result<Option<EarlierBooks>, Stop> {
    let Some(shape) = shape.filter(|_| !settings.after.is_empty()) else { return Ok(None) };
    let now = Now { database: &services.target.identity().await?, warehouse: &shape.description };
    // Each run with the one of `--after` that leads to it.
    let mut waiting: VecDeque<(RunName, RunName)> =
        settings.after.iter().map(|run| (run.clone(), run.clone())).collect();
    let mut books = books::Reading::new()?;
    let mut seen: Vec<RunName> = Vec::new();
    while let Some((run, named)) = waiting.pop_front() {
        if seen.contains(&run) {
            continue;
        }
        let store = RunStore::new(services.store.blobs().clone(), &run);
        let plan = ground(&store, &named, settings, services, &now).await?;
        books.add(&store, &plan).await?;
        waiting.extend(plan.after.iter().map(|run| (run.clone(), named.clone())));
        seen.push(run);
    }
    Ok(Some(books.finish()?))
}

/// The plan of an earlier run that has ended, stands, and moved rows into the same target. `named` is the run of `--after`
/// that leads to it.
async fn ground(
    store: &RunStore,
    named: &RunName,
    settings: &Settings,
    services: &Services<'_>,
    now: &Now<'_>,
) -> Result<Plan, Stop> {
    let run = store.run();
    let refuse = |exit, why: String| Err(Stop::new(exit, format!("--after {run}: {why}")));
    if *run == settings.run {
        return refuse(Exit::Usage, "that is this run; give this one another name (--run)".to_owned());
    }
    let Some(plan) = store.plan().await? else {
        if let Some(planning) = planning::under_way(store, Utc::now()).await? {
            let why = format!("it has no plan yet: {planning}; run again when that run has ended");
            return refuse(Exit::Temporary, why);
        }
        let instead = named_instead(&store.other_runs().await?);
        let why = format!(
            "there is no plan at {}: name a run of this run store{instead}",
            store.describe(names::PLAN)
        );
        return refuse(Exit::Configuration, why);
    };
    if store.exists(names::ROLLED_BACK).await? {
        let out = if named == run { "it".to_owned() } else { format!("run {named}, which came after it,") };
        let why =
            format!("it was rolled back, so the target holds nothing of it; leave {out} out of --after");
        return refuse(Exit::Configuration, why);
    }
    if store.exists(names::PURGED).await? {
        let why = "its run store was purged, so what it read is no longer known; without --after a row that the target \
                   holds is skipped as already_migrated, whether it changed or not";
        return refuse(Exit::Configuration, why.to_owned());
    }
    if let Some(why) = open_books(store).await? {
        return refuse(Exit::Configuration, why);
    }
    let differing = other_target(&plan, settings, services, now);
    if !differing.is_empty() {
        return refuse(
            Exit::Configuration,
            format!("it moved rows into another target: {}", differing.join("; ")),
        );
    }
    if is_export(&plan.warehouse) != is_export(now.warehouse) {
        let why = format!(
            "it read its facts from {}, this run reads {}: a server gives numbers and dates, an exported table gives text, \
             so every row would seem changed; give a warehouse of the same kind",
            plan.warehouse, now.warehouse
        );
        return refuse(Exit::Configuration, why);
    }
    Ok(plan)
}

/// Why the books of a run may still change: it is not complete, or its results do not list what was rolled back since.
async fn open_books(store: &RunStore) -> Result<Option<String>, Stop> {
    let state = match store.read::<Summary>(&names::result(names::SUMMARY)).await? {
        Some(summary) if summary.result == RunResult::Complete => {
            return unsaid_rollback(store, &summary).await;
        }
        Some(_) => "is INCOMPLETE",
        None => "has no result yet",
    };
    Ok(Some(format!(
        "it {state}, so rows of it may still move; end it first: rogo-migrate resume --run {}, with its settings",
        store.run()
    )))
}

/// Why the books of a run are not those of the target: attempts of it were rolled back, and its results still list them.
async fn unsaid_rollback(store: &RunStore, summary: &Summary) -> Result<Option<String>, Stop> {
    let since = decisions::rolled_back_since(store, summary.at).await?;
    Ok(since.map(|at| {
        format!(
            "attempts of it were rolled back at {}, and its results do not say so yet: bring them up to date first, with its \
             settings: rogo-migrate finalize --run {}",
            at.format("%Y-%m-%d %H:%M UTC"),
            store.run()
        )
    }))
}

fn other_target(plan: &Plan, settings: &Settings, services: &Services<'_>, now: &Now<'_>) -> Vec<String> {
    let mut differing = Vec::new();
    if settings.database.same_database == SameDatabase::No {
        differing.extend(plan.identity.differences(now.database, "that run's"));
    }
    let container = services.target_blobs.location();
    if plan.target != container {
        differing.push(format!("the container is {container}, that run's was {}", plan.target));
    }
    let instance = &settings.organisation.lms_instance;
    if let Some(theirs) = plan.settings.get(LMS_INSTANCE).filter(|theirs| *theirs != instance) {
        differing.push(format!("lms-instance is {instance}, that run's was {theirs}"));
    }
    differing
}

/// Whether the facts come from tables that were exported as text ([`crate::ports::Warehouse::description`]).
fn is_export(warehouse: &str) -> bool {
    warehouse.starts_with(EXPORTED_TABLES)
}
