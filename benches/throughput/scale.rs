//! How the program scales: many shards beside each other, many rows, large files, and the number of copies in flight that it
//! finds by itself.

use std::{fs, path::Path, time::Duration};

use chrono::{DateTime, Utc};
use rogo_migrate::{exit::Exit, report::events::Way};
use tokio::process::Child;

use super::{
    MEMORY, TestApp,
    cost::{self, Cost},
    goals::{Goal, Goals},
    latency::{Bench, Distance, shown},
    median, per_second,
    support::{app::Ended, files::files_below, process, proxy::Proxy},
};

/// Processes of [`shards`], one for each shard.
const SHARDS: u64 = 8;
/// Copies in flight for each of 5 workers, so that a shard is bound by the distance and eight of them not by this machine.
const FEW_COPIES: &str = "8";
/// Bytes of a large file.
const LARGE: usize = 20_000_000;
/// Copies in flight for each of 8 workers: 512.
const MANY_COPIES: &str = "64";
/// Copies in flight for each of 5 workers: what [`climb`] is compared with.
const FIXED: [&str; 5] = ["8", "16", "32", "64", "128"];
/// The time in which the best number of copies is to be found.
const CLIMB: Duration = Duration::from_secs(10);
/// How long a run of [`climb`] may last, with its start.
const ENOUGH: Duration = Duration::from_secs(45);

/// One shard, and eight of the same size each in a process of its own, 400 ms before every service: bound by the distance, eight
/// move eight times as much.
pub async fn shards(goals: &mut Goals, rows_each: u64) {
    println!(
        "400 ms before every service, {rows_each} submissions in each shard, {FEW_COPIES} copies for each of 5 workers"
    );
    let one = far_shards(rows_each, 1).await;
    let eight = far_shards(rows_each, SHARDS).await;
    let [one, eight] = [(one, rows_each), (eight, rows_each * SHARDS)].map(|(cost, rows)| {
        let rate = per_second(rows, cost.elapsed);
        println!(
            "  {rate:8.1} submissions/s in {:.1} s, CPU {:.1} s",
            cost.elapsed.as_secs_f64(),
            cost.cpu.as_secs_f64()
        );
        rate
    });
    goals.demand("8 shards / 1 shard", eight / one, "", Goal::AtLeast(7.0));
}

/// What so many shards cost from the start of their processes to the end of the last.
async fn far_shards(rows_each: u64, shards: u64) -> Cost {
    let bench = Bench::start(rows_each * shards, 1_024).await;
    let tds = &bench.sample.tds;
    let warehouse = Proxy::start(tds.address).await;
    let mut app = bench.app().await;
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", tds.connection_string_through(warehouse.address()));
    app.set("ROGO_IN_FLIGHT", FEW_COPIES);
    app.run(&["plan", "--shards", &shards.to_string()]).await.expect(0);
    let far = Duration::from_millis(400);
    warehouse.delay(far / 2);
    bench.stand_at(Distance::both(400));
    let start = |shard: u64| app.start(&["shard", "--shard", &shard.to_string()]);
    let cost = cost::of_several((0..shards).map(start).collect()).await;
    bench.stand_at(Distance::default());
    cost
}

/// A shard of so many rows and one of ten times as many, in turn: what a row costs.
pub async fn growth(goals: &mut Goals, rows: u64, rounds: usize) {
    let (few, many) = (Bench::start(rows, 1_024).await, Bench::start(10 * rows, 1_024).await);
    println!("a shard of {rows} submissions and one of {}, blobs answered by a stub", 10 * rows);
    let (mut cpu, mut time) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Which of the two is first changes from round to round.
        let (few, many) = if round % 2 == 0 {
            let few = few.shard(Distance::default()).await;
            (few, many.shard(Distance::default()).await)
        } else {
            let many = many.shard(Distance::default()).await;
            (few.shard(Distance::default()).await, many)
        };
        shown("few", &few, None);
        shown("many", &many, None);
        cpu.push(many.cost.cpu.as_secs_f64() / few.cost.cpu.as_secs_f64() / 10.0);
        time.push(few.rate / many.rate);
    }
    goals.demand("CPU of a row, of many / of few", median(cpu), "", Goal::AtMost(1.05));
    goals.demand("time of a row, of many / of few", median(time), "", Goal::AtMost(1.05));
}

