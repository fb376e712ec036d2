//! Which stored rows belong to a row: looked up by derived ids and launch ids, since no index leads on submissions.

use std::collections::{BTreeMap, HashMap};

use super::{Item, World};
use crate::{
    domain::{Fate, Migrated, ReceiptFrom, SubmissionIds},
    exit::Stop,
    ports::{Lookup, Table},
    verify::{
        expect::{Expected, files::expected_files_listed},
        rows::StoredSubmission,
    },
};

/// A receipt of rows as they were read holds so many rows of a table at most.
const MOST_ROWS: usize = 1_000;

/// The stored rows of each item, in the order of the items.
pub async fn stored(
    world: &World<'_>,
    prepared: &[(Item, Option<Expected>)],
) -> Result<Vec<StoredSubmission>, Stop> {
    let mut all: Vec<StoredSubmission> = prepared.iter().map(|_| StoredSubmission::default()).collect();
    let mut asked: BTreeMap<Table, Vec<(String, usize)>> = BTreeMap::new();
    let sections = world.ground.catalogue.sections.values().map(Vec::len).max().unwrap_or(MOST_ROWS);
    for (place, (item, expected)) in prepared.iter().enumerate() {
        let Some(attempt) = item.attempt else { continue };
        let ids = SubmissionIds::new(&world.ground.settings.lms_instance, attempt);
        let mut ask = |table: Table, value: String| asked.entry(table).or_default().push((value, place));
        let submission = ids.row(Table::Submissions.name(), 1);
        ask(Table::LaunchSessions, ids.launch_id());
        let files = files_of(item, expected.as_ref());
        for n in 1..=files {
            ask(Table::Files, ids.row(Table::Files.name(), n));
        }
        if let Some(expected) = expected {
            ask(Table::SessionRecords, ids.launch_id());
            ask(Table::Assignments, ids.row(Table::Assignments.name(), 1));
            for n in 1..=marks_of(item, expected, sections) {
                ask(Table::Marks, ids.row(Table::Marks.name(), n));
            }
            ask(Table::Grades, submission.clone());
        }
        ask(Table::Submissions, submission);
    }
    asked.retain(|table, _| !world.ground.unreadable.contains(table));
    let lookups: Vec<Lookup> = asked
        .iter()
        .map(|(table, values)| Lookup {
            table: *table,
            key: key(*table),
            values: values.iter().map(|(value, _)| value.clone()).collect(),
        })
        .collect();
    let found = world.target.rows(&lookups).await?;
    for ((table, values), rows) in asked.iter().zip(found) {
        let places: HashMap<&str, usize> =
            values.iter().map(|(value, place)| (value.as_str(), *place)).collect();
        let key = table.place(key(*table)).unwrap_or_default();
        for row in rows {
            let place = row.text(key).and_then(|value| places.get(value).copied());
            if let Some(one) = place.and_then(|place| all.get_mut(place)).and_then(|one| one.rows_mut(*table))
            {
                one.push(row);
            }
        }
    }
    Ok(all)
}

/// The unique column by which a table is looked up.
fn key(table: Table) -> &'static str {
    match table {
        Table::LaunchSessions | Table::SessionRecords => "launch_id",
        Table::Grades => "submission_id",
        Table::Submissions | Table::Files | Table::Assignments | Table::Marks | Table::Enforcements => "id",
    }
}

/// How many files may stand under the item's ids.
fn files_of(item: &Item, expected: Option<&Expected>) -> usize {
    let listed = match (expected.and_then(|expected| expected.files.as_ref()), &item.cells) {
        (Some(files), _) => files.len(),
        (None, Some(cells)) => expected_files_listed(cells),
        (None, None) => 1,
    };
    let recorded = match &item.outcome.fate {
        Fate::Migrated(Migrated { files, file_receipts, .. }) => {
            file_receipts.len().max(usize::try_from(*files).unwrap_or_default())
        }
        Fate::Failed { .. } | Fate::Skipped { .. } => 0,
    };
    if is_as_read(item) { MOST_ROWS } else { listed.max(recorded) }
}

/// How many marks may stand under the item's ids. If the warehouse is not what it was, it cannot say how many the run
/// wrote: one for each section at most.
fn marks_of(item: &Item, expected: &Expected, sections: usize) -> usize {
    let scores = expected.scores.as_ref().map_or(0, Vec::len);
    match item.source {
        _ if is_as_read(item) => MOST_ROWS,
        Ok(true) => scores,
        Ok(false) | Err(_) => scores.max(sections),
    }
}

/// Whether the receipt is of all rows that stood under the item's ids when they were read.
fn is_as_read(item: &Item) -> bool {
    let Fate::Migrated(Migrated { receipt: Some(receipt), .. }) = &item.outcome.fate else { return false };
    receipt.from == ReceiptFrom::Stored
}
