//! TLS inside pre-login packets, and the server's certificate.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer, version::TLS12};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::wire::Io;

/// Which certificate the server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For localhost and 127.0.0.1.
    Valid,
    Expired,
    ForAnotherName,
}

/// Key and certificate, signed by itself.
pub struct Identity {
    pub pem: String,
    /// The private key, in PEM.
    pub key_pem: String,
    pub config: Arc<ServerConfig>,
}

impl Identity {
    pub fn new(certificate: Certificate) -> Self {
        let names = match certificate {
            Certificate::Valid | Certificate::Expired => vec!["localhost".into(), "127.0.0.1".into()],
            Certificate::ForAnotherName => vec!["elsewhere.example".into()],
        };
        let mut params = CertificateParams::new(names).unwrap();
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        Self::of(&params)
    }

    /// A valid certificate for these names.
    pub fn for_names(names: Vec<String>) -> Self {
        Self::of(&CertificateParams::new(names).unwrap())
    }

    fn of(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        // TLS 1.3 sends tickets after the handshake; where only the login is encrypted they would stand
        // between the plain packets.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self { pem: certificate.pem(), key_pem: key.serialize_pem(), config: Arc::new(config) }
    }

    /// Shakes hands inside pre-login packets.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<PreLogin>> {
        let wrapped = PreLogin {
            socket,
            wrapping: true,
            header: Vec::new(),
            unread: 0,
            unsent: Vec::new(),
            framed: Vec::new(),
        };
        let mut stream = TlsAcceptor::from(self.config.clone()).accept(wrapped).await?;
        stream.get_mut().0.wrapping = false;
        Ok(stream)
    }
}

/// A socket that wraps what it carries into pre-login packets until the handshake is over.
pub struct PreLogin {
    socket: TcpStream,
    wrapping: bool,
    header: Vec<u8>,
    /// Bytes of the packet that is being read.
    unread: usize,
    unsent: Vec<u8>,
    framed: Vec<u8>,
}

impl PreLogin {
    pub fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl Io for TlsStream<PreLogin> {
    fn socket(&self) -> &TcpStream {
        &self.get_ref().0.socket
    }
}

impl AsyncRead for PreLogin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if !me.wrapping {
            return Pin::new(&mut me.socket).poll_read(cx, buffer);
        }
        while me.unread == 0 {
            let mut bytes = [0; 8];
            let mut header = ReadBuf::new(&mut bytes[me.header.len()..]);
            ready!(Pin::new(&mut me.socket).poll_read(cx, &mut header))?;
            if header.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            me.header.extend(header.filled());
            if me.header.len() == 8 {
                me.unread = usize::from(u16::from_be_bytes([me.header[2], me.header[3]])) - 8;
                me.header.clear();
            }
        }
        let mut part = vec![0; me.unread.min(buffer.remaining())];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut me.socket).poll_read(cx, &mut part))?;
        me.unread -= part.filled().len();
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PreLogin {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if me.wrapping {
            me.unsent.extend(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(Pin::new(&mut *me).poll_flush(cx))?;
        Pin::new(&mut me.socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let unsent = std::mem::take(&mut me.unsent);
        let mut chunks = unsent.chunks(4_088).peekable();
        while let Some(chunk) = chunks.next() {
            let [high, low] = u16::try_from(chunk.len() + 8).unwrap().to_be_bytes();
            me.framed.extend([0x12, u8::from(chunks.peek().is_none()), high, low, 0, 0, 1, 0]);
            me.framed.extend(chunk);
        }
        while !me.framed.is_empty() {
            let sent = ready!(Pin::new(&mut me.socket).poll_write(cx, &me.framed))?;
            me.framed.drain(..sent);
        }
        Pin::new(&mut me.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
