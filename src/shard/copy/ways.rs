//! Which sources must be streamed, remembered per account and container.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use url::Url;

use crate::{
    domain::source_container,
    ports::{Fault, FaultKind, Retry, Service},
};

/// Sources that the storage service could not copy from. All others are tried first. Clones share what they learn.
#[derive(Debug, Default, Clone)]
pub(super) struct Ways {
    streamed: Arc<Mutex<HashSet<String>>>,
    /// The target's service copies from none.
    all_streamed: Arc<AtomicBool>,
}

impl Ways {
    pub fn may_try_server_side(&self, source: &Url) -> bool {
        if self.all_streamed.load(Ordering::Relaxed) {
            return false;
        }
        let streamed = self.streamed.lock().unwrap_or_else(PoisonError::into_inner);
        !streamed.contains(&source_container(source))
    }

    pub fn stream_all(&self) {
        self.all_streamed.store(true, Ordering::Relaxed);
    }

    /// Whether this is news: several files of a container find out at once.
    pub fn only_stream(&self, source: &Url) -> bool {
        self.streamed.lock().unwrap_or_else(PoisonError::into_inner).insert(source_container(source))
    }
}

/// Whether streaming would meet the same fault: it may pass by itself, the source is archived, another, or not what it says it
/// is, or the target is gone, or refuses us or the name. That the storage service does not find a source, which this process
/// has just looked at, says nothing of it: a read does.
pub(super) fn matters_to_every_way(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Archived | FaultKind::NameRefused | FaultKind::Changed | FaultKind::Corrupt => true,
        FaultKind::NotFound | FaultKind::ContainerGone | FaultKind::Unauthenticated | FaultKind::NoRole => {
            fault.service == Service::TargetBlobs
        }
        _ => fault.kind.retry() != Retry::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_remembered_for_its_container_only() {
        let ways = Ways::default();
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(ways.only_stream(&url("https://a.example/box/f1")));
        assert!(!ways.clone().only_stream(&url("https://a.example/box/f2")));
        assert!(ways.only_stream(&url("http://127.0.0.1:1/acc/box/f1")));
        assert!(!ways.may_try_server_side(&url("https://a.example/box/f2?sig=x")));
        assert!(!ways.may_try_server_side(&url("https://a.example/box/folder/f2")));
        assert!(!ways.may_try_server_side(&url("http://127.0.0.1:1/acc/box/f2")));
        assert!(ways.may_try_server_side(&url("http://127.0.0.1:1/acc/other/f2")));
        assert!(ways.may_try_server_side(&url("https://a.example/other/f1")));
        assert!(ways.may_try_server_side(&url("https://b.example/box/f1")));
    }

    #[test]
    fn a_source_that_refuses_the_service_may_yet_answer_to_us_and_a_target_refuses_every_way() {
        for kind in
            [FaultKind::Unauthenticated, FaultKind::NoRole, FaultKind::NotFound, FaultKind::ContainerGone]
        {
            let of = |service| matters_to_every_way(&Fault::new(service, kind.clone(), "refused"));
            assert!(of(Service::TargetBlobs), "{kind:?}");
            assert!(!of(Service::SourceBlobs), "{kind:?}");
        }
    }
}
