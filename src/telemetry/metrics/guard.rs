//! The metrics of the target guard.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};

use crate::{ports::LoadSign, report::events::Guarded};

/// Its instruments, and since when it slows the process down.
pub(super) struct GuardMetrics {
    pub speed: Gauge<u64>,
    pub time: Counter<f64>,
    pub slowed: Mutex<Option<(Instant, LoadSign)>>,
}

impl GuardMetrics {
    /// The guard has looked: counts the time since its last look.
    pub(super) fn guarded(&self, at: Instant, guarded: &Guarded<'_>) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of at most 100 per cent"
        )]
        self.speed.record((guarded.share * 100.0).round().max(1.0) as u64, &[]);
        self.count(at, guarded.because);
    }

    /// The shard has ended, and the target is looked at no more.
    pub(super) fn ended(&self, at: Instant) {
        self.count(at, None);
    }

    fn count(&self, at: Instant, because: Option<LoadSign>) {
        let mut slowed = self.slowed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *slowed, because.map(|sign| (at, sign)));
        if let Some((since, sign)) = before {
            let seconds = at.saturating_duration_since(since).as_secs_f64();
            self.time.add(seconds, &[KeyValue::new("sign", sign.name())]);
        }
    }
}
