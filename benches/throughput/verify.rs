//! How fast `verify` is at level rows: 8 processes beside each other, over few rows and over ten times as many.

use std::time::Duration;

use super::{
    MEMORY,
    cost::{self, Cost},
    goals::{Goal, Goals},
    latency::Bench,
};

/// Processes that share the rows.
const PROCESSES: usize = 8;
/// Rows of the goal.
const GOAL_ROWS: f64 = 3_000_000.0;
/// What they may take.
const GOAL: Duration = Duration::from_mins(10);
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
