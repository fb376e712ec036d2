//! What the copy stage promises of a process that was retired while it copied: it places no blob.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use rogo_migrate::{
    ports::{Fault, FaultKind, MayWrite, Service},
    shard::copy::{Budget, Copier},
};
use url::Url;

use super::{
    copy::{copied, metadata, planned},
    folder, noise, source,
};

/// The process may write until it has asked so many times.
struct Retired {
    after: u32,
    asked: AtomicU32,
}

#[async_trait]
impl MayWrite for Retired {
    async fn prove_fence(&self) -> Result<(), Fault> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.after {
            return Ok(());
        }
        Err(Fault::new(Service::Database, FaultKind::Fenced, "another process has retired this one"))
    }
}

#[tokio::test]
async fn a_process_that_was_retired_while_it_copied_places_no_blob() {
    const NAME: &str = "LTI_Uploads/t1/7_1_f.pdf";
    let sources = tempfile::tempdir().unwrap();
    let path = sources.path().join("f");
    let file = planned(Url::from_file_path(&path).unwrap());
    // A file of one request; one of two parts, before each of which it asks, and before its end.
    for (length, questions) in [(0, 1), (100, 1), (9 * 1024 * 1024, 3)] {
        std::fs::write(&path, noise(length)).unwrap();
        for after in 0..=questions {
            let place = tempfile::tempdir().unwrap();
            let target = folder(place.path());
            let fence = Arc::new(Retired { after, asked: AtomicU32::new(0) });
            let copier = Copier::new(target.clone(), source(None), Budget::new(), fence);
            let kind = copied(&copier, &file, NAME, metadata("t1")).await.err().map(|fault| fault.kind);
            let may_write = after == questions;
            assert_eq!(kind, (!may_write).then_some(FaultKind::Fenced), "{length} bytes, {after} questions");
            assert_eq!(target.head(NAME).await.unwrap().is_some(), may_write, "{length} {after}");
        }
    }
}
