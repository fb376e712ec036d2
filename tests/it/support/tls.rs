//! A server that shows a certificate which has expired.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

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
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let path = folder.join("expired.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
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
