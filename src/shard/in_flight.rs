//! Number of copies in flight per process: raised step by step while that helps, lowered when a service throttles.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::report::events::Gain;

const START: usize = 16;
const FEWEST: usize = 4;
const MOST: usize = 64;
const WINDOW: Duration = Duration::from_secs(2);
/// Smallest gain in rate for which an increase is kept.
const GAIN: f64 = 1.05;
/// Number of windows between an increase that gained nothing and the next one.
const REST: u32 = 10;

/// The limit on copies in flight of a process.
pub struct InFlight {
    permits: Arc<Semaphore>,
    adaptive: bool,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    /// Permits to be withdrawn when they are returned.
    debt: usize,
    window_began: Instant,
    copies: u32,
    /// Copies per second before the last increase.
    before_step: Option<f64>,
    rest: u32,
}

impl InFlight {
    /// Starts at 16 and moves between 4 and 64.
    pub fn adaptive() -> Self {
        Self::new(START, true)
    }

    /// Stays at `limit`.
    pub fn fixed(limit: usize) -> Self {
        Self::new(limit.max(1), false)
    }

    fn new(limit: usize, adaptive: bool) -> Self {
        let state =
            State { limit, debt: 0, window_began: Instant::now(), copies: 0, before_step: None, rest: 0 };
        Self { permits: Arc::new(Semaphore::new(limit)), adaptive, state: Mutex::new(state) }
    }

    /// Waits for a permit for one copy.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The present limit of copies.
    pub fn limit(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).limit
    }

    /// Copies in flight now.
    pub fn usage(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.limit + state.debt).saturating_sub(self.permits.available_permits())
    }

    /// Whether the limit cannot rise: who waits for a permit waits because of it, not because the best limit is sought.
    pub fn is_capped(&self) -> bool {
        !self.adaptive || self.limit() >= MOST
    }

    /// Returns the permit of a finished copy; at the end of a window decides whether the last increase is kept, and says
    /// so if there was one.
    pub fn copied(&self, place: Option<OwnedSemaphorePermit>) -> Option<Gain> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match place {
            Some(place) if state.debt > 0 => {
                state.debt -= 1;
                place.forget();
            }
            other => drop(other),
        }
        state.copies += 1;
        let elapsed = state.window_began.elapsed();
        if !self.adaptive || elapsed < WINDOW {
            return None;
        }
        let rate = f64::from(state.copies) / elapsed.as_secs_f64();
        state.window_began = Instant::now();
        state.copies = 0;
        let (was_raised, before) = (state.before_step.is_some(), state.limit);
        let target = step(&mut state, rate);
        self.set(&mut state, target);
        let gain = if state.limit < before { Gain::Nothing } else { Gain::Gained };
        was_raised.then_some(gain)
    }

    /// A service throttles: halves the limit, and pauses before the next increase.
    pub fn throttled(&self) {
        if !self.adaptive {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Many copies are throttled at once; that counts once per window.
        if state.rest == REST {
            return;
        }
        state.rest = REST;
        state.before_step = None;
        let half = state.limit / 2;
        self.set(&mut state, half);
    }

    fn set(&self, state: &mut State, limit: usize) {
        let limit = limit.clamp(FEWEST, MOST);
        if limit > state.limit {
            let more = limit - state.limit;
            let forgiven = more.min(state.debt);
            state.debt -= forgiven;
            self.permits.add_permits(more - forgiven);
        } else {
            let fewer = state.limit - limit;
            let taken = self.permits.forget_permits(fewer);
            state.debt += fewer - taken;
        }
        if limit != state.limit {
            tracing::debug!(from = state.limit, to = limit, "copies in flight");
        }
        state.limit = limit;
    }
}

/// The next limit, given the rate of the window that ended.
fn step(state: &mut State, rate: f64) -> usize {
    match state.before_step.take() {
        Some(before) if rate < before * GAIN => {
            state.rest = REST;
            state.limit * 4 / 5
        }
        _ if state.rest > 0 => {
            state.rest -= 1;
            state.limit
        }
        _ if state.limit < MOST => {
            state.before_step = Some(rate);
            state.limit * 5 / 4 + 1
        }
        _ => state.limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(limit: usize) -> State {
        State { limit, debt: 0, window_began: Instant::now(), copies: 0, before_step: None, rest: 0 }
    }

    #[test]
    fn a_step_that_gains_is_kept_and_one_that_does_not_is_taken_back() {
        let mut state = state(16);
        state.limit = step(&mut state, 100.0);
        assert_eq!(state.limit, 21);
        state.limit = step(&mut state, 130.0);
        assert_eq!(state.limit, 27);
        state.limit = step(&mut state, 131.0);
        assert_eq!(state.limit, 21);
    }

    #[tokio::test]
    async fn throttling_halves_once_and_never_below_four() {
        let in_flight = InFlight::adaptive();
        in_flight.throttled();
        in_flight.throttled();
        assert_eq!(in_flight.limit(), 8);
        let places: Vec<_> = (0..8).map(|_| in_flight.permits.clone().try_acquire_owned()).collect();
        assert!(places.iter().all(Result::is_ok));
        assert!(in_flight.permits.clone().try_acquire_owned().is_err());
    }

    #[tokio::test]
    async fn however_often_it_is_throttled_four_copies_go_on() {
        let in_flight = InFlight::adaptive();
        for _ in 0..20 {
            // Each in a window of its own.
            in_flight.state.lock().unwrap().rest = 0;
            in_flight.throttled();
        }
        assert_eq!((in_flight.limit(), in_flight.permits.available_permits()), (4, 4));
        assert_eq!(InFlight::fixed(0).permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn places_in_use_are_taken_away_when_they_come_back() {
        let in_flight = InFlight::adaptive();
        let mut places = Vec::new();
        for _ in 0..16 {
            places.push(in_flight.place().await);
        }
        in_flight.throttled();
        for place in places {
            in_flight.copied(place);
        }
        assert_eq!(in_flight.permits.available_permits(), 8);
    }
}
