//! The program's own commits, heard on their way to PostgreSQL: to be sent again by other clients.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{latency::Bench, support::postgres::TestServer};

/// What the statement for one submission begins with.
const COMMIT: &str = "with document as materialized (select $1";
/// The same of that for several.
const COMMIT_OF_MANY: &str = "with document as materialized ( select given.place";

/// One commit as it was sent.
pub struct Commit {
    pub document: String,
    pub digest: Vec<u8>,
}

/// Rows whose commits are heard: with one under way they take a minute.
const ROWS: &str = "8000";

/// Runs the program with one row under way; the statement, and every commit.
pub async fn heard(bench: &Bench) -> (String, Vec<Commit>) {
    let ear = Ear::start(TestServer::get().address()).await;
    let mut app = bench.app().await;
    app.set("ROGO_WORKERS", "1");
    app.set("ROGO_IN_FLIGHT", "1");
    app.set("DATABASE_URL", app.database.url_through(ear.address));
    app.run(&["run", "--limit", ROWS]).await.expect(0);
    ear.said(COMMIT)
}

/// The statement for several submissions, of a run of some rows that has as many under way as it wants.
pub async fn heard_of_many(bench: &Bench) -> String {
    let ear = Ear::start(TestServer::get().address()).await;
    let mut app = bench.app().await;
    app.set("DATABASE_URL", app.database.url_through(ear.address));
    app.run(&["run", "--limit", "1000"]).await.expect(0);
    ear.said(COMMIT_OF_MANY).0
}

/// Reads what a client sent: the start without a type, then messages of a type, a length and a body.
fn commits_of(bytes: &[u8], begins: &str, sql: &mut String, commits: &mut Vec<Commit>) {
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
                let words: Vec<&str> = query.split_whitespace().take(7).collect();
                let is_commit = words.join(" ").starts_with(begins);
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

/// What one client sent.
type Sent = Arc<Mutex<Vec<u8>>>;

/// Passes everything on, and keeps what clients send.
struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Sent>>>,
}

impl Ear {
    /// The statement that begins so, and what was sent with it.
    fn said(&self, begins: &str) -> (String, Vec<Commit>) {
        let connections = self.heard.lock().unwrap();
        let (mut sql, mut commits) = (String::new(), Vec::new());
        for bytes in connections.iter() {
            commits_of(&bytes.lock().unwrap(), begins, &mut sql, &mut commits);
        }
        (sql, commits)
    }

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
