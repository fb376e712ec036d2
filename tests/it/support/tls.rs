//! A server that shows a certificate which has expired.

use std::{net::SocketAddr, path::Path};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::tds::tls::{Certificate, Identity};

/// What is spoken in plain before TLS begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// PostgreSQL's question for TLS, and the answer to it.
    Postgres,
}

/// Listens on loopback until the runtime ends. Its address, and the file that holds its certificate, for clients to
/// trust.
pub async fn expired_server(folder: &Path, before: Before) -> (SocketAddr, String) {
    let identity = Identity::new(Certificate::Expired);
    let path = folder.join("expired.pem");
    std::fs::write(&path, &identity.pem).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(identity.config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            if before == Before::Postgres && !agrees(&mut socket).await {
                continue;
            }
            // It fails, which is the point.
            drop(acceptor.accept(socket).await);
        }
    });
    (address, path.display().to_string())
}

async fn agrees(socket: &mut TcpStream) -> bool {
    socket.read_exact(&mut [0; 8]).await.is_ok() && socket.write_all(b"S").await.is_ok()
}
