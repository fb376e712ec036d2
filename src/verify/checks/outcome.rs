//! The outcome itself: the ids that it names, and the facts that it was decided from.

use super::super::{
    expect::{Expected, RunSettings},
    findings::{Findings, Kind, Lack},
    nothing::Nothing,
    table::CheckId,
};
use crate::domain::{Migrated, NoteCode};

/// The ids of `migrated.csv` are those of the attempt.
pub fn ids(expected: &Expected, outcome: &Migrated, settings: &RunSettings, findings: &mut Findings) {
    let check = CheckId::OutcomeIds;
    let mut same = |what: &str, recorded: &str, derived: &str| {
        findings.holds(check, recorded == derived, Kind::Other, || {
            format!("{what} of the outcome is not the attempt's")
        });
    };
    same("launch id", &outcome.launch_id, &expected.launch_id);
    same("submission id", &outcome.submission_id, &expected.ids.row("assignment_submissions", 1));
    same("session record id", &outcome.session_record_id, &expected.ids.row("lti_session_records", 1));
    match &expected.report {
        Ok(report) => {
            same("user id", &outcome.user_id, &format!("{}::{}", settings.lms_instance, report.user));
            same(
                "context id",
                &outcome.context_id,
                &format!("{}::{}", settings.lms_instance, report.section),
            );
        }
        Err(lack) => findings.lacking(check, *lack),
    }
}

/// The warehouse still has the report that the row was decided from. A missing warehouse is not its report's absence.
pub fn report(expected: &Expected, findings: &mut Findings) {
    let check = CheckId::ReportPresent;
    match (&expected.report, &expected.scores, expected.asked_warehouse) {
        (.., false) => findings.lacking(check, Lack::Warehouse),
        (Ok(_), Ok(_), true) => findings.compared(check),
        (Err(_), _, true) => findings.holds(check, false, Kind::Other, || {
            "the warehouse has no report of the attempt now, or several that differ, or one that cannot be read".to_owned()
        }),
        (Ok(_), Err(_), true) => findings.holds(check, false, Kind::Other, || {
            "the warehouse has a score of the attempt now that cannot be read".to_owned()
        }),
    }
}

/// The one note that a second reading of the input row can confirm.
pub fn count_note(expected: &Expected, outcome: &Migrated, findings: &mut Findings) {
    let check = CheckId::FilesCountNote;
    // A recovered row whose facts had changed could not be decided again: it has no notes, and no number of marks.
    match expected.counts_differ {
        None => findings.lacking(check, Lack::Inputs),
        Some(_) if outcome.recovered && outcome.marks.is_none() => findings.nothing(check, Nothing::Notes),
        Some(differ) => {
            let noted = outcome.notes.iter().any(|note| note.code == NoteCode::FilesCountDiffers);
            findings.holds(check, noted == differ, Kind::Other, || {
                let what = if differ { "lacks" } else { "has" };
                format!("the row {what} the note files_count_differs, and its counts say otherwise")
            });
        }
    }
}
