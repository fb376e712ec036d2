//! What was kept of a row when it was moved: the receipt of its stored rows, and the digest of what it was decided from.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{
    super::{
        expect::Expected,
        findings::{Difference, Findings, Kind, Lack},
        rows::{StoredSubmission, is_newer},
        table::CheckId,
    },
    Ground,
    turnitin::{Earlier, Possible},
};
use crate::{
    domain::{
        Digest, Facts, FailCode, Fate, MappingState, Migrated, NoteCode, Outcome, Receipt, SubmissionRow,
        form::{ENFORCEMENT, Layout, Part, RowForm, StoredValue, TableForm, rows_digest},
        source_digest,
    },
    ports::{Cell, StoredRow, Table},
};

/// Whether inputs and warehouse still hold what the row was decided from. `row` and `facts` are `None` if inputs or
/// warehouse are not there. An earlier version of this program took mapping rows that differ in their blanks only for several.
pub fn source(
    outcome: &Outcome,
    row: Option<(&SubmissionRow, &MappingState)>,
    facts: Option<&Facts>,
) -> Result<bool, Lack> {
    let recorded = outcome.source.as_ref().ok_or(Lack::Digest)?;
    let (cells, mapping) = row.ok_or(Lack::Inputs)?;
    let facts = if recorded.facts { Some(facts.ok_or(Lack::Warehouse)?) } else { None };
    let is_of = |mapping: &MappingState| source_digest(cells, mapping, facts).sha256 == recorded.sha256;
    let was_ambiguous = matches!(outcome.fate, Fate::Failed { code: FailCode::MappingAmbiguous, .. });
    Ok(is_of(mapping) || (was_ambiguous && is_of(&MappingState::Ambiguous)))
}

/// The rows are stored as the outcome's receipt says. Looks at what the other checks found of the row: it is made last.
pub fn receipt(
    ground: &Ground<'_>,
    expected: &Expected,
    outcome: &Migrated,
    stored: &StoredSubmission,
    findings: &mut Findings,
) {
    let check = CheckId::ReceiptUnchanged;
    let Some(receipt) = &outcome.receipt else { return findings.lacking(check, Lack::Digest) };
    let unreadable = |(table, _): &(Table, _)| ground.unreadable.contains(table);
    if let Some((table, _)) = tables(stored).find(unreadable) {
        return findings.lacking(check, Lack::Table(table));
    }
    match holds(ground.layout, receipt, stored) {
        Ok(true) => return findings.compared(check),
        // A row that is not there needs no digest.
        Err(lack) if !lacks_rows(outcome, stored) => return findings.lacking(check, lack),
        Ok(false) | Err(_) => findings.compared(check),
    }
    let written = Written::of(receipt, stored);
    if let Written::Again(tables) = &written {
        let changed = findings.differences.iter_mut().filter(|difference| difference.kind == Kind::Changed);
        for difference in changed.filter(|one| tables.iter().any(|table| is_about(one, *table))) {
            difference.kind = Kind::ChangedAfter;
        }
    }
    let is_complete = has_every_row(expected, outcome, stored);
    let kind = match (is_complete, &written) {
        (Some(false), _) => Kind::Absent,
        (None, _) | (Some(true), Written::Once) => Kind::Other,
        (Some(true), Written::Again(_)) => Kind::ChangedAfter,
        (Some(true), Written::Unknown) => Kind::Changed,
    };
    let was_noted = outcome.notes.iter().any(|note| note.code == NoteCode::ChangedSince);
    let mut issue = format!("{}; {}", what(&written, &findings.differences), written.told());
    if was_noted {
        issue.push_str("; it was so already when the row was recovered (note changed_since)");
    }
    findings.differences.push(Difference { check, kind, issue, values: None });
}

/// Whether the rows are as the receipt says, but for what Turnitin's statuses have become since; that cannot be said if more of
/// them may have stood than can be tried.
fn holds(layout: &Layout, receipt: &Receipt, stored: &StoredSubmission) -> Result<bool, Lack> {
    let possible = Possible::of(&stored.files, receipt);
    let holds = possible.tries().any(|statuses| {
        rows_digest(layout, Part::Submission, &forms(layout, stored, &statuses)) == receipt.sha256
    });
    if holds || possible.are_all() { Ok(holds) } else { Err(Lack::Statuses) }
}

/// The digest of an enforcement row as it stands, which has a receipt of its own.
pub fn of_enforcement(layout: &Layout, row: &StoredRow) -> Digest {
    rows_digest(
        layout,
        Part::Enforcement,
        &[form(layout, &ENFORCEMENT, (Table::Enforcements, row), &Earlier::AsItStands)],
    )
}

/// The form of a stored row, with the Turnitin status that it may have had when it was written.
fn form(
    layout: &Layout,
    of: &'static TableForm,
    (table, row): (Table, &StoredRow),
    status: &Earlier,
) -> RowForm {
    RowForm::new(layout, of, |column| match (column, status) {
        ("turnitin_status", Earlier::Was(Some(status))) => StoredValue::Text(status.into()),
        ("turnitin_status", Earlier::Was(None)) => StoredValue::Null,
        _ => value(table.place(column).map_or(&Cell::Null, |place| row.at(place))),
    })
}

