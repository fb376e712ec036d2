//! Copies the results out of the run store.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use crate::{
    exit::Stop,
    ports::{
        Fault,
        deadline::{LARGE_WORK, WORK},
    },
    run::{RunStore, names, private::Whole, results::written},
};

type Body = BoxStream<'static, Result<Bytes, Fault>>;

/// What every finalized run has.
const EXPECTED: [&str; 6] =
    [names::MIGRATED, names::FAILED, names::SKIPPED, names::NOTES, names::SUMMARY, names::REPORT];

/// What was copied, and what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Paths of the copies in the local folder.
    pub copied: Vec<PathBuf>,
    /// Files that finalize writes and that do not exist yet.
    pub absent: Vec<&'static str>,
}

/// Folder of those results of a verify store elsewhere whose name a result of the run has too: the sums of
/// `controls.csv` are predicted in one and counted in the other.
const VERIFY_STORE: &str = "verify-store";

/// The names of the results that stand, before any of them is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Of the run store.
    own: Vec<String>,
    /// Of a verify store elsewhere.
    verified: Vec<String>,
}

impl Listing {
    /// The path of each in the folder that they are copied into.
    pub fn places(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.own.iter().map(PathBuf::from);
        own.chain(self.verified.iter().map(|file| self.folder_of(file).join(file)))
    }

    /// The folder of a result of the verify store, in the one that is copied into.
    fn folder_of(&self, verified: &String) -> &'static Path {
        Path::new(if self.own.contains(verified) { VERIFY_STORE } else { "" })
    }
}

/// Looks which results stand. The results of a verification are those of `elsewhere`, if it has a store of its own.
pub async fn list(store: &RunStore, elsewhere: Option<&RunStore>) -> Result<Listing, Fault> {
    let mut own = files(store).await?;
    let Some(elsewhere) = elsewhere else { return Ok(Listing { own, verified: Vec::new() }) };
    own.retain(|file| !names::VERIFIED.contains(&file.as_str()));
    Ok(Listing { own, verified: files(elsewhere).await? })
}

/// Copies these results into the folder `to`, each whole or not at all. Of the page it writes `page`, if there is one: it is
/// newer than the page that finalize published.
pub async fn fetch(
    store: &RunStore,
    elsewhere: Option<&RunStore>,
    listing: &Listing,
    page: Option<&str>,
    to: &Path,
) -> Result<Fetched, Stop> {
    let mut copied = Vec::new();
    let mut found = Vec::new();
    for file in &listing.own {
        let place = match page.filter(|_| file == names::REPORT) {
            Some(page) => Some(write(bytes_of(page), to, file).await?),
            None => copy(store, to, file).await?,
        };
        if let Some(place) = place {
            copied.push(place);
            found.push(file);
        }
    }
    if let Some(elsewhere) = elsewhere {
        for file in &listing.verified {
            copied.extend(copy(elsewhere, &to.join(listing.folder_of(file)), file).await?);
        }
    }
    let absent = EXPECTED.into_iter().filter(|file| !found.iter().any(|have| have == file)).collect();
    Ok(Fetched { copied, absent })
}

/// The files among the results. The names come from the store: none of them may lead out of the folder.
async fn files(store: &RunStore) -> Result<Vec<String>, Fault> {
    let folder = names::result("");
    let all = store.list(&folder).await?;
    let all = all.into_iter().map(|name| name.strip_prefix(&folder).unwrap_or(&name).to_owned());
    let is_plain = |file: &String| !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\']);
    Ok(all.filter(is_plain).collect())
}

/// `None` if it is gone meanwhile.
async fn copy(store: &RunStore, to: &Path, file: &str) -> Result<Option<PathBuf>, Stop> {
    match store.open(&names::result(file)).await? {
        Some(reader) => write(reader.body, to, file).await.map(Some),
        None => Ok(None),
    }
}

fn bytes_of(page: &str) -> Body {
    let bytes = Bytes::copy_from_slice(page.as_bytes());
    stream::once(async { Ok(bytes) }).boxed()
}

/// A reader sees the earlier file or this one, never half of it.
async fn write(mut body: Body, to: &Path, file: &str) -> Result<PathBuf, Stop> {
    let place = to.join(file);
    let instead = "give --to another folder";
    let of = place.clone();
    let begin = move || Whole::begin(&of).and_then(|whole| Ok((whole.handle()?, whole)));
    let mut file = written(WORK, &place, instead, begin).await?;
    while let Some(bytes) = body.try_next().await? {
        // What is not finished is removed where it is written: that may not end either.
        let write = move || file.0.write_all(&bytes).map(|()| file);
        file = written(WORK, &place, instead, write).await?;
    }
    written(LARGE_WORK, &place, instead, move || file.1.finish()).await?;
    Ok(place)
}
