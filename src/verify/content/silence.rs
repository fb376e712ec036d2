//! Which hosts of sources give no answer. That is found once for each: a retired account costs no wait for each of its files, nor
//! for each of its containers.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use url::Url;

use super::read::Side;
use crate::ports::{Backoff, BlobReader, Fault, Patience, Source, pause};

/// What is known of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has given no answer yet, and is asked again.
    Awaited,
    /// It has answered: if it falls silent later, it is away and not gone.
    Answers,
    /// It has given no answer for so long that it is not asked any more.
    Gone,
}

/// The hosts of sources that were asked for a file.
pub struct Silence {
    gone_after: Duration,
    hosts: Mutex<HashMap<String, Known>>,
}

impl Silence {
    /// A host that gives no answer for so long, and gave none before, is gone.
    pub fn of(gone_after: Duration) -> Self {
        Self { gone_after, hosts: Mutex::default() }
    }

    /// Opens a source file. A host that has never answered is asked until it is gone.
    pub async fn open(&self, source: &dyn Source, url: &Url) -> Result<Result<BlobReader, Side>, Fault> {
        let host = url.origin().ascii_serialization();
        let mut patience = Patience::new(Backoff::OPERATION);
        loop {
            if self.known(&host) == Some(Known::Gone) {
                return Ok(Err(Side::Silent));
            }
            let fault = match source.get(url).await {
                Err(fault) if fault.before_asking => return Err(fault),
                Err(fault) if fault.is_silence() => fault,
                answer => {
                    self.learn(&host, Known::Answers);
                    return answer.map(Ok);
                }
            };
            if self.meets_silence(&host, &fault) == Known::Answers {
                return Err(fault);
            }
            match patience.failed_within(self.gone_after) {
                Some(wait) => pause(wait).await,
                None => self.give_up(&host),
            }
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, host: &str) -> Option<Known> {
        self.hosts().get(host).copied()
    }

    fn learn(&self, host: &str, known: Known) {
        self.hosts().insert(host.to_owned(), known);
    }

    /// The host is gone, unless it has answered another file meanwhile.
    fn give_up(&self, host: &str) {
        let mut hosts = self.hosts();
        let known = hosts.entry(host.to_owned()).or_insert(Known::Awaited);
        if *known == Known::Awaited {
            *known = Known::Gone;
        }
    }

    /// What is known of a host that has just given no answer; the first time it is told.
    fn meets_silence(&self, host: &str, fault: &Fault) -> Known {
        // Looked at and set under one lock: an answer to another file must not be forgotten.
        let mut hosts = self.hosts();
        if let Some(known) = hosts.get(host) {
            return *known;
        }
        hosts.insert(host.to_owned(), Known::Awaited);
        tracing::warn!(
            source = host,
            fault = %fault.chain(),
            gone_after_s = self.gone_after.as_secs(),
            "a source gives no answer; if it gives none for so long, its files are not compared"
        );
        Known::Awaited
    }
}
