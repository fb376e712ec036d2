//! Which sources must be streamed, remembered per account and container.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use url::{Host, Url};

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

/// Account and container. An account has a host of its own; the emulator's stands in the path.
fn container(source: &Url) -> String {
    let account_in_host = matches!(source.host(), Some(Host::Domain(name)) if name != "localhost");
    let folders = source.path_segments().into_iter().flatten().take(if account_in_host { 1 } else { 2 });
    format!("{}/{}", source.origin().ascii_serialization(), folders.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_remembered_for_its_container_only() {
        let ways = Ways::default();
        let url = |text: &str| Url::parse(text).unwrap();
        ways.only_stream(&url("https://a.example/box/f1"));
        ways.only_stream(&url("http://127.0.0.1:1/acc/box/f1"));
        assert!(!ways.may_try_server_side(&url("https://a.example/box/f2?sig=x")));
        assert!(!ways.may_try_server_side(&url("https://a.example/box/folder/f2")));
        assert!(!ways.may_try_server_side(&url("http://127.0.0.1:1/acc/box/f2")));
        assert!(ways.may_try_server_side(&url("http://127.0.0.1:1/acc/other/f2")));
        assert!(ways.may_try_server_side(&url("https://a.example/other/f1")));
        assert!(ways.may_try_server_side(&url("https://b.example/box/f1")));
    }
}
