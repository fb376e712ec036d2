//! `status`: where a run stands; its exit code is the run's result.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, timeout};

use crate::{
    adapters::kubernetes::Cluster,
    cli::StatusArgs,
    exit::{End, Exit, Moment, Stop},
    ports::{Backoff, Fault, FaultKind, FoundJobs, Patience, RunJobs, Service, every},
    report::{
        self,
        screen::Screen,
        standing::{RunState, Standing},
    },
    settings::{LogSettings, StoreSettings, Terminal},
    watch::{
        rerun::Whereabouts,
        standing::{Searched, Verdict, Watcher, judge},
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
        let (jobs, no_jobs_in) = match ask(&cluster, settings).await {
            Ok(Answer::Jobs(jobs)) => (Some(jobs), None),
            Ok(Answer::NoJobs(searched)) => (None, Some(searched)),
            Ok(Answer::NoCluster) => (None, None),
            Err(fault) => {
                screen.leave();
                tracing::warn!(fault = %fault.chain(), "the Kubernetes API gave no usable answer: the state comes from the run store alone");
                (None, None)
            }
        };
        match watcher.look(jobs).await {
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

/// What the cluster has of a run.
pub(super) enum Answer {
    Jobs(RunJobs),
    /// No Job was found where one was looked for.
    NoJobs(Searched),
    /// A person says that the run has no cluster.
    NoCluster,
}

/// Asks the cluster for the run's Jobs.
pub(super) async fn ask(cluster: &Cluster, settings: &StoreSettings) -> Result<Answer, Fault> {
    let place = settings.run_store.to_string();
    let finding = cluster.find(settings.namespace.as_deref(), settings.run.as_str(), &place);
    match timeout(CLUSTER_PATIENCE, finding).await {
        Ok(Ok(FoundJobs { jobs: Some(jobs), .. })) => Ok(Answer::Jobs(jobs)),
        Ok(Ok(FoundJobs { namespace, .. })) if settings.namespace.is_some() => {
            Ok(Answer::NoJobs(Searched::Chosen(namespace)))
        }
        Ok(Ok(FoundJobs { namespace, .. })) => Ok(Answer::NoJobs(Searched::OfContext(namespace))),
        Ok(Err(Fault { kind: FaultKind::Misconfigured, .. })) if settings.has_no_cluster => {
            Ok(Answer::NoCluster)
        }
        Ok(Err(Fault { kind: FaultKind::Misconfigured, .. })) => Ok(Answer::NoJobs(Searched::Nowhere)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => {
            let what = format!("no answer within {} s", CLUSTER_PATIENCE.as_secs());
            Err(Fault::new(Service::Cluster, FaultKind::Unavailable, what))
        }
    }
}
