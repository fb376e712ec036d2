//! Level blobs: the files of rows that stand, compared with listings of the target container and of the sources.
//!
//! ```text
//! rows ─► wanted ─► by source ◄─ listing of the sources
//!                      └─► by blob ◄─ listing of the target ─► checks, and blobs that no row names
//! ```
//!
//! Files and blobs meet on disk, dealt by name; one bucket at a time is held in memory.

pub mod sources;
pub mod target;
pub mod wanted;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use self::{
    sources::{Sourced, look_at_sources, without_sources},
    target::{ListedTarget, list_target, named_blobs},
    wanted::{Wanted, WantedFile, Wanting},
};
use super::{
    checks,
    content::{Content, ReadFiles, Reading, read_files},
    findings::{Difference, Findings, Found, Kind, Lack},
    pass::{Tally, World, collect_files},
    report::Absent,
    run::{Each, Same, tell},
    table::CheckId,
};
use crate::{
    domain::{AttemptId, attempt_of_blob, target_blob},
    exit::Stop,
    ports::{Blobs, Source},
    run::{RowSet, RunName, VerifiedFiles, source_files::buckets_for},
};

/// Where files lie: needed from level blobs on.
#[derive(Clone, Copy)]
pub struct Storage<'a> {
    /// The target container.
    pub target: &'a Arc<dyn Blobs>,
    /// Reads source files.
    pub source: &'a Arc<dyn Source>,
    /// The run's name, which stands in every blob's metadata.
    pub run: &'a RunName,
    /// Rows of the input.
    pub rows: u64,
    /// Files of a source that cannot be listed that are looked at one by one, at most ([`sources::MOST_LOOKS`]).
    pub most_looks: u64,
    /// An account of sources that gives no answer for so long is gone.
    pub silent_for: Duration,
    /// Whether the bytes are compared with a manifest: the sources are not looked at.
    pub by_manifest: bool,
    /// What is read at level content.
    pub content: Option<Content<'a>>,
}

impl<'a> Storage<'a> {
    /// What reads the files, at level content.
    pub fn reading(&self) -> Option<Reading<'a>> {
        self.content.map(|content| Reading::new(*self, content))
    }

    /// The same without a look at the bytes.
    #[must_use]
    pub fn listed_only(self) -> Self {
        Self { content: None, ..self }
    }
}

/// What a look at all files tells beside the differences.
#[derive(Default)]
pub struct LookedAt {
    /// Counts, for `verification.json`.
    pub files: VerifiedFiles,
    /// What was not possible: its reasons are added to those of the verification.
    pub absent: Absent,
    /// The listing of the target, if it may be listed.
    pub listed: Option<ListedTarget>,
    /// What the manifest is written from, at level content.
    pub read: Option<ReadFiles>,
}

impl LookedAt {
    /// With the files that were read.
    #[must_use]
    pub fn with(mut self, read: ReadFiles) -> Self {
        self.files.content = Some(read.counts.clone());
        self.absent.bytes.clone_from(&read.unreadable);
        self.read = Some(read);
        self
    }

    /// With what a second look at some of the files told.
    #[must_use]
    pub fn then(mut self, later: Option<Self>) -> Self {
        let Some(later) = later else { return self };
        self.files.target_requests += later.files.target_requests;
        self.files.source_requests += later.files.source_requests;
        // Of a check that was not possible only then: what it was to look at again stands.
        self.absent.blobs = self.absent.blobs.or(later.absent.blobs);
        self.absent.bytes = self.absent.bytes.or(later.absent.bytes);
        for why in later.absent.sources {
            if !self.absent.sources.contains(&why) {
                self.absent.sources.push(why);
            }
        }
        self.read = self.read.zip(later.read).map(|(read, later)| read.then(later));
        self
    }

    /// Reasons why checks of files were not possible, beside those of other checks.
    pub fn absent_beside(&self, absent: &Absent) -> Absent {
        let Absent { blobs, sources, bytes, .. } = self.absent.clone();
        Absent { blobs, sources, bytes, ..absent.clone() }
    }

    /// Counts, reasons why checks were not possible beside `absent`, and the manifest.
    pub fn finish(
        self,
        absent: &Absent,
    ) -> Result<(Option<VerifiedFiles>, Absent, Option<tempfile::NamedTempFile>), Stop> {
        let absent = self.absent_beside(absent);
        let manifest = self.read.map(ReadFiles::manifest).transpose()?;
        Ok((Some(self.files), absent, manifest))
    }
}

