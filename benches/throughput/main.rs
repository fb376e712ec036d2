//! What a run costs, on real servers that this starts: PostgreSQL, Azurite, the scripted SQL Server.
//!
//! All ratios come from one run that measures lower bound and program in turn, so that the machine's noise affects both.
#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it prints; what fails may panic"
)]
#![allow(clippy::cast_precision_loss, reason = "counts become ratios")]

mod commits;
mod cost;
mod floor;
mod goals;
mod guard;
mod heard;
mod latency;
mod plan;
mod predict;
mod receipts;
mod report;
mod scale;
mod stub;
mod sweep;
mod telemetry;
mod verify;
mod whole;
#[path = "../../tests/it/report/pages.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod pages;
#[path = "../../tests/it/support"]
#[allow(dead_code, reason = "the tests use more of it")]
mod support {
    pub mod app;
    pub mod azurite;
    pub mod browser;
    pub mod cache;
    pub mod csv;
    pub mod files;
    pub mod machine;
    pub mod npm;
    pub mod plans;
    pub mod port;
    pub mod postgres;
    pub mod process;
    pub mod proxy;
    pub mod results;
    pub mod tds;
}

use std::{fs, process::ExitCode, time::Duration};

use clap::Parser;
use cost::Cost;
use goals::{Goal, Goals};

use support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    postgres::TestServer,
    proxy::Proxy,
};

/// Files of a row of a plain sample: two of the learner, one of the marker.
const FILES: u64 = 3;
/// Numbers of requests under way at which the lower bound is measured: the fastest of them is the bound.
const WIDTHS: [usize; 4] = [16, 32, 64, 128];
/// Submissions with which they are compared: Azurite keeps in memory whatever was ever written.
const COMPARED: u64 = 500;

/// Of any process of ours, whatever the number of rows.
const MEMORY: Goal = Goal::AtMost(150.0);

/// Prints what a run costs, on real servers, beside the goals; exit code 1 if a ratio, a count or the memory misses its
/// goal.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Options {
    /// Submissions of 3 files that are copied through Azurite
    #[arg(long, default_value_t = 5_000)]
    submissions: u64,
    /// Bytes of each file
    #[arg(long, default_value_t = 102_400)]
    file_bytes: u64,
    /// Times that floor and program run in turn; medians are printed
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Rows of a run from folder to folder, of its verification, and of a run over the target that then holds them
    /// all; 0 leaves them out
    #[arg(long, default_value_t = 80_000)]
    held: u64,
    /// Instead of all else: how long finalize sweeps the blobs of a killed writer
    #[arg(long)]
    sweep: bool,
    /// Rows of submission_files beside which it sweeps (9,000,000 take 6 GB of TMPDIR)
    #[arg(long, default_value_t = 9_000_000)]
    file_rows: u64,
    /// With --sweep: the table is read from the disk (needs root)
    #[arg(long)]
    cold: bool,
    /// Blobs of the killed writer
    #[arg(long, default_value_t = 100_000)]
    blobs: u64,
    /// Instead of all else: how long a plan takes
    #[arg(long)]
    plan: bool,
    /// Its rows (3,000,000 take 9 GB of TMPDIR)
    #[arg(long, default_value_t = 3_000_000)]
    planned: u64,
    /// Instead of all else: the rate with blobs answered by a stub beside that of pgbench with the same commits
    #[arg(long)]
    commits: bool,
    /// Instead of all else: the rate at a distance of 20, 100 and 400 ms from PostgreSQL and blobs, as a share of that at 0 ms
    #[arg(long)]
    latency: bool,
    /// With --latency: at 100 ms only, with few rows and a wide margin, for CI; with --guard: at most 30 s each
    #[arg(long)]
    short: bool,
    /// Instead of all else: what another client of the target feels of a run with the target guard on, and off
    #[arg(long)]
    guard: bool,
    /// Submissions of each of its runs, at most
    #[arg(long, default_value_t = 60_000)]
    guarded: u64,
    /// Seconds that each of its measurements lasts, at most
    #[arg(long, default_value_t = 90)]
    seconds: u64,
    /// Instead of all else: CPU of a shard that sends telemetry to a receiver, as a ratio to that of one that sends none
    #[arg(long)]
    telemetry: bool,
    /// Submissions of each of its shards; `--rounds` (odd, 7 or more) of them with and without
    #[arg(long, default_value_t = 20_000)]
    told: u64,
    /// Instead of all else: size of report.html of a large run, and how long Chromium takes to open it
    #[arg(long)]
    report: bool,
    /// Rows of that run
    #[arg(long, default_value_t = 3_000_000)]
    report_rows: u64,
    /// Shards of that run
    #[arg(long, default_value_t = 1_000)]
    report_shards: u32,
    /// With --latency: copies of this way only
    #[arg(long, value_parser = ["server", "streamed"])]
    way: Option<String>,
    /// Submissions of each of the runs at a distance
    #[arg(long, default_value_t = 60_000)]
    distant: u64,
    /// Bytes of each of its files
    #[arg(long, default_value_t = 10_240)]
    stub_bytes: usize,
    /// Instead of all else: `verify` in 8 processes, and its slope
    #[arg(long)]
    verify: bool,
    /// Instead of all else: `verify` at level blobs beside level rows; `--rounds` of each
    #[arg(long)]
    verify_blobs: bool,
    /// Instead of all else: `plan --predict`, its slope, and predicted durations beside real ones
    #[arg(long)]
    predict: bool,
    /// Instead of all else: what receipts cost PostgreSQL
    #[arg(long)]
    receipts: bool,
    /// Instead of all else: eight shards beside one, 400 ms before every service
    #[arg(long)]
    shards: bool,
    /// Instead of all else: what a row costs in a shard of ten times as many
    #[arg(long)]
    growth: bool,
    /// Instead of all else: memory with files of 20 MB, 512 copies in flight
    #[arg(long)]
    large: bool,
    /// Instead of all else: the number of copies in flight that the program finds, beside fixed ones
    #[arg(long)]
    climb: bool,
    /// Instead of all else: a run from its plan to its results, in 8 processes, and its slope
    #[arg(long)]
    whole: bool,
    /// Rows of `--whole` and `--verify` (a tenth of them first), `--verify-blobs`, `--predict` (a fifth of them first), `--receipts`, `--shards` (of each),
    /// `--growth` (of the smaller shard), `--large` (of the smaller) and `--climb`
    #[arg(long)]
    rows: Option<u64>,
    /// cargo bench says it
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut goals = Goals::default();
    if named(&mut goals, &options).await {
        return goals.end();
    }
    if options.submissions > 0 {
        let plain = Sample::with(options.submissions, 1, |sample| {
            sample.plain = true;
            sample.file_bytes = options.file_bytes.to_string().parse().unwrap();
        })
        .await;
        copies(&mut goals, &options, &plain).await;
        round_trips(&mut goals, &options, &plain).await;
        latency::requests(&mut goals, &options).await;
    }
    if options.held > 0 {
        held(&mut goals, options.held).await;
        many_shards().await;
    }
    goals.end()
}

