//! What a person types after a merge: by hand, or for a run of the chart as Helm's line.

use std::path::Path;

use crate::{
    exit::Stop,
    finalize::books::{NextLines, Totals},
    run::{Plan, ReleaseLines, RunStore, names},
    settings::Settings,
    watch::rerun::{self, Rerun, Whereabouts, release_with},
};

/// Gives up what is lost.
const ACCEPT: &str = "finalize --accept lost --reason '<why>'";

/// The next lines of one merge.
pub(super) struct Next {
    /// How the process ends if rows are missing or lost.
    pub incomplete: Option<Stop>,
    /// `next_command` of the summary; may be empty.
    pub command: String,
    /// Merges once more.
    pub finalize: String,
    /// For the report of a run of the chart.
    pub release: Option<ReleaseLines>,
}

pub(super) fn next(settings: &Settings, store: &RunStore, plan: &Plan, totals: &Totals) -> Next {
    let at = Whereabouts::from(settings);
    // The folder of a pod is no place where lines are typed.
    let out =
        if settings.pod.name.is_some() { Path::new(rerun::folder_elsewhere(plan)) } else { &settings.out };
    let flags = rerun::away_from_inputs(plan, out);
    let lines = Rerun::of(settings.pod.release.as_ref(), &at, &flags);
    let again = lines.command(store.run(), &totals.incomplete_shards());
    let redo = lines.redo(store.run(), &totals.lost.shards);
    let accept_line = format!("{}{flags}", rerun::by_hand(ACCEPT, store.run(), &at));
    let accept = accept(settings, &accept_line);
    let incomplete = totals.incomplete(store, NextLines { rerun: &again, redo: &redo, accept: &accept });
    let mut failed = lines.failed_rows(&location(settings, store, names::FAILED));
    if let Some(release) = settings.pod.release.as_ref().filter(|_| settings.redo_lost) {
        // Reused values would bring it into the new run.
        failed = format!("{failed} --set {}shards.redo=", release.values_prefix);
    }
    let command = match incomplete {
        Some(_) if totals.lost.redo_helps() => redo,
        Some(_) if totals.missing.is_empty() => accept_line,
        Some(_) => again,
        None => after_complete(settings, plan, totals, &at, &failed),
    };
    let release = settings.pod.release.as_ref().map(|release| {
        let verify = release_with(release, &["verify.enabled=true"]);
        let verify_again = release_with(release, &["verify.enabled=true", "verify.again='<another number>'"]);
        ReleaseLines { failed_rows: failed, verify, verify_again }
    });
    Next { incomplete, command, finalize: lines.finalize(store.run()), release }
}

/// The chart has no value for this decision, so that a person types it where the run's settings are. The line is the end of
/// the text, so that it may be copied.
fn accept(settings: &Settings, line: &str) -> String {
    let place = match settings.pod.release {
        Some(_) => " on a machine that has them, for no value of the chart does it",
        None => "",
    };
    format!("with the run's settings{place}: {line}")
}

/// The next command if every row has an outcome: fetch the results if they are in the run store only, then run the
/// failed rows.
fn after_complete(
    settings: &Settings,
    plan: &Plan,
    totals: &Totals,
    at: &Whereabouts,
    failed: &str,
) -> String {
    let mut steps = Vec::new();
    if settings.pod.name.is_some() {
        steps.push(rerun::fetch(plan, at));
    }
    if totals.books.rows_failed() > 0 {
        steps.push(format!("when the causes are mended: {failed}"));
    }
    steps.join("; ")
}

/// Where a person finds a result: a pod's own folder is gone with the pod.
pub(super) fn location(settings: &Settings, store: &RunStore, file: &str) -> String {
    match settings.pod.name {
        Some(_) => store.describe(&names::result(file)),
        None => settings.out.join(file).display().to_string(),
    }
}
