//! One connection, from its first byte to its last.

use std::{io, sync::Arc};

use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{
    Options,
    cells::Cell,
    data::Data,
    login::{Agreed, Login, PreLogin, text},
    procedure::procedure,
    script::{BatchFault, LoginFault, Script},
    sql::{self, Refused},
    tls::Identity,
    wire::{Answer, Done, Io, done, environment, error, login_ack, read_message, routing},
};

const BATCH: u8 = 1;
const PROCEDURE: u8 = 3;
const ATTENTION: u8 = 6;
const LOGIN: u8 = 0x10;
const PRELOGIN: u8 = 0x12;

/// What all sessions share.
pub struct Server {
    pub data: Data,
    /// The same tables while they are being loaded.
    pub emptied: Data,
    pub options: Options,
    pub identity: Identity,
    pub script: Arc<Script>,
}

pub async fn serve(mut socket: TcpStream, server: &Server) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let prelogin = PreLogin::parse(&expect(&mut socket, PRELOGIN).await?);
    let agreed = prelogin.agree(server.options.encryption);
    let mut answer = Answer::new(&mut socket, 4_096);
    answer.body = prelogin.answer(agreed);
    answer.end().await?;
    match agreed {
        Agreed::Nothing => {
            let login = expect(&mut socket, LOGIN).await?;
            session(&mut socket, server, &login).await
        }
        Agreed::LoginOnly => {
            let mut tls = server.identity.accept(socket).await?;
            let login = expect(&mut tls, LOGIN).await?;
            session(&mut tls.into_inner().0.into_socket(), server, &login).await
        }
        Agreed::Everything => {
            let mut tls = server.identity.accept(socket).await?;
            let login = expect(&mut tls, LOGIN).await?;
            session(&mut tls, server, &login).await
        }
    }
}

async fn expect(io: &mut dyn Io, kind: u8) -> io::Result<Vec<u8>> {
    match read_message(io).await? {
        (found, message) if found == kind => Ok(message),
        (found, _) => Err(io::Error::other(format!("message {found:#x} where {kind:#x} was due"))),
    }
}

async fn session(io: &mut dyn Io, server: &Server, login: &[u8]) -> io::Result<()> {
    let login = Login::parse(login);
    if !log_in(io, server, &login).await? {
        return Ok(());
    }
    server.script.session_began();
    let ended = converse(io, server, &login).await;
    server.script.session_ended();
    ended
}

async fn converse(io: &mut dyn Io, server: &Server, login: &Login) -> io::Result<()> {
    loop {
        let (kind, message) = read_message(io).await?;
        let body = message.get(u32::from_le_bytes(message[..4].try_into().unwrap_or_default()) as usize..);
        let body = body.unwrap_or_default();
        match kind {
            BATCH => {
                if !batch(io, server, login.packet_size, &text(body)).await? {
                    return Ok(());
                }
            }
            PROCEDURE => procedure(io, server, login.packet_size, body).await?,
            ATTENTION => {
                let mut answer = Answer::new(io, login.packet_size);
                done(&mut answer.body, Done::Cancelled, 0);
                answer.end().await?;
            }
            other => return Err(io::Error::other(format!("message {other:#x} is not served"))),
        }
    }
}

