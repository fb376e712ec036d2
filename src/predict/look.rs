//! A look at every source file: by listing where that is fewer requests, else one by one, at most a sample.
//!
//! Files and listed blobs meet on disk: both are dealt into buckets by name, and one bucket at a time is held in memory.

mod view;

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use url::Url;

use self::view::View;
use super::{
    Subject, Tables,
    decided::{bucket_of, buckets_of},
    files::{FileSpool, SpooledFiles, WantedFile},
};
use crate::{
    ports::{Fault, FaultKind, Service, Source},
    run::{
        PredictedSource,
        lines::{Buckets, SpooledBuckets},
        source_files::{Container, Listed, ListedBlob, Listing as PlansListing, NameKey, Way, list_all},
    },
};

/// Files that a probe copies at most.
const PROBED: u64 = 512;
/// Files that are looked at one by one at a time.
const AT_A_TIME: usize = 64;

/// What a look at a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// It is there; its length in bytes.
    Bytes(u64),
    /// It is not there.
    Missing,
    /// It is in the archive tier.
    Archived,
    /// It may not be read.
    Forbidden,
    /// It was not looked at; the number of its container.
    NotLookedAt(u32),
}

/// One file of one row, as it was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FoundFile {
    /// Number of the row that names it.
    pub row: u64,
    /// The file's place in the submission.
    pub order: i32,
    /// What was found.
    pub found: Found,
}

/// All files as they were found.
pub struct Looked {
    /// [`FoundFile`]s, by [`bucket_of`] their rows.
    pub files: SpooledBuckets,
    /// How each container was looked at.
    pub sources: Vec<PredictedSource>,
    /// The same containers, each with what the names of its files begin with.
    pub places: Vec<Container>,
    /// Mean length of the files that were looked at, by container.
    pub mean_bytes: Vec<u64>,
    /// Whether every file was looked at.
    pub exact: bool,
    /// Some of the files that are there.
    pub sample: Vec<Sampled>,
}

/// A file for a probe to copy.
pub struct Sampled {
    /// Where it is read; its query may be a secret.
    pub url: Url,
    /// Whether its container was listed.
    pub is_listed: bool,
}

/// Looks at all files; blobs that no row names go to `not_in_input.csv`.
pub async fn look(
    Subject { source, listing, plan, .. }: Subject<'_>,
    files: FileSpool,
    tables: &mut Tables,
) -> Result<Looked, Fault> {
    let spooled = files.finish()?;
    let wanted = &spooled.wanted;
    let Listing { containers, mut ways, due } = Listing::of(&spooled.containers, listing);
    let numbers: Vec<u32> = due.iter().map(|(number, _)| *number).collect();
    let later = list_all(source, due, wanted.len()).await?;
    for (number, way) in numbers.iter().zip(&later.ways) {
        if let Some(of_container) = ways.get_mut(*number as usize) {
            of_container.clone_from(way);
        }
    }
    let listed = Blobs { before: listing.map(|listing| &listing.listed), later: &later, numbers };
    let mut look = Look {
        source,
        views: containers.iter().zip(&ways).map(|(container, way)| View::new(container, way)).collect(),
        found: Buckets::new(buckets_of(plan.submissions.rows))?,
        sample: Vec::new(),
        sample_step: containers.iter().map(|container| container.files).sum::<u64>().div_ceil(PROBED).max(1),
        sound: 0,
    };
    for bucket in 0..wanted.len() {
        look.bucket(bucket, &spooled, &listed, tables).await?;
    }
    let exact = look.views.iter().all(|view| view.skipped == 0);
    let mean_bytes = look.views.iter().map(View::mean_bytes).collect();
    let named = look.views.into_iter().filter(View::is_named);
    let (places, sources) = named.map(|view| (view.container.clone(), view.finish())).unzip();
    Ok(Looked { files: look.found.finish()?, sources, places, mean_bytes, exact, sample: look.sample })
}

/// How the containers were listed, and which are to be.
struct Listing {
    /// All of them, with the folder below which they were listed, or are to be.
    containers: Vec<Container>,
    /// How each was listed; of those to be listed, nothing.
    ways: Vec<Way>,
    /// To be listed, with their numbers.
    due: Vec<(u32, Container)>,
}

impl Listing {
    /// What the plan listed need not be listed again, but where it left that to looks, and no file is looked at any more.
    fn of(containers: &[Container], before: Option<&PlansListing>) -> Self {
        let mut found = Self { containers: containers.to_vec(), ways: Vec::new(), due: Vec::new() };
        for (place, container) in found.containers.iter_mut().enumerate() {
            let of_plan = before
                .and_then(|before| Some((before.containers.get(place)?, before.listed.ways.get(place)?)));
            match of_plan {
                Some((known, way)) if container.files > 0 || !way.looks_are_cheaper => {
                    container.prefix.clone_from(&known.prefix);
                    found.ways.push(way.clone());
                }
                _ => {
                    found.ways.push(Way::default());
                    found.due.push((u32::try_from(place).unwrap_or(u32::MAX), container.clone()));
                }
            }
        }
        found
    }
}

/// All listed blobs.
struct Blobs<'a> {
    /// As the plan listed them.
    before: Option<&'a Listed>,
    later: &'a Listed,
    /// The containers that were listed later, by number: of the plan's listing of one nothing counts.
    numbers: Vec<u32>,
}

