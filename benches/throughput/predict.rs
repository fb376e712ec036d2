//! What `plan --predict` costs, from few rows to five times as many, and how long runs take beside what it said.

use std::fs;

use super::{
    MEMORY, Options, TestApp,
    cost::{self, Cost},
    discard, folders,
    goals::{Goal, Goals},
    support::app::Sample,
};

/// What a row of many may cost, as a multiple of one of few.
const SLOPE: Goal = Goal::AtMost(1.1);
/// How far a run may be from its predicted duration, percent.
const OFF: Goal = Goal::AtMost(20.0);

/// Slope and memory of a prediction in folders, then three runs through Azurite that were predicted with `--probe`.
pub async fn predict(goals: &mut Goals, options: &Options, rows: u64) {
    let few = of_folder(goals, rows / 5).await;
    let many = of_folder(goals, rows).await;
    println!("from {} to {rows} rows", rows / 5);
    let each = |cost: &Cost, rows: u64| cost.cpu.as_secs_f64() / rows as f64;
    goals.demand("CPU of a row, of many / of few", each(&many, rows) / each(&few, rows / 5), "", SLOPE);
    let each = |cost: &Cost, rows: u64| cost.elapsed.as_secs_f64() / rows as f64;
    Goals::compare("time of a row, of many / of few", each(&many, rows) / each(&few, rows / 5), "", SLOPE);
    durations(goals, options).await;
}

async fn of_folder(goals: &mut Goals, rows: u64) -> Cost {
    println!("plan --predict of {rows} submissions of 3 files, folder to folder");
    let sample = Sample::in_folder(rows, 6, |sample| {
        sample.plain = true;
        sample.file_bytes = "100".parse().unwrap();
    })
    .await;
    let app = folders(&sample).await;
    let cost = cost::of(app.start(&["plan", "--predict"])).await;
    Goals::figure("seconds", cost.elapsed.as_secs_f64(), "s");
    Goals::figure("CPU per row", cost.cpu.as_secs_f64() * 1e3 / rows as f64, "ms");
    goals.demand("peak memory", cost.peak_bytes as f64 / 1e6, "MB", MEMORY);
    cost
}

/// Three runs, each with a prediction of its own. What is judged is a ratio: of a run to what was measured before it.
async fn durations(goals: &mut Goals, options: &Options) {
    println!(
        "{} submissions of 3 files of {} bytes, Azurite to Azurite: predicted with --probe, then moved",
        options.submissions, options.file_bytes
    );
    let sample = Sample::with(options.submissions, 1, |sample| {
        sample.plain = true;
        sample.file_bytes = options.file_bytes.to_string().parse().unwrap();
    })
    .await;
    for run in 1..=3 {
        let app = TestApp::new(&sample).await;
        let planned = app.run(&["plan", "--predict", "--probe"]).await.expect(0);
        for line in planned.stdout.lines().filter(|line| line.contains("measured: ")) {
            println!("  {}", line.trim());
        }
        app.run(&["shard", "--shard", "0"]).await.expect(0);
        app.run(&["finalize"]).await.expect(0);
        let summary = fs::read_to_string(app.out.path().join("summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        let duration = &summary["prediction"]["duration"];
        let figure = |name: &str| duration[name].as_f64().unwrap();
        assert!(figure("predicted_ms") > 0.0, "run {run}: no duration was predicted");
        Goals::figure(&format!("run {run}: predicted"), figure("predicted_ms") / 1e3, "s");
        Goals::figure(&format!("run {run}: took"), figure("outcome_ms") / 1e3, "s");
        // What a run reaches of copies alone, of which the prediction takes a constant share.
        Goals::figure(
            &format!("run {run}: predicted / took"),
            figure("predicted_ms") / figure("outcome_ms"),
            "",
        );
        goals.demand(&format!("run {run}: off, either way"), figure("off_percent").abs(), "%", OFF);
        discard(&app).await;
    }
}
