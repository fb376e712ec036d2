//! `results`: copies the results out of the run store.

use std::path::Path;

use crate::{
    exit::{End, Exit, Stop},
    report,
    settings::StoreSettings,
    watch::fetch,
};

use super::{connect, own_inputs};

/// Copies the results that exist, and names those that do not: then the exit code is 69.
pub async fn run(settings: &StoreSettings, to: &Path) -> Result<End, Stop> {
    let store = connect::store_of(settings)?;
    connect::not_rolled_back(&store).await?;
    if let Some(plan) = store.plan().await? {
        own_inputs::refuse_planned(&plan, to)?;
    }
    let fetched = fetch::fetch(&store, to).await?;
    for place in &fetched.copied {
        report::print(&place.display().to_string());
    }
    if fetched.absent.is_empty() {
        return Ok(End::done(format!("{} results copied", fetched.copied.len())));
    }
    let message = format!(
        "not there yet at {}: {}; finalize writes them: see rogo-migrate status --run {}",
        store.describe("results"),
        fetched.absent.join(", "),
        settings.run
    );
    Err(Stop::new(Exit::Incomplete, message))
}
