//! Images of enforcement rows that the run did not write, as they were before its first change of each.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{RunStore, names, purged};
use crate::ports::Fault;

/// Images that are read at a time.
const READS: usize = 16;

/// Ids of the rows that have an image, or had one until a purge.
pub async fn ids(store: &RunStore) -> Result<BTreeSet<String>, Fault> {
    let mut ids = purged::images(store).await?;
    ids.extend(store.list(names::ENFORCEMENT_IMAGES).await?.iter().filter_map(|name| id_of(name)));
    Ok(ids)
}

/// Every image by the row's id.
pub async fn images(store: &RunStore) -> Result<HashMap<String, Value>, Fault> {
    let found = store.list(names::ENFORCEMENT_IMAGES).await?;
    stream::iter(found)
        .map(|name| async move {
            let image: Option<Value> = store.read(&name).await?;
            Ok(id_of(&name).zip(image))
        })
        .buffer_unordered(READS)
        .try_filter_map(|image| async { Ok(image) })
        .try_collect()
        .await
}

/// The id in the name of an image.
pub(super) fn id_of(name: &str) -> Option<String> {
    Some(name.strip_prefix(names::ENFORCEMENT_IMAGES)?.strip_suffix(".json")?.to_owned())
}