/// Large files, copied server-side 512 at a time (of ten times the rows) and streamed: a shard, and one of three times as many
/// rows.
pub async fn large(goals: &mut Goals, rows: u64) {
    println!("files of {LARGE} bytes, blobs answered by a stub");
    let profiles =
        [(Way::ServerSide, "8", MANY_COPIES, 100, 30 * rows), (Way::Streamed, "5", "adaptive", 20, rows)];
    for (way, workers, in_flight, ms, rows) in profiles {
        let mut peaks = Vec::new();
        for rows in [rows, 3 * rows] {
            let bench = Bench::start(rows, LARGE).await;
            bench.stub.copy_server_side(way == Way::ServerSide);
            let mut app = bench.app().await;
            app.set("ROGO_IN_FLIGHT", in_flight);
            app.set("ROGO_WORKERS", workers);
            let measured = bench.run(&app, Distance::both(ms)).await;
            shown(&format!("{} rows, {}", rows, way.name()), &measured, None);
            peaks.push(measured.cost.peak_bytes as f64 / 1e6);
        }
        goals.demand(&format!("{}: peak memory", way.name()), peaks[1], "MB", MEMORY);
        let what = format!("{}: memory of 3 x the rows", way.name());
        goals.demand(&what, peaks[1] / peaks[0], "", Goal::AtMost(1.1));
    }
}

/// The number of copies in flight that is found, beside fixed ones: rates after the first 10 s. A run that lasts for longer than
/// [`ENOUGH`] is ended: a few fixed copies at a distance would take many minutes.
pub async fn climb(goals: &mut Goals, rows: u64) {
    let bench = Bench::start(rows, 10_240).await;
    for way in [Way::ServerSide, Way::Streamed] {
        bench.stub.copy_server_side(way == Way::ServerSide);
        for ms in [0, 20, 100] {
            println!("{rows} submissions, copies: {}, {ms} ms before PostgreSQL and blobs", way.name());
            let mut best: f64 = 0.0;
            let mut found = Vec::new();
            for in_flight in ["adaptive"].into_iter().chain(FIXED).chain(["adaptive"]) {
                let mut app = bench.app().await;
                app.set("ROGO_IN_FLIGHT", in_flight);
                run_long_enough(bench.start_shard(&app, Distance::both(ms)).await).await;
                let rate = later_rate(&app);
                println!(
                    "  {in_flight:>8} for each worker: {rate:8.1} submissions/s after {} s",
                    CLIMB.as_secs()
                );
                if in_flight == "adaptive" { found.push(rate) } else { best = best.max(rate) }
            }
            let found = found.iter().sum::<f64>() / found.len() as f64;
            let what = format!("{}, {ms} ms: found / best fixed", way.name());
            goals.demand(&what, found / best, "", Goal::AtLeast(0.95));
        }
    }
}

/// Waits until the shard ends, or ends it after [`ENOUGH`].
async fn run_long_enough(shard: Child) {
    let id = shard.id().unwrap();
    let mut ending = std::pin::pin!(shard.wait_with_output());
    let (output, code) = if let Ok(output) = tokio::time::timeout(ENOUGH, &mut ending).await {
        (output, 0)
    } else {
        process::signal_by_id(id, "TERM");
        (ending.await, Exit::Stopped as i32)
    };
    Ended::of(output.unwrap()).expect(code);
}

/// Submissions per second from [`CLIMB`] after the first outcome until nine tenths of them stand: at the end there is not
/// enough to do.
fn later_rate(app: &TestApp<'_>) -> f64 {
    let documents = files_below(&app.out.path().join("runs/rogo"));
    let segments = documents.iter().filter(|path| path.iter().any(|part| part == "segments"));
    let mut times: Vec<DateTime<Utc>> = segments.flat_map(|path| times_of(path)).collect();
    times.sort_unstable();
    let from = times[0] + CLIMB;
    let until = times[times.len() * 9 / 10];
    let seconds = (until - from).as_seconds_f64();
    assert!(seconds > 2.0, "too few rows: nine tenths of them had an outcome {seconds:.1} s after the climb");
    times.iter().filter(|at| (from..=until).contains(*at)).count() as f64 / seconds
}

/// The times of all outcomes in a segment.
fn times_of(segment: &Path) -> Vec<DateTime<Utc>> {
    let text = fs::read_to_string(segment).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| line["at"].as_str()?.parse().ok()).collect()
}
