//! How long the run is going to take: the slowest of three that go on beside each other, each by what this process saw of the
//! services, or else by an assumption that the prediction names. What is less certain has a wider range.

use std::time::Duration;

use super::{Measured, Seen};
use crate::{
    domain::shard_of,
    run::{PredictedDuration, PredictedShard, Prediction},
    settings::WorkSettings,
};

/// Gathering that took less is no measurement …
const LONG_ENOUGH_MS: u64 = 500;
/// … then so many rows a second of one process are assumed: measured with rows that need no copy, from a folder.
const ASSUMED_ROWS_A_SECOND: f64 = 30_000.0;
/// Files a second of one process, if no copies were measured.
const ASSUMED_FILES_A_SECOND: f64 = 250.0;
/// Submissions that one process commits in a second beside a near PostgreSQL on a machine of two cores, with files that take no
/// time: 1,450 to 1,850.
const ASSUMED_COMMITS_A_SECOND: f64 = 1_700.0;
/// Submissions that one statement carries at most.
const ROWS_OF_A_STATEMENT: usize = 64;
/// Submissions of each worker that wait for a near database at most; of one that is `FAR_MS` away, three times as many.
const ROWS_OF_A_WORKER: f64 = 64.0;
const FAR_MS: f64 = 200.0;
/// What a run reaches of bare GET and PUT of the same files: 0.77 to 0.85 beside Azurite on two cores.
const SHARE_OF_BARE_COPIES: f64 = 0.8;
/// From a process's start to its first copy, beside its round trips to PostgreSQL: the least, as expected, the most.
const START_MS: [f64; 3] = [300.0, 500.0, 1_500.0];
/// Round trips to PostgreSQL one after the other until the first copy.
const ROUND_TRIPS_TO_START: f64 = 20.0;

/// By how much something may be off: the least and the most, as factors.
type Range = [f64; 2];
const MEASURED: Range = [0.8, 1.2];
/// Commits: the server's own speed is not measured, because nothing is written to the tables.
const ASSUMED_COMMITS: Range = [0.5, 3.0];
const ASSUMED_COPIES: Range = [0.1, 5.0];
const ASSUMED_GATHERING: Range = [0.5, 3.0];

/// One of what goes on beside each other in the process that has most of it.
struct Part {
    name: &'static str,
    milliseconds: f64,
    range: Range,
    basis: String,
}

/// From the first process's start to the last outcome, if so many processes work at a time.
pub fn duration(
    prediction: &Prediction,
    processes: u32,
    work: &WorkSettings,
    seen: Seen,
    measured: Option<Measured>,
) -> PredictedDuration {
    let share = |of: fn(&PredictedShard) -> u64| float(largest_share(prediction, processes, of));
    let parts = [
        copying(share(|shard| shard.files), measured),
        committing(share(|shard| shard.migrated), work, seen.round_trip),
        gathering(share(|shard| shard.rows), seen),
    ];
    let slowest = |of: &dyn Fn(&Part) -> f64| parts.iter().map(of).fold(0.0, f64::max);
    let [least_start, start, most_start] =
        START_MS.map(|own| own + ROUND_TRIPS_TO_START * milliseconds(seen.round_trip));
    // One process was measured: the services may be no faster for several.
    let most = |part: &Part| part.range[1].max(MEASURED[1] * f64::from(processes));
    PredictedDuration {
        milliseconds: whole(start + slowest(&|part| part.milliseconds)),
        least_ms: whole(least_start + slowest(&|part| part.milliseconds * part.range[0])),
        most_ms: whole(most_start + slowest(&|part| part.milliseconds * most(part))),
        processes,
        basis: basis(&parts, processes),
    }
}

