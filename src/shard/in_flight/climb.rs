//! How the limit on copies is found: it doubles while that moves more, halves again if half moves as much, then it is tried in
//! small steps. It never looks at a clock: the caller measures, and says what a window came to.

use crate::report::events::Gain;

/// Fewer copies are never in flight.
pub(super) const FEWEST: usize = 4;
/// The part of the linear gain for which a doubling is kept, and followed by the next.
const OF_A_DOUBLING: f64 = 0.2;
/// The gain for which the last doubling stays, though no other follows.
const WORTH_KEEPING: f64 = 0.05;
/// A small step: a part of the limit.
const STEP: f64 = 0.15;
/// The part of its linear gain for which a small step up is kept, and of its linear loss for which one down is not.
const OF_A_STEP: f64 = 0.25;
/// How many times its earlier value a latency has risen if the service is overloaded.
const RISEN: f64 = 1.3;
/// The part of the linear gain of a small step for which the limit doubles again: it was judged too low.
const WORTH_DOUBLING: f64 = 0.8;
/// Windows between a step that gained nothing and the next one …
const REST: u32 = 10;
/// … and between the last doubling and the first small step.
const FIRST_REST: u32 = 2;
/// Windows in which a doubling must seem to gain nothing: its first copies may wait for new connections.
const DOUBTS: u32 = 3;
/// Windows in which half must seem to move less: in the first the service still works on the copies of the limit before.
const DOUBTS_OF_HALF: u32 = 2;

/// What a window came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub per_second: f64,
    /// From the place to the end of a copy, on average.
    pub latency_s: f64,
}

/// The limit, and what is known of it.
pub(super) struct Climb {
    limit: usize,
    /// A risen latency alone lowers it no further: what throttles says so.
    start: usize,
    most: usize,
    /// What it is held at for now.
    held_at: usize,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    /// `before`: the limit and the figures before the last doubling; `doubts`: windows in which it gained nothing.
    Doubling { before: Option<(usize, Figures)>, doubts: u32 },
    /// Down to half of a limit; `before`: the best figures so far.
    Halving { from: usize, before: Figures, doubts: u32 },
    /// `usual`: the best figures at this limit.
    Settled { usual: Option<Figures>, rest: u32 },
    /// A step up from a limit with these figures, seen to help once or not yet.
    Up { from: usize, before: Figures, seen: bool },
    /// A step down because the latency had risen; `usual`: before it rose.
    Down { from: usize, usual: Figures },
    /// Back from a lower limit with these figures, to see which of the two moves more: the latency may have risen for a
    /// moment only.
    Back { lower: usize, there: Figures, usual: Figures },
}

