//! Orphans: blobs of the run's writers that no row of the target names.

use std::{collections::HashSet, future::ready, sync::Arc};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use super::writers::UncleanWriters;
use crate::ports::{BlobInfo, Blobs, Fault, TargetReader, stored_form};

/// Names that the target is asked about at a time: each time it may have to read a whole table.
const NAMES_AT_A_TIME: usize = 100_000;

/// Those blobs of these writers whose names `takes` lets in and that no row of the target names, in batches.
pub fn orphans<'a>(
    files: &'a Arc<dyn Blobs>,
    target: &'a dyn TargetReader,
    writers: &'a UncleanWriters,
    takes: &'a (dyn Fn(&str) -> bool + Sync),
) -> impl Stream<Item = Result<Vec<BlobInfo>, Fault>> + Send + 'a {
    stream::iter(writers.blob_prefixes())
        .flat_map(|prefix| files.list(&prefix))
        .try_filter(|blob| ready(takes(&blob.name)))
        .try_chunks(NAMES_AT_A_TIME)
        .map_err(|TryChunksError(_, fault)| fault)
        .and_then(move |blobs| unnamed(target, blobs))
}

async fn unnamed(target: &dyn TargetReader, blobs: Vec<BlobInfo>) -> Result<Vec<BlobInfo>, Fault> {
    let names: Vec<String> = blobs.iter().map(|blob| blob.name.clone()).collect();
    let kept = target.blob_names_of_writers(&names).await?;
    let kept: HashSet<_> = kept.iter().map(|name| stored_form(name)).collect();
    Ok(blobs.into_iter().filter(|blob| !kept.contains(&stored_form(&blob.name))).collect())
}