/// Whether the session goes on.
async fn log_in(io: &mut dyn Io, server: &Server, login: &Login) -> io::Result<bool> {
    let script = &server.script;
    script.came(login);
    let fault = script.next_login();
    let known = (login.token.is_some() || login.user == server.options.user)
        && script.accepts(&login.password, login.token.as_deref());
    script.count_login(known && fault.is_none());
    let mut answer = Answer::new(io, 4_096);
    let refused = match fault {
        Some(LoginFault::Drop) => return Ok(false),
        Some(LoginFault::Stall) => {
            until_gone(answer.io).await;
            return Ok(false);
        }
        Some(LoginFault::Error(number)) => Some((number, "Scripted.".to_owned())),
        _ if !known => Some((18456, format!("Login failed for user '{}'.", login.user))),
        Some(LoginFault::Route(..)) | None => None,
    };
    if let Some((number, message)) = refused {
        error(&mut answer.body, number, 14, &message);
        done(&mut answer.body, Done::Failed, 0);
        answer.end().await?;
        return Ok(false);
    }
    environment(&mut answer.body, 1, &login.database, "master");
    login_ack(&mut answer.body);
    environment(&mut answer.body, 4, &login.packet_size.to_string(), "4096");
    if login.token.is_some() {
        // FEATUREEXTACK of FEDAUTH.
        answer.body.extend([0xae, 2, 0, 0, 0, 0, 0xff]);
    }
    if let Some(LoginFault::Route(host, port)) = &fault {
        routing(&mut answer.body, host, *port);
    }
    done(&mut answer.body, Done::Last, 0);
    answer.end().await?;
    Ok(fault.is_none())
}

/// The statements of a batch.
pub(super) fn selects(batch: &str) -> impl Iterator<Item = &str> {
    batch.split(';').map(str::trim).filter(|select| !select.is_empty())
}

/// Answers each select of a batch. Whether the session goes on.
async fn batch(io: &mut dyn Io, server: &Server, packet_size: usize, batch: &str) -> io::Result<bool> {
    if batch.starts_with("set ") {
        // What drivers of others ask for after login.
        let mut answer = Answer::new(io, packet_size);
        done(&mut answer.body, Done::Last, 0);
        return answer.end().await.map(|()| true);
    }
    let fault = server.script.next_batch();
    server.script.asked(batch);
    if let Some(BatchFault::Slow(delay)) = fault {
        tokio::time::sleep(delay).await;
    }
    let mut answer = Answer::new(io, packet_size);
    let mut rows_sent = 0;
    let selects: Vec<&str> = selects(batch).collect();
    for (n, select) in selects.iter().enumerate() {
        let failing = match fault {
            Some(BatchFault::Statement { number, place }) if place == n => Some(number),
            Some(BatchFault::StatementThenPause { number, .. }) if n == 0 => Some(number),
            _ => None,
        };
        if let Some(number) = failing {
            let more = n + 1 < selects.len();
            error(&mut answer.body, number, 16, "Scripted, of one statement.");
            done(&mut answer.body, if more { Done::FailedAndMore } else { Done::Failed }, 0);
            continue;
        }
        let emptied = server.script.is_emptied(select);
        let data = if emptied { &server.emptied } else { &server.data };
        let refused = match sql::answer(select, data, &server.options) {
            Ok(mut found) => match server.script.refuses(found.table, &found.ids) {
                None => {
                    if let Some(BatchFault::Foreign { id, place }) = fault
                        && place == n
                    {
                        found.rows = Box::new(with_foreign(found.rows, id));
                    }
                    let more = n + 1 < selects.len();
                    match send(&mut answer, found, &mut rows_sent, more, fault.as_ref()).await? {
                        Sent::All => continue,
                        Sent::Ended => return answer.end().await.map(|()| true),
                        Sent::Broken => return Ok(false),
                    }
                }
                Some(number) => Refused(number, format!("Scripted, on dbo.{}.", found.table)),
            },
            Err(refused) => refused,
        };
        error(&mut answer.body, refused.0, 16, &refused.1);
        done(&mut answer.body, Done::Failed, 0);
        break;
    }
    answer.end().await.map(|()| true)
}

/// The rows, and the first once more as a row of another attempt, which is the first column.
fn with_foreign<'a>(
    rows: Box<dyn Iterator<Item = Vec<Cell>> + Send + 'a>,
    id: i64,
) -> impl Iterator<Item = Vec<Cell>> + Send + 'a {
    let mut rows = rows.peekable();
    let mut foreign = rows.peek().cloned().unwrap_or_default();
    if let Some(attempt) = foreign.first_mut() {
        *attempt = Cell::Int(id);
    }
    rows.chain(std::iter::once(foreign))
}

pub(super) enum Sent {
    All,
    /// The message is to be ended here.
    Ended,
    /// The connection is no more.
    Broken,
}

