//! Images of enforcement rows that the run did not write, as they were before it changed them. The newest image of a row
//! counts: an earlier one is of a change that was not committed, after which the application changed the row itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{RunStore, names, purged};
use crate::ports::{Fault, FaultKind};

/// Images that are read at a time.
const READS: usize = 16;

/// Keeps the image, create-only, unless the row's newest one is equal. To be called while the row is locked against the
/// application and every other process of the run.
pub async fn keep(store: &RunStore, id: &str, image: &Value) -> Result<(), Fault> {
    loop {
        let newest = numbers(store, id).await?.last().copied();
        if let Some(newest) = newest {
            let kept: Option<Value> = store.read(&names::enforcement_image(id, newest)).await?;
            if kept.as_ref() == Some(image) {
                return Ok(());
            }
        }
        let next = newest.map_or(0, |newest| newest + 1);
        match store.create(&names::enforcement_image(id, next), image).await {
            // A put of a process that was cut off has arrived since.
            Err(fault) if fault.kind == FaultKind::Exists => {}
            kept => return kept,
        }
    }
}

/// Numbers of the row's images, ascending.
async fn numbers(store: &RunStore, id: &str) -> Result<BTreeSet<u32>, Fault> {
    let found = store.list(&names::enforcement_image(id, 0)).await?;
    Ok(found
        .iter()
        .filter_map(|name| parts(name))
        .filter(|(of, _)| of == id)
        .map(|(_, number)| number)
        .collect())
}

/// Ids of the rows that have an image, or had one until a purge.
pub async fn ids(store: &RunStore) -> Result<BTreeSet<String>, Fault> {
    let mut ids = purged::images(store).await?;
    ids.extend(store.list(names::ENFORCEMENT_IMAGES).await?.iter().filter_map(|name| id_of(name)));
    Ok(ids)
}

/// The newest image of each row by its id.
pub async fn images(store: &RunStore) -> Result<HashMap<String, Value>, Fault> {
    let mut newest: BTreeMap<String, (u32, Value)> = BTreeMap::new();
    for (name, image) in all(store).await? {
        let Some((id, number)) = parts(&name) else { continue };
        if newest.get(&id).is_none_or(|(other, _)| *other < number) {
            newest.insert(id, (number, image));
        }
    }
    Ok(newest.into_iter().map(|(id, (_, image))| (id, image)).collect())
}

/// Every image by its document's name.
pub(super) async fn all(store: &RunStore) -> Result<Vec<(String, Value)>, Fault> {
    let found = store.list(names::ENFORCEMENT_IMAGES).await?;
    stream::iter(found)
        .map(|name| async move {
            let image: Option<Value> = store.read(&name).await?;
            Ok(image.map(|image| (name, image)))
        })
        .buffer_unordered(READS)
        .try_filter_map(|image| async { Ok(image) })
        .try_collect()
        .await
}

/// The id in the name of an image.
pub(super) fn id_of(name: &str) -> Option<String> {
    parts(name).map(|(id, _)| id)
}

/// Id and number in the name of an image.
fn parts(name: &str) -> Option<(String, u32)> {
    let (id, number) = name.strip_prefix(names::ENFORCEMENT_IMAGES)?.rsplit_once(".json")?;
    let number = match number.strip_prefix('.') {
        None => number.is_empty().then_some(0),
        Some(number) => number.parse().ok(),
    };
    Some((id.to_owned(), number?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_image_holds_its_rows_id_and_its_number() {
        for (id, number) in [("a", 0), ("a", 1), ("a.2", 12), ("b.json", 0), ("b.json", 3)] {
            assert_eq!(parts(&names::enforcement_image(id, number)), Some((id.to_owned(), number)));
        }
        for other in ["enforcements/a", "enforcements/a.json.x", "enforcements/a.jsonx", "queues/a.json"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
