//! `results`: copies the results out of the run store, or packs the run's evidence.

use std::path::{Path, PathBuf};

use crate::{
    cli::ResultsArgs,
    exit::{End, Exit, Stop},
    report,
    run::{
        Plan, RunStore,
        bundle::{self, Beside, Personal},
        evidence,
    },
    settings::StoreSettings,
    watch::{fetch, rerun},
};

use super::{connect, own_inputs, report as page};

/// Copies the results, packs the evidence, or puts what tells the run into a bundle.
pub async fn run(settings: &StoreSettings, args: &ResultsArgs) -> Result<End, Stop> {
    let store = connect::store_of(settings)?;
    match (&args.evidence, &args.bundle, &args.to) {
        (Some(place), ..) => pack(settings, &store, place, args).await,
        (None, Some(place), _) => tell(settings, &store, place, args).await,
        (None, None, Some(to)) => copy(settings, &store, to).await,
        (None, None, None) => Err(Stop::new(Exit::Usage, "give --to DIR, --evidence FILE or --bundle FILE")),
    }
}

async fn tell(
    settings: &StoreSettings,
    store: &RunStore,
    place: &Path,
    args: &ResultsArgs,
) -> Result<End, Stop> {
    connect::not_rolled_back(store).await?;
    let plan = refuse_own_inputs(store, place, &[], "--bundle").await?;
    let personal = if args.with_personal_data { Personal::With } else { Personal::Without };
    let verify_store = connect::verify_store_of(settings)?;
    let page = match &plan {
        Some(plan) => page::current(store, plan, &verify_store).await?,
        None => None,
    };
    let status = status(settings);
    let beside = Beside { verify_store: &verify_store, page: page.as_deref(), personal, status: &status };
    let place = bundle::write(store, place, &beside).await?;
    report::print(&place.display().to_string());
    Ok(End::done(format!("the bundle of run {} is at {}", store.run(), place.display())))
}

async fn pack(
    settings: &StoreSettings,
    store: &RunStore,
    place: &Path,
    args: &ResultsArgs,
) -> Result<End, Stop> {
    refuse_own_inputs(store, place, &args.logs, "--evidence").await?;
    let verified = connect::verify_store_elsewhere_of(settings)?;
    let beside = evidence::Beside {
        image: args.image.as_deref(),
        logs: &args.logs,
        verify_store: verified.as_ref(),
        status: &status(settings),
    };
    let place = evidence::write(store, place, &beside).await?;
    report::print(&place.display().to_string());
    Ok(End::done(format!("the evidence of run {} is packed; sign its SHA256SUMS", store.run())))
}

/// The plan, whose inputs the file is not.
async fn refuse_own_inputs(
    store: &RunStore,
    place: &Path,
    read: &[PathBuf],
    option: &str,
) -> Result<Option<Plan>, Stop> {
    let plan = store.plan_unless_in_making().await?;
    if let Some(plan) = &plan {
        own_inputs::refuse_file(plan, place, read, option).await?;
    }
    Ok(plan)
}

/// Copies the results that exist, and names those that do not: then the exit code is 69.
async fn copy(settings: &StoreSettings, store: &RunStore, to: &Path) -> Result<End, Stop> {
    connect::not_rolled_back(store).await?;
    let plan = store.plan_unless_in_making().await?;
    let elsewhere = connect::verify_store_elsewhere_of(settings)?;
    let listing = fetch::list(store, elsewhere.as_ref()).await?;
    if let Some(plan) = &plan {
        own_inputs::refuse_copies(plan, to, listing.places()).await?;
    }
    let page = match &plan {
        Some(plan) => page::current(store, plan, elsewhere.as_ref().unwrap_or(store)).await?,
        None => None,
    };
    let fetched = fetch::fetch(store, elsewhere.as_ref(), &listing, page.as_deref(), to).await?;
    for place in &fetched.copied {
        report::print(&place.display().to_string());
    }
    if fetched.absent.is_empty() {
        return Ok(End::done(format!("{} results copied", fetched.copied.len())));
    }
    let absent = fetched.absent.join(", ");
    if connect::tell_purged(store).await? {
        return Ok(End::done(format!("{} results copied; purged: {absent}", fetched.copied.len())));
    }
    let message = format!(
        "not there yet at {}: {absent}; finalize writes them: see {}",
        store.describe("results"),
        status(settings)
    );
    Err(Stop::new(Exit::Incomplete, message))
}

/// The line that says how far the run is.
fn status(settings: &StoreSettings) -> String {
    rerun::status(&settings.run, &settings.into())
}