/// The tables whose rows a receipt is of.
fn tables(stored: &StoredSubmission) -> impl Iterator<Item = (Table, &[StoredRow])> {
    let of_receipt = Table::ALL.iter().filter(|table| **table != Table::Enforcements);
    of_receipt.map(|table| (*table, stored.rows(*table)))
}

/// `statuses`: of each file, where it is not the one that stands.
fn forms(layout: &Layout, stored: &StoredSubmission, statuses: &[&Earlier]) -> Vec<RowForm> {
    let mut forms = Vec::new();
    for (table, rows) in tables(stored) {
        let Some(of) = Part::Submission.tables().iter().find(|form| form.name == table.name()) else {
            continue;
        };
        let of_file = |n: usize| statuses.get(n).filter(|_| table == Table::Files);
        let status = |n: usize| of_file(n).copied().unwrap_or(&Earlier::AsItStands);
        let numbered = rows.iter().enumerate();
        forms.extend(numbered.map(|(n, row)| form(layout, of, (table, row), status(n))));
    }
    forms
}

fn value(cell: &Cell) -> StoredValue<'_> {
    match cell {
        Cell::Null => StoredValue::Null,
        Cell::Text(text) => StoredValue::Text(text.into()),
        Cell::Int(number) => StoredValue::Int(*number),
        Cell::Real(number) => StoredValue::Real(*number),
        Cell::Double(number) => StoredValue::Double(*number),
        Cell::Decimal(number) => StoredValue::Decimal(number),
        Cell::Bool(is) => StoredValue::Bool(*is),
        Cell::Time(at) => StoredValue::Time(*at),
    }
}

/// Whether as many rows stand as the run wrote; `None` if the number of marks is not known.
fn has_every_row(expected: &Expected, outcome: &Migrated, stored: &StoredSubmission) -> Option<bool> {
    let has = |(table, rows): (Table, &[StoredRow])| match table {
        Table::Files => u32::try_from(rows.len()) == Ok(outcome.files),
        Table::Marks => expected.scores.as_ref().is_ok_and(|scores| rows.len() == scores.len()),
        _ => rows.len() == 1,
    };
    let is_complete = tables(stored).filter(|(table, _)| *table != Table::Marks).all(has);
    match expected.scores {
        _ if !is_complete => Some(false),
        Err(_) => None,
        Ok(_) => Some(has((Table::Marks, &stored.marks))),
    }
}

/// Whether fewer rows stand than the run wrote, as far as the outcome counts them.
fn lacks_rows(outcome: &Migrated, stored: &StoredSubmission) -> bool {
    tables(stored).any(|(table, rows)| {
        let written = match table {
            Table::Files => outcome.files as usize,
            Table::Marks => outcome.marks.map_or(0, usize::from),
            _ => 1,
        };
        rows.len() < written
    })
}

/// When the rows were written that stand.
enum Written {
    /// By the run's commit, all of them.
    Once,
    /// Rows of these tables again, after the run's commit.
    Again(BTreeSet<Table>),
    /// The commit's transaction is not known, or no row names it: as after a restore.
    Unknown,
}

impl Written {
    fn of(receipt: &Receipt, stored: &StoredSubmission) -> Self {
        let Some(own) = receipt.row_transaction() else { return Self::Unknown };
        let rows = || tables(stored).flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
        if rows().all(|(_, row)| row.transaction != own) {
            return Self::Unknown;
        }
        let others = || rows().filter(|(_, row)| row.transaction != own);
        if others().any(|(_, row)| !is_newer(row.transaction, own)) {
            return Self::Unknown;
        }
        let again: BTreeSet<Table> = others().map(|(table, _)| table).collect();
        if again.is_empty() { Self::Once } else { Self::Again(again) }
    }

    fn told(&self) -> String {
        match self {
            Self::Once => "no row that stands was rewritten after the commit".to_owned(),
            Self::Again(tables) => {
                let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
                format!("rewritten after the commit ({})", names.join(", "))
            }
            Self::Unknown => {
                "whether rows were rewritten after the commit is not known: the commit's transaction \
                              is not, or no row names it, as after a restore"
                    .to_owned()
            }
        }
    }
}

fn is_about(difference: &Difference, table: Table) -> bool {
    difference.issue.strip_prefix(table.name()).is_some_and(|rest| !rest.starts_with('_'))
}

/// The columns that other checks found to differ, in rows that were written again, if that is known.
fn what(written: &Written, differences: &[Difference]) -> String {
    let was_written = |difference: &&Difference| match written {
        Written::Again(tables) => tables.iter().any(|table| is_about(difference, *table)),
        Written::Once | Written::Unknown => true,
    };
    let compared = differences.iter().filter(|difference| difference.values.is_some()).filter(was_written);
    let columns: BTreeSet<&str> = compared.filter_map(|one| one.issue.strip_suffix(" differs")).collect();
    if columns.is_empty() {
        return "rows changed: the receipt does not hold".to_owned();
    }
    let verb = if columns.len() == 1 { "differs" } else { "differ" };
    let columns: Vec<&str> = columns.into_iter().collect();
    format!("the receipt does not hold: {} {verb}", columns.join(", "))
}
