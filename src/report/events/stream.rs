//! The stream itself: who is told, and when.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Event, Wait};
use crate::{ports::Service, report::log_lines::LogLines};

/// The time of events. It is the runtime's, which tests may stop.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Time from an earlier [`now`] until now.
pub fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

/// A consumer of events. It is called in the middle of the work: it returns at once and keeps its own state.
pub trait Consumer: Send + Sync {
    /// Takes one event, which happened at `at`.
    fn take(&self, at: Instant, event: &Event<'_>);
}

/// The stream; clones lead to the same consumers.
#[derive(Clone, Default)]
pub struct Events {
    consumers: Arc<[Arc<dyn Consumer>]>,
}

impl Events {
    /// A stream to these consumers, in this order.
    pub fn to(consumers: impl IntoIterator<Item = Arc<dyn Consumer>>) -> Self {
        Self { consumers: consumers.into_iter().collect() }
    }

    /// A stream to the log alone.
    pub fn to_log() -> Self {
        let log: Arc<dyn Consumer> = Arc::new(LogLines);
        Self::to([log])
    }

    /// A stream to the same consumers and these.
    #[must_use]
    pub fn and(&self, consumers: impl IntoIterator<Item = Arc<dyn Consumer>>) -> Self {
        Self { consumers: self.consumers.iter().cloned().chain(consumers).collect() }
    }

    /// Tells every consumer that the event happened now.
    pub fn tell(&self, event: Event<'_>) {
        let at = now();
        for consumer in &*self.consumers {
            consumer.take(at, &event);
        }
    }

    /// Awaits `asking` and tells how long the service took to answer.
    pub async fn asked<T, E>(
        &self,
        service: Service,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = now();
        let answer = asking.await?;
        self.tell(Event::Asked { service, took: since(began) });
        Ok(answer)
    }

    /// Awaits `waiting` and tells how long that took.
    pub async fn waited<T>(&self, on: Wait, waiting: impl Future<Output = T>) -> T {
        let began = now();
        let value = waiting.await;
        self.tell(Event::Waited { on, took: since(began) });
        value
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} consumers)", self.consumers.len())
    }
}