/// Runs the benchmark that an option names; `false` if none does.
async fn named(goals: &mut Goals, options: &Options) -> bool {
    if options.sweep {
        sweep::sweep(goals, options.file_rows, options.blobs, options.cold).await;
    } else if options.plan {
        plan::plan(goals, options.planned).await;
    } else if options.commits {
        commits::commits(goals, options).await;
    } else if options.latency {
        latency::latency(goals, options).await;
    } else if options.guard {
        guard::guard(goals, options).await;
    } else if options.telemetry {
        telemetry::telemetry(goals, options.told, options.rounds).await;
    } else if options.report {
        report::report(goals, options.report_rows, options.report_shards);
    } else if options.whole {
        whole::whole(goals, options.rows.unwrap_or(300_000)).await;
    } else if options.verify {
        verify::verify(goals, options.rows.unwrap_or(300_000)).await;
    } else if options.verify_blobs {
        verify::blobs(goals, options.rows.unwrap_or(5_000), options.rounds).await;
    } else if options.predict {
        predict::predict(goals, options, options.rows.unwrap_or(150_000)).await;
    } else if options.receipts {
        receipts::receipts(goals, options.rows.unwrap_or(8_000)).await;
    } else if options.shards {
        scale::shards(goals, options.rows.unwrap_or(1_500)).await;
    } else if options.growth {
        scale::growth(goals, options.rows.unwrap_or(6_000), options.rounds).await;
    } else if options.large {
        scale::large(goals, options.rows.unwrap_or(400)).await;
    } else if options.climb {
        scale::climb(goals, options.rows.unwrap_or(60_000)).await;
    } else {
        return false;
    }
    true
}

