//! Which sources must be streamed, remembered per account and container.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use url::Url;

/// Sources that the storage service could not copy from. All others are tried first.
#[derive(Debug, Default)]
pub(super) struct Ways {
    streamed: Mutex<HashSet<String>>,
}

impl Ways {
    pub fn may_try_server_side(&self, source: &Url) -> bool {
        let streamed = self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
        !streamed.contains(&container(source))
    }

    pub fn only_stream(&self, source: &Url) {
        self.streamed.lock().unwrap_or_else(PoisonError::into_inner).insert(container(source));
    }
}

/// The URL without its last segment, cut to two segments: account and container where the account stands in
/// the path (the emulator), else container and perhaps a folder.
fn container(source: &Url) -> String {
    let segments: Vec<&str> = source.path_segments().into_iter().flatten().collect();
    let folders = segments.len().saturating_sub(1).min(2);
    format!(
        "{}/{}",
        source.origin().ascii_serialization(),
        segments.get(..folders).unwrap_or_default().join("/")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_remembered_for_its_container_only() {
        let ways = Ways::default();
        let url = |text: &str| Url::parse(text).unwrap();
        ways.only_stream(&url("https://a.example/box/f1"));
        assert!(!ways.may_try_server_side(&url("https://a.example/box/f2?sig=x")));
        assert!(ways.may_try_server_side(&url("https://a.example/other/f1")));
        assert!(ways.may_try_server_side(&url("https://b.example/box/f1")));
    }
}
