//! The containers of source files, numbered as they are met.

use std::collections::HashMap;

use url::Url;

use crate::domain::{source_container, source_name};

/// Pages of a container in which no row that is going to migrate names a file.
const FEW_PAGES: u64 = 10;

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
    /// Names of files in it that rows of the input have, whatever becomes of the rows; counted by a prediction only.
    pub named: u64,
}

impl Container {
    /// Pages that a listing may take. Of a container without a file to look at, some are worth what they may show.
    pub(super) fn most_pages(&self) -> u64 {
        if self.files > 0 { self.files } else { self.named.max(FEW_PAGES) }
    }

    /// Takes in a file of this name: the prefix is the folder that all files have in common.
    fn widen(&mut self, name: &str) {
        let common = common_folder(&self.prefix, name);
        self.prefix.truncate(common);
    }

    /// Whether it is a folder: its names are paths.
    pub fn is_folder(&self) -> bool {
        self.example.scheme() == "file"
    }
}

/// The containers of all files that rows name, numbered as they are met.
#[derive(Default)]
pub struct Containers {
    all: Vec<Container>,
    numbers: HashMap<String, u32>,
}

impl Containers {
    /// The same containers under the same numbers, with no file counted yet.
    pub fn known(containers: &[Container]) -> Self {
        let all = containers.iter().map(|known| Container { files: 0, named: 0, ..known.clone() }).collect();
        let numbers = (0..).zip(containers).map(|(number, known)| (known.shown.clone(), number)).collect();
        Self { all, numbers }
    }

    /// Counts a file; the number of its container.
    pub fn add(&mut self, url: &Url) -> u32 {
        let (number, container) = self.at(url);
        if let Some(container) = container {
            container.files += 1;
            container.widen(&source_name(url));
        }
        number
    }

    /// Counts the name of a file, which no row may migrate; the number of its container. The common folder of a container
    /// that has a file to look at stays that of its files.
    pub fn name(&mut self, url: &Url) -> u32 {
        let (number, container) = self.at(url);
        if let Some(container) = container {
            container.named += 1;
            if container.files == 0 {
                container.widen(&source_name(url));
            }
        }
        number
    }

    /// The file's container, which is new if no file of it was met.
    fn at(&mut self, url: &Url) -> (u32, Option<&mut Container>) {
        let shown = source_container(url);
        let number = self.numbers.get(&shown).copied().unwrap_or_else(|| {
            let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
            let (example, prefix) = (url.clone(), source_name(url));
            self.all.push(Container { shown: shown.clone(), example, prefix, files: 0, named: 0 });
            self.numbers.insert(shown, number);
            number
        });
        (number, self.all.get_mut(number as usize))
    }

    /// All of them, by number.
    pub fn finish(self) -> Vec<Container> {
        self.all
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
    fn a_container_in_which_no_row_migrates_is_numbered_and_has_the_common_folder_of_its_names() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let mut all = Containers::default();
        assert_eq!(all.add(&url("https://a.example/box/x/1")), 0);
        assert_eq!(all.name(&url("https://a.example/box/y/2")), 0);
        assert_eq!(all.name(&url("https://a.example/other/p/q/1")), 1);
        assert_eq!(all.name(&url("https://a.example/other/p/r/2")), 1);
        let found: Vec<_> = all.finish().into_iter().map(|one| (one.prefix, one.files, one.named)).collect();
        assert_eq!(found, [("x/".to_owned(), 1, 1), ("p/".to_owned(), 0, 2)]);
    }
}
