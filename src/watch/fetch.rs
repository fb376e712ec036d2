//! Copies the results out of the run store.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use tokio::io::AsyncWriteExt;

use crate::{
    exit::{Exit, Stop},
    ports::BlobReader,
    run::{RunStore, names, private},
};

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

/// Copies every result that stands into the folder `to`, each whole or not at all.
pub async fn fetch(store: &RunStore, to: &Path) -> Result<Fetched, Stop> {
    let folder = names::result("");
    let mut copied = Vec::new();
    let mut found = Vec::new();
    for name in store.list(&folder).await? {
        let file = name.strip_prefix(&folder).unwrap_or(&name).to_owned();
        // The names come from the run store: none of them may lead out of the folder.
        let is_plain = !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\']);
        let Some(reader) = store.open(&name).await?.filter(|_| is_plain) else { continue };
        copied.push(copy(reader, to, &file).await?);
        found.push(file);
    }
    let absent = EXPECTED.into_iter().filter(|file| !found.iter().any(|have| have == file)).collect();
    Ok(Fetched { copied, absent })
}

/// A reader sees the earlier file or this one, never half of it.
async fn copy(mut reader: BlobReader, to: &Path, file: &str) -> Result<PathBuf, Stop> {
    let place = to.join(file);
    let unwritten = |error: std::io::Error| {
        let what = format!("cannot write {}: {error}; give --to another folder", place.display());
        Stop::new(Exit::Configuration, what)
    };
    private::create_folder(to).map_err(unwritten)?;
    let part = to.join(format!(".{file}.part"));
    let mut writer = tokio::fs::File::from_std(private::create(&part).map_err(unwritten)?);
    while let Some(bytes) = reader.body.try_next().await? {
        writer.write_all(&bytes).await.map_err(unwritten)?;
    }
    writer.sync_all().await.map_err(unwritten)?;
    tokio::fs::rename(&part, &place).await.map_err(unwritten)?;
    Ok(place)
}
