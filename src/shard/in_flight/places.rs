//! Places of one way of copying: measures copies in windows, and moves the limit as [`Climb`] decides.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::climb::{Climb, Figures};
use crate::{
    ports::{Permit, Permits},
    report::events::{Gain, now, since},
    shard::copy::Budget,
};

/// The limit at the beginning.
const START: usize = 32;
/// A window lasts so long at least while the limit doubles or halves …
const SEEKING: Duration = Duration::from_millis(300);
/// … or so long if so many times as many copies end in it as may be under way: beside a near service the climb is short …
const QUICK: Duration = Duration::from_millis(100);
const MANY: usize = 8;
/// … and so long afterwards.
const SETTLED: Duration = Duration::from_secs(1);
/// Of the copies of a window, the share before whose end no place was free: else the limit was not what held them up, and
/// the window says nothing of it.
const FULL: f64 = 0.8;
/// How many times the byte budget the streamed copies may amount to: while some hold its room, the next ones ask for
/// their files.
const BUDGETS: u64 = 2;
/// Weight of the newest file in the mean size.
const NEWEST: f64 = 0.05;

/// The limit on copies of one way.
pub struct Places {
    permits: Arc<Permits>,
    /// `None`: the limit is fixed.
    meter: Option<Mutex<Meter>>,
    /// Bytes that all copies may buffer together, if they buffer any.
    budget_bytes: Option<u64>,
}

/// A copy in flight. Dropped, it frees its place and counts as nothing.
pub struct Place {
    /// When it was taken.
    began: Instant,
    /// Changes of the limit until then.
    generation: u64,
    _permit: Permit,
}

/// What was measured since the window began. Latencies are those of copies that began after the last change of the limit.
struct Meter {
    climb: Climb,
    generation: u64,
    began: Instant,
    /// Copies that ended, whenever they began.
    ended: u32,
    /// Of them, those that began after the last change of the limit.
    copies: u32,
    /// Of them, those at whose end no place was free.
    full: u32,
    /// From place to proof, of all of them together.
    took: Duration,
    throttled: bool,
    mean_bytes: Option<f64>,
}

impl Places {
    /// Moves between 4 and `most`; copies that buffer bytes share `budget_bytes`.
    pub(super) fn adaptive(most: usize, budget_bytes: Option<usize>) -> Self {
        let climb = Climb::new(START, most);
        let meter = Meter {
            climb,
            generation: 0,
            began: now(),
            ended: 0,
            copies: 0,
            full: 0,
            took: Duration::ZERO,
            throttled: false,
            mean_bytes: None,
        };
        let budget_bytes = budget_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        Self { permits: Permits::new(START.min(most)), meter: Some(Mutex::new(meter)), budget_bytes }
    }

    /// Stays at `limit`.
    pub(super) fn fixed(limit: usize) -> Self {
        Self { permits: Permits::new(limit.max(1)), meter: None, budget_bytes: None }
    }

    /// Waits for a place.
    pub async fn place(&self) -> Place {
        let permit = self.permits.take().await;
        let generation = self.meter().map_or(0, |meter| meter.generation);
        Place { began: now(), generation, _permit: permit }
    }

    /// Copies that hold a place now.
    pub(super) fn usage(&self) -> usize {
        self.permits.held()
    }

    /// The present limit.
    pub fn limit(&self) -> usize {
        self.permits.limit()
    }

    /// Whether the limit cannot rise, because it is fixed or as high as it may ever be: a copy that waits for a place
    /// waits because of it, and not because the best limit is sought.
    pub fn is_capped(&self) -> bool {
        self.meter().is_none_or(|meter| meter.climb.is_at_most() && !meter.climb.is_held())
    }

    /// Whether the byte budget keeps the limit from rising.
    pub fn is_held_by_memory(&self) -> bool {
        self.meter().is_some_and(|meter| meter.climb.is_at_most() && meter.climb.is_held())
    }

    pub(super) fn copied(&self, place: Place, bytes: Option<u64>) -> Option<Gain> {
        let mut meter = self.meter()?;
        let (bytes, is_full) = (bytes?, self.permits.free() == 0);
        if let Some(budget) = self.budget_bytes {
            meter.weigh(bytes, budget);
        }
        let before = self.limit();
        meter.ended += 1;
        let gain = if place.generation == meter.generation {
            meter.count(since(place.began), is_full, before)
        } else {
            None
        };
        self.follow(&mut meter, before);
        drop(meter);
        drop(place);
        gain
    }

    pub(super) fn throttled(&self) {
        let Some(mut meter) = self.meter() else { return };
        // Many copies are throttled at once; that counts once per window.
        if !std::mem::replace(&mut meter.throttled, true) {
            let before = self.limit();
            meter.climb.throttled();
            self.follow(&mut meter, before);
        }
    }

    /// Brings the permits to the limit that was decided; a new one begins a new window.
    fn follow(&self, meter: &mut Meter, before: usize) {
        let limit = meter.climb.limit();
        if limit != before {
            tracing::debug!(from = before, to = limit, "copies in flight");
            meter.generation += 1;
            meter.begin();
            self.permits.set(limit);
        }
    }

    fn meter(&self) -> Option<MutexGuard<'_, Meter>> {
        self.meter.as_ref().map(|meter| meter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Meter {
    fn begin(&mut self) {
        (self.began, self.ended, self.copies, self.full, self.took) = (now(), 0, 0, 0, Duration::ZERO);
    }

    /// Counts a copy, and at the end of a window lets the limit be judged.
    fn count(&mut self, took: Duration, is_full: bool, limit: usize) -> Option<Gain> {
        self.copies += 1;
        self.full += u32::from(is_full);
        self.took += took;
        let lasted = since(self.began);
        let has = |copies: usize, least| self.copies as usize >= copies && lasted >= least;
        let is_over = if self.climb.is_seeking() {
            has(limit, SEEKING) || has(MANY * limit, QUICK)
        } else {
            has(2 * limit, SETTLED)
        };
        if !is_over {
            return None;
        }
        let counted = f64::from(self.ended) / lasted.as_secs_f64();
        let (copies, full) = (f64::from(self.copies), f64::from(self.full));
        let latency_s = self.took.as_secs_f64() / copies;
        self.begin();
        self.throttled = false;
        if full < copies * FULL || latency_s <= 0.0 {
            return None;
        }
        // With every place taken, so many copies end in the time that one takes (Little's law). A count over so short a
        // window would depend on where in it a wave of copies happens to end.
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let mut per_second = limit as f64 / latency_s;
        if self.climb.is_seeking() {
            // Of the copies that began since the last change those have ended that were quick: their latency alone would make
            // every doubling seem to gain, where the service works on all of them at once.
            per_second = per_second.min(counted);
        }
        self.climb.judge(Figures { per_second, latency_s })
    }

    /// Lets as many files be under way as fit into the budget, by their mean size.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes of a part, and a number of copies"
    )]
    fn weigh(&mut self, bytes: u64, budget: u64) {
        let buffered = Budget::room_bytes(bytes).max(1) as f64;
        let mean = self.mean_bytes.map_or(buffered, |mean| mean + NEWEST * (buffered - mean));
        self.mean_bytes = Some(mean);
        self.climb.hold_at(((BUDGETS * budget) as f64 / mean) as usize);
    }
}
