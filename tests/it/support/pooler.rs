//! A connection pooler in session mode without a reset query: the session of a client that has ended goes, as it
//! is, to the next one.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Bytes of the type and the length of a message.
const HEAD: usize = 5;
/// The client ends its session.
const TERMINATE: u8 = b'X';
/// The server waits for the next query.
const READY: u8 = b'Z';
const AUTHENTICATION: u8 = b'R';

/// Stands before one server until it is dropped.
pub struct Pooler {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// A session whose client has ended.
struct Idle {
    server: TcpStream,
    /// What the server said when it let the first client in.
    greeting: Vec<u8>,
}

impl Pooler {
    /// Listens on a port of its own.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let idle: Arc<Mutex<Vec<Idle>>> = Arc::default();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let idle = Arc::clone(&idle);
                tokio::spawn(async move {
                    // A client that is cut off loses its session.
                    if let Ok(ended) = serve(client, server, &idle).await {
                        idle.lock().unwrap().push(ended);
                    }
                });
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes everything on until the client ends its session.
async fn serve(mut client: TcpStream, server: SocketAddr, idle: &Mutex<Vec<Idle>>) -> io::Result<Idle> {
    let length = client.read_u32().await?;
    let mut startup = length.to_be_bytes().to_vec();
    startup.resize(length as usize, 0);
    client.read_exact(&mut startup[4..]).await?;
    let kept = idle.lock().unwrap().pop();
    let mut session = if let Some(session) = kept {
        client.write_all(&session.greeting).await?;
        session
    } else {
        let mut server = TcpStream::connect(server).await?;
        server.write_all(&startup).await?;
        let greeting = let_in(&mut client, &mut server).await?;
        Idle { server, greeting }
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = session.server.split();
    let asking = async {
        loop {
            let message = read_message(&mut from_client).await?;
            if message[0] == TERMINATE {
                return io::Result::Ok(());
            }
            to_server.write_all(&message).await?;
        }
    };
    let answering = io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        ended = asking => ended?,
        lost = answering => return Err(lost.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
    }
    Ok(session)
}

/// Passes on what both say until the server has let the client in; from there on, what it said.
async fn let_in(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut greeting = Vec::new();
    loop {
        let message = read_message(server).await?;
        client.write_all(&message).await?;
        let is_let_in = message[0] == AUTHENTICATION && message[HEAD..HEAD + 4] == [0; 4];
        if is_let_in || !greeting.is_empty() {
            greeting.extend_from_slice(&message);
        } else if message[0] == AUTHENTICATION && message[HEAD..HEAD + 4] != 12_u32.to_be_bytes() {
            // All but the last word of SCRAM wait for the client's answer.
            server.write_all(&read_message(client).await?).await?;
        }
        if message[0] == READY {
            return Ok(greeting);
        }
    }
}

async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEAD];
    stream.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[1..HEAD].try_into().unwrap()) as usize;
    message.resize(1 + length, 0);
    stream.read_exact(&mut message[HEAD..]).await?;
    Ok(message)
}