impl Blobs<'_> {
    fn read(
        &self,
        bucket: usize,
        each: &mut dyn FnMut(ListedBlob) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if let Some(before) = self.before {
            let counts = |blob: &ListedBlob| self.numbers.binary_search(&blob.container).is_err();
            before.blobs.read(bucket, |blob: ListedBlob| if counts(&blob) { each(blob) } else { Ok(()) })?;
        }
        self.later.blobs.read(bucket, each)
    }
}

struct Look<'a> {
    source: &'a dyn Source,
    views: Vec<View>,
    found: Buckets,
    sample: Vec<Sampled>,
    sample_step: u64,
    /// Files that are there, so far.
    sound: u64,
}

impl Look<'_> {
    async fn bucket(
        &mut self,
        bucket: usize,
        spooled: &SpooledFiles,
        listed: &Blobs<'_>,
        tables: &mut Tables,
    ) -> Result<(), Fault> {
        let mut files: HashMap<NameKey, Vec<WantedFile>> = HashMap::new();
        spooled.wanted.read(bucket, |file: WantedFile| {
            files.entry(file.key()).or_default().push(file);
            Ok(())
        })?;
        let of_rows = spooled.named(bucket)?;
        let mut shown: HashMap<NameKey, Found> = HashMap::new();
        let mut each = |blob: ListedBlob| {
            let key = blob.key();
            if files.contains_key(&key) {
                let size = Found::Bytes(blob.size_bytes);
                shown.insert(key, if blob.archived { Found::Archived } else { size });
                return Ok(());
            }
            if of_rows.holds(key) { Ok(()) } else { self.not_named(&blob, tables) }
        };
        listed.read(bucket, &mut each)?;
        drop(of_rows);
        let mut due = Vec::new();
        // In a fixed order, so that a sample is the same each time.
        let mut names: Vec<(NameKey, Vec<WantedFile>)> = files.into_iter().collect();
        names.sort_unstable_by_key(|(_, files)| files.first().map(|file| (file.row, file.order)));
        for (key, files) in names {
            for file in files {
                match shown.get(&key) {
                    Some(found) if !file.is_of_the_past() => self.settle(&file, *found)?,
                    _ => self.not_shown(file, &mut due)?,
                }
            }
        }
        self.look_at(due).await
    }

    /// Counts and names a listed blob that no row of the input names.
    fn not_named(&mut self, blob: &ListedBlob, tables: &mut Tables) -> Result<(), Fault> {
        let Some(view) = self.views.get_mut(blob.container as usize).filter(|view| view.is_named()) else {
            return Ok(());
        };
        let Some(not_named) = &mut view.predicted.not_named else { return Ok(()) };
        *not_named += 1;
        let name = match view.container.example.scheme() {
            "file" => blob.name.clone(),
            _ => format!("{}/{}", view.container.shown, blob.name),
        };
        tables.not_in_input.row(["blob", "", "", "source", &name, &blob.size_bytes.to_string()])
    }

    fn not_shown(&mut self, file: WantedFile, due: &mut Vec<WantedFile>) -> Result<(), Fault> {
        let Some(view) = self.views.get_mut(file.container as usize) else { return Ok(()) };
        if view.is_due(&file) {
            due.push(file);
            return Ok(());
        }
        let found = if view.is_listed { Found::Missing } else { Found::NotLookedAt(file.container) };
        self.settle(&file, found)
    }

    async fn look_at(&mut self, due: Vec<WantedFile>) -> Result<(), Fault> {
        let source = self.source;
        let mut looks = stream::iter(due)
            .map(|file| async move {
                let found = found(source.head(&file.url).await)?;
                Ok::<_, Fault>((file, found))
            })
            .buffered(AT_A_TIME);
        while let Some((file, found)) = looks.try_next().await? {
            if let Some(view) = self.views.get_mut(file.container as usize) {
                view.predicted.looked_at += 1;
            }
            self.settle(&file, found)?;
        }
        Ok(())
    }

    fn settle(&mut self, file: &WantedFile, found: Found) -> Result<(), Fault> {
        let view = self.views.get_mut(file.container as usize);
        let is_listed = view.as_ref().is_some_and(|view| view.is_listed);
        if let Some(view) = view {
            view.count(found);
        }
        if matches!(found, Found::Bytes(_)) {
            if self.sound.is_multiple_of(self.sample_step) {
                self.sample.push(Sampled { url: file.url.clone(), is_listed });
            }
            self.sound += 1;
        }
        self.found.push(bucket_of(file.row), &FoundFile { row: file.row, order: file.order, found })
    }
}

/// What a file's own row is going to meet; anything else concerns more than one file and ends the prediction.
fn found(looked: Result<crate::ports::BlobInfo, Fault>) -> Result<Found, Fault> {
    match looked {
        Ok(info) if info.archived => Ok(Found::Archived),
        Ok(info) => Ok(Found::Bytes(info.size_bytes)),
        Err(fault) if fault.service != Service::SourceBlobs => Err(fault),
        Err(fault) => match fault.kind {
            FaultKind::NotFound | FaultKind::NameRefused => Ok(Found::Missing),
            FaultKind::Archived => Ok(Found::Archived),
            FaultKind::Denied => Ok(Found::Forbidden),
            _ => Err(fault),
        },
    }
}
