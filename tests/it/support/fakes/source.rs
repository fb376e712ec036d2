//! Learners' and markers' files in memory.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use md5::{Digest, Md5};
use rogo_migrate::ports::{BlobInfo, BlobReader, CopyGrant, Fault, FaultKind, Service, Source};
use url::Url;

use super::no;

/// Holds a file at every URL, unless it was told of a fault. Clones are one source.
#[derive(Clone, Default)]
pub struct InMemorySource {
    faults: Arc<Mutex<Vec<(String, FaultKind)>>>,
    /// How long each file lets its reader wait.
    pub takes: Duration,
    /// How long each file lets its reader wait for every other one that is asked for meanwhile, itself included: a line
    /// that is full.
    pub takes_of_each: Duration,
    asked: Arc<AtomicU32>,
    /// Bytes of each file, if it is not a short one.
    pub content: Option<Bytes>,
    /// What a listing of any container shows, in one page; `None` if they cannot be listed.
    pub listed: Option<Vec<BlobInfo>>,
}

impl InMemorySource {
    /// From now on files whose URL holds this meet the fault.
    pub fn fail(&self, part: &str, kind: FaultKind) {
        self.faults.lock().unwrap().push((part.into(), kind));
    }

    /// No more faults.
    pub fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn file(&self, url: &Url) -> Result<(BlobInfo, Bytes), Fault> {
        let faults = self.faults.lock().unwrap();
        if let Some((_, kind)) = faults.iter().find(|(part, _)| url.as_str().contains(part)) {
            return Err(no(Service::SourceBlobs, kind.clone()));
        }
        let bytes = match &self.content {
            Some(content) => content.clone(),
            None => Bytes::from(format!("the file {}", url.path())),
        };
        let md5 = Some(Md5::digest(&bytes).into());
        let info =
            BlobInfo { name: url.path().into(), size_bytes: bytes.len() as u64, md5, ..BlobInfo::default() };
        Ok((info, bytes))
    }
}

#[async_trait]
impl Source for InMemorySource {
    async fn get(&self, url: &Url) -> Result<BlobReader, Fault> {
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if !self.takes_of_each.is_zero() {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::time::sleep(self.takes_of_each * asked).await;
            self.asked.fetch_sub(1, Ordering::Relaxed);
        }
        let (info, bytes) = self.file(url)?;
        Ok(BlobReader { info, body: stream::iter([Ok(bytes)]).boxed() })
    }

    async fn head(&self, url: &Url) -> Result<BlobInfo, Fault> {
        self.file(url).map(|(info, _)| info)
    }

    async fn grant(&self, _: &Url) -> Result<Option<CopyGrant>, Fault> {
        Ok(None)
    }

    fn list<'a>(&'a self, example: &'a Url, _: &'a str) -> BoxStream<'a, Result<Vec<BlobInfo>, Fault>> {
        let page = self.listed.clone().ok_or_else(|| no(Service::SourceBlobs, FaultKind::Unsupported));
        stream::iter([self.file(example).and(page)]).boxed()
    }
}
