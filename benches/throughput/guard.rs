//! What another client of the target feels of a run: pgbench reads and writes a row of the same tables a hundred times a
//! second, without a run, beside one with the target guard and beside one without.

use std::{fs, time::Instant};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStderr,
    task::block_in_place,
};

use super::{
    Options, TestApp,
    goals::{Goal, Goals},
    latency::Bench,
};

/// A transaction of the probe.
const SCRIPT: &str = "\\set number random(1, 1000000000)
begin;
select count(*) from assignment_submissions where id = 'probe-' || :number;
insert into lti_launch_sessions (launch_id, consumer_key, expires_at)
    values ('probe-' || :number || clock_timestamp(), 'probe', now());
commit;
";
/// Transactions of the probe a second.
const RATE: &str = "100";

/// Times of the probe's transactions, ascending, in ms.
struct Probed(Vec<f64>);

impl Probed {
    fn quantile(&self, part: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (self.0.len() as f64 * part) as usize;
        self.0[place.min(self.0.len() - 1)]
    }

    fn show(&self, what: &str, rows_per_second: f64) {
        println!(
            "  {what:28} p50 {:7.2} ms, p95 {:7.2} ms, p99 {:7.2} ms, {} transactions, {rows_per_second:6.1} submissions/s",
            self.quantile(0.5),
            self.quantile(0.95),
            self.quantile(0.99),
            self.0.len(),
        );
    }
}

/// The probe's p99 during a run as a multiple of that without one, with the guard on against its goal, and with it off.
pub async fn guard(goals: &mut Goals, options: &Options) {
    let seconds = if options.short { options.seconds.min(30) } else { options.seconds };
    println!("a probe beside a run of up to {} submissions, {seconds} s each", options.guarded);
    let bench = Bench::start(options.guarded, options.stub_bytes).await;
    let mut idle = vec![alone(&bench, seconds).await];
    let on = beside(&bench, "on", seconds).await;
    idle.push(alone(&bench, seconds).await);
    let off = beside(&bench, "off", seconds.min(20)).await;
    let p99 = idle.iter().map(|probed| probed.quantile(0.99)).sum::<f64>() / idle.len() as f64;
    Goals::figure("guard off: p99 beside that alone", off.quantile(0.99) / p99, "×");
    goals.demand("guard on: p99 beside that alone", on.quantile(0.99) / p99, "×", Goal::AtMost(1.5));
}

async fn alone(bench: &Bench, seconds: u64) -> Probed {
    let app = planned(bench).await;
    let probed = block_in_place(|| probe(&app, seconds));
    probed.show("no run", 0.0);
    probed
}

async fn planned(bench: &Bench) -> TestApp<'_> {
    let app = bench.app().await;
    app.run(&["plan"]).await.expect(0);
    app
}

/// From the start of the shard's process on.
async fn beside(bench: &Bench, guard: &str, seconds: u64) -> Probed {
    let app = planned(bench).await;
    let mut shard = app.start(&["shard", "--shard", "0", "--target-guard", guard]);
    let speeds = tokio::spawn(speeds(shard.stderr.take().unwrap()));
    let probed = block_in_place(|| probe(&app, seconds));
    assert!(shard.try_wait().unwrap().is_none(), "the run ended before the probe: raise --guarded");
    shard.kill().await.unwrap();
    let rows = app.database.number("select count(*) from assignment_submissions").await as f64;
    probed.show(&format!("a run with the guard {guard}"), rows / seconds as f64);
    let speeds = speeds.await.unwrap();
    if !speeds.is_empty() {
        println!("  speeds that the guard set: {}", speeds.join(", "));
    }
    probed
}

/// The speeds that the guard set, as the log tells them. Read to its end, so that the pipe does not fill.
async fn speeds(log: ChildStderr) -> Vec<String> {
    let (began, mut speeds) = (Instant::now(), Vec::new());
    let mut lines = BufReader::new(log).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let percent = line["percent"].as_f64();
        if let Some(percent) = percent.filter(|_| line["message"] == "the target guard sets the speed") {
            speeds.push(format!("{:.0} s {percent:.1} %", began.elapsed().as_secs_f64()));
        }
    }
    speeds
}

fn probe(app: &TestApp<'_>, seconds: u64) -> Probed {
    let folder = tempfile::tempdir().unwrap();
    let (script, log) = (folder.path().join("probe.sql"), folder.path().join("log"));
    fs::write(&script, SCRIPT).unwrap();
    let (script, log) = (script.to_str().unwrap(), log.to_str().unwrap());
    let seconds = seconds.to_string();
    app.database.pgbench(&[
        "-n",
        "-c",
        "1",
        "-M",
        "prepared",
        "-R",
        RATE,
        "-T",
        &seconds,
        "-l",
        "--log-prefix",
        log,
        "-f",
        script,
    ]);
    let mut times: Vec<f64> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().starts_with(log))
        .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(service_time).collect::<Vec<_>>())
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    Probed(times)
}

/// Of a line of pgbench's log: what the transaction took, in ms, without how late pgbench itself began it.
fn service_time(line: &str) -> f64 {
    let fields: Vec<f64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
    (fields[2] - fields[6]) / 1e3
}
