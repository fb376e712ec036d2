//! The report: finalize publishes it beside the summary; `report` makes it again from the run's documents.

use std::collections::BTreeMap;

use crate::{
    exit::{Exit, Stop},
    report::html::{Documents, render},
    run::{Course, Plan, RunStore, Summary, Verification, names, results},
    settings::Settings,
};

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
    let verification = store.read::<Verification>(&names::result(names::VERIFICATION)).await?;
    let page = page(&Documents { plan, summary, course: &course, verification: verification.as_ref() })?;
    results::publish_document(store, Some(&settings.out), names::REPORT, &page, "text/html; charset=utf-8")
        .await
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
