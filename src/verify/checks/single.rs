//! The tables with one row for each submission.

use super::{
    super::{
        findings::{Findings, Kind, Lack},
        rows::{Beside, SINGLE_ROWS, StoredSubmission, compare_columns},
        table::CheckId,
    },
    Ground,
};
use crate::ports::Table;

/// Each row stands exactly once, and every column holds what it must.
pub fn rows(ground: &Ground<'_>, beside: &Beside<'_>, stored: &StoredSubmission, findings: &mut Findings) {
    for (table, rules, presence) in SINGLE_ROWS {
        if ground.unreadable.contains(&table) {
            findings.lacking(presence, Lack::Table(table));
            for rule in rules {
                findings.lacking(rule.check, Lack::Table(table));
            }
            continue;
        }
        let found = stored.rows(table);
        let kind = if found.is_empty() { Kind::Absent } else { Kind::Surplus };
        findings.holds(presence, found.len() == 1, kind, || match found.len() {
            0 => format!("{} has no row of the submission", table.name()),
            several => format!("{} has {several} rows of the submission", table.name()),
        });
        for row in found {
            compare_columns(table, rules, row, beside, findings);
        }
    }
}

/// User and context are `<guid>::<id>`, the same in the tables that name them.
pub fn ids_agree(ground: &Ground<'_>, stored: &StoredSubmission, findings: &mut Findings) {
    let check = CheckId::SubmissionIds;
    let columns = [
        (Table::LaunchSessions, "user_id", "context_id"),
        (Table::SessionRecords, "lms_user_id", "context_id"),
        (Table::Submissions, "lms_user_id", "context_id"),
    ];
    let guid = &ground.settings.lms_instance;
    let mut seen: Option<(&str, &str)> = None;
    for (table, user, context) in columns {
        if ground.unreadable.contains(&table) {
            findings.lacking(check, Lack::Table(table));
            continue;
        }
        let Some(row) = stored.rows(table).first() else { continue };
        let text = |column| table.place(column).and_then(|place| row.text(place)).unwrap_or_default();
        let ids = (text(user), text(context));
        for (column, id) in [(user, ids.0), (context, ids.1)] {
            let rest = id.strip_prefix(guid.as_str()).and_then(|rest| rest.strip_prefix("::"));
            let is_sound =
                rest.is_some_and(|rest| !rest.is_empty() && (column != "context_id" || !rest.contains("::")));
            findings.column_holds(check, (table, column), is_sound, || {
                format!("{}.{column} is not the instance's guid, \"::\" and an id", table.name())
            });
        }
        if [user, context].into_iter().any(|column| findings.leaves_out(table, column)) {
            continue;
        }
        findings.holds(check, seen.is_none_or(|seen| seen == ids), Kind::Changed, || {
            format!("{} names another user or context than the rows beside it", table.name())
        });
        seen = seen.or(Some(ids));
    }
}
