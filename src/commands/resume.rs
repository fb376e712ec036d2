//! `resume`: runs the shards that are not done, then finalizes. Where the run has a Job, the cluster does that.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    adapters::kubernetes::Cluster,
    exit::{End, Exit, Stop},
    ports::Fault,
    report::{self, standing::RunState},
    run::decisions,
    settings::{LogSettings, Settings, Sources, StoreSettings},
    watch::{
        rerun::{self, Whereabouts},
        standing::{self, Searched, Watcher, judge, look_before_redo, redo_of},
    },
};

use super::{
    compare::compare_inputs,
    connect,
    decided::{decided, of_lost},
    finalize,
    notify::Teller,
    or_stopped, own_inputs, shard,
    status::{self, Answer},
};

/// Before a line: that the run has no cluster (any more).
const WITHOUT_CLUSTER: &str = "KUBECONFIG=/dev/null";

/// In a cluster prints the line to type; else moves what is left, one shard after another, and merges.
pub async fn run(
    sources: &Sources,
    log: &LogSettings,
    teller: &Teller,
    stop: &CancellationToken,
) -> Result<End, Stop> {
    let looking = StoreSettings::load(sources)?;
    if let Some(end) = or_stopped(stop, in_cluster(&looking)).await? {
        return Ok(end);
    }
    teller.moves_rows();
    let settings = Settings::load(sources)?;
    or_stopped(stop, own_inputs::refuse(&settings)).await?;
    let store = connect::run_store(&settings)?;
    or_stopped(stop, connect::not_purged(&store)).await?;
    let redo = settings.redo_lost.then(|| decided(&settings, "resume --redo lost")).transpose()?;
    let plan = Arc::new(or_stopped(stop, finalize::standing_plan(&store)).await?);
    or_stopped(stop, compare_inputs(&settings, &plan)).await?;
    // Not until there is a run that it concerns.
    if let Some(redo) = redo {
        let log = async { Ok(decisions::log(&store, &of_lost(&store, &plan, redo).await?).await?) };
        or_stopped(stop, log).await?;
    }
    shard::move_all(&settings, &store, &plan, log, stop).await?;
    or_stopped(stop, finalize::merge(&settings, &store, &plan, teller)).await
}

/// The next step if the run has Jobs; `None` if it has none.
async fn in_cluster(settings: &StoreSettings) -> Result<Option<End>, Stop> {
    let answer = status::ask(&Cluster::default(), settings).await;
    let jobs = match answer.map_err(|fault| unanswered(settings, &fault))? {
        Answer::Jobs(jobs) => jobs,
        Answer::NoJobs(searched) => return not_elsewhere(settings, &searched).await.map(|()| None),
        Answer::NoCluster => return Ok(None),
    };
    let store = connect::store_of(settings)?;
    connect::not_ended(&store).await?;
    let facts = Watcher::new(store.clone(), store, Whereabouts::from(settings)).look(Some(jobs)).await?;
    let (verdict, _) = judge(&facts);
    if verdict.state == RunState::Paused && !verdict.next.is_empty() {
        report::print(&verdict.next);
        return Ok(Some(End::done(format!("to end the pause: {}", verdict.next))));
    }
    if verdict.is_under_way() {
        let message = format!("run {} is under way in the cluster: {}", settings.run, verdict.reason);
        return Err(Stop::new(Exit::Temporary, message));
    }
    let redo = redo_of(&facts).filter(|_| settings.redo_lost);
    if let (Exit::Incomplete | Exit::Done, Some(redo)) = (verdict.exit, &redo) {
        report::print(redo);
        return Ok(Some(End::done(format!("to move lost rows again: {redo}"))));
    }
    let look = look_before_redo(&facts).filter(|_| settings.redo_lost);
    if let (Exit::Incomplete, Some(look)) = (verdict.exit, look) {
        report::tell(&format!("run {}: {}", settings.run, verdict.reason));
        report::tell(
            "if these attempts of the other run were rolled back since, merge once more: the result then has the line",
        );
        report::print(&look);
        return Ok(Some(End::done(format!("to look which rows are still lost: {look}"))));
    }
    let next = redo.unwrap_or(verdict.next);
    // Every row has an outcome, but blobs of killed processes may be left.
    let is_unswept = verdict.state == RunState::Complete && verdict.exit == Exit::Temporary;
    match verdict.exit {
        exit if exit == Exit::Incomplete || is_unswept => {
            report::tell(&format!("run {}: {}", settings.run, verdict.reason));
            report::print(&next);
            Ok(Some(End::done(format!("what to type next: {next}"))))
        }
        Exit::Done => {
            report::print(&format!("nothing is left to run: {}", verdict.reason));
            Ok(Some(End::done("nothing is left to run")))
        }
        exit if next.is_empty() => Err(Stop::new(exit, verdict.reason)),
        exit => Err(Stop::new(exit, format!("{}\nwhen that is mended: {next}", verdict.reason))),
    }
}

/// The Jobs of a run of the chart may be in another namespace than that of the context, or in a cluster that this machine does
/// not know, paused for example: nothing is begun beside them on a guess.
async fn not_elsewhere(settings: &StoreSettings, searched: &Searched) -> Result<(), Stop> {
    let line = own_line(settings);
    let unknown = match searched {
        Searched::Chosen(_) => return Ok(()),
        Searched::OfContext(namespace) => format!(
            "namespace {namespace} of the cluster (that of the context) has no Job of it; its Jobs may be in another namespace, \
             paused for example, so nothing was started; say where they are: {} {line}; if they were uninstalled: \
             ROGO_NAMESPACE={namespace} {line}",
            rerun::IN_NAMESPACE,
        ),
        Searched::Nowhere => format!(
            "this machine knows no cluster (it is no pod with a service account's token, and has no usable kubeconfig); its Jobs \
             may be paused there, for example, so nothing was started; say where they are: {} {line}; if they were uninstalled, \
             or the cluster is gone: {} {line}",
            rerun::IN_CLUSTER,
            WITHOUT_CLUSTER,
        ),
    };
    let store = connect::store_of(settings)?;
    let Some(plan) = store.plan().await? else { return Ok(()) };
    if !standing::is_of_chart(&store, &plan).await? {
        return Ok(());
    }
    connect::not_ended(&store).await?;
    let message = format!("run {} was begun by the chart, but {unknown}", settings.run);
    Err(Stop::new(Exit::Temporary, message))
}

/// The command as it was typed.
fn own_line(settings: &StoreSettings) -> String {
    let command = if settings.redo_lost { "resume --redo lost --reason '<why>'" } else { "resume" };
    rerun::by_hand(command, &settings.run, &settings.into()) + &rerun::into(&settings.out)
}

/// The run may be under way in the cluster: nothing is begun beside it on a guess.
fn unanswered(settings: &StoreSettings, fault: &Fault) -> Stop {
    let message = format!(
        "{}\nso it is not known whether run {} has Jobs there, and nothing was started; mend that, or choose the context \
         and the namespace (ROGO_NAMESPACE); if the run has no cluster, say so: {} {}",
        fault.chain(),
        settings.run,
        WITHOUT_CLUSTER,
        own_line(settings)
    );
    Stop::new(Exit::Temporary, message)
}
