//! Pace: the process waits as a whole when a service is in trouble, and says why.

mod scope;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use scope::{Scope, scope};

use crate::{
    exit::{Exit, Stop},
    ports::{Fault, FaultKind, Retry, Service},
    report::progress::State,
};

/// A fault of one row is blamed on the row after so many tries, if the service answered others meanwhile.
const TRIES_OF_A_ROW: u32 = 8;
/// A checksum that differs may be the network's doing: so many tries before the file is blamed.
const TRIES_OF_A_CORRUPT_FILE: u32 = 3;
/// From so many failures in a row on, without an answer between, the whole process waits.
const FAILURES_OF_A_SERVICE: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Why an operation has no result.
#[derive(Debug)]
pub enum Trouble {
    /// The row's own: trying again changes nothing, or its tries are used up.
    Row(Fault),
    /// The process must end.
    Process(Stop),
    /// The process was told to stop while it waited; the row keeps no outcome.
    Stopping,
}

impl From<Trouble> for Stop {
    /// Where there is no row to blame, the fault ends the process.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Row(fault) => fault.into(),
            Trouble::Process(stop) => stop,
            Trouble::Stopping => Self::new(Exit::Stopped, "stopped before it was done; run again to go on"),
        }
    }
}

/// What all workers of a process know of the services' health.
pub struct Pace {
    services: Mutex<BTreeMap<Service, Health>>,
    give_up_after: Duration,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Default)]
struct Health {
    failures: u32,
    failing_since: Option<Instant>,
    last_answer: Option<Instant>,
    closed_until: Option<Instant>,
    state: State,
}

impl Pace {
    /// `give_up_after`: how long a service may stay away before the process ends with 75.
    pub fn new(give_up_after: Duration, stop: CancellationToken) -> Self {
        Self { services: Mutex::default(), give_up_after, stop }
    }

