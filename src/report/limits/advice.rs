//! From sums to advice: each code with its threshold, in the text too.

use std::{collections::BTreeMap, time::Duration};

use super::us;
use crate::{
    domain::ShardIndex,
    ports::{LoadSign, Service},
    report::{
        events::Wait,
        grid::{bytes, rows_f64},
    },
    run::{Limit, LimitCode, Work},
};

/// Least time that advice is based on …
const LEAST_TIME: Duration = Duration::from_secs(2);
/// … and, if it is a share of the time of rows or files, so many rows. What a service or the machine does to the process
/// needs none: a service that is away lets no row end.
const LEAST_ROWS: u64 = 20;
/// Rows that reached copy, before the breaker can be near.
const LEAST_REACHED: u64 = 100;
/// Answers of a service that a mean is made of.
const LEAST_ANSWERS: u64 = 20;
/// Shards that a median is made of.
const LEAST_SHARDS: usize = 3;

const THROTTLED: u64 = 5;
const AWAY: u64 = 5;
const POOL: u64 = 10;
const CPU: u64 = 85;
const MEMORY: u64 = 10;
const PLACES: u64 = 25;
const FACTS: u64 = 20;
const RECORDER: u64 = 5;
const LOST_RAISES: u64 = 50;
const BREAKER: u64 = 50;
const GUARD: u64 = 5;
/// A smaller file costs its requests, not its bytes …
const SMALL_FILE: u64 = 64 * 1024;
/// … if copying takes so much of a row's time.
const COPYING: u64 = 50;
/// Above this size files cost their bytes.
const LARGE_FILE: u64 = 256 * 1024;
/// How many times as long as the median shard the slowest may take.
const SLOW: f64 = 2.0;

/// The advice, the most important first: what exceeds its threshold most.
pub fn advice(work: &Work) -> Vec<Limit> {
    if work.elapsed_us < us(LEAST_TIME) {
        return Vec::new();
    }
    let of_time = [
        throttled(work),
        away(work),
        latency(work),
        cpu(work),
        facts(work),
        bandwidth(work),
        breaker(work),
        guard(work),
    ];
    let of_rows = [pool(work), memory(work), places(work), small_files(work), recorder(work)];
    let of_rows = of_rows.into_iter().filter(|_| work.rows >= LEAST_ROWS);
    let mut found: Vec<Found> = of_time.into_iter().chain(of_rows).flatten().collect();
    found.sort_by(|one, other| other.excess.total_cmp(&one.excess));
    found.into_iter().map(|Found { code, text, .. }| Limit { code, text }).collect()
}

/// Advice about one shard that takes much longer than the others, from how long each takes as a whole.
pub fn slow_shard(shards: &[(ShardIndex, Duration)]) -> Option<Limit> {
    let mut times: Vec<Duration> = shards.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2)?.as_secs_f64();
    let (slowest, time) = shards.iter().max_by_key(|(_, time)| *time)?;
    let factor = time.as_secs_f64() / median.max(f64::EPSILON);
    let counts = shards.len() >= LEAST_SHARDS && *time >= LEAST_TIME && factor > SLOW;
    counts.then(|| Limit {
        code: LimitCode::SlowShard,
        text: format!(
            "shard {slowest}: it takes {factor:.1} times as long as the median shard (shown above {SLOW:.1}); see its log, \
             and give the next run more shards, so that long rows are spread"
        ),
    })
}

/// The advice of several shards, each with its rows and what the time of its process went into.
pub fn of_shards<'a>(shards: impl Iterator<Item = (ShardIndex, u64, &'a Work)>) -> Vec<Limit> {
    let (mut sum, mut times) = (Work::default(), Vec::new());
    for (shard, rows, work) in shards {
        sum.add(work);
        if work.rows > 0 {
            let factor = rows_f64(rows) / rows_f64(work.rows);
            times.push((shard, Duration::from_micros(work.elapsed_us).mul_f64(factor)));
        }
    }
    advice(&sum).into_iter().chain(slow_shard(&times)).collect()
}

/// Advice and how far its figure is beyond its threshold, as a ratio.
struct Found {
    code: LimitCode,
    excess: f64,
    text: String,
}

