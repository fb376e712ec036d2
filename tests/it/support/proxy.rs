//! A TCP proxy that delays, swallows, or cuts connections at a chosen moment, or answers in the server's place.
#![allow(dead_code, reason = "each area of the tests uses its own part")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use super::port::Port;

/// When a connection is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The bytes that hold this never reach the server.
    BeforeRequest(Vec<u8>),
    /// They do, and the server answers, but its answer never reaches the client.
    BeforeAnswerTo(Vec<u8>),
    /// After so many bytes from the server, counted over all connections from now.
    AfterBytes(usize),
}

/// An answer in the server's place, which does not hear of the request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What an HTTP request must hold, in its first line for example.
    pub to: Vec<u8>,
    /// The whole answer.
    pub bytes: Vec<u8>,
    /// To so many requests.
    pub times: usize,
}

/// Stands between a client and one server until it is dropped.
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    delay: Mutex<Duration>,
    cut: Mutex<Option<Cut>>,
    reply: Mutex<Option<Reply>>,
    refuses: AtomicBool,
    /// Nothing is passed on while it is true.
    swallows: watch::Sender<bool>,
    /// Counts calls of [`Proxy::cut_all`].
    generation: watch::Sender<usize>,
    accepted: AtomicUsize,
    swallowed: AtomicUsize,
    exchanges: AtomicUsize,
    cuts: AtomicUsize,
    replies: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    ToServer,
    ToClient,
}

/// What both directions of one connection know.
struct Link {
    /// The server spoke last (or neither side has yet): the next bytes of the client begin an exchange.
    answered: AtomicBool,
    /// The next bytes of the server are to be lost, and the connection with them.
    doomed: AtomicBool,
}

impl Proxy {
    /// Listens on a free loopback port.
    #[expect(clippy::unused_async, reason = "it only runs where its callers are asynchronous too")]
    pub async fn start(server: SocketAddr) -> Self {
        let port = Port::hold();
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            delay: Mutex::default(),
            cut: Mutex::default(),
            reply: Mutex::default(),
            refuses: AtomicBool::default(),
            swallows: watch::Sender::new(false),
            generation: watch::Sender::new(0),
            accepted: AtomicUsize::default(),
            swallowed: AtomicUsize::default(),
            exchanges: AtomicUsize::default(),
            cuts: AtomicUsize::default(),
            replies: AtomicUsize::default(),
        });
        let accepting = tokio::spawn(accept(port.listen(), Arc::clone(&shared)));
        Self { port, shared, accepting }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Holds every byte back for so long, in each direction.
    pub fn delay(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// Closes new connections at once, or no longer does.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    /// No host answers at its address any more, until it is opened again.
    pub async fn close(&mut self) {
        self.accepting.abort();
        // Its listener goes with it.
        let _ = (&mut self.accepting).await;
        self.cut_all();
    }

    /// Listens again, after [`Proxy::close`].
    pub fn open(&mut self) {
        self.accepting = tokio::spawn(accept(self.port.listen(), Arc::clone(&self.shared)));
    }

    /// Lets nothing through, without a word, or no longer does.
    pub fn swallow(&self, swallows: bool) {
        self.shared.swallows.send_replace(swallows);
    }

    /// Cuts one connection, once, at this moment.
    pub fn cut(&self, cut: Cut) {
        *self.shared.cut.lock().unwrap() = Some(cut);
    }

    /// Answers these requests itself, in place of any others.
    pub fn reply(&self, reply: Option<Reply>) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    /// Cuts every open connection now.
    pub fn cut_all(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Pieces that came, from either side, while nothing was let through.
    pub fn swallowed(&self) -> usize {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// How often a client spoke after the server had: round trips.
    pub fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::SeqCst)
    }

    /// Requests that [`Proxy::reply`] has answered.
    pub fn replies(&self) -> usize {
        self.shared.replies.load(Ordering::SeqCst)
    }

    /// How often [`Proxy::cut`] has come true.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        if !shared.refuses.load(Ordering::SeqCst) {
            tokio::spawn(link(client, Arc::clone(&shared)));
        }
    }
}

