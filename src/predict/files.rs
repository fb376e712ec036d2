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

/// The files of rows that passed the rules.
pub struct FileSpool {
    buckets: Buckets,
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
        Ok(Self { buckets: Buckets::new(count)?, count, containers })
    }

    /// Adds a file of the row.
    pub fn push(&mut self, row: u64, file: &PlannedFile) -> Result<(), Fault> {
        let container = self.containers.add(&file.source);
        let wanted = WantedFile { row, order: file.upload_order, container, url: file.source.clone() };
        self.buckets.push(wanted.key().bucket(self.count), &wanted)
    }

    /// All files, by bucket, and their containers.
    pub fn finish(self) -> Result<(SpooledBuckets, Vec<Container>), Fault> {
        Ok((self.buckets.finish()?, self.containers.finish()))
    }
}
