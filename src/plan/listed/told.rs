//! Messages to the operator while the sources are listed, and afterwards.

use std::time::{Duration, Instant};

use crate::{
    plan::{Progress, report::ListedSources},
    report::grid::count,
    run::source_files::{Container, Way},
};

/// A line of the log each time so much has passed.
const EVERY: Duration = Duration::from_secs(10);

/// A listing under way.
pub struct Told<'a> {
    progress: &'a Progress,
    files: u64,
    pages: u64,
    blobs: u64,
    said: Instant,
}

impl<'a> Told<'a> {
    /// No page yet.
    pub fn begin(progress: &'a Progress, containers: usize, files: u64) -> Self {
        tracing::info!(
            containers,
            files,
            "listing the sources: what is listed needs no look before its copy"
        );
        progress.doing("listing the sources");
        Self { progress, files, pages: 0, blobs: 0, said: Instant::now() }
    }

    /// One more page.
    pub fn page(&mut self, blobs: usize) {
        self.pages += 1;
        self.blobs += blobs as u64;
        self.progress.doing(&format!(
            "listing the sources: {} blobs in {} pages",
            count(self.blobs),
            count(self.pages)
        ));
        if self.said.elapsed() >= EVERY {
            tracing::info!(pages = self.pages, blobs = self.blobs, "listing the sources");
            self.said = Instant::now();
        }
    }

    /// The counts; a container that was not listed is named, with the reason.
    pub fn finish(self, containers: &[Container], ways: &[Way]) -> ListedSources {
        let Self { progress, files, pages, blobs, .. } = self;
        progress.done();
        tracing::info!(pages, blobs, "the sources are listed");
        let not_listed = containers.iter().zip(ways).filter_map(|(container, way)| {
            let why = way.not_listed.as_ref().filter(|_| !container.is_folder())?;
            Some(format!("{}: {why}", container.shown))
        });
        ListedSources { files, known: 0, pages, not_listed: not_listed.collect() }
    }
}
