//! The heartbeats of a process that verifies, for `status` and for the person who waits.

use std::{convert::Infallible, time::Duration};

use chrono::Utc;
use tokio::time::Instant;

use super::parts::Process;
use crate::{
    commands::host::host,
    ports::every,
    report::{
        self,
        grid::{count, percent, permille, rows_f64, span},
    },
    run::VerifyBeat,
};

/// The process looks at itself so often, tells how far it is at every second look, and writes its heartbeat at every third.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Process<'_> {
    /// Writes heartbeats and tells how far it is.
    pub(super) async fn beat(&self) -> Infallible {
        let began = Instant::now();
        let mut ticks = every(LOOK_EVERY);
        let mut look = 0_u32;
        loop {
            ticks.tick().await;
            let progress = &self.known.progress;
            let rows_per_second = rate(progress.rows(), began.elapsed());
            if look.is_multiple_of(3) {
                let beat = VerifyBeat {
                    shard: format!("{}/{}", self.part.index, self.part.of),
                    host: host(),
                    at: Utc::now(),
                    rows: progress.rows(),
                    rows_unwritten: progress.rows_unwritten(),
                    rows_per_second,
                    state: progress.state(),
                };
                if let Err(fault) = self.state.beat(&beat).await {
                    tracing::warn!(fault = %fault.chain(), "this process cannot show life");
                }
            }
            if look.is_multiple_of(2) && look > 0 {
                let (done, total) = (progress.done(), progress.total());
                report::tell(&format!(
                    "verify: {} of {} rows ({}), {rows_per_second:.1} rows/s{}: {}",
                    count(done),
                    count(total),
                    percent(permille(done, total)),
                    left(total - done, rows_per_second),
                    progress.state()
                ));
            }
            look += 1;
        }
    }
}

fn rate(rows: u64, elapsed: Duration) -> f64 {
    rows_f64(rows) / elapsed.as_secs_f64().max(0.001)
}

fn left(rows: u64, rows_per_second: f64) -> String {
    if rows == 0 || rows_per_second <= 0.0 {
        return String::new();
    }
    let left = Duration::try_from_secs_f64(rows_f64(rows) / rows_per_second).unwrap_or(Duration::MAX);
    format!(", about {} left", span(Duration::from_secs(left.as_secs())))
}