fn copying(files: f64, measured: Option<Measured>) -> Part {
    let (each_ms, range, basis) = match measured.filter(|measured| measured.files > 0) {
        Some(measured) => (
            measured.milliseconds_of_a_file() / SHARE_OF_BARE_COPIES,
            spread(measured),
            format!(
                "measured: {} files of {} bytes in {} ms, {} at a time, {:.1} to {:.1} ms each; a run reaches \
                 {SHARE_OF_BARE_COPIES} of bare copies while the services are as busy as in the probe",
                measured.files,
                measured.bytes,
                measured.milliseconds,
                measured.at_a_time,
                measured.fastest_and_slowest[0],
                measured.fastest_and_slowest[1]
            ),
        ),
        None => (
            1_000.0 / ASSUMED_FILES_A_SECOND,
            ASSUMED_COPIES,
            format!("assumed, not measured: {ASSUMED_FILES_A_SECOND} files a second; --probe measures"),
        ),
    };
    Part { name: "copies", milliseconds: files * each_ms, range, basis }
}

/// Copies whose time varied while they were measured vary in a run.
fn spread(measured: Measured) -> Range {
    let [fastest, slowest] =
        measured.fastest_and_slowest.map(|each| each / measured.milliseconds_of_a_file().max(1e-9));
    [MEASURED[0] * fastest.min(1.0), MEASURED[1] * slowest.max(1.0)]
}

/// Statements wait for round trips, and rows for a place in a statement: those on the way at a time, of all workers.
fn committing(migrated: f64, work: &WorkSettings, round_trip: Duration) -> Part {
    let far = (milliseconds(round_trip) / FAR_MS).min(1.0);
    let of_each = work.in_flight.map_or(ROWS_OF_A_WORKER * (1.0 + 2.0 * far), |rows| float(rows as u64));
    let in_statements = float(ROWS_OF_A_STATEMENT as u64) * f64::from(work.pool);
    let on_the_way = of_each.min(in_statements).max(1.0) * float(work.workers.max(1) as u64);
    let each_ms = 1_000.0 / ASSUMED_COMMITS_A_SECOND + milliseconds(round_trip) / on_the_way;
    let basis = format!(
        "{:.0} a second: {ASSUMED_COMMITS_A_SECOND} of a near PostgreSQL, assumed, and its round trip of {:.1} ms, measured, \
         for {on_the_way:.0} rows on the way of {} workers",
        1_000.0 / each_ms,
        milliseconds(round_trip),
        work.workers
    );
    Part { name: "commits", milliseconds: migrated * each_ms, range: ASSUMED_COMMITS, basis }
}

fn gathering(rows: f64, seen: Seen) -> Part {
    let took_ms = milliseconds(seen.gathering);
    let is_measured = seen.rows > 0 && took_ms >= float(LONG_ENOUGH_MS);
    let (each_ms, range, basis) = if is_measured {
        let basis = format!("measured: {} rows in {took_ms:.0} ms by this prediction", seen.rows);
        (took_ms / float(seen.rows), MEASURED, basis)
    } else {
        let basis = format!(
            "assumed: {ASSUMED_ROWS_A_SECOND} rows a second, since {} are too few to measure",
            seen.rows
        );
        (1_000.0 / ASSUMED_ROWS_A_SECOND, ASSUMED_GATHERING, basis)
    };
    Part { name: "gathering and deciding", milliseconds: rows * each_ms, range, basis }
}

/// What the duration rests on: the slowest part first.
fn basis(parts: &[Part], processes: u32) -> String {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by(|one, other| other.milliseconds.total_cmp(&one.milliseconds));
    let told = parts
        .iter()
        .map(|part| format!("{} {:.1} s ({})", part.name, part.milliseconds / 1_000.0, part.basis));
    let told: Vec<String> = told.collect();
    let several = match processes {
        1 => String::new(),
        _ => format!(
            "; each of {processes} processes is taken to go at this rate, and the range allows for services that are no faster \
             for all of them than for one"
        ),
    };
    format!("the slowest decides: {}{several}", told.join("; "))
}

