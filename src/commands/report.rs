//! The report: finalize publishes it beside the summary; `report` makes it again from the run's documents.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::{
    cli::ReportArgs,
    exit::{End, Exit, Stop},
    ports::Fault,
    report::{
        html::{Documents, render},
        shell::quoted,
    },
    run::{Course, Plan, RunStore, Summary, Verification, names, results},
    settings::{Settings, Sources, StoreSettings},
    watch::rerun,
};

use super::{bundle, connect, own_inputs};

/// Content type of the page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Keeps how the run went, and publishes the page that tells it.
pub(super) async fn publish(
    settings: &Settings,
    store: &RunStore,
    plan: &Plan,
    summary: &Summary,
    course: &Course,
) -> Result<(), Stop> {
    let course = Course { settings: shown(settings), ..course.clone() };
    store.replace(names::TELEMETRY, &course).await?;
    let verification = verified(settings, store).await?;
    let page = page(&Documents { plan, summary, course: &course, verification: verification.as_ref() })?;
    results::publish_document(Some(store), Some(&settings.out), names::REPORT, &page, HTML).await
}

/// What a verification said. Results are published whether or not a verify store elsewhere can be read: it may be closed to
/// the identity that moves rows.
async fn verified(settings: &Settings, store: &RunStore) -> Result<Option<Verification>, Fault> {
    let Some(elsewhere) = connect::verify_store_elsewhere(settings)? else {
        return verification(store).await;
    };
    Ok(verification(&elsewhere).await.unwrap_or_else(|fault| {
        let place = elsewhere.describe(&names::result(names::VERIFICATION));
        tracing::warn!(
            place,
            fault = %fault.chain(),
            "the verification cannot be read: {} says that the run is not verified; make it again with \
             `rogo-migrate report`",
            names::REPORT
        );
        None
    }))
}

/// Settings that name a person, or say why something was decided.
const HIDDEN: [&str; 4] = ["rule-owner", "reason", "redo", "accept"];

fn shown(settings: &Settings) -> BTreeMap<String, String> {
    let shown = settings.shown.iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str()));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn page(documents: &Documents<'_>) -> Result<String, Stop> {
    render(documents).map_err(|error| Stop::new(Exit::Bug, format!("the report cannot be written: {error}")))
}

/// `report`: makes the page again, of a run or of its bundle.
pub(super) async fn of(sources: &Sources, args: &ReportArgs) -> Result<End, Stop> {
    let settings = StoreSettings::load(sources)?;
    if let Some(file) = &args.bundle {
        let (bundled, read) = (bundle::open(file)?, std::slice::from_ref(file));
        let status = format!("rogo-migrate status --bundle {}", quoted(&bundled.place));
        return write(&bundled.store, &bundled.store, &settings.out, read, &status).await;
    }
    let store = connect::store_of(&settings)?;
    connect::not_rolled_back(&store).await?;
    let status = rerun::status(&settings.run, &(&settings).into());
    write(&store, &connect::verify_store_of(&settings)?, &settings.out, &[], &status).await
}

/// The page as the documents say it now: verifications and rollbacks of some attempts come after finalize published it.
/// `None` if a document that it is made of is not there.
pub(super) async fn current(
    store: &RunStore,
    plan: &Plan,
    verify_store: &RunStore,
) -> Result<Option<String>, Stop> {
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    let course: Option<Course> = store.read(names::TELEMETRY).await?;
    let (Some(summary), Some(course)) = (summary, course) else { return Ok(None) };
    let verification = verification(verify_store).await?;
    page(&Documents { plan, summary: &summary, course: &course, verification: verification.as_ref() })
        .map(Some)
}

async fn verification(verify_store: &RunStore) -> Result<Option<Verification>, Fault> {
    verify_store.read(&names::result(names::VERIFICATION)).await
}

/// Writes the page into a folder or file, which is none of those that were read. `status` is the line that says how far the
/// run is.
async fn write(
    store: &RunStore,
    verify_store: &RunStore,
    out: &Path,
    read: &[PathBuf],
    status: &str,
) -> Result<End, Stop> {
    let missing = |name: &str| {
        let message = format!(
            "{} is not there: finalize writes it, also for a run with missing rows; see {status}",
            store.describe(name)
        );
        Stop::new(Exit::Incomplete, message)
    };
    let plan = store.plan_or("a report is of a run that was planned").await?;
    let Some(page) = current(store, &plan, verify_store).await? else {
        let summary = names::result(names::SUMMARY);
        return Err(missing(if store.exists(&summary).await? { names::TELEMETRY } else { &summary }));
    };
    let (folder, file) = match out.extension() {
        Some(extension) if extension == "html" => {
            (out.parent().unwrap_or(Path::new("")), out.file_name().unwrap_or_default())
        }
        _ => (out, OsStr::new(names::REPORT)),
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    own_inputs::refuse_file(&plan, &folder.join(file), read, "--out").await?;
    results::publish_document(None, Some(folder), &file.to_string_lossy(), &page, HTML).await?;
    let place = folder.join(file);
    crate::report::print(&place.display().to_string());
    Ok(End::done(format!("the report is at {}", place.display())))
}
