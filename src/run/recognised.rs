//! Whether the target still names the files of the run's rows as the run wrote them. While it does not, every blob of the run looks
//! like one that no row names.

use super::{Plan, RunStore, recorded::recorded_sample, writers};
use crate::{
    domain::TargetIdentity,
    ports::{Fault, TargetReader},
};

/// Says why nothing may be deleted: of the looked-up rows that the run recorded as migrated, not one names a blob of the run. `None`
/// if one does. Rows that a person took out are not asked for.
///
/// Processes that were killed before they recorded anything leave no such row. Then the database has to be the plan's beyond doubt:
/// in that one a blob that no row names is of no committed row, recorded or not.
pub async fn unrecognised(
    store: &RunStore,
    plan: &Plan,
    target: &dyn TargetReader,
) -> Result<Option<String>, Fault> {
    let recorded = recorded_sample(store, plan).await?;
    if recorded.is_empty() {
        let now = target.identity().await?;
        return Ok((!plan.identity.is_certainly(&now)).then(|| unproven(store, &plan.identity, &now)));
    }
    let (all, _) = writers::registered(store).await?;
    let held = target.held(&recorded).await?;
    let names = held.iter().flat_map(|submission| &submission.blob_names);
    let is_recognised = names.filter_map(|name| writers::of_blob(name)).any(|writer| all.contains(&writer));
    Ok((!is_recognised).then(|| {
        format!(
            "of {} looked-up rows that run {} recorded as migrated, not one names a blob of this run in \
             submission_files.azure_blob_name, so that no blob can be told from those that no row names; nothing was \
             deleted: find out what changed these names, or removed the rows",
            recorded.len(),
            store.run()
        )
    }))
}

/// Why nothing may be deleted while no recorded row stands by which the database could be recognised, and what ends that: also of a
/// run that is over and migrates no row any more.
fn unproven(store: &RunStore, planned: &TargetIdentity, now: &TargetIdentity) -> String {
    let by_hand = "look at the blobs that `rogo-migrate orphans` lists, and remove them yourself";
    let remedy = match (&planned.system, &now.system) {
        (Some(_), None) => "let an administrator of the database grant execute on function pg_control_system() to the role of \
            DATABASE_URL, and merge again"
            .to_owned(),
        (None, _) => format!("the plan was made without the right to execute pg_control_system(); {by_hand}"),
        (Some(_), Some(_)) => by_hand.to_owned(),
    };
    format!(
        "run {} recorded no migrated row that stands, and it is not proven that the target is the database of its plan (name, oid \
         and the server's system identifier have to be the same), so that no blob can be told from those that no row names; \
         nothing was deleted: a merge after the run has migrated a row removes them; if it migrates none: {remedy}",
        store.run()
    )
}
