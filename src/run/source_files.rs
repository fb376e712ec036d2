//! Source files as their containers list them: for a plan, whose shards then need no look at each file, for a prediction,
//! which looks for what is missing, and for `verify`, which compares what was copied. Files that rows name and files that a listing shows meet on disk, by [`NameKey`].

mod containers;

use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::containers::{Container, Containers};
use super::lines::{Buckets, SpooledBuckets};
use crate::{
    domain::source_name,
    ports::{BlobInfo, Fault, FaultKind, Retry, Source, stored_form},
};

/// Containers that are listed at a time.
const AT_A_TIME: usize = 4;
/// Files of a bucket, about.
const BUCKET_FILES: u64 = 16_384;
/// Files that a row has, about.
const FILES_PER_ROW: u64 = 3;

/// Whether it is a version or snapshot of a blob, which listings do not show.
pub fn is_of_the_past(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| matches!(&*name, "snapshot" | "versionid"))
}

/// The number of buckets for the files of `rows` rows.
pub fn buckets_for(rows: u64) -> usize {
    usize::try_from(rows * FILES_PER_ROW / BUCKET_FILES + 1).unwrap_or(1)
}

/// A file's name, hashed: 128 bits tell billions of names apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NameKey(u64, u64);

impl NameKey {
    /// Of a name in the container of this number. Storage services drop dots at the end of a name; a folder does not.
    pub fn of(container: u32, name: &str, in_folder: bool) -> Self {
        let stored = if in_folder { name.into() } else { stored_form(name) };
        // The hasher's keys are fixed, so that two predictions list files in one order.
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, container, stored.as_ref()).hash(&mut hasher);
            hasher.finish()
        };
        Self(half(0), half(1))
    }

    /// Both halves, for a table that is smaller than all names.
    pub fn halves(self) -> (u64, u64) {
        (self.0, self.1)
    }

    /// The bucket that the name is dealt to.
    pub fn bucket(self, buckets: usize) -> usize {
        usize::try_from(self.0 % buckets.max(1) as u64).unwrap_or_default()
    }

    /// Of a source file in the container of this number.
    pub fn of_source(container: u32, url: &Url) -> Self {
        Self::of(container, &source_name(url), url.scheme() == "file")
    }
}

/// Every blob that was listed, on disk.
pub struct Listed {
    /// [`ListedBlob`]s, in as many buckets as the files.
    pub blobs: SpooledBuckets,
    /// How each container was listed.
    pub ways: Vec<Way>,
}

/// How one container was listed.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Pages that were read.
    pub pages: u64,
    /// Blobs that they held.
    pub blobs: u64,
    /// Why it was not listed to its end; `None` if it was.
    pub not_listed: Option<String>,
    /// The kind of fault that ended the listing, if one did.
    pub fault: Option<FaultKind>,
    /// Whether the account answered nothing at all: it, its name or its network is gone, or away.
    pub is_silent: bool,
    /// Whether it was not, because that takes as many requests as a look at each file.
    pub looks_are_cheaper: bool,
}

/// One listed blob, as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedBlob {
    /// Number of its container.
    pub container: u32,
    /// Its name in the container.
    pub name: String,
    /// Length as the listing says.
    pub size_bytes: u64,
    /// Whether it is in the archive tier.
    pub archived: bool,
    /// Its stored Content-MD5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<[u8; 16]>,
    /// Its Content-Encoding: how its bytes are compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    in_folder: bool,
}

impl ListedBlob {
    /// The key of its name.
    pub fn key(&self) -> NameKey {
        NameKey::of(self.container, &self.name, self.in_folder)
    }
}

/// What a prediction needs of a listing that the plan made in the same process.
pub struct Listing {
    /// The containers of all files that rows may migrate, by number.
    pub containers: Vec<Container>,
    /// What they hold.
    pub listed: Listed,
}

/// Lists each container while that takes fewer pages than it has files, and keeps every blob under the container's number; the
/// ways are in the order of the containers.
pub async fn list_all(
    source: &dyn Source,
    containers: Vec<(u32, Container)>,
    buckets: usize,
) -> Result<Listed, Fault> {
    let (numbers, containers): (Vec<u32>, Vec<Container>) = containers.into_iter().unzip();
    let mut keeping = Keeping::new(buckets)?;
    let ways = list_each(source, &containers, |place, container, page| {
        let number = numbers.get(place as usize).copied().unwrap_or(place);
        page.into_iter().try_for_each(|blob| keeping.push(number, container, blob))
    })
    .await?;
    keeping.finish(ways)
}

