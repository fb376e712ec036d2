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

/// Copies every result that stands into the folder `to`, each whole or not at all. Of the page it writes `page`, if there is
/// one: it is newer than the page that finalize published. The results of a verification are those of `elsewhere`, if it
/// has a store of its own.
pub async fn fetch(
    store: &RunStore,
    elsewhere: Option<&RunStore>,
    page: Option<&str>,
    to: &Path,
) -> Result<Fetched, Stop> {
    let mut copied = Vec::new();
    let mut found = Vec::new();
    for file in files(store).await? {
        if elsewhere.is_some() && names::VERIFIED.contains(&file.as_str()) {
            continue;
        }
        let place = match page.filter(|_| file == names::REPORT) {
            Some(page) => Some(write(bytes_of(page), to, &file).await?),
            None => copy(store, to, &file).await?,
        };
        if let Some(place) = place {
            copied.push(place);
            found.push(file);
        }
    }
    if let Some(elsewhere) = elsewhere {
        for file in files(elsewhere).await? {
            let beside = to.join(VERIFY_STORE);
            let folder = if found.contains(&file) { beside.as_path() } else { to };
            copied.extend(copy(elsewhere, folder, &file).await?);
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
    let (mut handle, whole) = written(WORK, &place, instead, begin).await?;
    while let Some(bytes) = body.try_next().await? {
        let write = move || handle.write_all(&bytes).map(|()| handle);
        handle = written(WORK, &place, instead, write).await?;
    }
    written(LARGE_WORK, &place, instead, move || whole.finish()).await?;
    Ok(place)
}
