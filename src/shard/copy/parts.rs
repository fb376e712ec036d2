//! Parts of a stream, of the length that an upload takes.

use bytes::Bytes;
use futures_util::{TryStreamExt, stream::BoxStream};

use super::budget::Room;
use crate::ports::Fault;

/// Reads until the room is full or the stream ends; what came beyond it is left in `over`. A part that
/// arrived in one piece is not copied.
pub(super) async fn read_part(
    body: &mut BoxStream<'static, Result<Bytes, Fault>>,
    over: &mut Bytes,
    room: &Room,
) -> Result<Bytes, Fault> {
    let length = room.length();
    let mut first = take_next(body, over).await?;
    if first.len() >= length {
        *over = first.split_off(length);
        return Ok(first);
    }
    let mut part = room.buffer();
    part.extend_from_slice(&first);
    while part.len() < length {
        let mut next = take_next(body, over).await?;
        if next.is_empty() {
            break;
        }
        *over = next.split_off(next.len().min(length - part.len()));
        part.extend_from_slice(&next);
    }
    Ok(room.filled(part))
}

/// The bytes left over, else the next ones of the stream; empty at its end.
async fn take_next(
    body: &mut BoxStream<'static, Result<Bytes, Fault>>,
    over: &mut Bytes,
) -> Result<Bytes, Fault> {
    if !over.is_empty() {
        return Ok(std::mem::take(over));
    }
    while let Some(bytes) = body.try_next().await? {
        if !bytes.is_empty() {
            return Ok(bytes);
        }
    }
    Ok(Bytes::new())
}
