//! The stream of events, and its time.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{Event, Server, Wait};
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
        self.tell_at(now(), event);
    }

    fn tell_at(&self, at: Instant, event: Event<'_>) {
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
        self.asked_of(service, None, asking).await
    }

    /// The same of a service that is asked over HTTP.
    pub async fn asked_of<T, E>(
        &self,
        service: Service,
        server: Option<&Server>,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = now();
        let answer = asking.await?;
        let at = now();
        self.tell_at(at, Event::Asked { service, server, took: at.saturating_duration_since(began) });
        Ok(answer)
    }

    /// Awaits `waiting` and tells how long that took, unless there was nothing to wait for.
    pub async fn waited<T>(&self, on: Wait, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        let began = now();
        if let Poll::Ready(value) = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await {
            return value;
        }
        let value = waiting.await;
        let at = now();
        self.tell_at(at, Event::Waited { on, took: at.saturating_duration_since(began) });
        value
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} consumers)", self.consumers.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// The waits that were told.
    #[derive(Default)]
    struct Waits(Mutex<Vec<Duration>>);

    impl Consumer for Waits {
        fn take(&self, _: Instant, event: &Event<'_>) {
            let Event::Waited { took, .. } = event else { return };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(*took);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_with_its_whole_time_and_what_is_ready_at_once_is_no_wait() {
        let waits = Arc::new(Waits::default());
        let own: Arc<dyn Consumer> = waits.clone();
        let events = Events::to([own]);
        assert_eq!(events.waited(Wait::Memory, async { 1 }).await, 1);
        assert!(waits.0.lock().unwrap().is_empty());
        events.waited(Wait::Memory, tokio::time::sleep(Duration::from_millis(70))).await;
        assert_eq!(*waits.0.lock().unwrap(), [Duration::from_millis(70)]);
    }
}
