//! What listings of the sources tell of the rows' files: length, `ETag` and MD5, a hint for each file. A copy that the storage
//! service makes then needs no look at its source. Files and listed blobs meet on disk, by name; hints are dealt as facts are,
//! so that each shard's queue finds its own.

mod filter;
mod told;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use self::{filter::Filter, told::Told};
use super::{Progress, Services, draft::Draft, facts::Dealing, report::ListedSources};
use crate::{
    domain::{ListedFile, ShardIndex, md5_from_hex, md5_hex},
    ports::{BlobInfo, Fault, Source, on_thread},
    rules::{RuleConfig, source_urls},
    run::{
        lines::{Buckets, SpooledBuckets},
        source_files::{
            Container, Containers, Keeping, Listing, NameKey, buckets_for, is_of_the_past, list_each,
        },
    },
};

/// Where a plan leaves its listing, if a prediction in the same process follows.
pub type Shelf = Mutex<Option<Listing>>;

/// The hints of all rows, on disk.
pub struct Hints {
    dealing: Dealing,
    /// [`Hint`]s, dealt by the places of their rows.
    buckets: SpooledBuckets,
    /// For the report.
    pub told: ListedSources,
}

/// A row's place in its shard's queue, a file's place in the row, and what the listing tells of it.
type Hint = (u64, i32, Seen);
/// A row's place in the reversed queue, a file's place in the row, and half the key of its name. What two names of one key
/// may lead to is a wrong hint, which the copy's condition on the `ETag` finds.
type NamedFile = (u64, i32, u64);
/// Length, `ETag`, MD5 in hex and Content-Encoding of a listed blob: few letters, for there are millions of them.
type Seen = (u64, String, Option<String>, Option<String>);

/// Lists the sources of the rows that may be migrated; `None` if no copy can be made by the storage service: then each file
/// is streamed, and no file is looked at before.
pub async fn list(
    services: &Services<'_>,
    draft: &Arc<Draft>,
    rules: RuleConfig,
    shards: u32,
) -> Result<Option<Hints>, Fault> {
    if services.target_blobs.refuses_to_copy().await.is_some() {
        return Ok(None);
    }
    let keeps_all = services.shelf.is_some();
    let of = Arc::clone(draft);
    // On threads that may block: millions of rows take seconds.
    let named = on_thread(move || Named::of(&of, &rules, keeps_all)).await?;
    if named.hinted == 0 {
        return Ok(None);
    }
    let (seen, told) = named.list(services.source, services.progress, services.shelf).await?;
    let dealing = Dealing::of(draft, shards);
    on_thread(move || named.join(&seen, dealing, told)).await.map(Some)
}

/// The files of all rows that may be migrated.
struct Named {
    /// [`NamedFile`]s, by name.
    files: SpooledBuckets,
    containers: Vec<Container>,
    filter: Filter,
    /// Files that a listing may show and that the storage service may copy.
    hinted: u64,
}

impl Named {
    /// `with_folders`: also the folders, whose files are never copied by a storage service.
    fn of(draft: &Draft, rules: &RuleConfig, with_folders: bool) -> Result<Self, Fault> {
        let count = buckets_for(draft.len());
        let mut files = Buckets::new(count)?;
        let mut containers = Containers::default();
        let mut filter = Filter::for_rows(draft.len());
        let mut hinted = 0;
        for (place, index) in (0_u64..).zip(draft.queue(ShardIndex(0), 1)) {
            if !draft.may_migrate(index) {
                continue;
            }
            for (order, url) in (1_i32..).zip(source_urls(&draft.cells(index)?, rules)) {
                let in_folder = url.scheme() == "file";
                if in_folder && !with_folders {
                    continue;
                }
                let container = containers.add(&url);
                if in_folder || is_of_the_past(&url) {
                    continue;
                }
                let key = NameKey::of_source(container, &url);
                filter.add(key);
                hinted += 1;
                files.push(key.bucket(count), &(place, order, key.halves().1))?;
            }
        }
        Ok(Self { files: files.finish()?, containers: containers.finish(), filter, hinted })
    }