/// Per cent, rounded down. Waits that overlap count as all of the time at most.
fn share(part: u64, whole: u64) -> u64 {
    let per_cent = u128::from(part) * 100 / u128::from(whole.max(1));
    u64::try_from(per_cent).map_or(100, |per_cent| per_cent.min(100))
}

fn above(code: LimitCode, measured: u64, threshold: u64, text: impl FnOnce() -> String) -> Option<Found> {
    let excess = rows_f64(measured) / rows_f64(threshold.max(1));
    (measured > threshold).then(|| Found { code, excess, text: text() })
}

fn worst(sums: &BTreeMap<String, u64>) -> Option<(&String, u64)> {
    sums.iter().max_by_key(|(_, us)| **us).map(|(name, us)| (name, *us))
}

fn waited(work: &Work, on: Wait) -> u64 {
    work.waited_us.get(on.name()).copied().unwrap_or_default()
}

fn throttled(work: &Work) -> Option<Found> {
    let (service, us) = worst(&work.throttled_us)?;
    let measured = share(us, work.elapsed_us);
    above(LimitCode::ThrottledService, measured, THROTTLED, || {
        format!(
            "{service}: it throttled the process {measured} % of the time (shown above {THROTTLED} %); lower --workers, or \
             run fewer shards at a time, or ask for a higher limit of the service"
        )
    })
}

fn away(work: &Work) -> Option<Found> {
    let (service, us) = worst(&work.away_us)?;
    let measured = share(us, work.elapsed_us);
    above(LimitCode::ServiceAway, measured, AWAY, || {
        format!(
            "{service}: it gave no answer {measured} % of the time (shown above {AWAY} %); see the log for its faults, and \
             the service's own monitoring"
        )
    })
}

/// What a service may need for an answer on average, and what one answer is.
const LATENCIES: [(Service, u64, &str); 4] = [
    (Service::Database, 250, "it needs {} ms for an answer on average"),
    (Service::Warehouse, 5_000, "it needs {} ms for the facts of a batch on average"),
    (Service::SourceBlobs, 500, "it needs {} ms until a file begins on average"),
    (Service::TargetBlobs, 1_000, "it needs {} ms to store a file on average"),
];

fn latency(work: &Work) -> Option<Found> {
    let found = LATENCIES.iter().filter_map(|(service, threshold, words)| {
        let answers = work.asked.get(&service.to_string()).filter(|asked| asked.answers >= LEAST_ANSWERS)?;
        // A wait for a connection or for its turn is the process's own, not the service's.
        let own = waited(work, Wait::Connection) + waited(work, Wait::Guard);
        let own = if *service == Service::Database { own } else { 0 };
        let measured = answers.us.saturating_sub(own) / answers.answers / 1_000;
        let words = words.replace("{}", &measured.to_string());
        above(LimitCode::ServiceLatency, measured, *threshold, || {
            format!(
                "{service}: {words} (shown above {threshold} ms); look at its load and at the distance to it, and run the \
                 shards nearer to it or when it is less busy"
            )
        })
    });
    found.max_by(|one, other| one.excess.total_cmp(&other.excess))
}

fn pool(work: &Work) -> Option<Found> {
    let measured = share(waited(work, Wait::Connection), work.row_us + work.gather_us);
    above(LimitCode::DatabasePool, measured, POOL, || {
        format!(
            "PostgreSQL pool: workers waited for a connection {measured} % of the time (shown above {POOL} %); raise --pool \
             or lower --workers"
        )
    })
}

fn cpu(work: &Work) -> Option<Found> {
    let measured = share(work.cpu_us, work.core_us);
    above(LimitCode::Cpu, measured, CPU, || {
        format!(
            "processor: {measured} % of what this process may use was used (shown above {CPU} %); give it more cores, or \
             run more shards on other machines"
        )
    })
}

fn memory(work: &Work) -> Option<Found> {
    let measured = share(waited(work, Wait::Memory), work.file_us);
    above(LimitCode::MemoryBudget, measured, MEMORY, || {
        format!(
            "memory of copies: files waited for room in the 64 MiB that all copies share {measured} % of the time (shown \
             above {MEMORY} %); run more shards, each has its own"
        )
    })
}

