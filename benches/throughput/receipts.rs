//! What receipts cost PostgreSQL. The program's own commits are heard on their way to the server, and sent again to a new
//! target: every other one as it was, the others by the same statement without forms and digests. Both have a connection
//! of their own, whose backend's CPU the kernel counts.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rogo_migrate::sample::{self, Files, SampleOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    TestApp,
    goals::{Goal, Goals},
    stub::BlobStub,
    support::{
        app::Sample,
        postgres::TestServer,
        tds::{self, TdsServer, data::Data},
    },
};

/// What the statement for one submission begins with.
const COMMIT: &str = "with document as materialized (select $1";
/// Commits that are not counted: both backends make their plans.
const WARM_UP: usize = 200;
/// CPU of PostgreSQL that the receipt of a submission may take.
const GOAL: Goal = Goal::AtMost(0.12);

/// One commit as it was sent.
struct Commit {
    document: String,
    digest: Vec<u8>,
}

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
    let stub = BlobStub::start(100).await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = SampleOptions::new(rows, 8, folder.path().join("sample"));
    options.source_url = Some(format!("http://{}/acc/source", stub.address()).parse().unwrap());
    (options.plain, options.files) = (true, Files::None);
    sample::generate(&options).unwrap();
    let data = Data::load(&folder.path().join("sample/warehouse")).unwrap();
    let tds = TdsServer::start(data, tds::Options::default()).await.unwrap();
    let sample = Sample { folder, source: String::new(), tds };
    let (sql, commits) = heard(&sample, &stub).await;
    assert!(commits.len() > 2 * WARM_UP, "{} commits were heard", commits.len());

    let target = TestApp::new(&sample).await;
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
    let [with, without] = ways.map(Way::figures);
    for (name, (cpu, rate)) in [("with receipts", with), ("without", without)] {
        Goals::figure(&format!("{name}: PostgreSQL CPU"), cpu, "ms");
        Goals::figure(&format!("{name}: submissions per second"), rate, "");
    }
    Goals::figure("submissions per second, ratio", with.1 / without.1, "");
    Goals::figure("PostgreSQL CPU, ratio", with.0 / without.0, "");
    goals.demand("PostgreSQL CPU of a receipt", with.0 - without.0, "ms", GOAL);
}

/// Runs the program with one row under way; the statement, and every commit.
async fn heard(sample: &Sample, stub: &BlobStub) -> (String, Vec<Commit>) {
    let ear = Ear::start(TestServer::get().address()).await;
    let mut app = TestApp::new(sample).await;
    let runs = app.out.path().join("runs");
    fs::create_dir(&runs).unwrap();
    let account = format!("AccountName=acc;AccountKey=Zm9vYmFy;BlobEndpoint=http://{}/acc", stub.address());
    for (name, value) in [
        ("SOURCE_STORAGE_CONNECTION_STRING", account.clone()),
        ("AZURE_STORAGE_CONNECTION_STRING", account),
        ("ROGO_SOURCE_ALLOW", format!("http://{}/acc/source", stub.address())),
        ("ROGO_TARGET", "az://target".to_owned()),
        ("ROGO_RUN_STORE", format!("file://{}", runs.display())),
        ("ROGO_WORKERS", "1".to_owned()),
        ("ROGO_IN_FLIGHT", "1".to_owned()),
        ("DATABASE_URL", app.database.url_through(ear.address)),
    ] {
        app.set(name, value);
    }
    app.run(&["run"]).await.expect(0);
    let connections = ear.heard.lock().unwrap();
    let (mut sql, mut commits) = (String::new(), Vec::new());
    for bytes in connections.iter() {
        let bytes = bytes.lock().unwrap();
        commits_of(&bytes, &mut sql, &mut commits);
    }
    (sql, commits)
}

/// Reads what a client sent: the start without a type, then messages of a type, a length and a body.
fn commits_of(bytes: &[u8], sql: &mut String, commits: &mut Vec<Commit>) {
    let length = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    let mut at = length(0);
    while at + 5 <= bytes.len() {
        let (kind, end) = (bytes[at], at + 1 + length(at + 1));
        let Some(body) = bytes.get(at + 5..end) else { break };
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        match kind {
            b'P' => {
                let (name, query) = (texts.next().unwrap(), texts.next().unwrap());
                let is_commit = query.starts_with(COMMIT);
                if is_commit {
                    *sql = query;
                }
                names.insert(name, is_commit);
            }
            b'B' => {
                let (portal, name) = (texts.next().unwrap(), texts.next().unwrap());
                if names.get(&name) == Some(&true) {
                    let values = values(&body[portal.len() + name.len() + 2..]);
                    // With malpractice a commit is of another kind.
                    if let [Some(document), _, None, _, Some(digest), None] = values.as_slice() {
                        let document = String::from_utf8(document.clone()).unwrap();
                        commits.push(Commit { document, digest: digest.clone() });
                    }
                }
            }
            _ => {}
        }
        at = end;
    }
}

/// The values of a Bind: formats, then the number of values, each with its length or −1.
fn values(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let short = |at: usize| usize::from(u16::from_be_bytes(body[at..at + 2].try_into().unwrap()));
    let mut at = 2 + 2 * short(0);
    let count = short(at);
    at += 2;
    let mut values = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        at += 4;
        let end = at + usize::try_from(length).unwrap_or(0);
        values.push((length >= 0).then(|| body[at..end].to_vec()));
        at = end;
    }
    values
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

    /// CPU of the backend for a commit in milliseconds, and commits per second of one connection.
    fn figures(self) -> (f64, f64) {
        let cpu = cpu_of(self.backend).saturating_sub(self.before);
        let commits = f64::from(self.commits);
        (cpu.as_secs_f64() * 1e3 / commits, commits / self.took.as_secs_f64())
    }
}

/// User and system time of a process: fields 14 and 15 of proc(5), in hundredths of a second.
fn cpu_of(process: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// What one client sent.
type Sent = Arc<Mutex<Vec<u8>>>;

/// Passes everything on, and keeps what clients send.
struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Sent>>>,
}

impl Ear {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = heard.clone();
        // Ends with the benchmark.
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let sent = Sent::default();
                all.lock().unwrap().push(sent.clone());
                tokio::spawn(pass_on(client, server, sent));
            }
        });
        Self { address, heard }
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, sent: Sent) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = async {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let count = from_client.read(&mut piece).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            sent.lock().unwrap().extend_from_slice(&piece[..count]);
            to_server.write_all(&piece[..count]).await?;
        }
    };
    let answering = async { tokio::io::copy(&mut from_server, &mut to_client).await.map(drop) };
    tokio::try_join!(asking, answering).map(drop)
}
