//! Images of enforcement rows that the run did not write, as they were before its first change of each.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{RunStore, names};
use crate::ports::Fault;

/// Images that are read at a time.
const READS: usize = 16;

/// Every image by the row's id.
pub async fn images(store: &RunStore) -> Result<HashMap<String, Value>, Fault> {
    let found = store.list(names::ENFORCEMENT_IMAGES).await?;
    stream::iter(found)
        .map(|name| async move {
            let id = name.strip_prefix(names::ENFORCEMENT_IMAGES).and_then(|name| name.strip_suffix(".json"));
            let image: Option<Value> = store.read(&name).await?;
            Ok(id.map(str::to_owned).zip(image))
        })
        .buffer_unordered(READS)
        .try_filter_map(|image| async { Ok(image) })
        .try_collect()
        .await
}
