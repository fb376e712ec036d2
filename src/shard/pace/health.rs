//! The health of one service, as all operations of a process meet it.

use std::time::Duration;

use tokio::time::Instant;

use super::tries::{Tries, Verdict};
use crate::{
    ports::{Backoff, Fault, FaultKind},
    run::State,
};

/// A fault of one row is blamed on the row after so many tries, if the service answered others meanwhile and
/// cannot be asked itself.
const TRIES_OF_A_ROW: u32 = 8;
/// Number of consecutive failures without an answer after which the whole process waits.
const FAILURES_OF_A_SERVICE: u32 = 3;

/// State of one service since its last answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// All failures since the last answer.
    failures: u32,
    /// Failures of operations during which no other operation got an answer: one that fails while others succeed
    /// is no sign of an outage.
    unanswered: u32,
    failing_since: Option<Instant>,
    last_answer: Option<Instant>,
    closed_until: Option<Instant>,
    /// How often the whole process has waited.
    closures: u32,
    pub state: State,
}

impl Health {
    /// Counts a fault of the service.
    pub(super) fn judge(&mut self, fault: &Fault, tries: &mut Tries, give_up_after: Duration) -> Verdict {
        let now = Instant::now();
        let since = *self.failing_since.get_or_insert(now);
        let throttled = matches!(fault.kind, FaultKind::Throttled(_));
        let others_were_answered = self.last_answer.is_some_and(|answer| answer > tries.previous);
        // A service that is reachable now and then fails many operations at a time: only an operation that fails while
        // all others are answered fails for a reason of its own.
        let alone = self.failures == 0 && self.last_answer.is_some_and(|answer| answer > tries.began);
        tries.alone += u32::from(alone);
        tries.previous = now;
        self.failures += 1;
        self.unanswered += u32::from(!others_were_answered);
        // What may have taken effect is settled by trying again, and by nothing else. Others may be answered on
        // connections that were let in before the credentials ended, or before the service took no more.
        let excused =
            throttled || tries.in_doubt || fault.before_asking || fault.kind == FaultKind::Unauthenticated;
        if alone && tries.alone >= TRIES_OF_A_ROW && !excused && !tries.is_examined {
            return Verdict::Blame;
        }
        if now.duration_since(since) > give_up_after {
            return Verdict::GiveUp;
        }
        let asked = match fault.kind {
            FaultKind::Throttled(wait) => wait.map(|wait| wait.min(give_up_after)),
            _ => None,
        };
        if throttled || (self.unanswered >= FAILURES_OF_A_SERVICE && !others_were_answered) {
            self.close(now, asked, fault);
        }
        Verdict::Wait(Backoff::OPERATION.pause_as_asked(tries.count, asked))
    }

    /// Makes every caller wait: longer after each failure in a row, and as long as the service asked for.
    fn close(&mut self, now: Instant, asked: Option<Duration>, fault: &Fault) {
        let is_open = self.closed_until.is_none_or(|until| until <= now);
        self.closures += u32::from(is_open);
        if is_open || asked.is_some() {
            let until = now + Backoff::OPERATION.pause_as_asked(self.closures, asked);
            self.closed_until = self.closed_until.max(Some(until));
        }
        let throttled = matches!(fault.kind, FaultKind::Throttled(_));
        let state = match fault.status {
            Some(status) if throttled => State::Throttled(format!("{status} from {}", fault.service)),
            None if throttled => State::Throttled(fault.to_string()),
            _ => State::Waiting(fault.to_string()),
        };
        self.state = state;
    }

    /// Forgets earlier failures, because the service answered a request; returns what the process waited for, if it did.
    pub(super) fn answered(&mut self) -> Option<State> {
        let fresh = Self { last_answer: Some(Instant::now()), ..Self::default() };
        let earlier = std::mem::replace(self, fresh);
        (earlier.state != State::Running).then_some(earlier.state)
    }

    /// How long callers must wait before they ask the service, and whether the service itself asked for that.
    pub(super) fn pause(&self, now: Instant) -> Option<(Duration, bool)> {
        let wait = self.closed_until?.checked_duration_since(now).filter(|wait| !wait.is_zero())?;
        Some((wait, matches!(self.state, State::Throttled(_))))
    }

    /// Whether the process waits for the service.
    pub(super) fn is_waited_for(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| until > now) || self.unanswered >= FAILURES_OF_A_SERVICE
    }
}
