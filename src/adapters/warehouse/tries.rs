//! Retries of one request to SQL Server, each on a new connection.

use super::pool::Pool;
use crate::ports::{Backoff, Fault, Patience, Retry, pause};

/// Retries on a new connection; after them the caller decides how long to go on.
const RETRIES: u32 = 4;

/// Retries of one request.
pub(super) struct Tries(Patience);

impl Tries {
    /// No try has failed yet.
    pub(super) fn none() -> Self {
        Self(Patience::new(Backoff::OPERATION))
    }

    /// Pauses before the next try, which gets a new connection; returns the fault if there is no next try.
    pub(super) async fn again(&mut self, fault: Fault, pool: &Pool) -> Result<(), Fault> {
        let wait = match self.0.failed_at_most(RETRIES) {
            Some(wait) if fault.kind.retry() == Retry::Again => wait,
            _ => return Err(fault),
        };
        tracing::debug!(pause_ms = wait.as_millis(), fault = %fault.chain(), "warehouse is asked again");
        // What broke one connection (a failover) has mostly broken the idle ones too.
        pool.retain(|_, _| false);
        pause(wait).await;
        Ok(())
    }
}
