//! A run from its plan to its results: few rows, and ten times as many. Its shards are processes beside each other.

use std::path::Path;

use super::{
    FILES, MEMORY, TestApp,
    cost::{self, Cost},
    goals::{GOAL_ROWS, Goal, Goals},
    latency::Bench,
    per_second,
    support::files::files_below,
};

/// Shards, and processes that move them.
const SHARDS: u64 = 8;
/// What a row of many may cost, as a multiple of one of few.
const SLOPE: Goal = Goal::AtMost(1.05);

/// What each stage of a run took.
struct Stages {
    moved: Cost,
    finalized: Cost,
}

/// Plans, moves and finalizes a tenth of the rows, then all of them, blobs answered by a stub. Times are those of this machine,
/// on which PostgreSQL runs beside the processes.
pub async fn whole(goals: &mut Goals, rows: u64) {
    let few = stages(goals, rows / 10).await;
    let many = stages(goals, rows).await;
    println!("from {} to {rows} rows", rows / 10);
    let each = |cost: &Cost, rows: u64| cost.cpu.as_secs_f64() / rows as f64;
    let slope = each(&many.moved, rows) / each(&few.moved, rows / 10);
    goals.demand("CPU of a row, of many / of few", slope, "", SLOPE);
    let [few, many] = [few.finalized, many.finalized].map(|cost| cost.elapsed.as_secs_f64());
    let each = (many - few) / (rows - rows / 10) as f64;
    let expected = many + each * (GOAL_ROWS - rows as f64);
    Goals::compare("finalize of 3,000,000 rows", expected, "s", Goal::AtMost(45.0));
}

async fn stages(goals: &mut Goals, rows: u64) -> Stages {
    println!(
        "{rows} submissions of {FILES} files in {SHARDS} shards, a process each, blobs answered by a stub"
    );
    let bench = Bench::start(rows, 1_024).await;
    let mut app = bench.app().await;
    // No proxy stands before the database, whose time is measured.
    app.set("DATABASE_URL", app.database.url());
    let planned = cost::of(app.start(&["plan", "--shards", &SHARDS.to_string()])).await;
    let shard = |shard: u64| app.start(&["shard", "--shard", &shard.to_string()]);
    let moved = cost::of_several((0..SHARDS).map(shard).collect()).await;
    let finalized = cost::of(app.start(&["finalize"])).await;
    let summary: serde_json::Value = serde_json::from_str(&app.result("summary.json")).unwrap();
    assert_eq!(summary["books"]["migrated"], rows, "every row was moved: {summary}");
    shown(goals, "plan", &planned);
    shown(goals, "shards", &moved);
    shown(goals, "finalize, with the look-up", &finalized);
    Goals::figure("submissions per second", per_second(rows, moved.elapsed), "");
    Goals::figure("CPU per submission", moved.cpu.as_secs_f64() * 1e3 / rows as f64, "ms");
    Goals::figure("run store, for each row", bytes_below(&app) as f64 / rows as f64, "B");
    Stages { moved, finalized }
}

fn shown(goals: &mut Goals, stage: &str, cost: &Cost) {
    let (elapsed, cpu) = (cost.elapsed.as_secs_f64(), cost.cpu.as_secs_f64());
    println!("  {stage:34} {elapsed:10.2} s    CPU {cpu:.1} s");
    goals.demand("  peak memory of a process", cost.peak_bytes as f64 / 1e6, "MB", MEMORY);
}

/// The size of the run store.
fn bytes_below(app: &TestApp<'_>) -> u64 {
    let runs = app.out.path().join("runs");
    let size = |path: &Path| path.metadata().unwrap().len();
    files_below(&runs).iter().map(|name| size(&runs.join(name))).sum()
}
