//! The sweep: blobs that killed processes left behind and no row of the target names.
//!
//! Only blobs under the folders of this run's writers are looked at, and only of writers that did not end in
//! order; they are removed only when the writer is retired and while the run's lock is held.

use std::{
    collections::{BTreeSet, HashSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, TryChunksError},
};
use serde::Serialize;

use crate::{
    domain::Fate,
    exit::{Exit, Stop},
    ports::{BlobInfo, Blobs, ExclusiveFence, Fault, FaultKind, Fence, Service, Target, stored_form},
    run::{RunStore, WriterId, names, segments::segments, writers::blob_prefixes},
};

/// Names that the target is asked about at a time.
const NAMES_AT_A_TIME: usize = 1_000;
/// Blobs deleted between two looks at the lock.
const DELETES_AT_A_TIME: usize = 250;
/// Retired marks being written at a time.
const MARKS_AT_A_TIME: usize = 16;

/// Orphans that were found or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// How many blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Orphans {
    fn add(&mut self, found: &[BlobInfo]) {
        self.blobs += found.len() as u64;
        self.bytes += found.iter().map(|blob| blob.size_bytes).sum::<u64>();
    }
}

/// The ids of writers that did not end in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UncleanWriters(BTreeSet<WriterId>);

/// Takes the run's lock exclusively, saying who still holds it.
pub async fn take(fence: &dyn Fence, deadline: Duration) -> Result<Box<dyn ExclusiveFence>, Fault> {
    let mut waiting = |holders: &[String]| {
        tracing::info!(holders = holders.join(", "), "waiting: processes of this run still hold its lock");
    };
    fence.exclusive(deadline, &mut waiting).await
}

/// Marks every registered writer as retired: with the lock held, none of them writes ever again.
/// Returns those whose blobs have to be looked at.
pub async fn retire(store: &RunStore) -> Result<UncleanWriters, Fault> {
    /// The mark is its name; this is for people.
    #[derive(Serialize)]
    struct Retired {
        by: &'static str,
    }
    let (registered, unclean) = registered(store).await?;
    let retired: HashSet<String> = store.list("retired/").await?.into_iter().collect();
    let due: Vec<String> =
        registered.iter().map(names::retired).filter(|mark| !retired.contains(mark)).collect();
    stream::iter(due.into_iter().map(Ok))
        .try_for_each_concurrent(MARKS_AT_A_TIME, |mark| async move {
            match store.create(&mark, &Retired { by: "finalize" }).await {
                Err(fault) if fault.kind != FaultKind::Exists => Err(fault),
                _ => Ok(()),
            }
        })
        .await?;
    Ok(unclean)
}

/// Refuses where submissions that the run recorded as migrated (launch ids, at most 1,000) are not in the target.
pub async fn same_database(target: &dyn Target, launch_ids: &[String]) -> Result<(), Stop> {
    if launch_ids.is_empty() {
        return Ok(());
    }
    let held: HashSet<String> =
        target.held(launch_ids).await?.into_iter().map(|submission| submission.launch_id).collect();
    let Some(absent) = launch_ids.iter().find(|id| !held.contains(*id)) else { return Ok(()) };
    let what = format!(
        "{} of {} submissions that this run recorded as migrated are not in the target database (for example {absent}): \
         it is another database, or was restored to an earlier day; nothing was deleted; check DATABASE_URL",
        launch_ids.iter().filter(|id| !held.contains(*id)).count(),
        launch_ids.len(),
    );
    Err(Stop::new(Exit::Configuration, what))
}

/// Removes the orphans of retired writers.
pub async fn remove(
    fence: &mut dyn ExclusiveFence,
    files: &Arc<dyn Blobs>,
    target: &dyn Target,
    writers: &UncleanWriters,
) -> Result<Orphans, Fault> {
    let mut removed = Orphans::default();
    let mut found = pin!(orphans(files, target, writers));
    while let Some(batch) = found.try_next().await? {
        for part in batch.chunks(DELETES_AT_A_TIME) {
            let names: Vec<String> = part.iter().map(|blob| blob.name.clone()).collect();
            fence.still_held().await?;
            files.delete_many(&names).await?;
            removed.add(part);
        }
    }
    Ok(removed)
}

