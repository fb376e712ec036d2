//! `explain`: what a code means, how to see it, and what to do; or everything the run knows about one attempt.

use crate::{
    domain::AttemptId,
    dossier::{self, Run, Services},
    exit::{End, Exit, Stop},
    explain, report,
    run::{
        Plan, RunStore,
        pins::{Present, differences},
    },
    settings::{Settings, Sources, StoreSettings},
};

use super::connect;

/// Connections to the target database.
const CONNECTIONS: u32 = 2;
/// What it means that there is no plan.
const UNKNOWN: &str = "this run knows no attempt";

/// Prints the text of a code; without one, every code.
pub fn run(code: Option<&str>) -> Result<End, Stop> {
    let Some(code) = code else {
        report::print(&explain::list());
        return Ok(End::done("every code is listed"));
    };
    let text = explain::text(code).ok_or_else(|| {
        let message = format!("there is no code {code:?}; these are the codes\n{}", explain::list());
        Stop::new(Exit::Usage, message)
    })?;
    report::print(text.markdown);
    Ok(End::done(format!("{} is explained", text.code)))
}

/// Prints the dossier of an attempt. Settings and services that are gone leave their parts out; the run store is needed.
pub async fn attempt(sources: &Sources, attempt: &str) -> Result<End, Stop> {
    let attempt: AttemptId = attempt
        .parse()
        .map_err(|error| Stop::new(Exit::Usage, format!("--attempt: {error}; give one Attempt ID")))?;
    let page = match Settings::load(sources) {
        Ok(settings) => {
            let store = connect::run_store(&settings)?;
            let plan = store.plan_or(UNKNOWN).await?;
            with_services(&settings, &store, &plan, attempt).await?
        }
        Err(incomplete) => {
            let store = connect::store_of(&StoreSettings::load(sources)?)?;
            let plan = store.plan_or(UNKNOWN).await?;
            let why = || incomplete.message.clone();
            let services =
                Services { inputs: Err(why()), warehouse: Err(why()), target: Err(why()), files: Err(why()) };
            dossier::dossier(&run_of(&store, &plan, services, Vec::new()), attempt).await?
        }
    };
    report::print(&page);
    Ok(End::done(format!("attempt {attempt} is explained")))
}

async fn with_services(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    attempt: AttemptId,
) -> Result<String, Stop> {
    let application = format!("{}/explain/{}", settings.run, std::process::id());
    let target = connect::database(settings, CONNECTIONS, &application).map_err(|fault| fault.chain());
    let files = connect::target_blobs(settings).map_err(|fault| fault.chain());
    let mut remarks = Vec::new();
    if let (Ok(target), Ok(files)) = (&target, &files) {
        match crate::ports::TargetReader::identity(target).await {
            Ok(identity) => {
                remarks = differences(plan, &Present::of(settings, &plan.id, identity, &files.location()));
            }
            Err(fault) => remarks.push(fault.chain()),
        }
    }
    let services = Services {
        inputs: connect::inputs(settings).map_err(|fault| fault.chain()),
        warehouse: connect::warehouse(settings).map_err(|fault| fault.chain()),
        target: target.as_ref().map(|target| target as &dyn dossier::Target).map_err(Clone::clone),
        files,
    };
    let page = dossier::dossier(&run_of(store, plan, services, remarks), attempt).await;
    if let Ok(target) = target {
        target.close().await;
    }
    page
}

fn run_of<'a>(store: &'a RunStore, plan: &'a Plan, services: Services<'a>, remarks: Vec<String>) -> Run<'a> {
    Run {
        store,
        plan,
        rules: dossier::pinned_rules(plan),
        services,
        remarks,
        meaning: |code| explain::text(code).map(|text| text.markdown),
    }
}