/// Carries one connection until either side, or a cut, ends it.
async fn link(client: TcpStream, shared: Arc<Shared>) {
    let mut generation = shared.generation.subscribe();
    let address = *shared.server.lock().unwrap();
    let Ok(server) = TcpStream::connect(address).await else { return };
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let link = Link { answered: AtomicBool::new(true), doomed: AtomicBool::new(false) };
    let (asked, to_ask) = mpsc::channel(64);
    let (answered, to_answer) = mpsc::channel(64);
    tokio::select! {
        () = read(from_client, Some(&answered), &asked, &link, &shared) => {}
        () = read(from_server, None, &answered, &link, &shared) => {}
        () = write(to_server, to_ask, &shared) => {}
        () = write(to_client, to_answer, &shared) => {}
        _ = generation.changed() => {}
    }
}

type Queue = mpsc::Sender<(Instant, Vec<u8>)>;

/// Reads one side until its end; a client's bytes may be answered at once instead, into `replies`.
async fn read(mut from: OwnedReadHalf, replies: Option<&Queue>, queue: &Queue, link: &Link, shared: &Shared) {
    let direction = if replies.is_some() { Direction::ToServer } else { Direction::ToClient };
    let mut buffer = vec![0; 64 * 1024];
    // Of the body of a request that was answered here.
    let mut unheard = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if unheard > 0 {
            unheard -= length.min(unheard);
            continue;
        }
        let due = Instant::now() + *shared.delay.lock().unwrap();
        let reply = replies.and_then(|replies| Some((replies, shared.replies_to(bytes)?)));
        let sent = match reply {
            Some((replies, reply)) => {
                unheard = body_to_come(bytes);
                replies.send((due, reply)).await
            }
            None if shared.loses(direction, bytes, link) => return,
            None => queue.send((due, bytes.to_vec())).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut queue: mpsc::Receiver<(Instant, Vec<u8>)>, shared: &Shared) {
    let mut swallows = shared.swallows.subscribe();
    while let Some((due, bytes)) = queue.recv().await {
        tokio::time::sleep_until(due).await;
        if *swallows.borrow() {
            shared.swallowed.fetch_add(1, Ordering::SeqCst);
        }
        if swallows.wait_for(|swallows| !swallows).await.is_err() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Bytes of an HTTP request's body that follow on those that came with its head.
fn body_to_come(request: &[u8]) -> usize {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    (head + 4 + length.unwrap_or(0)).saturating_sub(request.len())
}

impl Shared {
    /// The answer to a request that is answered here.
    fn replies_to(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut reply = self.reply.lock().unwrap();
        let Reply { to, bytes, times } = reply.as_mut().filter(|reply| reply.times > 0)?;
        if !request.windows(to.len()).any(|window| window == to.as_slice()) {
            return None;
        }
        *times -= 1;
        self.replies.fetch_add(1, Ordering::SeqCst);
        Some(bytes.clone())
    }

    /// Counts the bytes, and decides whether the connection ends here.
    fn loses(&self, direction: Direction, bytes: &[u8], link: &Link) -> bool {
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        let mut cut = self.cut.lock().unwrap();
        let loses = match direction {
            Direction::ToServer => {
                if link.answered.swap(false, Ordering::SeqCst) {
                    self.exchanges.fetch_add(1, Ordering::SeqCst);
                }
                match &*cut {
                    Some(Cut::BeforeRequest(needle)) => holds(needle),
                    Some(Cut::BeforeAnswerTo(needle)) if holds(needle) => {
                        link.doomed.store(true, Ordering::SeqCst);
                        *cut = None;
                        false
                    }
                    _ => false,
                }
            }
            Direction::ToClient => {
                link.answered.store(true, Ordering::SeqCst);
                match &mut *cut {
                    Some(Cut::AfterBytes(left)) if *left <= bytes.len() => true,
                    Some(Cut::AfterBytes(left)) => {
                        *left -= bytes.len();
                        false
                    }
                    _ => link.doomed.load(Ordering::SeqCst),
                }
            }
        };
        if loses {
            *cut = None;
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        loses
    }
}
