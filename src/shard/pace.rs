//! Pace: the process waits as a whole when a service is in trouble, and says why.

mod health;
mod scope;
mod tries;
mod trouble;
mod waits;

use std::{
    collections::BTreeMap,
    future::Ready,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use health::Health;
use scope::{Scope, scope};
use tries::{Tries, Verdict, Word, may_be_blamed};
use waits::Waits;

pub use tries::may_pass;
pub use trouble::Trouble;
use trouble::given_up;

use crate::{
    exit::Moment,
    ports::{Backoff, Fault, FaultKind, Service, jitter, pause},
    report::events::{Event, Events},
    run::State,
};

/// Number of tries before a differing checksum is blamed on the file, because the network may be the cause.
const TRIES_OF_A_CORRUPT_FILE: u32 = 3;

/// A probe of a service that does not concern any row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the service answers at all.
    Answers,
    /// Whether the service does for others what it refuses this row. Sent before a row is blamed.
    Works,
}

/// State of the services, shared by all workers of a process.
pub struct Pace {
    services: Mutex<BTreeMap<Service, Health>>,
    give_up_after: Duration,
    stop: CancellationToken,
    waits: Mutex<Waits>,
    /// Set by the target guard.
    slowed: Mutex<Option<State>>,
    events: Events,
}

impl Pace {
    /// `give_up_after`: how long a service may be unreachable before the process ends with 75.
    pub fn new(give_up_after: Duration, stop: CancellationToken) -> Self {
        Self {
            services: Mutex::default(),
            give_up_after,
            stop,
            waits: Mutex::default(),
            slowed: Mutex::default(),
            events: Events::default(),
        }
    }

    /// The same, which tells retries and troubles there.
    #[must_use]
    pub fn telling(self, events: &Events) -> Self {
        Self { events: events.clone(), ..self }
    }

    /// Runs `operation`, which needs these services, until it succeeds, the row is to blame, or the
    /// process must end.
    /// Waits with back-off between tries; all callers wait while a service throttles.
    pub async fn steady<T, O>(&self, services: &[Service], operation: impl FnMut() -> O) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
    {
        self.steady_watched(services, operation, |_| {}).await
    }

    /// As [`Pace::steady`]; `watch` sees each fault.
    pub async fn steady_watched<T, O>(
        &self,
        services: &[Service],
        operation: impl FnMut() -> O,
        watch: impl FnMut(&Fault),
    ) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
    {
        let nothing_to_ask = None::<fn(Service, Question) -> Ready<Result<(), Fault>>>;
        self.keep_trying(services, operation, watch, nothing_to_ask).await
    }

    /// As [`Pace::steady_watched`], for an operation that may fail because of its row. From the fourth try on, `ask`
    /// probes the service with a request that does not concern the row, right before and right after each try.
    /// Only five failed tries between answered probes (20 if one was refused by [what passes](may_pass)) prove that the row
    /// is to blame, even if other operations fail too; if a probe gets no answer, the operation is not tried. If the service
    /// refuses a name and answers the probe, the row is to blame at once.
    pub async fn steady_examined<T, O, A>(
        &self,
        services: &[Service],
        operation: impl FnMut() -> O,
        watch: impl FnMut(&Fault),
        ask: impl Fn(Service, Question) -> A,
    ) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
        A: Future<Output = Result<(), Fault>>,
    {
        self.keep_trying(services, operation, watch, Some(ask)).await
    }

    async fn keep_trying<T, O, A>(
        &self,
        services: &[Service],
        mut operation: impl FnMut() -> O,
        mut watch: impl FnMut(&Fault),
        ask: Option<impl Fn(Service, Question) -> A>,
    ) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
        A: Future<Output = Result<(), Fault>>,
    {
        let mut tries = Tries::new(ask.is_some());
        loop {
            for service in services {
                self.wait_until_open(*service).await?;
            }
            let (result, word) = match ask.as_ref().zip(tries.suspect(services)) {
                None => (operation().await, Word::None),
                Some((ask, service)) => {
                    let question =
                        if tries.next_proof_decides() { Question::Works } else { Question::Answers };
                    self.between_answers(service, ask, question, &mut operation).await
                }
            };
            let mut fault = match result {
                Ok(result) => {
                    for service in services {
                        self.answered(*service);
                    }
                    return Ok(result);
                }
                Err(fault) => fault,
            };
            // Before the row is blamed: an unknown effect of the last try counts like one of an earlier try.
            watch(&fault);
            // A front end that refuses every request gives the same answer as one that refuses a name.
            if fault.kind == FaultKind::NameRefused
                && let Some(ask) = &ask
                && ask(fault.service, Question::Answers).await.is_err()
            {
                fault.kind = FaultKind::Misconfigured;
            }
            let wait = match self.judge(&fault, &mut tries, word) {
                Verdict::Wait(wait) => wait,
                Verdict::Blame => return Err(Trouble::Row(fault)),
                Verdict::GiveUp => return Err(Trouble::Process(given_up(self.give_up_after, &fault))),
            };
            self.events.tell(Event::StageRetried { fault: &fault, tries: tries.count, wait });
            self.rest(wait).await?;
        }
    }