/// The command `orphans --delete`: the sweep by hand.
pub async fn delete_orphans(
    store: &RunStore,
    fence: &dyn Fence,
    deadline: Duration,
    files: &Arc<dyn Blobs>,
    target: &dyn Target,
) -> Result<Orphans, Stop> {
    let mut fence = take(fence, deadline).await?;
    let writers = retire(store).await?;
    same_database(target, &migrated_sample(store).await?).await?;
    let removed = remove(fence.as_mut(), files, target, &writers).await?;
    fence.release().await?;
    Ok(removed)
}

/// The command `orphans`: hands every orphan to `each` and changes nothing. Under the lock, so that no file
/// is listed that is about to be committed.
pub async fn list_orphans(
    store: &RunStore,
    fence: &dyn Fence,
    deadline: Duration,
    files: &Arc<dyn Blobs>,
    target: &dyn Target,
    each: &mut (dyn FnMut(&BlobInfo) + Send),
) -> Result<Orphans, Stop> {
    let fence = take(fence, deadline).await?;
    let (_, writers) = registered(store).await?;
    same_database(target, &migrated_sample(store).await?).await?;
    let mut listed = Orphans::default();
    {
        let mut found = pin!(orphans(files, target, &writers));
        while let Some(batch) = found.try_next().await? {
            batch.iter().for_each(&mut *each);
            listed.add(&batch);
        }
    }
    fence.release().await?;
    Ok(listed)
}

/// Launch ids that the run recorded as migrated, the first 1,000 of them.
async fn migrated_sample(store: &RunStore) -> Result<Vec<String>, Fault> {
    let mut launch_ids = Vec::new();
    let mut found = segments(store, "segments/");
    while let Some(segment) = found.try_next().await? {
        for read in segment.outcomes() {
            let (outcome, _) = read?;
            if let Fate::Migrated(migrated) = outcome.fate {
                launch_ids.push(migrated.launch_id);
            }
            if launch_ids.len() == NAMES_AT_A_TIME {
                return Ok(launch_ids);
            }
        }
    }
    Ok(launch_ids)
}

/// All registered writers, and those among them that did not end in order.
async fn registered(store: &RunStore) -> Result<(BTreeSet<WriterId>, UncleanWriters), Fault> {
    let mut all = BTreeSet::new();
    let mut clean = BTreeSet::new();
    for name in store.list("writers/").await? {
        let file = name.strip_prefix("writers/").unwrap_or(&name);
        let (id, set) = match file.rsplit_once('.') {
            Some((id, "json")) => (id.parse::<WriterId>(), &mut all),
            Some((id, "clean")) => (id.parse(), &mut clean),
            _ => (file.parse(), &mut all),
        };
        // The id becomes a prefix under which blobs are deleted: nothing but an id may pass.
        let id = id.map_err(|_| {
            let what = format!(
                "{} is no writer that this program registers. Nothing was deleted; find out what wrote it, and leave \
                 every other document of the run as it is",
                store.describe(&name)
            );
            Fault::new(Service::RunStore, FaultKind::Corrupt, what)
        })?;
        set.insert(id);
    }
    let unclean = UncleanWriters(all.difference(&clean).cloned().collect());
    Ok((all, unclean))
}

/// Blobs of these writers that no row of the target names, in batches.
fn orphans<'a>(
    files: &'a Arc<dyn Blobs>,
    target: &'a dyn Target,
    writers: &'a UncleanWriters,
) -> impl Stream<Item = Result<Vec<BlobInfo>, Fault>> + Send + 'a {
    let prefixes = writers.0.iter().flat_map(blob_prefixes);
    stream::iter(prefixes)
        .flat_map(|prefix| files.list(&prefix))
        .try_chunks(NAMES_AT_A_TIME)
        .map_err(|TryChunksError(_, fault)| fault)
        .and_then(move |blobs| unnamed(target, blobs))
}

async fn unnamed(target: &dyn Target, blobs: Vec<BlobInfo>) -> Result<Vec<BlobInfo>, Fault> {
    let names: Vec<String> = blobs.iter().map(|blob| blob.name.clone()).collect();
    let kept = target.blob_names_of_writers(&names).await?;
    let kept: HashSet<_> = kept.iter().map(|name| stored_form(name)).collect();
    Ok(blobs.into_iter().filter(|blob| !kept.contains(&stored_form(&blob.name))).collect())
}
