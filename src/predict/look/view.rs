//! What was seen of one container, and which of its files are looked at one by one.

use super::{Found, listing::Way};
use crate::{
    predict::files::{Container, WantedFile},
    run::PredictedSource,
};

/// Files of a container that cannot be listed that are looked at one by one; of more, so many are a sample.
const SAMPLE: u64 = 1_000;
/// Files of a listed container that the listing did not show, and that are looked at once more.
const CONFIRMED: u64 = 200;
/// What was seen of one container.
pub struct View {
    /// What the prediction says of it.
    pub predicted: PredictedSource,
    /// Whether it was listed to its end.
    pub is_listed: bool,
    /// Which container it is, and what its names begin with.
    pub container: Container,
    /// Every so manieth file is looked at, if the container is not listed.
    step: u64,
    passed: u64,
    confirmed: u64,
    sized: u64,
    bytes: u64,
    /// Files that were not looked at.
    pub skipped: u64,
}

impl View {
    /// Nothing seen yet but its listing.
    pub fn new(container: &Container, way: &Way) -> Self {
        let step = container.files.div_ceil(SAMPLE).max(1);
        let text = match &way.not_listed {
            None => format!("listed below {} in {} pages", shown_prefix(container), way.pages),
            Some(why) if step == 1 => format!("looked at one by one: {why}"),
            Some(why) => format!("a sample of {} looked at: {why}", container.files.div_ceil(step)),
        };
        Self {
            predicted: PredictedSource {
                container: container.shown.clone(),
                files: container.files,
                way: text,
                listed: way.blobs,
                not_named: way.not_listed.is_none().then_some(0),
                ..PredictedSource::default()
            },
            is_listed: way.not_listed.is_none(),
            container: container.clone(),
            step,
            passed: 0,
            confirmed: 0,
            sized: 0,
            bytes: 0,
            skipped: 0,
        }
    }

    /// Whether this file, which no listing showed, is to be looked at.
    pub fn is_due(&mut self, file: &WantedFile) -> bool {
        if self.is_listed {
            // Links and versions of blobs are not listed under the name that a row gives. A file that is said to be
            // missing should be.
            self.confirmed += 1;
            return self.confirmed <= CONFIRMED || file.is_of_the_past();
        }
        self.passed += 1;
        (self.passed - 1).is_multiple_of(self.step)
    }

    /// Counts one more file.
    pub fn count(&mut self, found: Found) {
        match found {
            Found::Bytes(bytes) => {
                self.sized += 1;
                self.bytes += bytes;
            }
            Found::Missing => self.predicted.missing += 1,
            Found::Archived => self.predicted.archived += 1,
            Found::Forbidden => self.predicted.forbidden += 1,
            Found::NotLookedAt(_) => self.skipped += 1,
        }
    }

    /// Mean length of the files that are there.
    pub fn mean_bytes(&self) -> u64 {
        self.bytes.checked_div(self.sized).unwrap_or_default()
    }

    /// For the prediction.
    pub fn finish(self) -> PredictedSource {
        self.predicted
    }
}

/// The prefix for people: not its text, because folders may be called after persons.
fn shown_prefix(container: &Container) -> &'static str {
    if container.prefix.is_empty() { "its root" } else { "the rows' common folder" }
}
