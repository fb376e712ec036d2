//! What was seen of one container, and which of its files are looked at one by one.

use super::Found;
use crate::{
    predict::files::WantedFile,
    run::{
        PredictedSource,
        source_files::{Container, Way},
    },
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
            Some(why) if container.files == 0 => format!("not listed: {why}"),
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

    /// Whether a row of the input names one of its files; if not, nothing is said of it.
    pub fn is_named(&self) -> bool {
        self.container.files + self.container.named > 0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn view(files: u64, not_listed: Option<&str>) -> View {
        let container = Container {
            shown: "https://a.example/box".into(),
            example: "https://a.example/box/f".parse().unwrap(),
            prefix: String::new(),
            files,
            named: files,
        };
        View::new(&container, &Way { not_listed: not_listed.map(str::to_owned), ..Way::default() })
    }

    fn looked_at(mut view: View, files: u64) -> u64 {
        let url = view.container.example.clone();
        let file = WantedFile { row: 1, order: 1, container: 0, url };
        (0..files).filter(|_| view.is_due(&file)).count() as u64
    }

    #[test]
    fn of_a_container_that_cannot_be_listed_all_files_or_a_sample_from_all_over_are_looked_at() {
        for (files, expected) in [(1, 1), (1_000, 1_000), (1_001, 501), (240_000, 1_000)] {
            let view = view(files, Some("no right"));
            assert_eq!(
                view.predicted.way.starts_with("a sample of"),
                files > SAMPLE,
                "{}",
                view.predicted.way
            );
            assert_eq!(looked_at(view, files), expected, "{files}");
        }
    }

    #[test]
    fn of_a_listed_container_what_is_said_to_be_missing_is_looked_at_once_more_but_not_endlessly() {
        assert_eq!(looked_at(view(5_000, None), 5_000), CONFIRMED);
    }
}