pub(super) async fn send(
    answer: &mut Answer<'_>,
    found: sql::Answer<'_>,
    rows_sent: &mut usize,
    more: bool,
    fault: Option<&BatchFault>,
) -> io::Result<Sent> {
    answer.body.push(0x81);
    answer.body.extend(u16::try_from(found.columns.len()).unwrap().to_le_bytes());
    for (name, kind) in &found.columns {
        answer.body.extend([0, 0, 0, 0, 9, 0]);
        kind.write_info(&mut answer.body);
        super::wire::short_text(&mut answer.body, name);
    }
    let before = *rows_sent;
    for (n, row) in found.rows.enumerate() {
        if let Some(sent) = fail(answer, fault, *rows_sent).await? {
            return Ok(sent);
        }
        // ROW and NBCROW (nulls in a bitmap) in turn: the server may send either.
        if n % 2 == 0 {
            answer.body.push(0xd1);
            found.columns.iter().zip(&row).for_each(|((_, kind), cell)| kind.write(&mut answer.body, cell));
        } else {
            null_compressed(&mut answer.body, &found.columns, &row);
        }
        *rows_sent += 1;
        answer.spill().await?;
    }
    // What is to happen after the very last row happens in place of its DONE.
    if let Some(sent) = fail(answer, if more { None } else { fault }, *rows_sent).await? {
        return Ok(sent);
    }
    done(&mut answer.body, if more { Done::RowsAndMore } else { Done::Rows }, (*rows_sent - before) as u64);
    Ok(Sent::All)
}

fn null_compressed(body: &mut Vec<u8>, columns: &[(String, super::cells::Type)], row: &[super::cells::Cell]) {
    body.push(0xd2);
    let start = body.len();
    body.resize(start + row.len().div_ceil(8), 0);
    for (n, ((_, kind), cell)) in columns.iter().zip(row).enumerate() {
        if *cell == super::cells::Cell::Null {
            body[start + n / 8] |= 1 << (n % 8);
        } else {
            kind.write(body, cell);
        }
    }
}

/// Does what the script wants after so many rows, if this is the place.
async fn fail(answer: &mut Answer<'_>, fault: Option<&BatchFault>, rows: usize) -> io::Result<Option<Sent>> {
    let Some(fault) = fault else { return Ok(None) };
    match *fault {
        BatchFault::Error { number, after_rows } if rows == after_rows => {
            error(&mut answer.body, number, class_of(number), "Scripted.");
            done(&mut answer.body, Done::Failed, 0);
            Ok(Some(Sent::Ended))
        }
        BatchFault::EndWithoutDone { after_rows } if rows == after_rows => Ok(Some(Sent::Ended)),
        BatchFault::Drop { after_rows } if rows == after_rows => {
            answer.flush().await?;
            Ok(Some(Sent::Broken))
        }
        BatchFault::Cut { after_rows } if rows == after_rows => {
            answer.cut().await?;
            Ok(Some(Sent::Broken))
        }
        BatchFault::Reset { after_rows } if rows == after_rows => {
            answer.flush().await?;
            answer.io.socket().set_zero_linger()?;
            Ok(Some(Sent::Broken))
        }
        BatchFault::StatementThenPause { pause, .. } if rows == 1 => {
            answer.flush().await?;
            tokio::time::sleep(pause).await;
            Ok(None)
        }
        BatchFault::Stall { after_rows } if rows == after_rows => {
            answer.flush().await?;
            until_gone(answer.io).await;
            Ok(Some(Sent::Broken))
        }
        _ => Ok(None),
    }
}

async fn until_gone(io: &mut dyn Io) {
    let mut byte = [0];
    while matches!(io.read(&mut byte).await, Ok(n) if n > 0) {}
}

/// The severity of an error: 17 if the server is short of memory (701) or of disk (1105), as in life.
fn class_of(number: u32) -> u8 {
    if matches!(number, 701 | 1105) { 17 } else { 16 }
}
