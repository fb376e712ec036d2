//! The rows of the decision table that need the input row alone: neither mapping, target nor warehouse.

use super::{
    files, later,
    message::{fail, list},
};
use crate::domain::{
    AttemptId, Decision, FailCode, Failure, QueuedRow, Skip, SkipCode, SubmissionRow, text::trim,
};

/// Whether the target is asked about the row: only if it has an attempt id, and neither its owner nor a newer row decides.
pub fn asks_target(row: &QueuedRow) -> bool {
    asked(row).is_ok()
}

/// The rows of the table that need neither target nor mapping.
pub(super) fn asked(row: &QueuedRow) -> Result<AttemptId, Decision> {
    let attempt = attempt_id(row)?;
    later::not_excluded(row)?;
    later::not_withdrawn(row)?;
    sound_row(row)?;
    not_a_duplicate(row)?;
    Ok(attempt)
}

/// The cell may hold anything, so the message does not repeat it.
fn attempt_id(row: &QueuedRow) -> Result<AttemptId, Failure> {
    row.attempt.ok_or_else(|| {
        fail(FailCode::AttemptIdInvalid, "Attempt ID is not a whole number from 1 to 2147483647")
    })
}

fn sound_row(row: &QueuedRow) -> Result<(), Failure> {
    let with_nul = columns_with_nul(&row.cells);
    if !with_nul.is_empty() {
        return Err(fail(FailCode::RowInvalid, format!("NUL in {}", list(with_nul))));
    }
    Ok(())
}

/// Columns whose NUL would be stored, as a value or as part of a file's name. URLs are not stored as they are; the URL
/// parser refuses a NUL.
fn columns_with_nul(cells: &SubmissionRow) -> Vec<&'static str> {
    let has_learner_files = !files::is_empty(&cells.learner_blob_urls);
    let has_marker_files = !files::is_empty(&cells.marker_blob_urls);
    let holds_nul = |cell: &str| cell.contains('\0');
    [
        ("First Name", holds_nul(&cells.first_name)),
        ("Surname", holds_nul(&cells.surname)),
        ("Learner Email", holds_nul(&cells.learner_email)),
        ("Assessment ID", has_marker_files && holds_nul(&cells.assessment_id)),
        ("Course Title", holds_nul(&cells.course_title)),
        ("Rogo User ID", has_learner_files && holds_nul(&cells.rogo_user_id)),
        ("Rogo User Name", own_name(cells).is_empty() && holds_nul(&cells.rogo_user_name)),
        ("Learner File Names", files::names_by_position(cells).any(holds_nul)),
    ]
    .into_iter()
    .filter_map(|(column, found)| found.then_some(column))
    .collect()
}

fn not_a_duplicate(row: &QueuedRow) -> Result<(), Skip> {
    match row.newer_row {
        None => Ok(()),
        Some(newer) => {
            let detail = format!("row {newer} holds the same Attempt ID and is newer");
            Err(Skip { code: SkipCode::DuplicateRow, detail })
        }
    }
}

/// Blank if both names are blank.
pub(super) fn own_name(cells: &SubmissionRow) -> String {
    trim(&format!("{} {}", trim(&cells.first_name), trim(&cells.surname))).to_owned()
}
