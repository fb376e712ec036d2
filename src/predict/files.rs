//! The files of all migrating rows, on disk, dealt by name so that they meet what the sources are listed with.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    domain::PlannedFile,
    ports::Fault,
    run::{
        lines::{Buckets, SpooledBuckets},
        source_files::{Container, Containers, Listing, NameKey, buckets_for, is_of_the_past},
    },
};

/// The files of rows that passed the rules, and the names of all that rows of the input name.
pub struct FileSpool {
    buckets: Buckets,
    /// Half the key of each file that a row names, dealt as the files are. What two names of one half hide is a blob that no
    /// row names, once in many million predictions.
    named: Buckets,
    count: usize,
    containers: Containers,
}

/// One file of one row, as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WantedFile {
    /// Of the row that names it.
    pub row: u64,
    /// Its place in the submission.
    pub order: i32,
    /// Number of its container.
    pub container: u32,
    /// Where it is read; its query may be a secret.
    pub url: Url,
}

impl WantedFile {
    /// The key of its name.
    pub fn key(&self) -> NameKey {
        NameKey::of_source(self.container, &self.url)
    }

    /// Whether it is a version or snapshot of a blob, which listings do not show.
    pub fn is_of_the_past(&self) -> bool {
        is_of_the_past(&self.url)
    }
}

impl FileSpool {
    /// Empty, for a plan of so many rows; containers that were listed keep their numbers, and blobs their buckets.
    pub fn new(rows: u64, listing: Option<&Listing>) -> Result<Self, Fault> {
        let (count, containers) = match listing {
            Some(listing) => (listing.listed.blobs.len(), Containers::known(&listing.containers)),
            None => (buckets_for(rows), Containers::default()),
        };
        Ok(Self { buckets: Buckets::new(count)?, named: Buckets::new(count)?, count, containers })
    }

    /// Adds a file of the row.
    pub fn push(&mut self, row: u64, file: &PlannedFile) -> Result<(), Fault> {
        let container = self.containers.add(&file.source);
        let wanted = WantedFile { row, order: file.upload_order, container, url: file.source.clone() };
        self.buckets.push(wanted.key().bucket(self.count), &wanted)
    }

    /// Notes that a row of the input names the file, whatever becomes of the row: to be called once all files are here.
    pub fn name(&mut self, url: &Url) -> Result<(), Fault> {
        let container = self.containers.name(url);
        let key = NameKey::of_source(container, url);
        self.named.push(key.bucket(self.count), &key.halves().1)
    }

    /// All files, by bucket, and their containers.
    pub fn finish(self) -> Result<SpooledFiles, Fault> {
        let Self { buckets, named, containers, .. } = self;
        Ok(SpooledFiles {
            wanted: buckets.finish()?,
            named: named.finish()?,
            containers: containers.finish(),
        })
    }
}

/// What a [`FileSpool`] took, to be read.
pub struct SpooledFiles {
    /// [`WantedFile`]s.
    pub wanted: SpooledBuckets,
    /// Names that rows of the input name, in as many buckets.
    named: SpooledBuckets,
    /// Those of all files that rows name; a [`WantedFile`] names one by its place here.
    pub containers: Vec<Container>,
}

impl SpooledFiles {
    /// The names of one bucket.
    pub fn named(&self, bucket: usize) -> Result<Named, Fault> {
        let mut halves = Vec::new();
        self.named.read(bucket, |half: u64| {
            halves.push(half);
            Ok(())
        })?;
        halves.sort_unstable();
        halves.dedup();
        Ok(Named(halves))
    }
}

/// Names that rows of the input name.
pub struct Named(Vec<u64>);

impl Named {
    /// Whether the file is one of them.
    pub fn holds(&self, key: NameKey) -> bool {
        self.0.binary_search(&key.halves().1).is_ok()
    }
}