/// Lists each container while that takes fewer pages than it has files; `each` is handed every page, with the number of its
/// container.
pub async fn list_each(
    source: &dyn Source,
    containers: &[Container],
    mut each: impl FnMut(u32, &Container, Vec<BlobInfo>) -> Result<(), Fault>,
) -> Result<Vec<Way>, Fault> {
    let mut ways: Vec<Way> = containers.iter().map(|_| Way::default()).collect();
    let numbered: Vec<(u32, &Container)> = (0..).zip(containers).collect();
    let mut pages = stream::iter(numbered)
        .map(|(number, container)| {
            // One page more is asked for than may be taken, to see whether the last one was the end.
            let most = usize::try_from(container.most_pages()).unwrap_or(usize::MAX);
            source
                .list(&container.example, &container.prefix)
                .take(most)
                .map(move |page| (number, page))
                .boxed()
        })
        .flatten_unordered(AT_A_TIME);
    while let Some((number, page)) = pages.next().await {
        let place = number as usize;
        let (Some(way), Some(container)) = (ways.get_mut(place), containers.get(place)) else { continue };
        match page {
            Err(fault) => {
                let fault = told_apart(source, container, fault).await;
                way.not_listed = Some(format!("it could not be listed ({})", fault.what));
                way.is_silent = fault.is_silence() && way.pages == 0 && !fault.before_asking;
                way.fault = Some(fault.kind);
            }
            Ok(page) => {
                way.pages += 1;
                if way.pages >= container.most_pages() {
                    way.looks_are_cheaper = container.files > 0;
                    way.not_listed = Some(if way.looks_are_cheaper {
                        "listing it takes as many requests as looking at each file".into()
                    } else {
                        let most = way.pages;
                        format!(
                            "it holds {most} pages of blobs or more, and no row that is going to migrate names a file of it"
                        )
                    });
                    continue;
                }
                way.blobs += page.len() as u64;
                each(number, container, page)?;
            }
        }
    }
    Ok(ways)
}

/// The fault of a listing, told apart from that of a container which is gone: the service answers alike for a container without
/// the right to list, if it is asked without credentials, and one of its files tells which it is.
async fn told_apart(source: &dyn Source, container: &Container, fault: Fault) -> Fault {
    if fault.kind != FaultKind::ContainerGone || container.is_folder() {
        return fault;
    }
    match source.head(&container.example).await {
        // What may pass tells nothing of the container.
        Err(of_file) if of_file.kind.retry() != Retry::Never => of_file,
        Err(of_file) if of_file.kind != FaultKind::NotFound => fault,
        Ok(_) | Err(_) => {
            let what = format!(
                "listing {}: refused, although its files are answered one by one, as those of a container with public access \
                 for blobs only; to have it listed, give a connection string, an identity (--source-auth entra) or URLs with a \
                 SAS that may list",
                container.shown
            );
            Fault::new(fault.service, FaultKind::Denied, what)
        }
    }
}

/// Keeps listed blobs on disk.
pub struct Keeping {
    blobs: Buckets,
    buckets: usize,
}

impl Keeping {
    /// In as many buckets as the files.
    pub fn new(buckets: usize) -> Result<Self, Fault> {
        Ok(Self { blobs: Buckets::new(buckets)?, buckets })
    }

    /// Keeps a blob of the container of this number.
    pub fn push(&mut self, number: u32, container: &Container, blob: BlobInfo) -> Result<(), Fault> {
        let BlobInfo { name, size_bytes, archived, md5, content_encoding, .. } = blob;
        let (container, in_folder) = (number, container.is_folder());
        let blob = ListedBlob { container, name, size_bytes, archived, md5, content_encoding, in_folder };
        self.blobs.push(blob.key().bucket(self.buckets), &blob)
    }

    /// All blobs, to be read.
    pub fn finish(self, ways: Vec<Way>) -> Result<Listed, Fault> {
        Ok(Listed { blobs: self.blobs.finish()?, ways })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_service_stores_alike_have_one_key_and_a_folder_tells_them_apart() {
        assert_eq!(NameKey::of(0, "a/b.", false), NameKey::of(0, "a/b", false));
        assert_ne!(NameKey::of(0, "a/b.", true), NameKey::of(0, "a/b", true));
        assert_ne!(NameKey::of(0, "a", false), NameKey::of(1, "a", false));
    }
}
