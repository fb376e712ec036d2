//! `results`: copies the results out of the run store.

use std::path::Path;

use crate::{
    cli::ResultsArgs,
    exit::{End, Exit, Stop},
    report,
    run::{
        RunStore,
        bundle::{self, Personal},
    },
    settings::StoreSettings,
    watch::fetch,
};

use super::{connect, own_inputs};

/// Copies the results, or puts what tells the run into a bundle.
pub async fn run(settings: &StoreSettings, args: &ResultsArgs) -> Result<End, Stop> {
    let store = connect::store_of(settings)?;
    connect::not_rolled_back(&store).await?;
    match (&args.bundle, &args.to) {
        (Some(file), _) => {
            let personal = if args.with_personal_data { Personal::With } else { Personal::Without };
            let place = bundle::write(&store, file, personal).await?;
            report::print(&place.display().to_string());
            Ok(End::done(format!("the bundle is at {}", place.display())))
        }
        (None, Some(to)) => copy(settings, &store, to).await,
        (None, None) => Err(Stop::new(Exit::Usage, "name a folder (--to) or a bundle (--bundle)")),
    }
}

/// Copies the results that exist, and names those that do not: then the exit code is 69.
async fn copy(settings: &StoreSettings, store: &RunStore, to: &Path) -> Result<End, Stop> {
    if let Some(plan) = store.plan().await? {
        own_inputs::refuse_planned(&plan, to)?;
    }
    let fetched = fetch::fetch(store, to).await?;
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
