//! Whether the target still names the files of the run's rows as the run wrote them. While it does not, every blob of the run looks
//! like one that no row names.

use super::{Plan, RunStore, recorded::recorded_sample, writers};
use crate::ports::{Fault, TargetReader};

/// Says why nothing may be deleted: of the looked-up rows that the run recorded as migrated, not one names a blob of the run. `None`
/// if one does, or if there is no such row to look up. Rows that a person took out are not asked for.
pub async fn unrecognised(
    store: &RunStore,
    plan: &Plan,
    target: &dyn TargetReader,
) -> Result<Option<String>, Fault> {
    let recorded = recorded_sample(store, plan).await?;
    if recorded.is_empty() {
        return Ok(None);
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
