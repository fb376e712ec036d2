//! The blobs of this run's writers, as the target container lists them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    domain::FileKind,
    exit::{Exit, Stop},
    ports::{BlobInfo, Blobs, Fault, FaultKind, Link, StoredTarget, Table},
    run::{
        WriterId,
        lines::{Buckets, SpooledBuckets},
        source_files::NameKey,
        writers::{UncleanWriters, of_blob},
    },
};

/// Prefixes that are listed at a time.
const AT_A_TIME: usize = 4;

/// Names of a page, as many as the service gives at most.
const PAGE: u64 = 5_000;

/// Every blob below the prefixes of the run's writers, on disk.
pub struct ListedTarget {
    /// [`BlobInfo`]s, by [`NameKey`].
    blobs: SpooledBuckets,
    /// Number of blobs.
    pub count: u64,
    /// Requests that listed them.
    pub requests: u64,
}

/// What became of a listing.
enum Listing {
    Done(ListedTarget),
    /// It was given up after so many requests.
    TooLong(u64),
    /// Why the container may not be listed.
    Refused(String),
}

/// Lists what the writers of the run may have written, `files` files or so; why not, if that is refused. Below each writer a service
/// takes requests, so that of many writers the whole folders are listed, unless that turns out to be longer, or is refused: other
/// files lie there too. A folder gives all files below a prefix at once: it is only asked for those of the writers.
pub async fn list_target(
    target: &Arc<dyn Blobs>,
    writers: &BTreeSet<WriterId>,
    files: u64,
    buckets: usize,
) -> Result<Result<ListedTarget, String>, Stop> {
    let prefixes: Vec<String> = UncleanWriters::all(writers).blob_prefixes().collect();
    let folders = FileKind::ALL.map(|kind| format!("{}/", kind.folder()));
    let (most, mut given_up) = (prefixes.len() as u64, 0);
    if !target.is_folder() && most > folders.len() as u64 + files / PAGE {
        match list(target, folders.into(), most, (writers, buckets)).await? {
            Listing::Done(listed) => return Ok(Ok(listed)),
            Listing::Refused(_) => {}
            Listing::TooLong(requests) => given_up = requests,
        }
    }
    match list(target, prefixes, u64::MAX, (writers, buckets)).await? {
        Listing::Done(listed) => Ok(Ok(ListedTarget { requests: listed.requests + given_up, ..listed })),
        Listing::Refused(why) => Ok(Err(why)),
        Listing::TooLong(_) => Err(Stop::new(Exit::Bug, "a listing without a limit was given up")),
    }
}

/// Lists these prefixes, and keeps the blobs of these writers. A container that is gone holds nothing; of a folder that is gone
/// nothing is known, for it may not be mounted.
async fn list(
    target: &Arc<dyn Blobs>,
    prefixes: Vec<String>,
    most: u64,
    (writers, buckets): (&BTreeSet<WriterId>, usize),
) -> Result<Listing, Stop> {
    let mut dealt = Buckets::new(buckets)?;
    let (mut count, mut requests) = (0, 0);
    let in_folder = target.is_folder();
    let mut pages =
        stream::iter(prefixes).map(|prefix| target.list_in_full(&prefix)).flatten_unordered(AT_A_TIME);
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(fault) if fault.kind == FaultKind::ContainerGone && !in_folder => {
                tracing::warn!(place = target.location(), "the target container is not there");
                continue;
            }
            Err(fault) if fault.kind.is_refusal() => {
                let why = format!("{} may not be listed: {}", target.location(), fault.chain());
                return Ok(Listing::Refused(why));
            }
            Err(fault) => return Err(fault.into()),
        };
        requests += 1;
        if requests > most {
            return Ok(Listing::TooLong(requests));
        }
        for blob in page {
            if of_blob(&blob.name).is_some_and(|writer| writers.contains(&writer)) {
                count += 1;
                dealt.push(NameKey::of(0, &blob.name, in_folder).bucket(buckets), &blob)?;
            }
        }
    }
    Ok(Listing::Done(ListedTarget { blobs: dealt.finish()?, count, requests }))
}

/// Empties a scratch prefix; a folder that was never made holds nothing.
pub async fn clear(scratch: &dyn Blobs) -> Result<(), Fault> {
    let names: Vec<String> = match scratch.list("").map_ok(|blob| blob.name).try_collect().await {
        Err(Fault { kind: FaultKind::ContainerGone, .. }) => return Ok(()),
        listed => listed?,
    };
    scratch.delete_many(&names).await
}

/// The names of all blobs that file rows of the target name with a writer of this run, on disk.
pub async fn named_blobs(
    target: &dyn StoredTarget,
    writers: &BTreeSet<WriterId>,
    in_folder: bool,
    buckets: usize,
) -> Result<SpooledBuckets, Stop> {
    let mut dealt = Buckets::new(buckets)?;
    let mut failed = None;
    let mut each = |links: Vec<Link>| {
        for name in links.into_iter().filter_map(|link| link.blob) {
            if of_blob(&name).is_some_and(|writer| writers.contains(&writer)) {
                let bucket = NameKey::of(0, &name, in_folder).bucket(buckets);
                failed = failed.take().or(dealt.push(bucket, &name).err());
            }
        }
    };
    target.links(Table::Files, &mut each).await?;
    match failed {
        Some(fault) => Err(fault.into()),
        None => Ok(dealt.finish()?),
    }
}

impl ListedTarget {
    /// The blobs of a bucket.
    pub fn of(&self, bucket: usize, in_folder: bool) -> Result<HashMap<NameKey, BlobInfo>, Fault> {
        let mut found = HashMap::new();
        self.blobs.read(bucket, |blob: BlobInfo| {
            found.insert(NameKey::of(0, &blob.name, in_folder), blob);
            Ok(())
        })?;
        Ok(found)
    }

    /// The blobs of a bucket that none of `named` names.
    pub fn surplus(
        &self,
        named: &SpooledBuckets,
        bucket: usize,
        in_folder: bool,
    ) -> Result<Vec<BlobInfo>, Fault> {
        let mut known: HashSet<NameKey> = HashSet::new();
        named.read(bucket, |name: String| {
            known.insert(NameKey::of(0, &name, in_folder));
            Ok(())
        })?;
        let mut surplus = Vec::new();
        self.blobs.read(bucket, |blob: BlobInfo| {
            if !known.contains(&NameKey::of(0, &blob.name, in_folder)) {
                surplus.push(blob);
            }
            Ok(())
        })?;
        Ok(surplus)
    }

    /// The names in a bucket of `named` under which there is no blob.
    pub fn missing(
        &self,
        named: &SpooledBuckets,
        bucket: usize,
        in_folder: bool,
    ) -> Result<Vec<String>, Fault> {
        let blobs = self.of(bucket, in_folder)?;
        let mut missing = Vec::new();
        named.read(bucket, |name: String| {
            if !blobs.contains_key(&NameKey::of(0, &name, in_folder)) {
                missing.push(name);
            }
            Ok(())
        })?;
        Ok(missing)
    }
}
