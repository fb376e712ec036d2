//! Parts of a stream, of the length that an upload takes.

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt, stream::BoxStream};

use crate::ports::Fault;

/// Reads until the part is full or the stream ends; what came beyond the part is left in `over`. A part that
/// arrived in one piece is not copied.
pub(super) async fn read_part(
    body: &mut BoxStream<'static, Result<Bytes, Fault>>,
    over: &mut Bytes,
    length: usize,
) -> Result<Bytes, Fault> {
    let mut first = take_next(body, over).await?;
    if first.len() >= length {
        *over = first.split_off(length);
        return Ok(first);
    }
    let mut part = BytesMut::with_capacity(length);
    part.extend_from_slice(&first);
    while part.len() < length {
        let mut next = take_next(body, over).await?;
        if next.is_empty() {
            break;
        }
        *over = next.split_off(next.len().min(length - part.len()));
        part.extend_from_slice(&next);
    }
    Ok(part.freeze())
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