impl Climb {
    pub fn new(start: usize, most: usize) -> Self {
        let phase = Phase::Doubling { before: None, doubts: 0 };
        let start = start.min(most);
        Self { limit: start, start, most, held_at: most, phase }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether it still moves in large steps.
    pub fn is_seeking(&self) -> bool {
        matches!(self.phase, Phase::Doubling { .. } | Phase::Halving { .. })
    }

    /// Whether the limit cannot rise further.
    pub fn is_at_most(&self) -> bool {
        self.limit >= self.held_at
    }

    /// Whether it is held below the most that it may ever be.
    pub fn is_held(&self) -> bool {
        self.held_at < self.most
    }

    /// Until another call it is at most this.
    pub fn hold_at(&mut self, limit: usize) {
        self.held_at = limit.clamp(2 * FEWEST, self.most);
        if self.limit > self.held_at {
            self.limit = self.held_at;
            self.phase = Phase::Settled { usual: None, rest: REST };
        }
    }

    /// The service throttles.
    pub fn throttled(&mut self) {
        self.limit = (self.limit / 2).max(FEWEST);
        self.phase = Phase::Settled { usual: None, rest: REST };
    }

    /// Moves the limit after a window in which all places were taken. Tells whether a raise is kept, once that is known.
    pub fn judge(&mut self, now: Figures) -> Option<Gain> {
        match self.phase {
            Phase::Doubling { before: None, .. } => {
                self.double(now);
                None
            }
            Phase::Doubling { before: Some((from, before)), doubts } => {
                self.doubled(now, from, before, doubts)
            }
            Phase::Halving { from, before, doubts } => {
                self.halved(now, from, before, doubts);
                None
            }
            Phase::Settled { usual, rest } => {
                self.settled(now, usual.unwrap_or(now), rest);
                None
            }
            Phase::Up { from, before, seen } => self.went_up(now, from, before, seen),
            Phase::Down { from, usual } => {
                self.phase = Phase::Back { lower: self.limit, there: now, usual };
                self.limit = from.min(self.held_at);
                None
            }
            Phase::Back { lower, there, usual } => {
                self.went_back(now, lower, there, usual);
                None
            }
        }
    }

    fn double(&mut self, now: Figures) {
        let from = self.limit;
        self.limit = (2 * from).min(self.held_at);
        if self.limit > from {
            self.phase = Phase::Doubling { before: Some((from, now)), doubts: 0 };
        } else {
            self.phase = Phase::Settled { usual: Some(now), rest: REST };
            self.halve(now);
        }
    }

    fn doubled(&mut self, now: Figures, from: usize, before: Figures, doubts: u32) -> Option<Gain> {
        let gained = now.per_second / before.per_second - 1.0;
        if gained >= OF_A_DOUBLING * self.linear(from) {
            self.double(now);
            return Some(Gain::Gained);
        }
        if doubts + 1 < DOUBTS {
            self.phase = Phase::Doubling { before: Some((from, before)), doubts: doubts + 1 };
            return None;
        }
        self.phase = Phase::Settled { usual: None, rest: FIRST_REST };
        if gained < WORTH_KEEPING {
            self.limit = from;
            self.halve(before);
        }
        Some(Gain::Nothing)
    }

    /// Tries half of a limit; `before`: the best figures since the last doubling. An earlier doubling may have seemed to gain only
    /// because the copies before it waited for their connections, or the service was just beginning.
    fn halve(&mut self, before: Figures) {
        let from = self.limit;
        let half = (from / 2).max(self.start);
        if half < from {
            self.limit = half;
            self.phase = Phase::Halving { from, before, doubts: 0 };
        }
    }

    fn halved(&mut self, now: Figures, from: usize, before: Figures, doubts: u32) {
        if before.per_second / now.per_second - 1.0 < WORTH_KEEPING {
            self.phase = Phase::Settled { usual: None, rest: FIRST_REST };
            self.halve(if now.per_second > before.per_second { now } else { before });
        } else if doubts + 1 < DOUBTS_OF_HALF {
            self.phase = Phase::Halving { from, before, doubts: doubts + 1 };
        } else {
            self.phase = Phase::Settled { usual: None, rest: FIRST_REST };
            self.limit = from.min(self.held_at);
        }
    }

    fn settled(&mut self, now: Figures, usual: Figures, rest: u32) {
        let (limit, step) = (self.limit, step(self.limit));
        let is_overloaded = now.latency_s > RISEN * usual.latency_s && now.per_second <= usual.per_second;
        if is_overloaded && limit > self.start {
            self.limit = (limit - step).max(self.start);
            self.phase = Phase::Down { from: limit, usual };
        } else if rest == 0 && !self.is_at_most() {
            self.limit = (limit + step).min(self.held_at);
            self.phase = Phase::Up { from: limit, before: now, seen: false };
        } else {
            let usual = if now.per_second > usual.per_second { now } else { usual };
            self.phase = Phase::Settled { usual: Some(usual), rest: rest.saturating_sub(1) };
        }
    }

    /// Seen to help in two windows, the step is kept and the next one follows.
    fn went_up(&mut self, now: Figures, from: usize, before: Figures, seen: bool) -> Option<Gain> {
        let gained = now.per_second / before.per_second - 1.0;
        if gained < OF_A_STEP * self.linear(from) {
            self.limit = from;
            self.phase = Phase::Settled { usual: Some(before), rest: REST };
            return Some(Gain::Nothing);
        }
        if !seen {
            self.phase = Phase::Up { from, before, seen: true };
            return None;
        }
        self.phase = Phase::Settled { usual: Some(now), rest: 0 };
        if gained >= WORTH_DOUBLING * self.linear(from) {
            self.double(now);
        }
        Some(Gain::Gained)
    }

    /// A step down that cost nothing is made for good, and followed by the next while the latency stays risen. If the
    /// higher limit moves more, the service is slower for its own reasons.
    fn went_back(&mut self, now: Figures, lower: usize, there: Figures, usual: Figures) {
        let gained = now.per_second / there.per_second - 1.0;
        if gained >= OF_A_STEP * self.linear(lower) {
            self.phase = Phase::Settled { usual: Some(now), rest: REST };
            return;
        }
        self.limit = lower;
        let is_over = there.latency_s <= RISEN * usual.latency_s;
        self.phase = Phase::Settled { usual: Some(if is_over { there } else { usual }), rest: REST };
    }

    /// What the rate would have gained since the limit was `from` if it rose with the limit.
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    fn linear(&self, from: usize) -> f64 {
        self.limit as f64 / from as f64 - 1.0
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of some hundreds"
)]
fn step(limit: usize) -> usize {
    ((limit as f64 * STEP) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A climb that has reached its cap of 64 with each window twice as fast as the one before.
    fn at_its_cap() -> Climb {
        let mut climb = Climb::new(32, 64);
        for per_second in [100.0, 200.0] {
            climb.judge(figures(per_second));
        }
        climb
    }

    fn figures(per_second: f64) -> Figures {
        Figures { per_second, latency_s: 0.1 }
    }

    #[test]
    fn at_its_cap_half_is_tried_too_and_kept_if_it_moves_as_much() {
        let mut climb = at_its_cap();
        assert_eq!(climb.limit(), 32);
        climb.judge(figures(198.0));
        assert_eq!(climb.limit(), 32);
    }

    #[test]
    fn half_is_given_up_in_its_second_window_at_the_earliest() {
        let mut climb = at_its_cap();
        climb.judge(figures(110.0));
        assert_eq!(climb.limit(), 32, "the service still works on the copies of before");
        climb.judge(figures(110.0));
        assert_eq!(climb.limit(), 64);
    }

    #[test]
    fn a_limit_that_is_held_lower_meanwhile_is_not_gone_back_to() {
        let usual = figures(100.0);
        for phase in [Phase::Halving { from: 64, before: usual, doubts: 1 }, Phase::Down { from: 64, usual }]
        {
            let mut climb = Climb { limit: 32, start: 32, most: 64, held_at: 64, phase };
            climb.hold_at(40);
            climb.judge(figures(50.0));
            assert_eq!(climb.limit(), 40);
        }
    }
}
