//! The rate at a distance: a round trip before PostgreSQL and blobs, as a share of the rate without one. Each profile runs
//! between two runs at 0 ms, and its share is that of their mean, so that the machine's noise affects both.

use std::{fs, path::Path, time::Duration};

use rogo_migrate::{
    report::events::Way,
    sample::{self, Files, SampleOptions},
};
use tokio::process::Child;

use super::{
    FILES, Options, TestApp,
    cost::{self, Cost},
    goals::{Goal, Goals},
    median,
    stub::BlobStub,
    support::{
        app::Sample,
        postgres::TestServer,
        proxy::Proxy,
        tds::{self, TdsServer, data::Data},
    },
};

/// Connections of the program to PostgreSQL: 5 workers with a pool of 3, its defaults.
pub const CONNECTIONS: u32 = 15;
/// The most submissions that share a round trip.
const BATCH: f64 = 64.0;
/// CPU per submission, of three files of 100 KB.
const CPU_SERVER_SIDE: Goal = Goal::AtMost(0.4);
const CPU_STREAMED: Goal = Goal::AtMost(1.5);
/// The short profile runs in CI beside other work: its goals are so much lower.
const SHORT_MARGIN: f64 = 0.5;

/// Round trips before the services.
#[derive(Debug, Clone, Copy, Default)]
pub struct Distance {
    postgres: Duration,
    blobs: Duration,
}

impl Distance {
    pub fn both(ms: u64) -> Self {
        let round_trip = Duration::from_millis(ms);
        Self { postgres: round_trip, blobs: round_trip }
    }

    fn of_postgres(ms: u64) -> Self {
        Self { postgres: Duration::from_millis(ms), blobs: Duration::ZERO }
    }
}

/// The services, each behind a proxy that may delay.
pub struct Bench {
    pub sample: Sample,
    pub stub: BlobStub,
    blobs: Proxy,
    postgres: Proxy,
    rows: u64,
}

/// One measured run of a shard.
pub struct Measured {
    /// Submissions per second from the first row on.
    pub rate: f64,
    pub cost: Cost,
    /// Statements that committed submissions, as the program counts them; 0 if it does not.
    statements: f64,
    malpractice: i64,
    /// Requests to blobs of plan and shard together.
    blob_requests: usize,
}

/// Measures every profile, or the short ones.
pub async fn latency(goals: &mut Goals, options: &Options) {
    let rows = if options.short { options.distant.min(1_500) } else { options.distant };
    let bench = Bench::start(rows, options.stub_bytes).await;
    let margin = if options.short { SHORT_MARGIN } else { 1.0 };
    let distances: &[(u64, f64)] = if options.short { &[(100, 0.6)] } else { &[(20, 0.9), (100, 0.6)] };
    let asked = |way: &Way| options.way.as_deref().is_none_or(|name| name == way.name());
    for way in [Way::ServerSide, Way::Streamed].into_iter().filter(asked) {
        bench.stub.copy_server_side(way == Way::ServerSide);
        println!(
            "{rows} submissions of 3 files of {} bytes, copies: {}, blobs answered by a stub",
            options.stub_bytes,
            way.name()
        );
        let mut near = vec![bench.shard(Distance::default()).await];
        shown("0 ms", near.last().unwrap(), None);
        for (ms, goal) in distances {
            let far = bench.shard(Distance::both(*ms)).await;
            let share = bench.share(&mut near, &far).await;
            shown(&format!("{ms} ms"), &far, Some(share));
            let what = format!("{}, {ms} ms: share of 0 ms", way.name());
            goals.demand(&what, share, "", Goal::AtLeast(goal * margin));
        }
        if !options.short {
            bench.far_away(goals, way, &mut near).await;
        }
    }
}

/// Of files that a stub answers at once: requests to blobs for each that the storage service copies by itself, its sources
/// listed by the plan, and CPU, of either way.
pub async fn requests(goals: &mut Goals, options: &Options) {
    let (rows, bytes) = (options.submissions, options.file_bytes);
    println!("{rows} submissions of {FILES} files of {bytes} bytes, blobs answered by a stub");
    let bench = Bench::start(rows, bytes.try_into().unwrap()).await;
    for (way, goal) in [(Way::ServerSide, CPU_SERVER_SIDE), (Way::Streamed, CPU_STREAMED)] {
        bench.stub.copy_server_side(way == Way::ServerSide);
        let measured = bench.shard(Distance::default()).await;
        if way == Way::ServerSide {
            let each = measured.blob_requests as f64 / (rows * FILES) as f64;
            goals.demand("requests per file of plan and shard", each, "", Goal::AtMost(1.01));
        }
        let cpu = measured.cost.cpu.as_secs_f64() * 1e3 / rows as f64;
        Goals::compare(&format!("CPU per submission, {}", way.name()), cpu, "ms", goal);
    }
}

