//! A scripted HTTP server on loopback: it notes every request and answers as the test says.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use md5::{Digest, Md5};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body_bytes: u64,
    /// Up to 1 MiB; larger ones are counted only.
    pub body: Vec<u8>,
    /// Of the same.
    pub body_md5: [u8; 16],
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is sent back.
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// So many zeros more.
    zeros: u64,
    /// The connection is closed after so many bytes of the body.
    cut_at: Option<usize>,
    /// It is held back for so long.
    after: Duration,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), zeros: 0, cut_at: None, after: Duration::ZERO }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn zeros(mut self, count: u64) -> Self {
        self.zeros = count;
        self
    }

    pub fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self
    }

    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }
}

/// Bytes of the bodies of requests that were begun and not answered yet.
#[derive(Default)]
struct Bodies {
    now: AtomicU64,
    most: AtomicU64,
}

impl Bodies {
    fn begin(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self, bytes: u64) {
        self.now.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// The server; it ends when dropped.
pub struct HttpStub {
    pub endpoint: String,
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    bodies: Arc<Bodies>,
    accepting: JoinHandle<()>,
}

impl HttpStub {
    /// `answer` is given each request and its number, from 0.
    pub async fn start(answer: impl Fn(&Request, usize) -> Response + Send + Sync + 'static) -> Self {
        Self::listen(None, answer).await
    }

    /// The same by https, for the names of the acceptor's certificate.
    pub async fn start_tls(
        acceptor: TlsAcceptor,
        answer: impl Fn(&Request, usize) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(acceptor), answer).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Request, usize) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let requests = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::new(Bodies::default());
        let (noted, counted, answer) = (requests.clone(), bodies.clone(), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (noted, counted) = (noted.clone(), counted.clone());
                let (answer, tls) = (answer.clone(), tls.clone());
                // Ends with its connection, which the client under test closes.
                tokio::spawn(async move {
                    match tls {
                        None => serve(connection, &noted, &counted, &*answer).await,
                        Some(tls) => serve(tls.accept(connection).await?, &noted, &counted, &*answer).await,
                    }
                });
            }
        });
        Self { endpoint, address, requests, bodies, accepting }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The most bytes that the bodies of requests under way had at one time.
    pub fn most_body_bytes(&self) -> u64 {
        self.bodies.most.load(Ordering::SeqCst)
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    noted: &Mutex<Vec<Request>>,
    bodies: &Bodies,
    answer: &(impl Fn(&Request, usize) -> Response + Sync),
) -> std::io::Result<()> {
    let mut connection = BufReader::with_capacity(256 * 1024, connection);
    while let Some(request) = read(&mut connection, bodies).await? {
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(request.clone());
            noted.len() - 1
        };
        let response = answer(&request, number);
        tokio::time::sleep(response.after).await;
        let length = response.body.len() as u64 + response.zeros;
        let mut head = format!("HTTP/1.1 {} Stub\r\n", response.status);
        for (name, value) in &response.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !response.headers.iter().any(|(name, _)| name == "content-length") {
            write!(head, "content-length: {length}\r\n").unwrap();
        }
        head.push_str("\r\n");
        connection.write_all(head.as_bytes()).await?;
        if request.method != "HEAD" {
            let body = &response.body[..response.cut_at.unwrap_or(response.body.len())];
            connection.write_all(body).await?;
            tokio::io::copy(&mut tokio::io::repeat(0).take(response.zeros), &mut connection).await?;
        }
        bodies.end(request.body_bytes);
        connection.flush().await?;
        if response.cut_at.is_some() {
            break;
        }
    }
    Ok(())
}

async fn read(
    connection: &mut (impl AsyncBufRead + Unpin),
    bodies: &Bodies,
) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if connection.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let body_bytes: u64 = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    bodies.begin(body_bytes);
    let mut digest = Md5::new();
    let mut body = Vec::new();
    let mut rest = body_bytes;
    while rest > 0 {
        let held = connection.fill_buf().await?;
        if held.is_empty() {
            return Ok(None);
        }
        let length = held.len().min(usize::try_from(rest).unwrap());
        if body_bytes <= 1024 * 1024 {
            digest.update(&held[..length]);
            body.extend_from_slice(&held[..length]);
        }
        connection.consume(length);
        rest -= length as u64;
    }
    Ok(Some(Request { method, target, headers, body_bytes, body, body_md5: digest.finalize().into() }))
}
