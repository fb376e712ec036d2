//! A later export: rows that their owner leaves out, and rows that an earlier run has moved.

use super::message::list;
use crate::domain::{Earlier, Facts, Held, QueuedRow, Skip, SkipCode, source_digest};

/// `--exclude` comes before everything else that is said of an attempt: an erased learner's row must not reach the failure
/// CSV either.
pub(super) fn not_excluded(row: &QueuedRow) -> Result<(), Skip> {
    match &row.excluded {
        None => Ok(()),
        Some(reason) => {
            Err(Skip { code: SkipCode::ExcludedByOwner, detail: format!("--exclude names it: {reason}") })
        }
    }
}

pub(super) fn not_withdrawn(row: &QueuedRow) -> Result<(), Skip> {
    match &row.withdrawn {
        None => Ok(()),
        Some(then) => {
            let detail = format!("{then}; no row of this input names the attempt");
            Err(Skip { code: SkipCode::Withdrawn, detail })
        }
    }
}

/// What an earlier run migrated and the target no longer holds is not created again: a person may have erased it.
/// `--redo lost` takes the earlier run's word away from the row before it is decided.
pub(super) fn not_deleted(row: &QueuedRow, held: &Held) -> Result<(), Skip> {
    match (&row.earlier, held) {
        (Some(earlier), Held::Nothing | Held::SessionOnly(_) | Held::Lost) => {
            let accepted = if earlier.accepted { ", and a person has accepted that" } else { "" };
            let detail = format!(
                "run {} migrated it from row {} of its input, and the target no longer holds it{accepted}",
                earlier.run, earlier.row
            );
            Err(Skip { code: SkipCode::DeletedInTarget, detail })
        }
        _ => Ok(()),
    }
}

/// Compares a row that the target holds with what an earlier run moved.
pub(super) fn compare(row: &QueuedRow, earlier: &Earlier, facts: &Facts) -> Skip {
    let counted = earlier.source.facts.then_some(facts);
    if earlier.is_unchanged(&source_digest(&row.cells, &row.mapping, counted)) {
        let detail =
            format!("unchanged since run {} migrated it from row {} of its input", earlier.run, earlier.row);
        return Skip { code: SkipCode::AlreadyMigrated, detail };
    }
    let named = earlier.differences(facts);
    let what = if named.is_empty() {
        "its cells, its mapping or the warehouse's facts".to_owned()
    } else {
        list(named)
    };
    let detail = format!(
        "changed since run {} migrated it from row {} of its input: {what}; the target holds the earlier values",
        earlier.run, earlier.row
    );
    Skip { code: SkipCode::ChangedAtSource, detail }
}
