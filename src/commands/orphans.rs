//! `orphans`: the finalizer's sweep by hand.

use crate::{
    exit::{Exit, Stop},
    finalize::sweep,
    ports::TargetReader,
    report,
    run::{
        lock::LockedRun,
        pins::{Present, differences},
    },
    settings::Settings,
};

use super::{compare::unchanged, connect, decided::decided, finalize::WAIT_FOR_LOCK};

/// Lists the blobs that killed processes of this run left behind; with `delete` removes them, and records the
/// decision.
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
    };
    let orphans = match &decided {
        Some(decided) => sweep::delete_orphans(&run, &files, decided).await?,
        None => sweep::list_orphans(&run, &files, &mut |blob| report::print(&blob.name)).await?,
    };
    target.close().await;
    let what = if delete { "deleted" } else { "found; --delete --reason TEXT removes them" };
    report::print(&format!("{} orphans, {} bytes, {what}", orphans.blobs, orphans.bytes));
    Ok(Exit::Done)
}