/// The names of every file that the rows of a plain sample name.
fn blob_names(submissions: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(submissions).unwrap();
    let header = reader.headers().unwrap().clone();
    let columns = ["Learner Azure Blob Names", "Marker Azure Blob Names"]
        .map(|column| header.iter().position(|name| name == column).unwrap());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    rows.iter()
        .flat_map(|row| columns.map(|column| row[column].to_owned()))
        .flat_map(|cell| cell.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}

impl Bench {
    pub async fn start(rows: u64, file_bytes: usize) -> Self {
        let stub = BlobStub::start(file_bytes).await;
        let blobs = Proxy::start(stub.address()).await;
        let postgres = Proxy::start(TestServer::get().address()).await;
        let folder = tempfile::tempdir().unwrap();
        let mut options = SampleOptions::new(rows, 4, folder.path().join("sample"));
        options.source_url = Some(format!("http://{}/acc/source", blobs.address()).parse().unwrap());
        (options.plain, options.files) = (true, Files::None);
        sample::generate(&options).unwrap();
        stub.list(blob_names(&folder.path().join("sample/submission_files.csv")));
        let data = Data::load(&folder.path().join("sample/warehouse")).unwrap();
        let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
        Self { sample: Sample { folder, source: String::new(), tds }, stub, blobs, postgres, rows }
    }

    /// Runs a shard at this distance into a new target.
    pub async fn shard(&self, distance: Distance) -> Measured {
        self.run(&self.app().await, distance).await
    }

    /// A new target behind the proxies.
    pub async fn app(&self) -> TestApp<'_> {
        let mut app = TestApp::new(&self.sample).await;
        let runs = app.out.path().join("runs");
        fs::create_dir(&runs).unwrap();
        let account =
            format!("AccountName=acc;AccountKey=Zm9vYmFy;BlobEndpoint=http://{}/acc", self.blobs.address());
        for (name, value) in [
            ("SOURCE_STORAGE_CONNECTION_STRING", account.clone()),
            ("AZURE_STORAGE_CONNECTION_STRING", account),
            ("ROGO_SOURCE_ALLOW", format!("http://{}/acc/source", self.blobs.address())),
            ("ROGO_TARGET", "az://target".to_owned()),
            ("ROGO_RUN_STORE", format!("file://{}", runs.display())),
            ("DATABASE_URL", app.database.url_through(self.postgres.address())),
        ] {
            app.set(name, value);
        }
        app
    }

    /// Starts a shard at this distance. The plan is made without one.
    pub async fn start_shard(&self, app: &TestApp<'_>, distance: Distance) -> Child {
        self.stand_at(Distance::default());
        app.run(&["plan"]).await.expect(0);
        self.stand_at(distance);
        app.start(&["shard", "--shard", "0"])
    }

    /// Runs a shard at this distance.
    pub async fn run(&self, app: &TestApp<'_>, distance: Distance) -> Measured {
        let runs = app.out.path().join("runs");
        let before = self.blobs.exchanges();
        let cost = cost::of(self.start_shard(app, distance).await).await;
        self.stand_at(Distance::default());
        let blob_requests = self.blobs.exchanges() - before;
        let work = work(&runs);
        let figure = |name: &str| work[name].as_f64().unwrap_or_default();
        Measured {
            rate: self.rows as f64 * 1e6 / figure("elapsed_us"),
            cost,
            statements: work["commits"]["statements"].as_f64().unwrap_or_default(),
            blob_requests,
            malpractice: app.database.number("select count(*) from malpractice_enforcements").await,
        }
    }

    /// The proxies hold every byte back for half a round trip in each direction.
    pub fn stand_at(&self, distance: Distance) {
        self.postgres.delay(distance.postgres / 2);
        self.blobs.delay(distance.blobs / 2);
    }

    /// Of the mean of the run at 0 ms before and another one after.
    async fn share(&self, near: &mut Vec<Measured>, far: &Measured) -> f64 {
        let before = near.last().unwrap().rate;
        let after = self.shard(Distance::default()).await;
        shown("0 ms", &after, None);
        let share = far.rate / f64::midpoint(before, after.rate);
        near.push(after);
        share
    }

    /// 400 ms before PostgreSQL only, whose goal is a share of what connections and batches allow; before both as a figure.
    async fn far_away(&self, goals: &mut Goals, way: Way, near: &mut Vec<Measured>) {
        let round_trip = Duration::from_millis(400);
        let far = self.shard(Distance::of_postgres(400)).await;
        let share = self.share(near, &far).await;
        shown("400 ms, PostgreSQL only", &far, Some(share));
        let rows = self.rows as f64;
        println!(
            "  malpractice rows, which are committed singly: {:.1} %",
            far.malpractice as f64 * 100.0 / rows
        );
        let near_rate = far.rate / share;
        let allowed = near_rate.min(f64::from(CONNECTIONS) * BATCH / round_trip.as_secs_f64());
        let what = format!("{}, 400 ms before PostgreSQL", way.name());
        goals.demand(&what, far.rate / allowed, "", Goal::AtLeast(0.5));
        let far = self.shard(Distance::both(400)).await;
        shown("400 ms", &far, Some(far.rate / near_rate));
        let cpu = near.iter().map(|near| near.cost.cpu.as_secs_f64() * 1e3 / rows);
        Goals::figure("CPU per submission at 0 ms", median(cpu.collect()), "ms");
    }
}

/// What the shard's done marker says its time went into.
fn work(runs: &Path) -> serde_json::Value {
    let marker = fs::read_to_string(runs.join("rogo/done/0.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&marker).unwrap()["work"].take()
}

pub fn shown(distance: &str, measured: &Measured, share: Option<f64>) {
    let Measured { rate, cost, statements, .. } = measured;
    let share = share.map(|share| format!(", {share:.2} of 0 ms")).unwrap_or_default();
    let statements = if *statements > 0.0 { format!(", {statements:.0} commits") } else { String::new() };
    let (elapsed, cpu, memory) =
        (cost.elapsed.as_secs_f64(), cost.cpu.as_secs_f64(), cost.peak_bytes as f64 / 1e6);
    println!(
        "  {distance:24} {rate:8.1} submissions/s in {elapsed:.1} s, CPU {cpu:.1} s, {memory:.0} MB{statements}{share}"
    );
}