/// Floor and program in turn, on the same Azurite.
async fn copies(goals: &mut Goals, options: &Options, sample: &Sample) {
    println!(
        "{} submissions of {FILES} files of {} bytes, Azurite to Azurite",
        options.submissions, options.file_bytes
    );
    let mut width = WIDTHS[0];
    let mut fastest = 0.0;
    let files = sample.files();
    let compared = COMPARED.min(options.submissions);
    let some = &files[..usize::try_from(compared * FILES).unwrap()];
    for tried in WIDTHS {
        let rate = per_second(compared, floor::pass(sample, some, tried).await);
        println!("  floor, {tried} at a time            {rate:8.1} submissions/s");
        if rate > fastest {
            (fastest, width) = (rate, tried);
        }
    }
    let mut ratios = Vec::new();
    let mut rates = Vec::new();
    let mut costs = Vec::new();
    for round in 0..options.rounds {
        // Which of the two is first changes from round to round.
        let (floor, cost) = if round % 2 == 0 {
            let floor = floor::pass(sample, &files, width).await;
            (floor, migrate(sample).await)
        } else {
            let cost = migrate(sample).await;
            (floor::pass(sample, &files, width).await, cost)
        };
        let [floor, rate] = [floor, cost.elapsed].map(|elapsed| per_second(options.submissions, elapsed));
        println!("  floor {floor:8.1}, program {rate:8.1} submissions/s: {:.2}", rate / floor);
        ratios.push(rate / floor);
        rates.push(rate);
        costs.push(cost);
    }
    let cpu = costs.iter().map(|cost| cost.cpu.as_secs_f64() * 1e3 / options.submissions as f64);
    let memory = costs.iter().map(|cost| cost.peak_bytes as f64 / 1e6);
    goals.demand("ratio to the floor", median(ratios), "", Goal::AtLeast(0.9));
    Goals::figure("submissions per second", median(rates), "");
    Goals::compare("CPU per submission", median(cpu.collect()), "ms", Goal::AtMost(1.5));
    goals.demand("peak memory", median(memory.collect()), "MB", MEMORY);
}

/// One `run` of the whole sample into a new target.
async fn migrate(sample: &Sample) -> Cost {
    let app = TestApp::new(sample).await;
    let cost = cost::of(app.start(&["run"])).await;
    discard(&app).await;
    cost
}

async fn discard(app: &TestApp<'_>) {
    Azurite::shared().await.discard(&app.container).await;
}

/// The same run with a counting proxy before each service: slower, and only counted.
async fn round_trips(goals: &mut Goals, options: &Options, sample: &Sample) {
    let azurite = Azurite::shared().await;
    let blobs = Proxy::start(azurite.address()).await;
    let postgres = Proxy::start(TestServer::get().address()).await;
    let warehouse = Proxy::start(sample.tds.address).await;
    let mut app = TestApp::new(sample).await;
    let through = |text: &str| text.replace(&azurite.address().to_string(), &blobs.address().to_string());
    let submissions = app.out.path().join("through-proxy.csv");
    fs::write(&submissions, through(&fs::read_to_string(sample.path("submission_files.csv")).unwrap()))
        .unwrap();
    app.set("ROGO_SUBMISSIONS", submissions.display().to_string());
    for name in ["ROGO_SOURCE_ALLOW", "SOURCE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CONNECTION_STRING"] {
        app.set(name, through(app.variable(name)));
    }
    app.set("DATABASE_URL", app.database.url_through(postgres.address()));
    app.set("DATA_WAREHOUSE_CONNECTION_STRING", sample.tds.connection_string_through(warehouse.address()));
    app.run(&["plan"]).await.expect(0);
    let counted = |proxy: &Proxy| proxy.exchanges();
    let before = [&postgres, &warehouse, &blobs].map(counted);
    let logins = sample.tds.script.logins();
    app.run(&["shard", "--shard", "0"]).await.expect(0);
    let logins = sample.tds.script.logins() - logins;
    let after = [&postgres, &warehouse, &blobs].map(counted);
    println!("round trips per submission, in a shard from its start to its end");
    let rows = options.submissions;
    for ((name, goal, of), (before, after)) in
        // A file is read and written; what the process itself asks at its start is 0.01 of it.
        [
            ("PostgreSQL", 1.1, rows),
            ("warehouse", 0.02, rows),
            ("blobs, per file", 2.01, rows * FILES),
        ]
        .into_iter()
        .zip(before.into_iter().zip(after))
    {
        goals.demand(name, (after - before) as f64 / of as f64, "", Goal::AtMost(goal));
    }
    Goals::figure("of the warehouse's: logins", logins as f64, "");
    discard(&app).await;
}