/// Compares the files of every row that has to stand, or of those of `only`, with their sources and their blobs; at level
/// content reads them too.
pub async fn look_at_files(
    world: &World<'_>,
    storage: &Storage<'_>,
    only: Option<&RowSet>,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<LookedAt, Stop> {
    if let Some(lack) = world.ground.lacks_blob_names() {
        for check in checks::OF_LISTING.into_iter().chain([CheckId::SourceFilesUnchanged]) {
            tally.lack(check, lack, 1);
        }
        return Ok(LookedAt::default());
    }
    let mut wanting = Wanting::new(storage.rows)?;
    collect_files(world, only, &mut wanting).await?;
    look_at(world, storage, &wanting.finish()?, tally, each).await
}

/// Compares these files.
pub async fn look_at(
    world: &World<'_>,
    storage: &Storage<'_>,
    wanted: &Wanted,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<LookedAt, Stop> {
    let mut looked = LookedAt::default();
    looked.files.named = wanted.files;
    let buckets = wanted.by_source.len();
    let in_folder = storage.target.is_folder();
    let Sourced { by_blob, requests, not_listed } = if storage.by_manifest {
        without_sources(wanted, in_folder)?
    } else {
        let Storage { source, most_looks, silent_for, .. } = *storage;
        look_at_sources(source.as_ref(), wanted, in_folder, most_looks, silent_for).await?
    };
    looked.files.source_requests = requests;
    looked.absent.sources = not_listed;
    let listed = match list_target(storage.target, world.ground.writers, wanted.files, buckets).await? {
        Ok(listed) => Some(listed),
        Err(why) => {
            looked.absent.blobs = Some(why);
            None
        }
    };
    looked.files.blobs = listed.as_ref().map_or(0, |listed| listed.count);
    looked.files.target_requests = listed.as_ref().map_or(0, |listed| listed.requests);
    for bucket in 0..buckets {
        let blobs = listed.as_ref().map(|listed| listed.of(bucket, in_folder)).transpose()?;
        by_blob.read(bucket, |file: WantedFile| {
            let mut findings = Findings::of_rows(world.ground.layout);
            checks::source_file(&file, &mut findings);
            match &blobs {
                None => checks::OF_LISTING.into_iter().for_each(|check| findings.lacking(check, Lack::Blobs)),
                Some(blobs) => {
                    checks::blob(&file, storage.run, blobs.get(&file.key(in_folder)), &mut findings);
                }
            }
            tell((file.row, file.attempt), findings, tally, each);
            Ok(())
        })?;
    }
    if let Some(reading) = storage.reading() {
        looked = looked.with(read_files(storage, reading, &by_blob, tally, each).await?);
    }
    looked.listed = listed;
    Ok(looked)
}

/// Looks for blobs of the run's writers that no file row names: once a run, whatever its rows are divided into.
pub async fn look_for_surplus_blobs(
    world: &World<'_>,
    storage: &Storage<'_>,
    listed: Option<&ListedTarget>,
    tally: &mut Tally,
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let check = CheckId::BlobsSurplus;
    let lack = world.ground.lacks_blob_names().unwrap_or(Lack::Blobs);
    let Some(listed) = listed.filter(|_| lack == Lack::Blobs) else {
        tally.lack(check, lack, 1);
        return Ok(());
    };
    tally.compare(check, listed.count);
    let in_folder = storage.target.is_folder();
    let buckets = buckets_for(storage.rows);
    let named = named_blobs(world.target, world.ground.writers, in_folder, buckets).await?;
    for bucket in 0..buckets {
        for blob in listed.surplus(&named, bucket, in_folder)? {
            let attempt = attempt_of_blob(&blob.name);
            let asked = |attempts: &BTreeSet<AttemptId>| attempt.is_some_and(|one| attempts.contains(&one));
            if world.attempts.is_none_or(asked) {
                let issue =
                    format!("the blob {}: no row of submission_files names it", target_blob(&blob.name));
                let difference = Difference { check, kind: Kind::Surplus, issue, values: None };
                each(Same::Blob(blob.name), Found { row: None, attempt, difference });
            }
        }
    }
    Ok(())
}