    /// What the listings show of these files ([`Seen`], by name), and of every blob for a prediction.
    async fn list(
        &self,
        source: &dyn Source,
        progress: &Progress,
        left_on: Option<&Shelf>,
    ) -> Result<(SpooledBuckets, ListedSources), Fault> {
        let count = self.files.len();
        let mut seen = Buckets::new(count)?;
        let mut keeping = left_on.map(|_| Keeping::new(count)).transpose()?;
        let mut told = Told::begin(progress, self.containers.len(), self.hinted);
        let ways = list_each(source, &self.containers, |number, container, page| {
            told.page(page.len());
            for blob in page {
                let key = NameKey::of(number, &blob.name, container.is_folder());
                if self.filter.may_hold(key)
                    && let Some(listed) = seen_of(&blob)
                {
                    seen.push(key.bucket(count), &(key.halves().1, listed))?;
                }
                if let Some(keeping) = &mut keeping {
                    keeping.push(number, container, blob)?;
                }
            }
            Ok(())
        })
        .await?;
        let told = told.finish(&self.containers, &ways);
        if let (Some(shelf), Some(keeping)) = (left_on, keeping) {
            let listing = Listing { containers: self.containers.clone(), listed: keeping.finish(ways)? };
            *shelf.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
        }
        Ok((seen.finish()?, told))
    }

    fn join(self, seen: &SpooledBuckets, dealing: Dealing, mut told: ListedSources) -> Result<Hints, Fault> {
        let mut hints = Buckets::new(dealing.buckets())?;
        for bucket in 0..self.files.len() {
            let mut listed: HashMap<u64, Seen> = HashMap::new();
            seen.read(bucket, |(key, file): (u64, Seen)| {
                listed.insert(key, file);
                Ok(())
            })?;
            self.files.read(bucket, |(place, order, key): NamedFile| {
                let Some(file) = listed.get(&key) else { return Ok(()) };
                told.known += 1;
                hints.push(dealing.bucket_of(place), &(dealing.place_in_shard(place), order, file))
            })?;
        }
        Ok(Hints { dealing, buckets: hints.finish()?, told })
    }
}

/// What a copy needs to know of its source beforehand. An archived file cannot be copied, and a look at it says so.
fn seen_of(blob: &BlobInfo) -> Option<Seen> {
    let etag = blob.etag.clone().filter(|_| !blob.archived)?;
    Some((blob.size_bytes, etag, blob.md5.map(md5_hex), blob.content_encoding.clone()))
}

fn listed_file(order: i32, (size_bytes, etag, md5, content_encoding): Seen) -> ListedFile {
    let md5 = md5.as_deref().and_then(md5_from_hex);
    ListedFile { order, size_bytes, etag, md5, content_encoding }
}

/// The hints of one shard's rows, in the order of its queue.
pub struct HintsOfShard {
    hints: Arc<Hints>,
    shard: ShardIndex,
    open: Option<usize>,
    rows: HashMap<u64, Vec<ListedFile>>,
}

impl HintsOfShard {
    /// Before the shard's first row.
    pub fn new(hints: Arc<Hints>, shard: ShardIndex) -> Self {
        Self { hints, shard, open: None, rows: HashMap::new() }
    }

    /// Those of the row at this place of the shard's queue, in upload order.
    pub fn take(&mut self, place: u64) -> Result<Vec<ListedFile>, Fault> {
        let bucket = self.hints.dealing.bucket(self.shard, place);
        if self.open != Some(bucket) {
            self.rows.clear();
            let rows = &mut self.rows;
            self.hints.buckets.read(bucket, |(place, order, seen): Hint| {
                rows.entry(place).or_default().push(listed_file(order, seen));
                Ok(())
            })?;
            self.open = Some(bucket);
        }
        let mut files = self.rows.remove(&place).unwrap_or_default();
        files.sort_unstable_by_key(|file| file.order);
        Ok(files)
    }
}
