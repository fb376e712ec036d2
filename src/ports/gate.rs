//! How much of the target database a process uses at once: where the target guard slows it down.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{Permit, Permits, pause};

/// The longest rest between two statements, however long the first one took.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Lets statements of a process begin, at full speed all at once. At a lower speed the connections of the process are
/// busy for that share of the time together: fewer statements at a time, and below one at a time a rest after each.
/// The same share in every process takes the same share off what all of them do.
pub struct Gate {
    connections: usize,
    permits: Arc<Permits>,
    pacing: Mutex<Pacing>,
    /// The speed has risen: rests are shorter, or over.
    eased: Notify,
}

struct Pacing {
    /// Share of full speed, above 0; 1: nothing is held up.
    speed: f64,
    /// No statement begins earlier.
    rest_until: Option<Instant>,
}

/// A statement that was let in; it ends when this is dropped.
pub struct Turn {
    /// `None`: the gate was open.
    slowed: Option<Slowed>,
}

struct Slowed {
    gate: Arc<Gate>,
    waited: Duration,
    began: Instant,
    _permit: Permit,
}

impl Gate {
    /// An open gate before so many connections.
    pub fn new(connections: usize) -> Arc<Self> {
        let connections = connections.max(1);
        let pacing = Mutex::new(Pacing { speed: 1.0, rest_until: None });
        Arc::new(Self { connections, permits: Permits::new(connections), pacing, eased: Notify::new() })
    }

    /// From now on the process has this share of its full speed: at most 1, above 0.
    pub fn set_speed(&self, speed: f64) {
        let rises = {
            let mut pacing = self.pacing();
            let rises = speed > pacing.speed;
            pacing.speed = speed;
            if rises {
                pacing.rest_until = None;
            }
            rises
        };
        self.permits.set(self.at_once(speed));
        if rises {
            self.eased.notify_waiters();
        }
    }

    /// The present share of full speed.
    pub fn speed(&self) -> f64 {
        self.pacing().speed
    }

    /// Whether the speed is below one statement at a time.
    pub fn is_narrow(&self) -> bool {
        self.share() < 1.0
    }

    /// Connections that may be busy at a time, or the part of the time in which one may.
    #[expect(clippy::cast_precision_loss, reason = "connections of one process")]
    fn share(&self) -> f64 {
        self.speed() * self.connections as f64
    }

    /// Waits until one more statement may begin.
    pub async fn enter(self: &Arc<Self>) -> Turn {
        if self.speed() >= 1.0 {
            return Turn { slowed: None };
        }
        let asked = Instant::now();
        let permit = self.permits.take().await;
        loop {
            // Subscribed before the rest is read, so that a change between the two is not missed.
            let eased = self.eased.notified();
            let Some(rest) = self.rest() else { break };
            tokio::select! {
                () = pause(rest) => {}
                () = eased => {}
            }
        }
        let began = Instant::now();
        let waited = began.duration_since(asked);
        Turn { slowed: Some(Slowed { gate: self.clone(), waited, began, _permit: permit }) }
    }

    fn rest(&self) -> Option<Duration> {
        let until = self.pacing().rest_until?;
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    }

    /// Statements that may be under way at this speed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the connections of one process"
    )]
    fn at_once(&self, speed: f64) -> usize {
        ((speed * self.connections as f64) as usize).clamp(1, self.connections)
    }

    /// A statement that took so long is over. If one at a time is too many, the next one begins so much later that the
    /// share is kept.
    fn ended(&self, took: Duration) {
        let share = self.share();
        if share < 1.0 {
            let rest = took.mul_f64(1.0 / share - 1.0).min(LONGEST_REST);
            self.pacing().rest_until = Some(Instant::now() + rest);
        }
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// For a statement that no gate holds up.
    pub fn free() -> Self {
        Self { slowed: None }
    }

    /// How long it waited at the gate; `None` if that was open.
    pub fn waited(&self) -> Option<Duration> {
        self.slowed.as_ref().map(|slowed| slowed.waited)
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.gate.ended(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_gate_holds_nothing_up() {
        let gate = Gate::new(2);
        let turns: Vec<Turn> = (0..9).filter_map(|_| gate.enter().now_or_never()).collect();
        assert_eq!(turns.len(), 9);
        assert!(turns.iter().all(|turn| turn.waited().is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_the_speed_is_a_quarter_of_the_statements_at_a_time() {
        let gate = Gate::new(8);
        gate.set_speed(0.25);
        let (one, _other) = (gate.enter().await, gate.enter().await);
        assert!(gate.enter().now_or_never().is_none(), "two of eight connections work");
        drop(one);
        assert!(gate.enter().now_or_never().is_some());
        assert!(gate.pacing().rest_until.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn below_one_statement_at_a_time_each_is_followed_by_a_rest() {
        let gate = Gate::new(2);
        gate.set_speed(1.0 / 8.0);
        for seconds in [1, 2] {
            let turn = gate.enter().await;
            pause(Duration::from_secs(seconds)).await;
            drop(turn);
            let asked = Instant::now();
            let turn = gate.enter().await;
            // A quarter of the time is work, three quarters are rest.
            assert_eq!(asked.elapsed(), Duration::from_secs(3 * seconds));
            assert_eq!(turn.waited(), Some(Duration::from_secs(3 * seconds)));
            drop(turn);
        }
        let turn = gate.enter().await;
        pause(Duration::from_mins(5)).await;
        drop(turn);
        assert_eq!(gate.rest(), Some(LONGEST_REST), "a lock that was waited for makes no rest of minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_opens_lets_in_who_waits() {
        let gate = Gate::new(1);
        gate.set_speed(0.01);
        let turn = gate.enter().await;
        pause(Duration::from_secs(5)).await;
        drop(turn);
        let asked = Instant::now();
        let opening = async {
            pause(Duration::from_secs(1)).await;
            gate.set_speed(1.0);
        };
        let (_turn, ()) = tokio::join!(gate.enter(), opening);
        assert_eq!(asked.elapsed(), Duration::from_secs(1));
    }
}
