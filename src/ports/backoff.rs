//! How long to wait before the next try: the one formula of the program.

use std::time::Duration;

/// Waits that double from `first` to `longest`, each by a random half shorter, so that many callers do not come back in
/// one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row: between half of what is doubled each time and the whole.
    pub fn after(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = self.first.saturating_mul(doubled).min(self.longest);
        wait / 2 + jitter(wait / 2)
    }
}

/// A part of `most`, different at each call.
pub fn jitter(most: Duration) -> Duration {
    let dice = uuid::Uuid::new_v4().as_u128() & 0xffff;
    most.mul_f64(u32::try_from(dice).map_or(0.5, f64::from) / 65536.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(1) };
        for (failures, whole_s) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (32, 60), (33, 60), (u32::MAX, 60)]
        {
            let (wait, whole) = (backoff.after(failures), Duration::from_secs(whole_s));
            assert!(whole / 2 <= wait && wait <= whole, "{failures}: {wait:?}");
        }
    }
}
