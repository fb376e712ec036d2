//! `finalize`: merges what the shards recorded; by hand at once, in a cluster after the shard Job.

mod next;
mod publish;
mod submissions;

use std::time::Duration;

use chrono::Utc;
use futures_util::FutureExt;

use crate::{
    adapters::kubernetes::ClusterJob,
    exit::{End, Moment, Stop},
    finalize::{FinalizeContext, InputRows},
    ports::TargetReader,
    run::{
        Plan, RunStore,
        lock::LockedRun,
        pins::{Loss, Present, differences},
    },
    settings::Settings,
    telemetry::{self, Step, step},
    watch::wait::{self, JobWait, WaitEnd},
};

pub(super) use self::publish::Published;
use self::{publish::Publisher, submissions::Submissions};
use super::{
    await_plan::await_plan,
    beside::{ByHand, warn_of_jobs},
    compare::unchanged,
    connect,
    decided::decided,
    frozen,
    notify::Teller,
    own_inputs,
    patience::patiently,
};

/// How long finalize waits for the last process to let go of the run's lock: longer than a database
/// needs to notice that a machine has vanished.
pub(super) const WAIT_FOR_LOCK: Duration = Duration::from_mins(5);

/// Merges, writes the results and prints the summary; 69 where rows are without an outcome. In a cluster it
/// waits for the shard Job first.
pub async fn run(settings: &Settings, teller: &Teller) -> Result<End, Stop> {
    own_inputs::refuse(settings).await?;
    let store = connect::run_store(settings)?;
    let plan = if let Some(job) = &settings.pod.shard_job {
        await_shards(settings, &store, job).await?
    } else {
        let standing = patiently(settings, async || standing_plan(&store).await);
        tokio::join!(standing, warn_of_jobs(settings, ByHand::Merges)).0?
    };
    patiently(settings, async || merge(settings, &store, &plan, teller).await).await
}

pub(super) async fn standing_plan(store: &RunStore) -> Result<Plan, Stop> {
    connect::not_rolled_back(store).await?;
    store.plan_or("run `rogo-migrate plan` first").await
}

/// Waits for the plan, then until the shard Job has done what it could.
async fn await_shards(settings: &Settings, store: &RunStore, job: &str) -> Result<Plan, Stop> {
    let plan = await_plan(settings, store).await?;
    let namespace = settings.pod.namespace.as_deref().unwrap_or("default");
    let waited = step(
        Step::AwaitShards,
        plan.traceparent.as_ref(),
        wait::wait(
            &JobWait {
                store,
                plan: &plan,
                epoch: &settings.epoch,
                jobs: &ClusterJob::new(namespace, job),
                job,
                namespace,
                release: settings.pod.release.as_ref(),
                redo: settings.redo_lost,
                wait_plan: settings.wait_plan,
                give_up_after: settings.work.give_up_after,
                began_at: Utc::now(),
            },
            &mut |warning| tracing::warn!("{warning}"),
        ),
    )
    .await?;
    match waited {
        WaitEnd::AllDone => tracing::info!("every shard is done"),
        WaitEnd::JobComplete => tracing::info!(job, "the Job is complete"),
        WaitEnd::JobFailed(words) => tracing::warn!(job, words, "the Job failed: what it recorded is merged"),
        WaitEnd::JobGone => tracing::warn!(job, "there is no such Job: what was recorded is merged"),
    }
    Ok(plan)
}

/// Merges a plan whose shards have ended. `run` calls it last. The plan was let in, so credentials that are refused
/// now are being rotated: 75.
pub async fn merge(settings: &Settings, store: &RunStore, plan: &Plan, teller: &Teller) -> Result<End, Stop> {
    // On the heap: the commands that end with it would be too large for the stack.
    let merging = Box::pin(merge_and_tell(settings, store, plan, After::Shards(teller)));
    let published = step(Step::Finalize, plan.traceparent.as_ref(), merging).await;
    published.and_then(Published::end).map_err(|stop| stop.at(Moment::AfterPlan))
}

/// Brings the results of a run up to date of which some attempts were rolled back. Prints nothing.
pub(super) async fn merge_after_rollback(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
) -> Result<Published, Stop> {
    let merging = Box::pin(merge_and_tell(settings, store, plan, After::Rollback));
    merging.await.map_err(|stop| stop.at(Moment::AfterPlan))
}

/// What a merge follows.
#[derive(Clone, Copy)]
enum After<'a> {
    /// The end of a run, which the teller tells.
    Shards(&'a Teller),
    /// It has checked the session, and its role may have no right to insert.
    Rollback,
}

async fn merge_and_tell(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    after: After<'_>,
) -> Result<Published, Stop> {
    connect::not_ended(store).await?;
    let accept = settings.accept_lost.then(|| decided(settings, "finalize --accept lost")).transpose()?;
    let files = connect::target_blobs(settings)?;
    let target =
        connect::database(settings, 2, &format!("{}/finalize/{}", settings.run, std::process::id()))?;
    let database = target.identity().await?;
    let mut now = Present::of(settings, &plan.id, database, &files.location());
    // Who rolls back may have no warehouse.
    let follows_shards = matches!(after, After::Shards(_));
    now.warehouse = if follows_shards { connect::warehouse_address(settings) } else { None };
    unchanged(&differences(plan, &now))?;
    if follows_shards {
        unchanged(&target.session().await?)?;
    }
    let inputs = connect::inputs(settings)?;
    let context = FinalizeContext {
        run: LockedRun {
            store,
            plan,
            target: &target,
            fence: &connect::fence(settings, plan, &target, "finalize"),
            deadline: settings.work.give_up_after.min(WAIT_FOR_LOCK),
            loss: Loss::of(settings),
        },
        files: &files,
        open_input: &|| {
            let inputs = inputs.clone();
            async move { Ok(Box::new(Submissions::open(&inputs).await?) as Box<dyn InputRows>) }.boxed()
        },
        out: Some(&settings.out),
        accept,
        events: &telemetry::events(),
    };
    let comparing = frozen::warnings(settings, plan).boxed().shared();
    let publisher = Publisher { settings, store, plan, warnings: comparing.clone() };
    let comparing = async { Ok::<_, Stop>(comparing.await) };
    let (finalized, _) = tokio::try_join!(crate::finalize::finalize(&context, &publisher), comparing)?;
    finalized.quiet.end().await;
    target.close().await;
    if let After::Shards(teller) = after {
        finalized.published.summary.print();
        teller.note(&finalized.published.summary);
    }
    Ok(finalized.published)
}