/// Rows that need no copy: all of them are in the target, brought there by a run from folder to folder; or are named by
/// `--exclude`; or have no attempt in the mapping.
async fn held(goals: &mut Goals, rows: u64) {
    println!("{rows} submissions of {FILES} files of 100 bytes, folder to folder");
    let sample = Sample::in_folder(rows, 2, |sample| {
        sample.plain = true;
        sample.file_bytes = "100".parse().unwrap();
    })
    .await;
    let app = folders(&sample).await;
    let first = cost::of(app.start(&["run", "--run", "first"])).await;
    Goals::figure("submissions per second", per_second(rows, first.elapsed), "");
    Goals::figure("CPU per submission", first.cpu.as_secs_f64() * 1e3 / rows as f64, "ms");
    goals.demand("peak memory", first.peak_bytes as f64 / 1e6, "MB", MEMORY);
    println!("verify of these, at level rows");
    let verify = cost::of(app.start(&["verify", "--run", "first"])).await;
    Goals::compare("seconds (goal for 80,000)", verify.elapsed.as_secs_f64(), "s", Goal::AtMost(15.0));
    Goals::figure("CPU per submission", verify.cpu.as_secs_f64() * 1e3 / rows as f64, "ms");
    goals.demand("peak memory", verify.peak_bytes as f64 / 1e6, "MB", MEMORY);
    println!("a new run over the target that now holds them all");
    let again = cost::of(app.start(&["run", "--run", "again"])).await;
    Goals::compare("seconds (goal for 80,000)", again.elapsed.as_secs_f64(), "s", Goal::AtMost(3.0));
    goals.demand("peak memory", again.peak_bytes as f64 / 1e6, "MB", MEMORY);
    without_copies(goals, &app, "already migrated", &[], rows).await;
    let attempts = sample.folder.path().join("attempts.csv");
    fs::write(&attempts, excluded(&sample)).unwrap();
    let attempts = attempts.display().to_string();
    without_copies(goals, &app, "excluded", &["--exclude", &attempts], rows).await;
    let nothing = sample.folder.path().join("nothing.csv");
    let mapping = fs::read_to_string(sample.path("attempt_number_mapping.csv")).unwrap();
    fs::write(&nothing, mapping.lines().next().unwrap()).unwrap();
    let nothing = nothing.display().to_string();
    without_copies(goals, &app, "failed in the rules", &["--mapping", &nothing], rows).await;
}

/// A shard from its start to its end, none of whose rows has a file copied.
async fn without_copies(goals: &mut Goals, app: &TestApp<'_>, why: &str, inputs: &[&str], rows: u64) {
    println!("a shard whose rows are all {why}, from its start to its end");
    let run = why.replace(' ', "-");
    let run = ["--run", &run];
    app.run(&[&["plan"], run.as_slice(), inputs].concat()).await.expect(0);
    let shard = cost::of(app.start(&[&["shard", "--shard", "0"], run.as_slice(), inputs].concat())).await;
    Goals::compare("rows per second", per_second(rows, shard.elapsed), "", Goal::AtLeast(30_000.0));
    Goals::figure("CPU per row", shard.cpu.as_secs_f64() * 1e6 / rows as f64, "µs");
    goals.demand("peak memory", shard.peak_bytes as f64 / 1e6, "MB", MEMORY);
}

/// A file of `--exclude` that names every row.
fn excluded(sample: &Sample) -> String {
    let mut reader = csv::Reader::from_path(sample.path("submission_files.csv")).unwrap();
    let column = reader.headers().unwrap().iter().position(|name| name == "Attempt ID").unwrap();
    let mut text = String::from("Attempt ID,Reason\n");
    for row in reader.records() {
        text.push_str(&row.unwrap()[column]);
        text.push_str(",not wanted\n");
    }
    text
}

/// What a shard costs beside its rows: the same rows in one shard and in 1,000, all moved by one process.
async fn many_shards() {
    const ROWS: u64 = 2_000;
    const SHARDS: u32 = 1_000;
    println!(
        "{ROWS} submissions of {FILES} files of 100 bytes, folder to folder, in 1 shard and in {SHARDS}"
    );
    let mut took = Vec::new();
    for shards in [1, SHARDS] {
        let sample = Sample::in_folder(ROWS, 5, |sample| {
            sample.plain = true;
            sample.file_bytes = "100".parse().unwrap();
        })
        .await;
        let app = folders(&sample).await;
        let shards = shards.to_string();
        app.run(&["plan", "--shards", &shards]).await.expect(0);
        let cost = cost::of(app.start(&["run", "--shards", &shards])).await;
        took.push(cost.elapsed.as_secs_f64());
        println!("  {shards:>4} shards: {:.1} s", cost.elapsed.as_secs_f64());
    }
    let each = (took[1] - took[0]) / f64::from(SHARDS - 1);
    Goals::compare("seconds for each shard more", each, "s", Goal::AtMost(0.03));
}

/// A target for a sample in a folder, whose container and run store are folders beside it.
async fn folders(sample: &Sample) -> TestApp<'_> {
    let mut app = TestApp::new(sample).await;
    for (name, folder) in [("ROGO_TARGET", "target"), ("ROGO_RUN_STORE", "runs")] {
        let path = sample.folder.path().join(folder);
        fs::create_dir(&path).unwrap();
        app.set(name, format!("file://{}", path.display()));
    }
    app.set("ROGO_SOURCE_ALLOW", format!("file://{}", sample.path("files").display()));
    app
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
