//! The circuit breaker: stops a shard whose copies or commits fail too often, before the failure CSV fills.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::exit::{Exit, Stop};

const WINDOW: usize = 1_000;
const FEWEST: usize = 500;

/// Counts failures among the last 1,000 rows that reached copy.
pub struct Breaker {
    share: Option<f64>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    failed: VecDeque<bool>,
    failures: usize,
}

impl Breaker {
    /// Opens above `share` (0…1) of at least 500 rows; never where it is `None`.
    pub fn new(share: Option<f64>) -> Self {
        Self { share, recent: Mutex::default() }
    }

    /// Counts one more row that reached copy; an error where the breaker opens.
    pub fn count(&self, failed: bool) -> Result<(), Stop> {
        let Some(share) = self.share else { return Ok(()) };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.failed.push_back(failed);
        recent.failures += usize::from(failed);
        if recent.failed.len() > WINDOW && recent.failed.pop_front() == Some(true) {
            recent.failures -= 1;
        }
        let (failures, rows) = (recent.failures, recent.failed.len());
        #[allow(clippy::cast_precision_loss, reason = "both are at most 1,000")]
        let open = rows >= FEWEST && failures as f64 > share * rows as f64;
        if !open {
            return Ok(());
        }
        Err(Stop::new(
            Exit::DataRefused,
            format!(
                "circuit breaker: {failures} of the last {rows} rows that reached copy failed there or at commit, more than {} %. \
                 See the failed outcomes' codes, mend the cause and run again, or set --breaker",
                share * 100.0
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_above_its_share_of_at_least_500_rows() {
        let breaker = Breaker::new(Some(0.05));
        for row in 0..499 {
            assert!(breaker.count(row < 26).is_ok(), "row {row}");
        }
        assert!(breaker.count(false).is_err());
    }

    #[test]
    fn old_failures_leave_the_window() {
        let breaker = Breaker::new(Some(0.05));
        for row in 0..5_000 {
            assert!(breaker.count(row % 25 == 0).is_ok());
        }
    }

    #[test]
    fn off_never_opens() {
        let breaker = Breaker::new(None);
        assert!((0..2_000).all(|_| breaker.count(true).is_ok()));
    }
}