fn places(work: &Work) -> Option<Found> {
    let measured = share(waited(work, Wait::Place), work.file_us);
    above(LimitCode::InFlightCap, measured, PLACES, || {
        format!(
            "copies in flight: files waited for their turn {measured} % of the time (shown above {PLACES} %), and the number \
             of copies cannot rise; raise --in-flight or set it to adaptive, else run more shards"
        )
    })
}

fn facts(work: &Work) -> Option<Found> {
    let measured = share(waited(work, Wait::Facts), work.worker_us);
    let asked = work.asked.get(&Service::Warehouse.to_string()).map_or(0, |asked| asked.us);
    // What the target database holds up is told as its latency or as the pool's.
    let is_warehouse = share(asked, work.gather_us) >= 50;
    above(LimitCode::WarehouseBatch, measured, FACTS, || {
        format!(
            "warehouse: workers waited for the facts of the next rows {measured} % of the time (shown above {FACTS} %); \
             raise --warehouse-pool, or export the warehouse's tables and give them by --warehouse"
        )
    })
    .filter(|_| is_warehouse)
}

fn small_files(work: &Work) -> Option<Found> {
    let mean = work.bytes.checked_div(work.files).filter(|mean| *mean < SMALL_FILE)?;
    let measured = share(work.copy_us, work.row_us);
    above(LimitCode::SmallFiles, measured, COPYING, || {
        format!(
            "small files: {} a file on average (shown below {}), and copying is {measured} % of a row's time (shown above \
             {COPYING} %): requests count, not bytes; raise --workers, or run more shards",
            bytes(mean),
            bytes(SMALL_FILE)
        )
    })
}

fn recorder(work: &Work) -> Option<Found> {
    let measured = share(waited(work, Wait::Recorder), work.row_us);
    above(LimitCode::RunStoreFlush, measured, RECORDER, || {
        format!(
            "run store: outcomes waited to be recorded for {measured} % of the time of their rows (shown above {RECORDER} %); \
             put --run-store nearer to the process, or run more shards"
        )
    })
}

fn bandwidth(work: &Work) -> Option<Found> {
    let mean = work.bytes.checked_div(work.files).filter(|mean| *mean >= LARGE_FILE)?;
    let measured = share(work.raises_lost, work.raises);
    let per_second = work.bytes.saturating_mul(1_000_000) / work.elapsed_us.max(1);
    above(LimitCode::Bandwidth, measured, LOST_RAISES, || {
        format!(
            "bandwidth: {measured} % of the raises of the copies in flight moved no more bytes (shown above {LOST_RAISES} %, \
             for files of {} or more on average, here {}); this process moves {}/s: run shards on more machines, or let \
             the storage service copy by itself",
            bytes(LARGE_FILE),
            bytes(mean),
            bytes(per_second)
        )
    })
    .filter(|_| share(work.cpu_us, work.core_us) <= CPU && work.raises >= 2)
}

fn breaker(work: &Work) -> Option<Found> {
    let fill = work.breaker.filter(|fill| fill.rows >= LEAST_REACHED)?;
    let measured = share(fill.failures, fill.allowed);
    above(LimitCode::BreakerNear, measured, BREAKER, || {
        format!(
            "circuit breaker: {} of the last {} rows that reached copy failed there or at commit, and more than {} stop the \
             shard with exit code 65 (shown above {BREAKER} % of them); correct the cause of the failures now",
            fill.failures, fill.rows, fill.allowed
        )
    })
}

fn guard(work: &Work) -> Option<Found> {
    let slowed: u64 = work.slowed_us.values().sum();
    let measured = share(slowed, work.elapsed_us);
    let (name, _) = worst(&work.slowed_us)?;
    let sign = LoadSign::ALL.into_iter().find(|sign| sign.name() == name)?;
    above(LimitCode::TargetGuard, measured, GUARD, || {
        format!(
            "target guard: it slowed the process down {measured} % of the time (shown above {GUARD} %), mostly because: \
             {sign} ({name}); run when the target is less busy, or decide with --target-guard off that the run goes first"
        )
    })
}

#[cfg(test)]
mod tests;
