//! How long to wait before the next try.

use std::time::Duration;

use crate::ports::Backoff;

pub(super) use crate::ports::jitter;

/// The wait after so many failures.
pub(super) fn backoff(failures: u32) -> Duration {
    Backoff::OPERATION.pause(failures)
}
