//! Orphans: blobs of the run's writers that no row of the target names.

use std::{future::ready, pin::pin, sync::Arc};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use serde::Serialize;

use super::{lock::Quiet, writers::UncleanWriters};
use crate::ports::{BlobInfo, Blobs, Fault, TargetReader};

/// Names that the target is asked about at a time: each time it may have to read a whole table.
const NAMES_AT_A_TIME: usize = 100_000;
/// Blobs deleted between two looks at the lock.
const DELETES_AT_A_TIME: usize = 250;

/// Orphans that were found or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// Number of blobs.
    pub blobs: u64,
    /// Sum of their sizes, bytes.
    pub bytes: u64,
}

impl Orphans {
    /// Counts these too.
    pub fn add(&mut self, found: &[BlobInfo]) {
        self.blobs += found.len() as u64;
        self.bytes += found.iter().map(|blob| blob.size_bytes).sum::<u64>();
    }
}

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

/// Removes what [`orphans`] finds, while the run's lock is held.
pub async fn remove_orphans(
    quiet: &mut Quiet,
    files: &Arc<dyn Blobs>,
    target: &dyn TargetReader,
    writers: &UncleanWriters,
    takes: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Orphans, Fault> {
    let mut removed = Orphans::default();
    let mut found = pin!(orphans(files, target, writers, takes));
    while let Some(batch) = found.try_next().await? {
        for part in batch.chunks(DELETES_AT_A_TIME) {
            let names: Vec<String> = part.iter().map(|blob| blob.name.clone()).collect();
            quiet.still_held().await?;
            files.delete_many(&names).await?;
            removed.add(part);
        }
    }
    Ok(removed)
}

async fn unnamed(target: &dyn TargetReader, blobs: Vec<BlobInfo>) -> Result<Vec<BlobInfo>, Fault> {
    let names: Vec<String> = blobs.iter().map(|blob| blob.name.clone()).collect();
    let kept = target.blob_names_of_writers(&names).await?;
    Ok(blobs.into_iter().filter(|blob| !kept.contains(&blob.name)).collect())
}
