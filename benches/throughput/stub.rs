//! A blob service that answers at once: it keeps nothing, checks no signature, and has every source file; a listing shows
//! those that it was told of. What remains of
//! a run's time is the program's own, PostgreSQL's, and the distance.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Names of a page, as many as Azure gives at most.
const PAGE: usize = 5_000;

/// The service; it ends when dropped.
pub struct BlobStub {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// Whether Put Blob From URL works.
    copies: AtomicBool,
    /// Of every source file.
    body: Vec<u8>,
    md5: String,
    /// Names in the container `source` that a listing shows, in their order.
    listed: OnceLock<Vec<String>>,
}

impl BlobStub {
    /// Every source file has so many bytes.
    pub async fn start(file_bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let body = vec![b'x'; file_bytes];
        let md5 = BASE64_STANDARD.encode(Md5::digest(&body));
        let shared = Arc::new(Shared { copies: AtomicBool::new(true), body, md5, listed: OnceLock::new() });
        let serving = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Ends with its connection, which the program closes.
                tokio::spawn(serve(connection, serving.clone()));
            }
        });
        Self { address, shared, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a listing of the container `source` shows; no other container shows anything.
    pub fn list(&self, mut names: Vec<String>) {
        names.sort_unstable();
        self.shared.listed.set(names).unwrap();
    }

    /// Whether it copies from URLs by itself from now on, as Azure Storage does, or refuses to.
    pub fn copy_server_side(&self, copies: bool) {
        self.shared.copies.store(copies, Ordering::SeqCst);
    }
}

impl Drop for BlobStub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What is looked at of a request.
#[derive(Default)]
pub struct Request {
    line: String,
    /// Bytes of its body.
    pub length: u64,
    md5: Option<String>,
    copies: bool,
}

async fn serve(connection: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::with_capacity(64 * 1024, connection);
    let mut answer = Vec::new();
    while let Some(request) = read(&mut connection).await? {
        answer.clear();
        shared.answer(&request, &mut answer);
        connection.write_all(&answer).await?;
    }
    Ok(())
}

/// The next request, its body read and dropped; `None` once the client has closed.
pub async fn read(connection: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut request = Request::default();
    if connection.read_line(&mut request.line).await? == 0 {
        return Ok(None);
    }
    let mut header = String::new();
    loop {
        header.clear();
        connection.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => request.length = value.trim().parse().unwrap(),
            "content-md5" => request.md5 = Some(value.trim().to_owned()),
            "x-ms-copy-source" => request.copies = true,
            _ => {}
        }
    }
    let body = (&mut *connection).take(request.length);
    tokio::io::copy(&mut BufReader::new(body), &mut tokio::io::sink()).await?;
    Ok(Some(request))
}

impl Shared {
    fn answer(&self, request: &Request, out: &mut Vec<u8>) {
        let mut head = String::with_capacity(256);
        let method = request.line.split(' ').next().unwrap_or_default();
        let page;
        let body: &[u8] = match method {
            "GET" if request.line.contains("comp=list") => {
                page = self.page(request.line.split(' ').nth(1).unwrap());
                status(&mut head, "200 OK", page.len());
                head.push_str("content-type: application/xml\r\n");
                page.as_bytes()
            }
            "GET" | "HEAD" => {
                status(&mut head, "200 OK", self.body.len());
                write!(head, "etag: \"e\"\r\ncontent-type: application/pdf\r\ncontent-md5: {}\r\n", self.md5)
                    .unwrap();
                if method == "GET" { &self.body } else { &[] }
            }
            "PUT" if request.copies && !self.copies.load(Ordering::SeqCst) => {
                status(&mut head, "501 Not Implemented", 0);
                head.push_str("x-ms-error-code: NotImplemented\r\n");
                &[]
            }
            "PUT" => {
                status(&mut head, "201 Created", 0);
                head.push_str("etag: \"e\"\r\n");
                if let Some(md5) = &request.md5 {
                    write!(head, "content-md5: {md5}\r\n").unwrap();
                }
                &[]
            }
            "DELETE" => {
                status(&mut head, "202 Accepted", 0);
                &[]
            }
            other => panic!("{other} is not played"),
        };
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body);
    }

    /// The page of a listing that the target (path and query) asks for; a marker is the number of names before it.
    fn page(&self, target: &str) -> String {
        let url = url::Url::parse(&format!("http://stub{target}")).unwrap();
        let asked =
            |name| url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
        let prefix = asked("prefix").unwrap_or_default();
        let first: usize = asked("marker").map_or(0, |marker| marker.parse().unwrap());
        let most: usize = asked("maxresults").map_or(PAGE, |most| most.parse().unwrap());
        let all = self.listed.get().filter(|_| url.path() == "/acc/source");
        let names = all.into_iter().flatten().filter(|name| name.starts_with(&prefix));
        let mut names = names.skip(first);
        let mut xml = String::from("<?xml version=\"1.0\"?><EnumerationResults><Blobs>");
        for name in names.by_ref().take(most) {
            write!(
                xml,
                "<Blob><Name>{}</Name><Properties><Etag>e</Etag><Content-Length>{}</Content-Length><Content-MD5>{}\
                 </Content-MD5><Content-Type>application/pdf</Content-Type></Properties></Blob>",
                name.replace('&', "&amp;").replace('<', "&lt;"),
                self.body.len(),
                self.md5
            )
            .unwrap();
        }
        let marker = names.next().map(|_| (first + most).to_string()).unwrap_or_default();
        write!(xml, "</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>").unwrap();
        xml
    }
}

fn status(head: &mut String, status: &str, length: usize) {
    write!(head, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nx-ms-request-id: 1\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n")
        .unwrap();
}
