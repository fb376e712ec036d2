//! A snapshot as text and as a log line.

use std::fmt::Write;

use super::{Counts, Snapshot};
use crate::report::grid::{bytes, count, percent, rows_f64, span};

/// The progress block for people.
pub fn block(snapshot: &Snapshot) -> String {
    format!(
        "progress  {}\n          {}\nworkers   {}\nstate     {}\n",
        headline(snapshot),
        totals(snapshot),
        workers(&snapshot.workers),
        snapshot.state
    )
}

/// Done of total, time, rates, arrival.
pub(super) fn headline(snapshot: &Snapshot) -> String {
    let mut line = format!(
        "{}/{} rows ({}) · {} elapsed · {:.1}/s now, {:.1}/s average",
        count(snapshot.done()),
        count(snapshot.total),
        percent(snapshot.permille()),
        span(snapshot.elapsed),
        snapshot.rate_now,
        snapshot.rate_average
    );
    if let Some(eta) = snapshot.eta {
        let _ = write!(line, " · ETA {}", span(eta));
    }
    line
}

/// The numbers of migrated, failed and skipped rows, as text.
pub(super) fn totals(snapshot: &Snapshot) -> String {
    let Counts { succeeded, failed, skipped } = snapshot.counts;
    format!(
        "{} succeeded · {} failed · {} skipped · {} copied",
        count(succeeded),
        count(failed),
        count(skipped),
        bytes(snapshot.bytes)
    )
}

/// Succeeded/failed/skipped of each worker.
pub(super) fn workers(workers: &[Counts]) -> String {
    let mut texts = Vec::new();
    for (index, Counts { succeeded, failed, skipped }) in workers.iter().enumerate() {
        texts.push(format!("#{} {succeeded}/{failed}/{skipped}", index + 1));
    }
    texts.join("  ")
}

/// The same as a structured log line, without personal data.
pub fn log(snapshot: &Snapshot) {
    tracing::info!(
        target: "rogo_migrate::progress",
        succeeded = snapshot.counts.succeeded,
        failed = snapshot.counts.failed,
        skipped = snapshot.counts.skipped,
        done = snapshot.done(),
        total = snapshot.total,
        percent = rows_f64(snapshot.permille()) / 10.0,
        bytes = snapshot.bytes,
        elapsed_s = snapshot.elapsed.as_secs(),
        rate_now = rounded(snapshot.rate_now),
        rate_average = rounded(snapshot.rate_average),
        eta_s = snapshot.eta.map(|eta| eta.as_secs()),
        workers = workers(&snapshot.workers),
        state = %snapshot.state,
        "progress"
    );
}

fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::State;

    #[test]
    fn the_block_says_everything_a_person_asks_for() {
        let mut snapshot = Snapshot {
            counts: Counts { succeeded: 12_300, failed: 40, skipped: 5 },
            total: 80_151,
            bytes: 3_355_443_200,
            elapsed: Duration::from_secs(187),
            rate_now: 66.04,
            rate_average: 65.96,
            eta: Some(Duration::from_secs(1030)),
            longest_row: Duration::from_secs(1),
            workers: vec![
                Counts { succeeded: 6_000, failed: 40, skipped: 5 },
                Counts { succeeded: 6_300, failed: 0, skipped: 0 },
            ],
            state: State::Throttled("503 from target blobs".into()),
        };
        assert_eq!(
            block(&snapshot),
            "\
progress  12,345/80,151 rows (15.4%) · 3m 07s elapsed · 66.0/s now, 66.0/s average · ETA 17m 10s
          12,300 succeeded · 40 failed · 5 skipped · 3.1 GiB copied
workers   #1 6000/40/5  #2 6300/0/0
state     throttled: 503 from target blobs
"
        );
        snapshot.eta = None;
        assert!(!block(&snapshot).contains("ETA"), "a withheld ETA is not mentioned");
    }
}
