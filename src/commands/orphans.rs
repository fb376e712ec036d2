//! `orphans`: the finalizer's sweep by hand.

use crate::{
    exit::{Exit, Stop},
    finalize::sweep,
    ports::Target,
    report,
    run::{names, pins::Present},
    settings::Settings,
};

use super::{compare::refusal, connect, finalize::WAIT_FOR_LOCK};

/// Lists the blobs that killed processes of this run left behind; with `delete` removes them.
pub async fn run(settings: &Settings, delete: bool) -> Result<Exit, Stop> {
    let store = connect::run_store(settings)?;
    let Some(plan) = store.plan().await? else {
        let message = format!("there is no plan at {}: this run has no blobs", store.describe(names::PLAN));
        return Err(Stop::new(Exit::Configuration, message));
    };
    let files = connect::target_blobs(settings)?;
    let target = connect::database(settings, 2, &format!("{}/orphans/{}", settings.run, std::process::id()));
    let now = Present::of(settings, target.identity().await?, &files.location());
    // In another database no row names the blobs of this run: all of them would look like orphans.
    if let Some(stop) = refusal(&store, &plan, &target, &now).await? {
        return Err(stop);
    }
    let fence = connect::fence(settings, &plan, "orphans");
    let deadline = settings.work.give_up_after.min(WAIT_FOR_LOCK);
    let orphans = if delete {
        sweep::delete_orphans(&store, &fence, deadline, &files, &target).await?
    } else {
        sweep::list_orphans(&store, &fence, deadline, &files, &target, &mut |blob| report::print(&blob.name))
            .await?
    };
    target.close().await;
    let what = if delete { "deleted" } else { "found; --delete removes them" };
    report::print(&format!("{} orphans, {} bytes, {what}", orphans.blobs, orphans.bytes));
    Ok(Exit::Done)
}
