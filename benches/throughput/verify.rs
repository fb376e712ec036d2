//! How fast `verify` is at level rows: 8 processes beside each other, over few rows and over ten times as many. And what level
//! blobs takes beside level rows.

use std::time::Duration;

use super::{
    FILES, MEMORY, TestApp,
    cost::{self, Cost},
    discard,
    goals::{GOAL_ROWS, Goal, Goals},
    latency::Bench,
    median,
    support::app::Sample,
};

/// Processes that share the rows.
const PROCESSES: usize = 8;
/// What they may take.
const GOAL: Duration = Duration::from_mins(10);
/// Requests to the target container that a blob may take at level blobs.
const REQUESTS: Goal = Goal::AtMost(0.001);
/// What a row of many may cost, as a multiple of one of few.
const SLOPE: Goal = Goal::AtMost(1.1);

/// Moves and verifies a tenth of the rows, then all of them. Times are those of this machine, on which PostgreSQL and a
/// scripted SQL Server run beside the processes.
pub async fn verify(goals: &mut Goals, rows: u64) {
    let few = shared(goals, rows / 10).await;
    let many = shared(goals, rows).await;
    let each = |cost: &Cost, rows: u64| cost.cpu.as_secs_f64() / rows as f64;
    let slope = each(&many, rows) / each(&few, rows / 10);
    println!("from {} to {rows} rows", rows / 10);
    goals.demand("CPU of a row, of many / of few", slope, "", SLOPE);
    let expected = many.elapsed.as_secs_f64() * GOAL_ROWS / rows as f64 * slope.max(1.0);
    let goal = Goal::AtMost(GOAL.as_secs_f64());
    Goals::compare("3,000,000 rows, as this goes on", expected, "s", goal);
}

/// The cost of a verification in 8 processes.
async fn shared(goals: &mut Goals, rows: u64) -> Cost {
    println!("{rows} submissions of 3 files, moved by 1 process, verified by {PROCESSES}");
    let bench = Bench::start(rows, 100).await;
    let mut app = bench.app().await;
    // No proxy stands before the database, whose time is measured.
    app.set("DATABASE_URL", app.database.url());
    let run = cost::of(app.start(&["run"])).await;
    Goals::figure("moved in", run.elapsed.as_secs_f64(), "s");
    let part = |n: usize| {
        let shard = format!("{n}/{PROCESSES}");
        app.start(&["verify", "--recheck", "0s", "--shard", &shard])
    };
    let cost = cost::of_several((0..PROCESSES).map(part).collect()).await;
    Goals::figure("verified in", cost.elapsed.as_secs_f64(), "s");
    Goals::figure("CPU per row", cost.cpu.as_secs_f64() * 1e3 / rows as f64, "ms");
    goals.demand("peak memory of a process", cost.peak_bytes as f64 / 1e6, "MB", MEMORY);
    cost
}

/// Moves the rows through Azurite, and verifies them at level rows and at level blobs in turn: the medians.
pub async fn blobs(goals: &mut Goals, rows: u64, rounds: usize) {
    println!(
        "verify of {rows} submissions of {FILES} files in Azurite, at level rows and at level blobs in turn"
    );
    let sample = Sample::with(rows, 9, |sample| {
        sample.plain = true;
        sample.file_bytes = "100".parse().unwrap();
    })
    .await;
    let app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let levels = ["rows", "blobs"];
    let mut took = [Vec::new(), Vec::new()];
    let mut peak_bytes = 0;
    for _ in 0..rounds {
        for (level, took) in levels.into_iter().zip(&mut took) {
            let cost = cost::of(app.start(&["verify", "--recheck", "0s", "--level", level])).await;
            took.push(cost.elapsed.as_secs_f64());
            peak_bytes = peak_bytes.max(cost.peak_bytes);
        }
    }
    let verification: serde_json::Value = serde_json::from_str(&app.result("verification.json")).unwrap();
    let of_files = |name: &str| verification["files"][name].as_f64().unwrap();
    assert_eq!(verification["files"]["named"], rows * FILES, "every file was compared");
    let [at_rows, at_blobs] = took.map(median);
    let thousand_files = (rows * FILES) as f64 / 1_000.0;
    Goals::figure("level rows, for 1,000 files", at_rows / thousand_files * 1e3, "ms");
    Goals::figure("level blobs, for 1,000 files", at_blobs / thousand_files * 1e3, "ms");
    Goals::figure("level blobs / level rows", at_blobs / at_rows, "");
    goals.demand(
        "requests a blob to the target",
        of_files("target_requests") / of_files("blobs"),
        "",
        REQUESTS,
    );
    Goals::figure("requests a file to the sources", of_files("source_requests") / of_files("named"), "");
    goals.demand("peak memory", peak_bytes as f64 / 1e6, "MB", MEMORY);
    discard(&app).await;
}