    /// Runs `operation`, which needs these services, until it succeeds, the row is to blame, or the
    /// process must end.
    /// Waits with back-off between tries; all callers wait while a service asks for less.
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
        mut operation: impl FnMut() -> O,
        mut watch: impl FnMut(&Fault),
    ) -> Result<T, Trouble>
    where
        O: Future<Output = Result<T, Fault>>,
    {
        let mut tries = Tries::new();
        loop {
            for service in services {
                self.wait_until_open(*service).await?;
            }
            let fault = match operation().await {
                Ok(result) => {
                    for service in services {
                        self.answered(*service);
                    }
                    return Ok(result);
                }
                Err(fault) => fault,
            };
            // Before the verdict: what the last try left in doubt counts as much as what an earlier one did.
            watch(&fault);
            let wait = match self.judge(&fault, &mut tries) {
                Verdict::Wait(wait) => wait,
                Verdict::Blame => return Err(Trouble::Row(fault)),
                Verdict::GiveUp => return Err(Trouble::Process(self.given_up(&fault))),
            };
            let count = tries.count;
            tracing::debug!(service = %fault.service, fault = %fault.chain(), tries = count, ?wait, "trying again");
            self.sleep(wait).await?;
        }
    }

    /// As [`Pace::steady`], before the first row: what will not pass by itself (credentials, rights, names)
    /// is returned at once.
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
                        Err(fault) if fault.kind.retry() == Retry::Never => Ok(Err(fault)),
                        Err(fault) => Err(fault),
                        Ok(result) => Ok(Ok(result)),
                    }
                }
            })
            .await?;
        settled.map_err(Trouble::Row)
    }

    /// What the process is doing: `running`, or what it waits for.
    pub fn state(&self) -> State {
        if self.stop.is_cancelled() {
            return State::Stopping("rows under way are finished and recorded".into());
        }
        let now = Instant::now();
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services
            .iter()
            .find(|(_, health)| {
                health.closed_until.is_some_and(|until| until > now)
                    || health.failures >= FAILURES_OF_A_SERVICE
            })
            .map_or(State::Running, |(_, health)| health.state.clone())
    }

    fn judge(&self, fault: &Fault, tries: &mut Tries) -> Verdict {
        tries.count += 1;
        tries.in_doubt |= fault.kind == FaultKind::AnswerLost;
        match scope(fault) {
            Scope::Row => return Verdict::Blame,
            Scope::File if tries.count >= TRIES_OF_A_CORRUPT_FILE => return Verdict::Blame,
            Scope::File => return Verdict::Wait(backoff(tries.count)),
            Scope::Service => {}
        }
        let now = Instant::now();
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let health = services.entry(fault.service).or_default();
        let since = *health.failing_since.get_or_insert(now);
        // A service that comes and goes fails many at a time: only who fails while it answers everyone else
        // fails for a reason of its own.
        let answers_others =
            health.failures == 0 && health.last_answer.is_some_and(|answer| answer > tries.began);
        tries.alone += u32::from(answers_others);
        health.failures += 1;
        let throttled = matches!(fault.kind, FaultKind::Throttled(_));
        // What may have taken effect is settled by trying again, and by nothing else.
        if answers_others && tries.alone >= TRIES_OF_A_ROW && !throttled && !tries.in_doubt {
            return Verdict::Blame;
        }
        if now.duration_since(since) > self.give_up_after {
            return Verdict::GiveUp;
        }
        let wait = match fault.kind {
            FaultKind::Throttled(Some(wait)) => wait.min(self.give_up_after),
            _ => backoff(health.failures.max(tries.count)),
        };
        if throttled || health.failures >= FAILURES_OF_A_SERVICE {
            let until = now + wait;
            if health.closed_until.is_none_or(|earlier| earlier < until) {
                health.closed_until = Some(until);
            }
            let why = fault.to_string();
            let state = if throttled { State::Throttled(why) } else { State::Waiting(why) };
            if health.state != state {
                tracing::warn!(service = %fault.service, fault = %fault.chain(), throttled, "the process waits");
                health.state = state;
            }
        }
        Verdict::Wait(wait)
    }

    fn answered(&self, service: Service) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let health = services.entry(service).or_default();
        if health.failures >= FAILURES_OF_A_SERVICE {
            tracing::info!(%service, "answers again");
        }
        *health = Health { last_answer: Some(Instant::now()), ..Health::default() };
    }

    async fn wait_until_open(&self, service: Service) -> Result<(), Trouble> {
        loop {
            let closed_until = self
                .services
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&service)
                .and_then(|health| health.closed_until);
            match closed_until.and_then(|until| until.checked_duration_since(Instant::now())) {
                // A little apart, so that not all come back in one instant.
                Some(wait) if !wait.is_zero() => self.sleep(wait + jitter(wait / 4)).await?,
                _ => return Ok(()),
            }
        }
    }

    async fn sleep(&self, wait: Duration) -> Result<(), Trouble> {
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.stop.cancelled() => Err(Trouble::Stopping),
        }
    }

    fn given_up(&self, fault: &Fault) -> Stop {
        let minutes = self.give_up_after.as_secs_f64() / 60.0;
        Stop::new(
            Exit::Temporary,
            format!(
                "gave up after {minutes:.1} min without an answer (give-up-after): {}. No row was blamed; mend the service and run again",
                fault.chain()
            ),
        )
    }
}

/// What one operation has met so far.
struct Tries {
    began: Instant,
    count: u32,
    /// Of these, while the service answered everyone else.
    alone: u32,
    /// An answer was lost: it may have taken effect.
    in_doubt: bool,
}

impl Tries {
    fn new() -> Self {
        Self { began: Instant::now(), count: 0, alone: 0, in_doubt: false }
    }
}

enum Verdict {
    Wait(Duration),
    Blame,
    GiveUp,
}

fn backoff(failures: u32) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    wait / 2 + jitter(wait / 2)
}

/// A part of `most`, different at each call.
fn jitter(most: Duration) -> Duration {
    let dice = uuid::Uuid::new_v4().as_u128() & 0xffff;
    most.mul_f64(u32::try_from(dice).map_or(0.5, f64::from) / 65536.0)
}

#[cfg(test)]
mod tests;
