//! Reading a run from its bundle, without the run store.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    adapters::blobs,
    exit::Stop,
    ports::Service,
    run::{Course, RunStore, Summary, bundle, lines::no_room, names},
    settings::{AccountSettings, Place},
};

/// A run that was unpacked; its documents go with this value.
pub(super) struct Bundled {
    pub(super) store: RunStore,
    /// How messages name its place.
    pub(super) place: String,
    _folder: TempDir,
}

/// Unpacks a bundle.
pub(super) fn open(file: &Path) -> Result<Bundled, Stop> {
    let folder = tempfile::tempdir().map_err(no_room)?;
    let run = bundle::unpack(file, folder.path())?;
    let place = Place::Folder(folder.path().to_owned());
    let blobs = blobs::open(&place, &AccountSettings::default(), Service::RunStore)?;
    let store = RunStore::new(blobs, &run);
    Ok(Bundled { store, place: file.display().to_string(), _folder: folder })
}

/// What the bundled run has of a code, in a sentence.
pub(super) async fn occurrences(file: &Path, code: &str) -> Result<String, Stop> {
    let code = code.trim().to_lowercase();
    let Bundled { store, place, .. } = &open(file)?;
    let summary: Option<Summary> = store.read(&names::result(names::SUMMARY)).await?;
    let course: Option<Course> = store.read(names::TELEMETRY).await?;
    let rows = summary.map_or(0, |summary| {
        let books = &summary.books;
        let counts = books.failed.iter().map(|(code, rows)| (code.code(), *rows));
        let counts = counts.chain(books.skipped.iter().map(|(code, rows)| (code.code(), *rows)));
        let mut counts = counts.chain(books.notes.iter().map(|(code, rows)| (code.code(), *rows)));
        counts.find(|(known, _)| *known == code.as_str()).map_or(0, |(_, rows)| rows)
    });
    let examples: Vec<String> = course
        .and_then(|course| course.examples.get(&code).cloned())
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let run = store.run();
    Ok(match (rows, examples.is_empty()) {
        (0, _) => format!("Run {run} ({place}) has no row with it."),
        (_, true) => format!("Run {run} ({place}) has {rows} rows with it."),
        (_, false) => {
            format!("Run {run} ({place}) has {rows} rows with it, for example {}.", examples.join(", "))
        }
    })
}
