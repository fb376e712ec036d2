//! Packets and tokens of TDS 7.4.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// Latin1_General_CI_AS, code page 1252.
pub const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];

const HEADER: usize = 8;

/// A connection's bytes, plain or encrypted.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Io for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A whole message: its type and its bytes.
pub async fn read_message(io: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<(u8, Vec<u8>)> {
    let mut message = Vec::new();
    loop {
        let mut header = [0; HEADER];
        io.read_exact(&mut header).await?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let start = message.len();
        message.resize(start + length.saturating_sub(HEADER), 0);
        io.read_exact(&mut message[start..]).await?;
        if header[1] & 1 == 1 {
            return Ok((header[0], message));
        }
    }
}

/// A message being answered, sent packet by packet.
pub struct Answer<'a> {
    pub io: &'a mut dyn Io,
    pub body: Vec<u8>,
    packet_size: usize,
    packets: u8,
}

impl<'a> Answer<'a> {
    pub fn new(io: &'a mut dyn Io, packet_size: usize) -> Self {
        Self { io, body: Vec::new(), packet_size, packets: 0 }
    }

    /// Sends what fills whole packets.
    pub async fn spill(&mut self) -> io::Result<()> {
        while self.body.len() > self.packet_size - HEADER {
            let rest = self.body.split_off(self.packet_size - HEADER);
            let full = std::mem::replace(&mut self.body, rest);
            self.packet(&full, false).await?;
        }
        Ok(())
    }

    /// Sends all there is, without ending the message.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.spill().await?;
        let body = std::mem::take(&mut self.body);
        if !body.is_empty() {
            self.packet(&body, false).await?;
        }
        self.io.flush().await
    }

    /// Sends half a packet whose header promises all of it.
    pub async fn cut(&mut self) -> io::Result<()> {
        self.spill().await?;
        let half = self.body.len() / 2;
        let mut bytes = self.header(self.body.len(), true);
        bytes.extend(&self.body[..half]);
        self.io.write_all(&bytes).await?;
        self.io.flush().await
    }

    /// Sends all there is as the end of the message.
    pub async fn end(mut self) -> io::Result<()> {
        self.spill().await?;
        let body = std::mem::take(&mut self.body);
        self.packet(&body, true).await?;
        self.io.flush().await
    }

    async fn packet(&mut self, body: &[u8], last: bool) -> io::Result<()> {
        let mut bytes = self.header(body.len(), last);
        bytes.extend(body);
        self.io.write_all(&bytes).await
    }

    fn header(&mut self, length: usize, last: bool) -> Vec<u8> {
        self.packets = self.packets.wrapping_add(1);
        let [high, low] = u16::try_from(length + HEADER).unwrap().to_be_bytes();
        vec![4, u8::from(last), high, low, 0, 51, self.packets, 0]
    }
}

pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// B_VARCHAR: its length in one byte.
pub fn short_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.encode_utf16().count()).unwrap());
    out.extend(utf16(text));
}

/// US_VARCHAR: its length in two bytes.
pub fn long_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.encode_utf16().count()).unwrap().to_le_bytes());
    out.extend(utf16(text));
}

fn token(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
    out.extend(body);
}

/// ENVCHANGE of a text.
pub fn environment(out: &mut Vec<u8>, kind: u8, new: &str, old: &str) {
    let mut body = vec![kind];
    short_text(&mut body, new);
    short_text(&mut body, old);
    token(out, 0xe3, &body);
}

/// ENVCHANGE that sends the client elsewhere.
pub fn routing(out: &mut Vec<u8>, host: &str, port: u16) {
    let mut value = vec![0];
    value.extend(port.to_le_bytes());
    long_text(&mut value, host);
    let mut body = vec![20];
    body.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    body.extend(value);
    body.extend([0, 0]);
    token(out, 0xe3, &body);
}

/// LOGINACK.
pub fn login_ack(out: &mut Vec<u8>) {
    let mut body = vec![1, 0x74, 0, 0, 4];
    short_text(&mut body, "Microsoft SQL Server");
    body.extend([16, 0, 0x10, 0]);
    token(out, 0xad, &body);
}

/// ERROR.
pub fn error(out: &mut Vec<u8>, number: u32, class: u8, message: &str) {
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, class]);
    long_text(&mut body, message);
    short_text(&mut body, "scripted");
    short_text(&mut body, "");
    body.extend(1_i32.to_le_bytes());
    token(out, 0xaa, &body);
}

/// How a statement or a batch ended: status bits of DONE.
#[derive(Debug, Clone, Copy)]
pub enum Done {
    Last = 0,
    More = 1,
    Failed = 2,
    FailedAndMore = 3,
    Rows = 0x10,
    RowsAndMore = 0x11,
    Cancelled = 0x20,
}

pub fn done(out: &mut Vec<u8>, done: Done, rows: u64) {
    out.push(0xfd);
    out.extend((done as u16).to_le_bytes());
    out.extend(0xc1_u16.to_le_bytes());
    out.extend(rows.to_le_bytes());
}

/// DONEINPROC of the rows, RETURNSTATUS and DONEPROC: the end of a remote procedure.
pub fn done_procedure(out: &mut Vec<u8>, failed: bool) {
    out.push(0x79);
    out.extend(0_i32.to_le_bytes());
    out.push(0xfe);
    out.extend((if failed { Done::Failed } else { Done::Last } as u16).to_le_bytes());
    out.extend(0xe0_u16.to_le_bytes());
    out.extend(0_u64.to_le_bytes());
}
