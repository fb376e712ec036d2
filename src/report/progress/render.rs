//! A snapshot as text and as a log line.

use std::fmt::Write;

use super::{Counts, Snapshot};
use crate::report::{
    events::Ended,
    fold::fold,
    grid::{bytes, count, percent, rows_f64, span},
};

/// Limits that are shown while rows are moved; the summary has them all.
const LIMITS_SHOWN: usize = 3;

/// The progress block for people.
pub fn block(snapshot: &Snapshot) -> String {
    let mut text = format!("progress  {}\n          {}\n", headline(snapshot), totals(snapshot));
    for (name, value) in details(snapshot) {
        let _ = writeln!(text, "{name:<8}  {value}");
    }
    text
}

/// Column at which the block's values begin.
const HANG: usize = 10;
/// The same of the live lines.
const LIVE_HANG: usize = 8;
/// Lines of details on a terminal; what does not fit is counted in one more.
const DETAILS_SHOWN: usize = 8;
/// Lines above them: a headline and totals, each folded once at most on 60 columns.
const HEADS_SHOWN: usize = 4;

/// The block for a terminal: no line is wider than `columns`.
pub fn block_on_terminal(snapshot: &Snapshot, columns: usize) -> String {
    fold(&block(snapshot), columns, |_| HANG)
}

/// The lines below the bar, none wider than `columns`.
pub(super) fn live(snapshot: &Snapshot, columns: usize) -> Vec<String> {
    let folded = |text: &str, hang| -> Vec<String> {
        fold(text, columns, |_| hang).lines().map(str::to_owned).collect()
    };
    let heads = [headline(snapshot), totals(snapshot)];
    let mut lines: Vec<String> = heads.iter().flat_map(|head| folded(head, 2)).take(HEADS_SHOWN).collect();
    let details: Vec<String> = details(snapshot)
        .into_iter()
        .flat_map(|(name, value)| folded(&format!("{name:<7} {value}"), LIVE_HANG))
        .collect();
    let rest = details.len().saturating_sub(DETAILS_SHOWN);
    lines.extend(details.into_iter().take(DETAILS_SHOWN));
    if rest > 0 {
        lines.push(format!("… {rest} more lines (SIGUSR1 prints all)"));
    }
    lines
}

/// Below the totals: shards if there are several, workers, state, what limits the speed.
pub(super) fn details(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if snapshot.shards > 1 {
        lines.push(("shards", shards(snapshot)));
    }
    if !snapshot.workers.is_empty() {
        lines.push(("workers", workers(&snapshot.workers)));
    }
    lines.push(("state", snapshot.state.to_string()));
    for (place, limit) in snapshot.limits.iter().take(LIMITS_SHOWN).enumerate() {
        lines.push((if place == 0 { "limit" } else { "" }, limit.text.clone()));
    }
    if let Some(more) = snapshot.limits.len().checked_sub(LIMITS_SHOWN).filter(|more| *more > 0) {
        lines.push(("", format!("{more} more")));
    }
    lines
}

/// How many shards of the process have ended, and those that are under way.
fn shards(snapshot: &Snapshot) -> String {
    let ended = |how: Ended| snapshot.begun.iter().filter(|shard| shard.ended == Some(how)).count();
    let mut text = format!("{} of {} done", ended(Ended::Complete), snapshot.shards);
    match ended(Ended::Unfinished) {
        0 => {}
        unfinished => {
            let _ = write!(text, ", {unfinished} ended early");
        }
    }
    for shard in snapshot.begun.iter().filter(|shard| shard.ended.is_none()) {
        let _ = write!(text, " · #{} {}/{} rows", shard.shard, count(shard.done), count(shard.rows));
    }
    text
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
        shards = snapshot.shards,
        limits = limits(snapshot),
        "progress"
    );
}

/// The codes, the most important first.
fn limits(snapshot: &Snapshot) -> String {
    snapshot.limits.iter().map(|limit| limit.code.code()).collect::<Vec<_>>().join(" ")
}

fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        domain::ShardIndex,
        report::progress::OfShard,
        run::{Limit, LimitCode, State},
    };

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
            shards: 1,
            begun: Vec::new(),
            limits: Vec::new(),
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
        let began = Instant::now();
        let of = |shard, ended| OfShard {
            shard: ShardIndex(shard),
            rows: 2_000,
            done: 1_200,
            here: 1_200,
            took: Duration::from_secs(9),
            ended,
            began,
        };
        snapshot.shards = 6;
        snapshot.begun = vec![of(0, Some(Ended::Complete)), of(1, Some(Ended::Unfinished)), of(2, None)];
        let limit = |text: &str| Limit { code: LimitCode::Cpu, text: text.into() };
        snapshot.limits = ["one", "two", "three", "four", "five"].map(limit).into();
        assert!(
            block(&snapshot).ends_with(
                "\
shards    1 of 6 done, 1 ended early · #2 1,200/2,000 rows
workers   #1 6000/40/5  #2 6300/0/0
state     throttled: 503 from target blobs
limit     one
          two
          three
          2 more
"
            ),
            "{}",
            block(&snapshot)
        );
    }
}
