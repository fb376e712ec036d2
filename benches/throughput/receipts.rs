//! What receipts cost PostgreSQL. The program's own commits are heard on their way to the server, and sent again to a new
//! target: every other one as it was, the others by the same statement without forms and digests. Both have a connection
//! of their own, whose backend's CPU the kernel counts. Then the same in statements of several submissions, as a run sends them.

use std::{
    fs,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{
    TestApp,
    cost::state_and_cpu,
    goals::{Goal, Goals},
    heard::{Commit, heard, heard_of_many},
    latency::Bench,
};

/// Commits that are not counted: both backends make their plans.
const WARM_UP: usize = 200;
/// Submissions of a statement of several: a run beside a near server sends about so many.
const TOGETHER: usize = 10;
/// CPU of PostgreSQL that the receipt of a submission may take.
const GOAL: Goal = Goal::AtMost(0.12);

/// One way to commit.
struct Way {
    sql: String,
    connection: PgConnection,
    backend: i32,
    before: Duration,
    took: Duration,
    commits: u32,
}

/// Commits `rows` submissions, and half of them again in each way, in turn.
pub async fn receipts(goals: &mut Goals, rows: u64) {
    println!("{rows} submissions of 3 files, committed singly with and without receipts in turn");
    let bench = Bench::start(rows, 100).await;
    let (sql, commits) = heard(&bench).await;
    assert!(commits.len() > 2 * WARM_UP, "{} commits were heard", commits.len());

    let target = bench.app().await;
    let bare = without(&without(&sql, "record_send(", "''::bytea"), "sha256(", "null::bytea");
    assert!(!bare.contains("record_send") && !bare.contains("sha256"), "{bare}");
    let mut ways = [Way::new(sql, &target).await, Way::new(bare, &target).await];
    for (n, commit) in commits.iter().enumerate() {
        if n == WARM_UP {
            ways.iter_mut().for_each(Way::begin);
        }
        let has_receipt = n % 2 == 0;
        ways[usize::from(!has_receipt)].send(commit, has_receipt).await;
    }
    judge(goals, ways);

    println!("the same in statements of {TOGETHER}");
    let sql = heard_of_many(&bench).await;
    assert!(!sql.is_empty(), "no statement of several was heard");
    let target = bench.app().await;
    let bare = without(&without(&sql, "record_send(", "''::bytea"), "sha256(", "null::bytea");
    let bare = bare.replace("written.rows_digest = written.digest", "true");
    let mut ways = [Way::new(sql, &target).await, Way::new(bare, &target).await];
    for (n, several) in commits.chunks_exact(TOGETHER).enumerate() {
        if n == WARM_UP / TOGETHER {
            ways.iter_mut().for_each(Way::begin);
        }
        ways[n % 2].send_many(several).await;
    }
    judge(goals, ways);
}

/// Prints both ways, with receipts and without.
fn judge(goals: &mut Goals, ways: [Way; 2]) {
    let [with, without] = ways.map(Way::figures);
    for (name, (cpu, rate)) in [("with receipts", with), ("without", without)] {
        Goals::figure(&format!("{name}: PostgreSQL CPU"), cpu, "ms");
        Goals::figure(&format!("{name}: submissions per second"), rate, "");
    }
    Goals::figure("submissions per second, ratio", with.1 / without.1, "");
    Goals::figure("PostgreSQL CPU, ratio", with.0 / without.0, "");
    goals.demand("PostgreSQL CPU of a receipt", with.0 - without.0, "ms", GOAL);
}

/// The text with every call that begins so replaced.
fn without(sql: &str, call: &str, by: &str) -> String {
    let (mut left, mut rest) = (String::new(), sql);
    while let Some(at) = rest.find(call) {
        left += &rest[..at];
        let mut depth = 0;
        let end = rest[at..].char_indices().find_map(|(n, c)| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            (c == ')' && depth == 0).then_some(at + n + 1)
        });
        left += by;
        rest = &rest[end.expect("it closes")..];
    }
    left + rest
}

impl Way {
    async fn new(sql: String, target: &TestApp<'_>) -> Self {
        let mut connection = PgConnection::connect(&target.database.url()).await.unwrap();
        let backend = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        Self { sql, connection, backend, before: Duration::ZERO, took: Duration::ZERO, commits: 0 }
    }

    /// Counts from now on.
    fn begin(&mut self) {
        (self.before, self.took, self.commits) = (cpu_of(self.backend), Duration::ZERO, 0);
    }

    async fn send(&mut self, commit: &Commit, has_receipt: bool) {
        let began = Instant::now();
        let (written, _, _): (i64, Option<String>, i32) = sqlx::query_as(AssertSqlSafe(self.sql.clone()))
            .bind(&commit.document)
            .bind(false)
            .bind(None::<&str>)
            .bind(false)
            .bind(has_receipt.then_some(&commit.digest))
            .bind(None::<&[u8]>)
            .fetch_one(&mut self.connection)
            .await
            .unwrap();
        assert_eq!(written, 1);
        self.took += began.elapsed();
        self.commits += 1;
    }

    async fn send_many(&mut self, several: &[Commit]) {
        let documents: Vec<&str> = several.iter().map(|commit| commit.document.as_str()).collect();
        let digests: Vec<&[u8]> = several.iter().map(|commit| commit.digest.as_slice()).collect();
        let began = Instant::now();
        let written: Vec<(i64, i64, Option<String>, i32)> = sqlx::query_as(AssertSqlSafe(self.sql.clone()))
            .bind(&documents)
            .bind(&digests)
            .fetch_all(&mut self.connection)
            .await
            .unwrap();
        assert!(written.iter().all(|(_, submissions, ..)| *submissions == 1));
        self.took += began.elapsed();
        self.commits += u32::try_from(several.len()).unwrap();
    }

    /// CPU of the backend for a commit in milliseconds, and commits per second of one connection.
    fn figures(self) -> (f64, f64) {
        let cpu = cpu_of(self.backend).saturating_sub(self.before);
        let commits = f64::from(self.commits);
        (cpu.as_secs_f64() * 1e3 / commits, commits / self.took.as_secs_f64())
    }
}

/// User and system time of a process.
fn cpu_of(process: i32) -> Duration {
    state_and_cpu(&fs::read_to_string(format!("/proc/{process}/stat")).unwrap()).1
}
