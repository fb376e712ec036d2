//! What another client of the target feels of a run: a probe reads and writes a row of the same tables a hundred times a
//! second, without a run, beside one with the target guard and beside one without.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Options, TestApp,
    goals::{Goal, Goals},
    latency::Bench,
    support::postgres::TestServer,
};

/// Between two transactions of the probe.
const PROBE_EVERY: Duration = Duration::from_millis(10);

/// Times of the probe's transactions, ascending, and how long it went on.
struct Probed {
    seconds: Vec<f64>,
    lasted: Duration,
}

impl Probed {
    fn quantile_ms(&self, part: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = (self.seconds.len() as f64 * part) as usize;
        self.seconds[place.min(self.seconds.len() - 1)] * 1e3
    }

    fn show(&self, what: &str, rows: f64) {
        println!(
            "  {what:28} p50 {:7.2} ms, p99 {:7.2} ms, {} transactions, {:6.1} submissions/s",
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.seconds.len(),
            rows / self.lasted.as_secs_f64()
        );
    }
}

/// The probe's p99 during a run as a multiple of that without one, with the guard on against its goal, and with it off.
pub async fn guard(goals: &mut Goals, options: &Options) {
    let seconds = if options.short { options.seconds.min(30) } else { options.seconds };
    let whole = Duration::from_secs(seconds);
    println!("a probe beside a run of up to {} submissions, {seconds} s each", options.guarded);
    let bench = Bench::start(options.guarded, options.stub_bytes).await;
    let mut idle = vec![alone(&bench, whole).await];
    let on = beside(&bench, "on", whole).await;
    idle.push(alone(&bench, whole).await);
    let off = beside(&bench, "off", whole).await;
    let p99 = idle.iter().map(|probed| probed.quantile_ms(0.99)).sum::<f64>() / idle.len() as f64;
    Goals::figure("guard off: p99 beside that alone", off.quantile_ms(0.99) / p99, "×");
    goals.demand("guard on: p99 beside that alone", on.quantile_ms(0.99) / p99, "×", Goal::AtMost(1.5));
}

async fn alone(bench: &Bench, whole: Duration) -> Probed {
    let app = planned(bench).await;
    let probed = probe(&app, whole, std::future::pending()).await;
    probed.show("no run", 0.0);
    probed
}

async fn planned(bench: &Bench) -> TestApp<'_> {
    let app = bench.app().await;
    app.run(&["plan"]).await.expect(0);
    app
}

/// From the start of the shard's process to its end, if that is earlier.
async fn beside(bench: &Bench, guard: &str, whole: Duration) -> Probed {
    let app = planned(bench).await;
    let mut shard = app.start(&["shard", "--shard", "0", "--target-guard", guard]);
    // Its log must not fill the pipe.
    let log = shard.stderr.take().unwrap();
    let ending = async {
        let (mut log, mut sink) = (log, tokio::io::sink());
        tokio::io::copy(&mut log, &mut sink).await.unwrap();
    };
    let probed = probe(&app, whole, ending).await;
    shard.kill().await.unwrap();
    let rows = app.database.number("select count(*) from assignment_submissions").await as f64;
    probed.show(&format!("a run with the guard {guard}"), rows);
    probed
}

/// Reads and writes until so much time has passed, or `ending`.
async fn probe(app: &TestApp<'_>, whole: Duration, ending: impl Future<Output = ()>) -> Probed {
    let mut connection = TestServer::get().connect(app.database.name()).await;
    let (began, mut seconds) = (Instant::now(), Vec::new());
    let probing = async {
        let mut ticks = interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u64.. {
            ticks.tick().await;
            let asked = Instant::now();
            transaction(&mut connection, number).await.unwrap();
            seconds.push(asked.elapsed().as_secs_f64());
            if began.elapsed() >= whole {
                break;
            }
        }
    };
    tokio::select! {
        () = probing => {}
        () = ending => {}
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Probed { seconds, lasted: began.elapsed() }
}

async fn transaction(connection: &mut PgConnection, number: u64) -> sqlx::Result<()> {
    const READ: &str = "select count(*) from assignment_submissions where id = $1";
    const WRITE: &str =
        "insert into lti_launch_sessions (launch_id, consumer_key, expires_at) values ($1, 'probe', now())";
    let name = format!("probe-{number}");
    let mut transaction = connection.begin().await?;
    sqlx::query(READ).bind(&name).execute(&mut *transaction).await?;
    sqlx::query(WRITE).bind(&name).execute(&mut *transaction).await?;
    transaction.commit().await
}
