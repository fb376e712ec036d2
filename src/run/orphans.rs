//! Orphans: blobs of the run's writers that no row of the target names.

use std::{future::ready, pin::pin, sync::Arc};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};

use serde::Serialize;

use super::{lock::Quiet, writers::UncleanWriters};
use crate::{
    domain::target_blob,
    ports::{BlobInfo, Blobs, Fault, FaultKind, TargetReader},
};

/// Names that the target is asked about at a time: each time it may have to read a whole table.
const NAMES_AT_A_TIME: usize = 100_000;
/// Blobs deleted between two looks at the lock.
const DELETES_AT_A_TIME: usize = 250;
/// Kept blobs that a summary names.
pub const KEPT_NAMED: usize = 100;

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

/// Those blobs of these writers whose names `takes` lets in and that no row of the target names, in batches; then what is
/// left of blobs that they did not finish.
pub fn orphans<'a>(
    files: &'a Arc<dyn Blobs>,
    target: &'a dyn TargetReader,
    writers: &'a UncleanWriters,
    takes: &'a (dyn Fn(&str) -> bool + Sync),
) -> impl Stream<Item = Result<Vec<BlobInfo>, Fault>> + Send + 'a {
    whole(files, target, writers, takes).chain(unfinished(files, writers, takes))
}

/// What these writers left of blobs that they did not finish: no row can mean it. One look for all writers.
fn unfinished<'a>(
    files: &'a Arc<dyn Blobs>,
    writers: &'a UncleanWriters,
    takes: &'a (dyn Fn(&str) -> bool + Sync),
) -> impl Stream<Item = Result<Vec<BlobInfo>, Fault>> + Send + 'a {
    stream::once(async move {
        let prefixes: Vec<String> = writers.blob_prefixes().collect();
        let mut found = if prefixes.is_empty() { Vec::new() } else { files.unfinished(&prefixes).await? };
        found.retain(|blob| takes(&blob.name));
        Ok(found)
    })
    .try_filter(|found| ready(!found.is_empty()))
}

fn whole<'a>(
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

/// What a sweep removed, and what it could not.
#[derive(Debug, Default)]
pub struct Swept {
    /// Blobs that are gone.
    pub removed: Orphans,
    /// Blobs that an immutability policy or a legal hold keeps.
    pub kept: Kept,
}

/// Orphans that stay until a policy of their container ends: no retry changes that.
#[derive(Debug, Default)]
pub struct Kept {
    /// Number of blobs.
    pub blobs: u64,
    /// The first of them, at most [`KEPT_NAMED`], without the files' own names.
    pub named: Vec<String>,
    /// The service's words for one of them.
    pub fault: Option<Fault>,
}

impl Kept {
    fn add(&mut self, part: &[BlobInfo], fault: Option<Fault>) {
        self.blobs += part.len() as u64;
        let room = KEPT_NAMED.saturating_sub(self.named.len());
        self.named.extend(part.iter().take(room).map(|blob| target_blob(&blob.name)));
        self.fault = fault.or(self.fault.take());
    }
}

/// Removes what [`orphans`] finds, while the run's lock is held; the fault if a policy keeps any.
pub async fn remove_orphans(
    quiet: &mut Quiet,
    files: &Arc<dyn Blobs>,
    target: &dyn TargetReader,
    writers: &UncleanWriters,
    takes: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Orphans, Fault> {
    let Swept { removed, kept } = sweep_orphans(quiet, files, target, writers, takes).await?;
    kept.fault.map_or(Ok(removed), Err)
}

/// Removes what [`orphans`] finds, while the run's lock is held, but for what a policy keeps.
pub async fn sweep_orphans(
    quiet: &mut Quiet,
    files: &Arc<dyn Blobs>,
    target: &dyn TargetReader,
    writers: &UncleanWriters,
    takes: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Swept, Fault> {
    let mut swept = Swept::default();
    let mut keeps_all = false;
    let mut found = pin!(whole(files, target, writers, takes));
    while let Some(batch) = found.try_next().await? {
        for part in batch.chunks(DELETES_AT_A_TIME) {
            if keeps_all {
                swept.kept.add(part, None);
                continue;
            }
            quiet.still_held().await?;
            let names = names(part);
            match files.delete_many(&names).await {
                Ok(()) => swept.removed.add(part),
                Err(kept) if kept.kind == FaultKind::Immutable => {
                    keeps_all = one_by_one(files, part, &mut swept).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    let mut left = pin!(unfinished(files, writers, takes));
    while let Some(part) = left.try_next().await? {
        quiet.still_held().await?;
        let names = names(&part);
        files.delete_unfinished(&names).await?;
        swept.removed.add(&part);
    }
    Ok(swept)
}

/// A legal hold or a policy of versions keeps single blobs, a policy of the container all of them. Whether all of these are kept.
async fn one_by_one(files: &Arc<dyn Blobs>, part: &[BlobInfo], swept: &mut Swept) -> Result<bool, Fault> {
    let before = swept.kept.blobs;
    for blob in part {
        let one = std::slice::from_ref(blob);
        match files.delete_many(std::slice::from_ref(&blob.name)).await {
            Ok(()) => swept.removed.add(one),
            Err(kept) if kept.kind == FaultKind::Immutable => swept.kept.add(one, Some(kept)),
            Err(fault) => return Err(fault),
        }
    }
    Ok(swept.kept.blobs - before == part.len() as u64)
}

async fn unnamed(target: &dyn TargetReader, blobs: Vec<BlobInfo>) -> Result<Vec<BlobInfo>, Fault> {
    let names = names(&blobs);
    let kept = target.blob_names_of_writers(&names).await?;
    Ok(blobs.into_iter().filter(|blob| !kept.contains(&blob.name)).collect())
}

fn names(blobs: &[BlobInfo]) -> Vec<String> {
    blobs.iter().map(|blob| blob.name.clone()).collect()
}
