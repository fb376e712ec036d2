//! How fast `verify` is at level rows: 8 processes beside each other, over few rows and over ten times as many.

use std::time::Duration;

use rogo_migrate::sample::{self, Files, SampleOptions};

use super::{
    MEMORY, TestApp,
    cost::{self, Cost},
    goals::{Goal, Goals},
    stub::BlobStub,
    support::{
        app::Sample,
        tds::{self, TdsServer, data::Data},
    },
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
    let stub = BlobStub::start(100).await;
    let sample = generated(rows, &stub);
    let data = Data::load(&sample.path().join("sample/warehouse")).unwrap();
    let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    let sample = Sample { folder: sample, source: String::new(), tds };
    let mut app = TestApp::new(&sample).await;
    let runs = sample.folder.path().join("runs");
    std::fs::create_dir(&runs).unwrap();
    let account = format!("AccountName=acc;AccountKey=Zm9vYmFy;BlobEndpoint=http://{}/acc", stub.address());
    for (name, value) in [
        ("SOURCE_STORAGE_CONNECTION_STRING", account.clone()),
        ("AZURE_STORAGE_CONNECTION_STRING", account),
        ("ROGO_SOURCE_ALLOW", format!("http://{}/acc/source", stub.address())),
        ("ROGO_TARGET", "az://target".to_owned()),
        ("ROGO_RUN_STORE", format!("file://{}", runs.display())),
    ] {
        app.set(name, value);
    }
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

/// Inputs and warehouse; the stub has every file.
fn generated(rows: u64, stub: &BlobStub) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SampleOptions::new(rows, 5, folder.path().join("sample"));
    options.source_url = Some(format!("http://{}/acc/source", stub.address()).parse().unwrap());
    (options.plain, options.files) = (true, Files::None);
    sample::generate(&options).unwrap();
    folder
}
