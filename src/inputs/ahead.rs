//! The bytes of a file, read and hashed on a task of their own: while one piece is decoded and parsed, the next ones are on
//! their way.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::task::AbortOnDropHandle;

use super::source::{Fingerprint, Hasher};
use crate::ports::{Fault, joined};

/// Pieces that wait to be parsed.
const WAITING: usize = 4;

/// Pieces of a file, in order. Dropped, it reads no more.
pub(super) struct Ahead {
    pieces: Receiver<Result<Bytes, Fault>>,
    reading: Option<AbortOnDropHandle<Hasher>>,
    hashed: Hasher,
}

impl Ahead {
    /// Begins to read.
    pub(super) fn of(bytes: BoxStream<'static, Result<Bytes, Fault>>) -> Self {
        let (to, pieces) = channel(WAITING);
        let reading = AbortOnDropHandle::new(tokio::spawn(read(bytes, to)));
        Self { pieces, reading: Some(reading), hashed: Hasher::default() }
    }

    /// The next piece; `None` at the end, and after a fault.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        if let Some(piece) = self.pieces.recv().await {
            return piece.map(Some);
        }
        if let Some(reading) = self.reading.take() {
            self.hashed = joined(reading).await;
        }
        Ok(None)
    }

    /// What pins the bytes, once [`Self::next`] has reached their end.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.hashed.clone().finish()
    }
}

/// Returns what was read, hashed.
async fn read(
    mut bytes: BoxStream<'static, Result<Bytes, Fault>>,
    to: Sender<Result<Bytes, Fault>>,
) -> Hasher {
    let mut hasher = Hasher::default();
    while let Some(piece) = bytes.next().await {
        let last = piece.is_err();
        if let Ok(piece) = &piece {
            hasher.update(piece);
        }
        if to.send(piece).await.is_err() || last {
            break;
        }
    }
    hasher
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::ports::{FaultKind, Service};

    fn ahead(pieces: Vec<Result<&'static str, FaultKind>>) -> Ahead {
        let pieces = pieces
            .into_iter()
            .map(|piece| piece.map(Bytes::from).map_err(|kind| Fault::new(Service::Inputs, kind, "planted")));
        Ahead::of(stream::iter(pieces).boxed())
    }

    #[tokio::test]
    async fn all_pieces_come_in_order_and_are_hashed() {
        let mut pieces = ahead(vec![Ok("a"); 3 * WAITING]);
        let mut read = Vec::new();
        while let Some(piece) = pieces.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, [b'a'; 3 * WAITING]);
        let mut hasher = Hasher::default();
        hasher.update(&read);
        assert_eq!(pieces.fingerprint(), hasher.finish());
        assert!(pieces.next().await.unwrap().is_none(), "the end stays the end");
    }

    #[tokio::test]
    async fn what_was_read_before_a_fault_comes_before_it() {
        let mut pieces = ahead(vec![Ok("a"), Err(FaultKind::Unavailable), Ok("never")]);
        assert_eq!(pieces.next().await.unwrap().unwrap(), "a");
        assert_eq!(pieces.next().await.unwrap_err().kind, FaultKind::Unavailable);
        assert!(pieces.next().await.unwrap().is_none());
    }
}
