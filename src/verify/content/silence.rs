//! Which containers of sources give no answer. That is found once for each: a retired account costs no wait for each of its
//! files.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use url::Url;

use super::read::Side;
use crate::{
    domain::source_container,
    ports::{Backoff, BlobReader, Fault, Patience, Source, pause},
};

/// What is known of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has given no answer yet, and is asked again.
    Awaited,
    /// It has answered: if it falls silent later, it is away and not gone.
    Answers,
    /// It has given no answer for so long that it is not asked any more.
    Gone,
}

/// The containers of sources that were asked for a file.
pub struct Silence {
    gone_after: Duration,
    containers: Mutex<HashMap<String, Known>>,
}

impl Silence {
    /// A container that gives no answer for so long, and gave none before, is gone.
    pub fn of(gone_after: Duration) -> Self {
        Self { gone_after, containers: Mutex::default() }
    }

    /// Opens a source file. A container that has never answered is asked until it is gone.
    pub async fn open(&self, source: &dyn Source, url: &Url) -> Result<Result<BlobReader, Side>, Fault> {
        let container = source_container(url);
        let mut patience = Patience::new(Backoff::OPERATION);
        loop {
            if self.known(&container) == Some(Known::Gone) {
                return Ok(Err(Side::Silent));
            }
            let fault = match source.get(url).await {
                Err(fault) if fault.before_asking => return Err(fault),
                Err(fault) if fault.is_silence() => fault,
                answer => {
                    self.learn(&container, Known::Answers);
                    return answer.map(Ok);
                }
            };
            match self.known(&container) {
                Some(Known::Answers) => return Err(fault),
                Some(Known::Awaited | Known::Gone) => {}
                None => self.tell(&container, &fault),
            }
            match patience.failed_within(self.gone_after) {
                Some(wait) => pause(wait).await,
                None => self.give_up(&container),
            }
        }
    }

    fn known(&self, container: &str) -> Option<Known> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).get(container).copied()
    }

    fn learn(&self, container: &str, known: Known) {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        containers.insert(container.to_owned(), known);
    }

    /// The container is gone, unless it has answered another file meanwhile.
    fn give_up(&self, container: &str) {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = containers.entry(container.to_owned()).or_insert(Known::Awaited);
        if *known == Known::Awaited {
            *known = Known::Gone;
        }
    }

    fn tell(&self, container: &str, fault: &Fault) {
        self.learn(container, Known::Awaited);
        tracing::warn!(
            source = container,
            fault = %fault.chain(),
            gone_after_s = self.gone_after.as_secs(),
            "a source gives no answer; if it gives none for so long, its files are not compared"
        );
    }
}
