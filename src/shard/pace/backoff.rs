//! How long to wait before the next try.

use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The wait after so many failures.
pub(super) fn backoff(failures: u32) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    wait / 2 + jitter(wait / 2)
}

/// A part of `most`, different at each call.
pub(super) fn jitter(most: Duration) -> Duration {
    let dice = uuid::Uuid::new_v4().as_u128() & 0xffff;
    most.mul_f64(u32::try_from(dice).map_or(0.5, f64::from) / 65536.0)
}
