//! Whether the lock of this worker's sessions is still held.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long an answer proves that a session, and with it the lock, is alive. `Instant` goes on
/// counting while the process is frozen.
pub(super) const LASTS: Duration = Duration::from_secs(1);

/// When the request was sent whose answer is the newest one of a session that holds the lock; `None` if unknown.
#[derive(Default)]
pub(super) struct Proof(Mutex<Option<Instant>>);

impl Proof {
    pub(super) fn is_fresh(&self) -> bool {
        self.lock().is_some_and(|asked| asked.elapsed() < LASTS)
    }

    pub(super) fn renew(&self, asked: Instant) {
        let mut newest = self.lock();
        *newest = (*newest).max(Some(asked));
    }

    pub(super) fn lose(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_proves_the_lock_for_a_second_from_its_request_on_and_no_longer() {
        let proof = Proof::default();
        assert!(!proof.is_fresh(), "nothing was answered yet");
        let now = Instant::now();
        proof.renew(now.checked_sub(Duration::from_secs(2)).unwrap());
        assert!(!proof.is_fresh(), "a process that was frozen for two seconds has proven nothing");
        proof.renew(now);
        proof.renew(now.checked_sub(Duration::from_secs(9)).unwrap());
        assert!(proof.is_fresh(), "a late answer to an early request takes nothing away");
        proof.lose();
        assert!(!proof.is_fresh());
    }
}
