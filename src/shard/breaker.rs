//! The circuit breaker: stops a shard whose copies or commits fail too often, before the failure CSV fills.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use crate::{
    exit::{Exit, Stop},
    run,
};

/// Number of newest rows over which the share of failures is computed.
const WINDOW: usize = 1_000;
/// Smallest number of rows for which the share is meaningful.
const FEWEST: u64 = 500;
/// If all of the first 50 rows failed, the breaker opens as well. Until one of them has not, no other row begins.
const FIRST: u32 = 50;

/// Counts failures among the last 1,000 rows that reached copy.
pub struct Breaker {
    share: Option<f64>,
    recent: Mutex<Recent>,
    /// One for each of the first rows that may still begin; closed when one of them did not fail, and if the breaker never opens.
    first: Semaphore,
}

/// Why it opened.
#[derive(Debug)]
pub struct Opened(pub String);

impl From<&Opened> for Stop {
    fn from(Opened(what): &Opened) -> Self {
        let message = format!(
            "circuit breaker: {what}. See the failed outcomes' codes, correct the cause and run again, or set --breaker"
        );
        Self::new(Exit::DataRefused, message)
    }
}

#[derive(Default)]
struct Recent {
    failed: VecDeque<bool>,
    failures: u64,
}

impl Recent {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "at most 1,000 rows, and a share between 0 and 1"
    )]
    fn fill(&self, share: f64) -> run::Breaker {
        let rows = self.failed.len() as u64;
        // 35 % of 700 are 245, and a little less in binary.
        run::Breaker { rows, failures: self.failures, allowed: (share * rows as f64 + 1e-6) as u64 }
    }
}

impl Breaker {
    /// Opens above `share` (0…1) of the last 1,000 rows, at least 500, and if all of the first 50 failed; never if
    /// `share` is `None`.
    pub fn new(share: Option<f64>) -> Self {
        let first = Semaphore::new(FIRST as usize);
        if share.is_none() {
            first.close();
        }
        Self { share, recent: Mutex::default(), first }
    }

    /// Waits until one more row that reaches copy may begin. Each that does is to be counted, unless the process ends.
    pub async fn admit(&self) {
        if let Ok(one_of_the_first) = self.first.acquire().await {
            one_of_the_first.forget();
        }
    }

    /// Counts one more row that reached copy; an error if the breaker opens.
    pub fn count(&self, failed: bool) -> Result<(), Opened> {
        let Some(share) = self.share else { return Ok(()) };
        if !failed {
            self.first.close();
        }
        let mut recent = self.recent();
        recent.failed.push_back(failed);
        recent.failures += u64::from(failed);
        if recent.failed.len() > WINDOW && recent.failed.pop_front() == Some(true) {
            recent.failures -= 1;
        }
        let run::Breaker { rows, failures, allowed } = recent.fill(share);
        let too_many = rows >= FEWEST && failures > allowed;
        // Below the window's size its rows are the first ones.
        let nothing_works = rows == u64::from(FIRST) && failures == rows;
        if too_many {
            Err(Opened(format!(
                "{failures} of the last {rows} rows that reached copy failed there or at commit, more than {} %",
                (share * 1e6).round() / 1e4
            )))
        } else if nothing_works {
            Err(Opened(format!("all of the first {rows} rows that reached copy failed there or at commit")))
        } else {
            Ok(())
        }
    }

    /// How full it is; `None` before the first row that reached copy, and if it never opens.
    pub fn fill(&self) -> Option<run::Breaker> {
        let share = self.share?;
        let recent = self.recent();
        (!recent.failed.is_empty()).then(|| recent.fill(share))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_opens_above_its_share_of_at_least_500_rows() {
        let breaker = Breaker::new(Some(0.05));
        for row in 0..499 {
            assert!(breaker.count(row < 26).is_ok(), "row {row}");
        }
        assert!(breaker.count(false).is_err());
        // 5 % are not more than 5 %.
        let breaker = Breaker::new(Some(0.05));
        assert!((0..500).all(|row| breaker.count(row < 25).is_ok()));
    }

    #[tokio::test]
    async fn no_more_than_50_rows_begin_before_one_did_not_fail() {
        let breaker = Breaker::new(Some(0.05));
        for _ in 0..50 {
            breaker.admit().await;
        }
        assert!(breaker.admit().now_or_never().is_none());
        assert!(breaker.count(true).is_ok());
        assert!(breaker.admit().now_or_never().is_none(), "a failure lets no other row begin");
        assert!(breaker.count(false).is_ok());
        for _ in 0..1_000 {
            breaker.admit().await;
        }
        let never = Breaker::new(None);
        for _ in 0..1_000 {
            never.admit().await;
        }
    }

    #[test]
    fn it_opens_if_all_of_the_first_50_rows_failed() {
        let breaker = Breaker::new(Some(0.05));
        assert!((0..49).all(|_| breaker.count(true).is_ok()));
        let opened = breaker.count(true).unwrap_err();
        let stop = Stop::from(&opened);
        assert_eq!(stop.exit, Exit::DataRefused);
        assert!(stop.message.contains("all of the first 50 rows"), "{stop}");
        assert!(stop.message.contains(&opened.0), "{stop}");
        // One that did not fail is enough, wherever it stands.
        for good in [0, 30, 49] {
            let breaker = Breaker::new(Some(0.05));
            assert!((0..200).all(|row| breaker.count(row != good).is_ok()), "{good}");
        }
    }

    #[test]
    fn old_failures_leave_the_window_and_new_ones_are_a_share_of_it() {
        let breaker = Breaker::new(Some(0.05));
        for row in 0..5_000 {
            assert!(breaker.count(row % 25 == 0).is_ok());
        }
        // Of the last 1,000 rows 40 failed, one of which leaves with the next: the twelfth more is the 51st.
        let opened = (1..100).find(|_| breaker.count(true).is_err());
        assert_eq!(opened, Some(12));
    }

    #[test]
    fn a_share_is_what_it_is_written_as() {
        for percent in 1..100_u32 {
            for rows in [500, 660, 700, 800, 999] {
                let breaker = Breaker::new(Some(f64::from(percent) / 100.0));
                let allowed = percent * rows / 100;
                let counted: Vec<_> = (0..rows).map(|row| breaker.count(row >= rows - allowed)).collect();
                assert!(counted.iter().all(Result::is_ok), "{percent} % of {rows} rows");
                assert_eq!(breaker.fill().unwrap().allowed, u64::from(allowed), "{percent} % of {rows} rows");
            }
        }
        let breaker = Breaker::new(Some(0.07));
        let opened = Stop::from(&(0..600).find_map(|row| breaker.count(row >= 400).err()).unwrap());
        assert!(opened.message.contains("more than 7 %."), "{opened}");
    }

    #[test]
    fn off_never_opens() {
        let breaker = Breaker::new(None);
        assert!((0..2_000).all(|_| breaker.count(true).is_ok()));
        assert_eq!(breaker.fill(), None);
    }

    #[test]
    fn its_fill_is_of_the_rows_that_it_looks_at() {
        let breaker = Breaker::new(Some(0.05));
        assert_eq!(breaker.fill(), None);
        for (rows, fill) in [(119, (119, 12, 5)), (1_881, (1_000, 100, 50))] {
            (0..rows).for_each(|row| drop(breaker.count(row % 10 == 0)));
            let run::Breaker { rows, failures, allowed } = breaker.fill().unwrap();
            assert_eq!((rows, failures, allowed), fill);
        }
    }
}
