//! `orphans`: the finalizer's sweep by hand, and its other side: file rows whose blob is not there.

use std::sync::Arc;

use crate::{
    exit::{Exit, Stop},
    finalize::sweep,
    ports::{Blobs, StoredTarget, TargetReader},
    report,
    run::{
        Plan, RunStore,
        lock::LockedRun,
        pins::{Loss, Present, differences},
        source_files::buckets_for,
        writers::registered,
    },
    settings::Settings,
    verify::blobs::target::{list_target, named_blobs},
};

use super::{compare::unchanged, connect, decided::decided, finalize::WAIT_FOR_LOCK};

/// Lists the blobs that killed processes of this run left behind, and the file rows of the run without a blob; with `delete`
/// removes those blobs, and records the decision.
pub async fn run(settings: &Settings, delete: bool) -> Result<Exit, Stop> {
    let decided = delete.then(|| decided(settings, "orphans --delete")).transpose()?;
    let store = connect::run_store(settings)?;
    let plan = store.plan_or("this run has no blobs").await?;
    let files = connect::target_blobs(settings)?;
    let target = connect::database(settings, 2, &format!("{}/orphans/{}", settings.run, std::process::id()))?;
    let now = Present::of(settings, &plan.id, target.identity().await?, &files.location());
    unchanged(&differences(&plan, &now))?;
    unchanged(&target.session().await?)?;
    let run = LockedRun {
        store: &store,
        plan: &plan,
        target: &target,
        fence: &connect::fence(settings, &plan, &target, "orphans"),
        deadline: settings.work.give_up_after.min(WAIT_FOR_LOCK),
        loss: Loss::of(settings),
    };
    let orphans = match &decided {
        Some(decided) => sweep::delete_orphans(&run, &files, decided).await?,
        None => sweep::list_orphans(&run, &files, &mut |blob| report::print(&blob.name)).await?,
    };
    let what = match (delete, orphans.blobs) {
        (true, _) => "deleted",
        (false, 0) => "found",
        (false, _) => "found; --delete --reason TEXT removes them",
    };
    report::print(&format!("{} orphans, {} bytes, {what}", orphans.blobs, orphans.bytes));
    if !delete {
        let rows = list_rows_without_blob(&store, &plan, &target, &files).await?;
        let advice = if rows > 0 { "; verify --level blobs names their attempts and what to do" } else { "" };
        report::print(&format!("{rows} file rows without a blob{advice}"));
    }
    target.close().await;
    Ok(Exit::Done)
}

/// Prints the blob's name of each file row of the run whose blob is not there; their number. The rows are read first: the blob of
/// each was written before it.
async fn list_rows_without_blob(
    store: &RunStore,
    plan: &Plan,
    target: &dyn StoredTarget,
    files: &Arc<dyn Blobs>,
) -> Result<u64, Stop> {
    let (writers, _) = registered(store).await?;
    let (buckets, in_folder) = (buckets_for(plan.last_row()), files.is_folder());
    let named = named_blobs(target, &writers, in_folder, buckets).await?;
    let listed = list_target(files, &writers, plan.last_row(), buckets).await?;
    let listed = listed.map_err(|why| Stop::new(Exit::Configuration, why))?;
    let mut rows = 0;
    for bucket in 0..buckets {
        for name in listed.missing(&named, bucket, in_folder)? {
            report::print(&format!("no blob: {name}"));
            rows += 1;
        }
    }
    Ok(rows)
}
