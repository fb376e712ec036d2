//! The files of all migrating rows, on disk, dealt by name so that they meet what the sources are listed with.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    domain::{PlannedFile, source_container, source_name},
    ports::{Fault, stored_form},
    run::lines::{Buckets, SpooledBuckets},
};

/// Files of a bucket, about.
const BUCKET_FILES: u64 = 16_384;
/// Files that a row has, about.
const FILES_PER_ROW: u64 = 3;

/// The files of rows that passed the rules.
pub struct FileSpool {
    buckets: Buckets,
    count: usize,
    containers: Vec<Container>,
    numbers: HashMap<String, u32>,
}

/// One container of source files.
#[derive(Debug, Clone)]
pub struct Container {
    /// As [`source_container`] shows it.
    pub shown: String,
    /// One of its files, by which it is asked.
    pub example: Url,
    /// What the names of all its files begin with, up to a slash.
    pub prefix: String,
    /// Files that rows name in it; one that is named twice counts twice.
    pub files: u64,
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

    /// The bucket that the name is dealt to.
    pub fn bucket(self, buckets: usize) -> usize {
        usize::try_from(self.0 % buckets.max(1) as u64).unwrap_or_default()
    }
}

impl WantedFile {
    /// The key of its name.
    pub fn key(&self) -> NameKey {
        NameKey::of(self.container, &source_name(&self.url), self.url.scheme() == "file")
    }

    /// Whether it is a version or snapshot of a blob, which listings do not show.
    pub fn is_of_the_past(&self) -> bool {
        self.url.query_pairs().any(|(name, _)| matches!(&*name, "snapshot" | "versionid"))
    }
}

impl FileSpool {
    /// Empty, for a plan of so many rows.
    pub fn new(rows: u64) -> Result<Self, Fault> {
        let count = usize::try_from(rows * FILES_PER_ROW / BUCKET_FILES + 1).unwrap_or(1);
        Ok(Self { buckets: Buckets::new(count)?, count, containers: Vec::new(), numbers: HashMap::new() })
    }

    /// Adds a file of the row.
    pub fn push(&mut self, row: u64, file: &PlannedFile) -> Result<(), Fault> {
        let container = self.container(&file.source);
        let wanted = WantedFile { row, order: file.upload_order, container, url: file.source.clone() };
        self.buckets.push(wanted.key().bucket(self.count), &wanted)
    }

    /// All files, by bucket, and their containers.
    pub fn finish(self) -> Result<(SpooledBuckets, Vec<Container>), Fault> {
        Ok((self.buckets.finish()?, self.containers))
    }

    fn container(&mut self, url: &Url) -> u32 {
        let (shown, name) = (source_container(url), source_name(url));
        if let Some(number) = self.numbers.get(&shown).copied()
            && let Some(known) = self.containers.get_mut(number as usize)
        {
            known.files += 1;
            let common = common_folder(&known.prefix, &name);
            known.prefix.truncate(common);
            return number;
        }
        let number = u32::try_from(self.containers.len()).unwrap_or(u32::MAX);
        let prefix = name.get(..name.rfind('/').map_or(0, |slash| slash + 1)).unwrap_or_default().to_owned();
        self.containers.push(Container { shown: shown.clone(), example: url.clone(), prefix, files: 1 });
        self.numbers.insert(shown, number);
        number
    }
}

/// The length of what both begin with, up to a slash.
fn common_folder(prefix: &str, name: &str) -> usize {
    let common = prefix.bytes().zip(name.bytes()).take_while(|(one, other)| one == other).count();
    prefix
        .as_bytes()
        .get(..common)
        .and_then(|bytes| bytes.iter().rposition(|byte| *byte == b'/'))
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_prefix_ends_at_a_slash() {
        for (prefix, name, expected) in
            [("a/b/", "a/b/x", 4), ("a/b/", "a/bc", 2), ("a/b/", "c", 0), ("", "a/b", 0), ("é/", "è/", 0)]
        {
            assert_eq!(common_folder(prefix, name), expected, "{prefix} {name}");
        }
    }

    #[test]
    fn names_that_a_service_stores_alike_have_one_key_and_a_folder_tells_them_apart() {
        assert_eq!(NameKey::of(0, "a/b.", false), NameKey::of(0, "a/b", false));
        assert_ne!(NameKey::of(0, "a/b.", true), NameKey::of(0, "a/b", true));
        assert_ne!(NameKey::of(0, "a", false), NameKey::of(1, "a", false));
    }
}
