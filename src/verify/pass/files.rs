//! The files of the rows of a range: read apart from the rows' other checks, so that any process can look at the files of any
//! range.

use std::collections::BTreeMap;

use super::{Item, ROWS_AT_A_TIME, World, chunk::is_to_stand, items};
use crate::{
    domain::{Fate, MappingState, Migrated},
    exit::Stop,
    ports::{Lookup, StoredRow, Table},
    run::RowSet,
    verify::{
        blobs::wanted::{Wanting, most_files, wanted},
        expect::{Expected, expect},
    },
};

/// Keeps the files of every row that has to stand, or of those of `only`.
pub async fn collect_files(
    world: &World<'_>,
    only: Option<&RowSet>,
    wanting: &mut Wanting,
) -> Result<(), Stop> {
    let mut rows = match world.inputs {
        Some((inputs, _)) => Some(inputs.submissions().await?),
        None => None,
    };
    for bucket in 0..world.outcomes.buckets() {
        let (first, last) = world.outcomes.range(bucket);
        if only.is_some_and(|only| !(first..=last).any(|row| only.contains(row))) {
            continue;
        }
        let mut items = items(world, bucket, rows.as_mut(), only).await?;
        items.retain(|item| is_to_stand(world, item));
        for chunk in items.chunks(ROWS_AT_A_TIME) {
            of_chunk(world, chunk, wanting).await?;
        }
    }
    Ok(())
}

async fn of_chunk(world: &World<'_>, items: &[Item], wanting: &mut Wanting) -> Result<(), Stop> {
    let expected: Vec<(&Item, &Migrated, Expected)> =
        items.iter().filter_map(|item| expected(world, item)).collect();
    let ids = expected.iter().flat_map(|(_, outcome, expected)| {
        (1..=most_files(expected, outcome)).map(|n| expected.ids.row(Table::Files.name(), n))
    });
    let lookup = Lookup { table: Table::Files, key: "id", values: ids.collect() };
    let found = world.target.rows(&[lookup]).await?.into_iter().flatten();
    let by_id: BTreeMap<String, StoredRow> = found.map(|row| (row.id().to_owned(), row)).collect();
    for (item, outcome, expected) in &expected {
        for file in wanted(item.number, expected, outcome, |id| by_id.get(id)) {
            wanting.push(&file)?;
        }
    }
    Ok(())
}

/// What is expected of a row, without the warehouse, which says nothing of files.
fn expected<'i>(world: &World<'_>, item: &'i Item) -> Option<(&'i Item, &'i Migrated, Expected)> {
    let (Some(attempt), Fate::Migrated(outcome)) = (item.attempt, &item.outcome.fate) else { return None };
    let row = item.cells.as_ref().map(|cells| (cells, &MappingState::Missing));
    Some((item, outcome, expect(attempt, row, None, world.ground.settings)))
}
