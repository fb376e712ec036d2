//! Which stored rows belong to a row: looked up by derived ids, since no index leads on submissions. A row that stands under
//! its own id and names another submission is found so, and only that column differs.

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
/// Marks of a failed row that are looked up at most, if no section can be read.
const MOST_OF_FAILED: usize = 50;
/// What is looked up of a row that was skipped.
const OF_A_SKIP: &[Table] = &[Table::LaunchSessions, Table::Submissions, Table::Files];
/// The tables of a submission.
pub const OF_A_SUBMISSION: &[Table] = &[
    Table::LaunchSessions,
    Table::SessionRecords,
    Table::Submissions,
    Table::Files,
    Table::Assignments,
    Table::Marks,
    Table::Grades,
];
/// The tables with another unique column: by it a row is found that stands under another id.
const BY_ANOTHER_KEY: [(Table, &str); 3] = [
    (Table::LaunchSessions, "launch_id"),
    (Table::SessionRecords, "launch_id"),
    (Table::Grades, "submission_id"),
];

/// Values that are looked up in a table's column, each with the place of its item.
type Asked = BTreeMap<(Table, &'static str), Vec<(String, usize)>>;

/// The stored rows of each item, in the order of the items.
pub async fn stored(
    world: &World<'_>,
    prepared: &[(Item, Option<Expected>)],
) -> Result<Vec<StoredSubmission>, Stop> {
    let mut all: Vec<StoredSubmission> = prepared.iter().map(|_| StoredSubmission::default()).collect();
    let sections = world.ground.catalogue.sections.values().map(Vec::len).max().unwrap_or(MOST_ROWS);
    let mut asked = Asked::new();
    for (place, (item, expected)) in prepared.iter().enumerate() {
        let Some(ids) = ids(world, item) else { continue };
        for table in tables(item, expected.as_ref()) {
            let rows = match table {
                Table::Files => files_of(item, expected.as_ref()),
                Table::Marks => marks_of(item, expected.as_ref(), sections),
                _ => 1,
            };
            let values = (1..=rows).map(|n| (ids.row(table.name(), n), place));
            asked.entry((*table, "id")).or_default().extend(values);
        }
    }
    fetch(world, asked, &mut all).await?;
    let mut asked = Asked::new();
    for (place, ((item, expected), found)) in prepared.iter().zip(&all).enumerate() {
        let Some(ids) = ids(world, item) else { continue };
        let tables = tables(item, expected.as_ref());
        for (table, key) in BY_ANOTHER_KEY {
            if tables.contains(&table) && found.rows(table).is_empty() {
                let value = match table {
                    Table::Grades => ids.row(Table::Submissions.name(), 1),
                    _ => ids.launch_id(),
                };
                asked.entry((table, key)).or_default().push((value, place));
            }
        }
    }
    fetch(world, asked, &mut all).await?;
    Ok(all)
}

fn ids(world: &World<'_>, item: &Item) -> Option<SubmissionIds> {
    item.attempt.map(|attempt| SubmissionIds::new(&world.ground.settings.lms_instance, attempt))
}

/// The tables in which rows of the item may stand.
fn tables(item: &Item, expected: Option<&Expected>) -> &'static [Table] {
    match item.outcome.fate {
        Fate::Failed { .. } => OF_A_SUBMISSION,
        Fate::Migrated(_) if expected.is_some() => OF_A_SUBMISSION,
        Fate::Migrated(_) | Fate::Skipped { .. } => OF_A_SKIP,
    }
}

/// Looks the values up, and gives each row that is found to its item.
async fn fetch(world: &World<'_>, mut asked: Asked, all: &mut [StoredSubmission]) -> Result<(), Stop> {
    asked.retain(|(table, _), _| !world.ground.unreadable.contains(table));
    if asked.is_empty() {
        return Ok(());
    }
    let values = |values: &[(String, usize)]| values.iter().map(|(value, _)| value.clone()).collect();
    let lookups: Vec<Lookup> =
        asked.iter().map(|((table, key), of)| Lookup { table: *table, key, values: values(of) }).collect();
    let found = world.target.rows(&lookups).await?;
    for (((table, key), values), rows) in asked.iter().zip(found) {
        let places: HashMap<&str, usize> =
            values.iter().map(|(value, place)| (value.as_str(), *place)).collect();
        let key = table.place(key).unwrap_or_default();
        for row in rows {
            let place = row.text(key).and_then(|value| places.get(value).copied());
            if let Some(one) = place.and_then(|place| all.get_mut(place)).and_then(|one| one.rows_mut(*table))
            {
                one.push(row);
            }
        }
    }
    Ok(())
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
        // Of a row whose cells name no file, one may stand all the same.
        Fate::Failed { .. } => 1,
        Fate::Skipped { .. } => 0,
    };
    if is_as_read(item) { MOST_ROWS } else { listed.max(recorded) }
}

/// How many marks may stand under the item's ids. If the warehouse is not what it was, or the row failed, it cannot say how
/// many the run wrote: one for each section at most.
fn marks_of(item: &Item, expected: Option<&Expected>, sections: usize) -> usize {
    let Some(expected) = expected else { return sections.min(MOST_OF_FAILED) };
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
