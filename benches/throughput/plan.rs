//! How long a plan takes whose warehouse is an export, so that it writes facts files.

use std::fs;

use tempfile::tempdir;

use rogo_migrate::sample::{self, Files, SampleOptions};

use super::{
    cost, folders,
    goals::{GOAL_ROWS, Goal, Goals},
    support::{
        app::Sample,
        tds::{self, TdsServer, data::Data},
    },
};

/// Shards of the run.
const SHARDS: &str = "1000";

/// Plans a sample of so many rows.
pub async fn plan(goals: &mut Goals, rows: u64) {
    let folder = tempdir().unwrap();
    let mut options = SampleOptions::new(rows, 3, folder.path().join("sample"));
    (options.plain, options.files) = (true, Files::None);
    sample::generate(&options).unwrap();
    let tds = TdsServer::start(Data::default(), tds::Options::default()).await.unwrap();
    // The plan looks at a source file: that one is missing is no wonder, a folder that is empty would be a lost mount.
    fs::write(folder.path().join("sample/files/another"), b"").unwrap();
    let sample = Sample { folder, source: String::new(), tds };
    let app = folders(&sample).await;
    println!("plan of {rows} rows with facts files, {SHARDS} shards, local files");
    let warehouse = format!("file://{}", sample.path("warehouse").display());
    let cost = cost::of(app.start(&["plan", "--shards", SHARDS, "--warehouse", &warehouse])).await;
    let (elapsed, scale) = (cost.elapsed.as_secs_f64(), GOAL_ROWS / rows as f64);
    Goals::figure("seconds", elapsed, "s");
    Goals::figure("CPU seconds", cost.cpu.as_secs_f64(), "s");
    Goals::compare("seconds for 3,000,000 rows", elapsed * scale, "s", Goal::AtMost(45.0));
    goals.demand("peak memory", cost.peak_bytes as f64 / 1e6, "MB", Goal::AtMost(250.0));
}
