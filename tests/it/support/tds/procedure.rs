//! Remote procedure calls: how drivers send a statement with parameters.

use std::io;

use super::{
    login::text,
    session::{Server, send},
    sql::{self, Refused},
    wire::{Answer, Io, done_procedure, error},
};

/// sp_executesql with a statement and without parameters of its own; Synapse refuses how drivers name them.
pub async fn procedure(io: &mut dyn Io, server: &Server, packet_size: usize, body: &[u8]) -> io::Result<()> {
    server.script.next_batch();
    let mut answer = Answer::new(io, packet_size);
    let statement = statement(body);
    let found = match &statement {
        _ if server.options.engine_edition == 6 => {
            Err(Refused(103_010, "Parse error at line: 1, column: 1: Incorrect syntax near 'stmt'.".into()))
        }
        Some(statement) => sql::answer(statement, &server.data, &server.options),
        None => Err(Refused(2812, "Could not find stored procedure.".into())),
    };
    let failed = match found {
        Ok(found) => {
            send(&mut answer, found, &mut 0, true, None).await?;
            // DONEINPROC in place of DONE.
            let at = answer.body.len() - 13;
            answer.body[at] = 0xff;
            false
        }
        Err(refused) => {
            error(&mut answer.body, refused.0, 16, &refused.1);
            true
        }
    };
    done_procedure(&mut answer.body, failed);
    answer.end().await
}

/// The first parameter of procedure 10 (sp_executesql): nvarchar.
fn statement(body: &[u8]) -> Option<String> {
    let [0xff, 0xff, 10, 0, _, _, name_length, rest @ ..] = body else { return None };
    // Name, status, NVARCHARTYPE, greatest length, collation; then as the greatest length says.
    let rest = rest.get(usize::from(*name_length) * 2 + 1..)?;
    let [0xe7, low, high, _, _, _, _, _, value @ ..] = rest else { return None };
    if u16::from_le_bytes([*low, *high]) == 0xffff {
        let mut statement = Vec::new();
        let mut chunks = value.get(8..)?;
        loop {
            let length = u32::from_le_bytes(chunks.get(..4)?.try_into().ok()?) as usize;
            if length == 0 {
                return Some(text(&statement));
            }
            statement.extend(chunks.get(4..4 + length)?);
            chunks = chunks.get(4 + length..)?;
        }
    }
    let length = usize::from(u16::from_le_bytes(value.get(..2)?.try_into().ok()?));
    Some(text(value.get(2..2 + length)?))
}