/// What the process has that has most, if shards are worked on in their order.
fn largest_share(prediction: &Prediction, processes: u32, of: fn(&PredictedShard) -> u64) -> u64 {
    let mut shares = vec![0_u64; processes as usize];
    for shard in &prediction.shards {
        let process = shard_of(u64::from(shard.shard.0), processes).place();
        if let Some(share) = shares.get_mut(process) {
            *share += of(shard);
        }
    }
    shares.into_iter().max().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of a run stay far below 2^53")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is not negative, and a float beyond u64 becomes its largest value"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(workers: usize, pool: u32, in_flight: Option<usize>) -> WorkSettings {
        WorkSettings {
            workers,
            in_flight,
            pool,
            warehouse_pool: 3,
            flush: Duration::ZERO,
            give_up_after: Duration::ZERO,
            breaker: None,
            target_guard: crate::settings::TargetGuard::Off,
        }
    }

    fn measured(milliseconds: u64, each_ms: f64) -> Measured {
        Measured {
            files: 500,
            bytes: 5_000,
            milliseconds,
            fastest_and_slowest: [each_ms; 2],
            at_a_time: 32,
            by_the_service: false,
        }
    }

    #[test]
    fn commits_take_the_round_trip_the_workers_and_their_connections_into_account() {
        let seconds = |work: WorkSettings, round_trip_ms| {
            committing(17_000.0, &work, Duration::from_millis(round_trip_ms)).milliseconds / 1_000.0
        };
        let near = seconds(work(5, 3, None), 0);
        assert!((near - 10.0).abs() < 1e-6, "{near}");
        // Measured at 20, 100 and 400 ms: 0.80, 0.71 and 0.48 of the rate at 0 ms.
        for (round_trip_ms, at_least, at_most) in [(20, 0.8, 1.0), (100, 0.7, 0.9), (400, 0.48, 0.68)] {
            let share = near / seconds(work(5, 3, None), round_trip_ms);
            assert!((at_least..at_most).contains(&share), "{round_trip_ms} ms: {share}");
        }
        let far = |workers, pool, in_flight| seconds(work(workers, pool, in_flight), 400);
        assert!(far(1, 3, None) > far(5, 3, None), "fewer workers are slower");
        assert!(far(5, 1, None) > far(5, 3, None), "fewer connections are slower");
        assert!(far(5, 3, Some(2)) > far(5, 3, None), "fewer rows under way are slower");
    }

    #[test]
    fn the_range_allows_for_services_that_are_no_faster_for_several_processes() {
        let mut prediction = Prediction::new(&"r".parse().unwrap(), None, chrono::DateTime::UNIX_EPOCH);
        let shard = |shard| PredictedShard {
            shard: crate::domain::ShardIndex(shard),
            rows: 10_000,
            migrated: 10_000,
            files: 50_000,
            bytes: 0,
        };
        prediction.shards = (0..4).map(shard).collect();
        let measured = measured(900, 1.8);
        let of = |processes| {
            let told = duration(&prediction, processes, &work(5, 3, None), Seen::default(), Some(measured));
            [told.least_ms, told.milliseconds, told.most_ms]
        };
        // 2.25 ms a file.
        assert_eq!(of(1), [360_300, 450_500, 541_500]);
        assert_eq!(of(4), [90_300, 113_000, 541_500]);
    }

    #[test]
    fn what_is_measured_has_a_range_of_20_percent_and_what_is_assumed_says_so() {
        let measured = measured(4_500, 9.0);
        let part = copying(1_000.0, Some(measured));
        assert!(
            (part.milliseconds - 11_250.0).abs() < 1e-6 && part.range == MEASURED,
            "{}",
            part.milliseconds
        );
        let unsteady = Measured { fastest_and_slowest: [4.5, 18.0], ..measured };
        let range = copying(1_000.0, Some(unsteady)).range;
        assert!((range[0] - 0.4).abs() < 1e-9 && (range[1] - 2.4).abs() < 1e-9, "{range:?}");
        let part = copying(1_000.0, None);
        assert!(part.basis.starts_with("assumed, not measured") && part.range == ASSUMED_COPIES);

        let seen =
            |ms| Seen { rows: 10_000, gathering: Duration::from_millis(ms), round_trip: Duration::ZERO };
        let part = gathering(20_000.0, seen(5_000));
        assert!(
            (part.milliseconds - 10_000.0).abs() < 1e-6 && part.basis.starts_with("measured: 10000 rows")
        );
        assert!(gathering(20_000.0, seen(100)).basis.starts_with("assumed: "));
    }
}