    /// Tries once if the service answers before the try; also returns what it said for itself.
    async fn between_answers<T, O, A>(
        &self,
        service: Service,
        ask: impl Fn(Service, Question) -> A,
        question: Question,
        mut operation: impl FnMut() -> O,
    ) -> (Result<T, Fault>, Word)
    where
        O: Future<Output = Result<T, Fault>>,
        A: Future<Output = Result<(), Fault>>,
    {
        if let Err(away) = ask(service, question).await {
            return (Err(away), Word::Refused);
        }
        self.answered(service);
        let result = operation().await;
        let is_examined = matches!(&result, Err(fault) if fault.service == service && may_be_blamed(fault));
        if is_examined && ask(service, question).await.is_ok() {
            self.answered(service);
            return (result, Word::Vouched);
        }
        (result, Word::None)
    }

    /// As [`Pace::steady`], before the first row: what will not pass by itself (rights, names, addresses) is returned
    /// at once. Credentials may be rotated just now, and one process that ends for them would end all.
    pub async fn at_start<T, O>(
        &self,
        service: Service,
        mut operation: impl FnMut() -> O,
    ) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
    {
        let settled = self
            .steady(&[service], || {
                let asking = operation();
                async {
                    match asking.await {
                        Err(fault) if Moment::AfterPlan.waits_for(&fault.kind) => Err(fault),
                        settled => Ok(settled),
                    }
                }
            })
            .await?;
        settled.map_err(Trouble::Row)
    }

    /// State of the process: `running`, or the reason why it waits or is slow.
    pub fn state(&self) -> State {
        if self.stop.is_cancelled() {
            return State::Stopping("rows under way are finished and recorded".into());
        }
        let now = Instant::now();
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = services.values().find(|health| health.is_waited_for(now));
        let slowed =
            || self.slowed.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        waiting.map_or_else(slowed, |health| health.state.clone())
    }

    /// `word`: what the service said for itself. A question of ours that fails is never a row's fault.
    fn judge(&self, fault: &Fault, tries: &mut Tries, word: Word) -> Verdict {
        tries.count(fault);
        match if word == Word::Refused { Scope::Service } else { scope(fault) } {
            Scope::Row => return Verdict::Blame,
            Scope::File if tries.damaged >= TRIES_OF_A_CORRUPT_FILE => return Verdict::Blame,
            Scope::File => return Verdict::Wait(Backoff::OPERATION.pause(tries.count)),
            Scope::Service if word == Word::Vouched => return tries.vouched(),
            Scope::Service => {}
        }
        let (verdict, trouble) = {
            let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
            let health = services.entry(fault.service).or_default();
            let before = health.state.clone();
            let verdict = health.judge(fault, tries, self.give_up_after);
            (verdict, (health.state != before).then(|| health.state.clone()))
        };
        if let Some(state) = &trouble {
            self.events.tell(Event::ServiceTroubled { fault, state });
        }
        verdict
    }

    fn answered(&self, service: Service) {
        let trouble = {
            let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
            services.entry(service).or_default().answered()
        };
        if let Some(after) = &trouble {
            self.events.tell(Event::ServiceAnswers { service, after });
        }
    }

    /// Waits for an unavailable service once, then lets the caller try: otherwise callers that fail would keep back
    /// callers that would succeed. While a service throttles, each caller waits as long as the service asks.
    async fn wait_until_open(&self, service: Service) -> Result<(), Trouble> {
        let mut has_waited = false;
        while let Some((wait, _)) = self.pause(service).filter(|(_, throttled)| *throttled || !has_waited) {
            // Spread a little, so that the callers do not all return at once.
            self.rest(wait + jitter(wait / 4)).await?;
            has_waited = true;
        }
        Ok(())
    }

    fn pause(&self, service: Service) -> Option<(Duration, bool)> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.get(&service).and_then(|health| health.pause(Instant::now()))
    }

    async fn rest(&self, wait: Duration) -> Result<(), Trouble> {
        self.stop.run_until_cancelled(pause(wait)).await.ok_or(Trouble::Stopping)
    }
}

#[cfg(test)]
mod tests;
