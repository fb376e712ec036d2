//! Questions whether a service answers: of all callers that ask at the same time, one asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::ports::Fault;

/// The newest answer to one question, and when it was asked for. `Err` holds the fault.
type Newest = Arc<tokio::sync::Mutex<Option<(Instant, Result<(), Fault>)>>>;

/// Questions by name, shared by all workers of a process; there are as many as there are containers.
#[derive(Default, Clone)]
pub(super) struct Questions {
    newest: Arc<Mutex<HashMap<String, Newest>>>,
}

impl Questions {
    /// The answer to `name`: one that was asked for after this call began, by this caller or another. (The lock is
    /// asynchronous because it is held while the service is asked: the others wait for the answer.)
    pub async fn ask<F>(&self, name: &str, ask: impl FnOnce() -> F) -> Result<(), Fault>
    where
        F: Future<Output = Result<(), Fault>>,
    {
        let began = Instant::now();
        let newest = {
            let mut all = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(name.to_owned()).or_default().clone()
        };
        let mut newest = newest.lock().await;
        if let Some((asked, answer)) = newest.as_ref()
            && *asked > began
        {
            return answer.as_ref().copied().map_err(Fault::again);
        }
        let asked = Instant::now();
        let answer = ask().await;
        let shared = answer.as_ref().copied().map_err(Fault::again);
        *newest = Some((asked, shared));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use futures_util::future::join_all;

    use super::*;
    use crate::ports::{FaultKind, Service};

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_a_question_is_under_way_shares_the_next_answer() {
        let (questions, asked) = (Questions::default(), AtomicU32::new(0));
        let ask = |place: u64| {
            let (questions, asked) = (questions.clone(), &asked);
            async move {
                tokio::time::sleep(Duration::from_millis(place)).await;
                let slow = || async {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Err(Fault::new(Service::TargetBlobs, FaultKind::Unavailable, "away"))
                };
                questions.ask("target", slow).await.unwrap_err().kind
            }
        };
        let answers = join_all((0..100).map(ask)).await;
        assert_eq!(answers, vec![FaultKind::Unavailable; 100]);
        // The first asks for itself; the rest came later than its question was sent, and share one.
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        ask(0).await;
        assert_eq!(asked.into_inner(), 3, "an old answer proves nothing");
    }
}
