//! `status`: where a run stands; its exit code is the run's result.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, timeout};

use crate::{
    adapters::kubernetes::Cluster,
    cli::StatusArgs,
    exit::{End, Exit, Moment, Stop},
    ports::{Backoff, Fault, FaultKind, FoundJobs, Patience, Service, every},
    report::{
        self,
        screen::Screen,
        standing::{RunState, Standing},
    },
    settings::{LogSettings, StoreSettings, Terminal},
    watch::{
        rerun::Whereabouts,
        standing::{Namespace, Verdict, Watcher, judge},
    },
};

use super::{bundle, connect};

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Timeout of the cluster's answer, which only adds to what the run store says.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(15);
/// How long a run store may be unreachable while it is watched.
const GIVE_UP_AFTER: Duration = Duration::from_mins(15);

/// Prints the state of the run; with `--watch` until it has a result.
pub async fn run(settings: &StoreSettings, args: &StatusArgs, log: &LogSettings) -> Result<End, Stop> {
    let mut screen = Screen::new(args.watch && !args.json && log.terminal == Terminal::Full);
    let (store, verify_store) = (connect::store_of(settings)?, connect::verify_store_of(settings)?);
    let mut watcher = Watcher::new(store, verify_store, settings.into());
    let cluster = Cluster::default();
    let began = Instant::now();
    let mut away = Patience::new(Backoff::steady(LOOK_EVERY));
    let mut looks = every(LOOK_EVERY);
    loop {
        looks.tick().await;
        let answer = ask(&cluster, settings).await.unwrap_or_else(|fault| {
            screen.leave();
            tracing::warn!(fault = %fault.chain(), "the Kubernetes API gave no usable answer: the state comes from the run store alone");
            None
        });
        let no_jobs_in = answer.as_ref().and_then(|found| without_jobs(found, settings));
        match watcher.look(answer.and_then(|found| found.jobs)).await {
            Ok(mut facts) => {
                facts.no_jobs_in = no_jobs_in;
                away.answered();
                let (verdict, standing) = judge(&facts);
                show(&verdict, &standing, args, &mut screen)?;
                let waits = verdict.state != RunState::Planning
                    || facts.planning().is_some()
                    || began.elapsed() < settings.wait_plan;
                if !(args.watch && waits && verdict.is_under_way()) {
                    return Ok(End { exit: verdict.exit, message: verdict.reason });
                }
            }
            Err(fault)
                if args.watch
                    && Moment::BeforePlan.waits_for(&fault.kind)
                    && away.failing_for() < GIVE_UP_AFTER =>
            {
                screen.leave();
                report::tell(&format!("{}; looking again", fault.chain()));
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// Prints the state of a bundled run as it was when the bundle was made.
pub async fn of_bundle(file: &Path, args: &StatusArgs) -> Result<End, Stop> {
    let bundled = bundle::open(file)?;
    let place = Whereabouts { run_store: bundled.place.clone(), ..Whereabouts::default() };
    let facts = Watcher::new(bundled.store.clone(), bundled.store.clone(), place).look(None).await?;
    let (verdict, mut standing) = judge(&facts);
    // A bundle does not know the run store, without which no line works.
    standing.next_command.clear();
    show(&verdict, &standing, args, &mut Screen::Lines)?;
    Ok(End { exit: verdict.exit, message: verdict.reason })
}

fn show(verdict: &Verdict, standing: &Standing, args: &StatusArgs, screen: &mut Screen) -> Result<(), Stop> {
    if args.json {
        report::print(&json(standing)?);
    } else {
        screen.show(standing, verdict.is_under_way());
    }
    Ok(())
}

fn json(standing: &Standing) -> Result<String, Stop> {
    serde_json::to_string(standing)
        .map_err(|error| Stop::new(Exit::Bug, format!("the status cannot be written as JSON: {error}")))
}

/// The namespace that was asked, if it has no Job of the run.
fn without_jobs(found: &FoundJobs, settings: &StoreSettings) -> Option<Namespace> {
    let is_chosen = settings.namespace.is_some();
    found.jobs.is_none().then(|| Namespace { name: found.namespace.clone(), is_chosen })
}

/// The answer of the cluster; `None` if no cluster is configured.
pub(super) async fn ask(cluster: &Cluster, settings: &StoreSettings) -> Result<Option<FoundJobs>, Fault> {
    let place = settings.run_store.to_string();
    let finding = cluster.find(settings.namespace.as_deref(), settings.run.as_str(), &place);
    match timeout(CLUSTER_PATIENCE, finding).await {
        // No cluster is named here.
        Ok(Err(Fault { kind: FaultKind::Misconfigured, .. })) => Ok(None),
        Ok(found) => found.map(Some),
        Err(_) => {
            let what = format!("no answer within {} s", CLUSTER_PATIENCE.as_secs());
            Err(Fault::new(Service::Cluster, FaultKind::Unavailable, what))
        }
    }
}
