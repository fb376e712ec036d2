//! JSON lines: a document of the run with one value a line.

use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{TryStreamExt, stream::BoxStream};
use serde::de::DeserializeOwned;

use crate::{
    inputs::Hasher,
    ports::{Fault, FaultKind, Service},
    run::RunStore,
};

/// What to do about a file that is not as it was written.
const ADVICE: &str =
    "not what was written; it was changed or cut: restore it, or start a run with another name";

/// A document of JSON lines as a stream. With a digest, its end proves all bytes.
pub struct JsonLines<T> {
    body: BoxStream<'static, Result<Bytes, Fault>>,
    location: String,
    expected: Option<String>,
    hasher: Hasher,
    buffer: BytesMut,
    searched: usize,
    line: u64,
    ended: bool,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    /// `location` is for people; `sha256` (hex) is compared at the end.
    pub fn new(
        body: BoxStream<'static, Result<Bytes, Fault>>,
        location: String,
        sha256: Option<String>,
    ) -> Self {
        Self {
            body,
            location,
            expected: sha256,
            hasher: Hasher::default(),
            buffer: BytesMut::new(),
            searched: 0,
            line: 0,
            ended: false,
            item: PhantomData,
        }
    }

    /// The next line; `None` at the end, once the digest is as expected.
    pub async fn next(&mut self) -> Result<Option<T>, Fault> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end);
                self.buffer.advance(1);
                self.searched = 0;
                return self.parse(&line).map(Some);
            }
            self.searched = self.buffer.len();
            if self.ended {
                return Ok(None);
            }
            match self.body.try_next().await? {
                Some(piece) => {
                    self.hasher.update(&piece);
                    self.buffer.extend_from_slice(&piece);
                }
                None => self.end()?,
            }
        }
    }

    fn parse(&mut self, line: &[u8]) -> Result<T, Fault> {
        self.line += 1;
        serde_json::from_slice(line).map_err(|error| {
            let what = format!("{}, line {}: {}", self.location, self.line, ADVICE);
            // Its text may quote the line: only the kind and place are told.
            let cause = format!("{:?} error at column {}", error.classify(), error.column());
            Fault::caused(Service::RunStore, FaultKind::Corrupt, what, cause)
        })
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.ended = true;
        let read = std::mem::take(&mut self.hasher).finish().sha256;
        let as_written = self.expected.as_ref().is_none_or(|expected| *expected == read);
        if as_written && self.buffer.is_empty() {
            return Ok(());
        }
        let what = format!("{}: {}", self.location, ADVICE);
        Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what))
    }
}

/// Opens a document of JSON lines that the plan wrote and its digest pins.
pub async fn open<T: DeserializeOwned>(
    store: &RunStore,
    name: &str,
    sha256: String,
) -> Result<JsonLines<T>, Fault> {
    let location = store.describe(name);
    let Some(reader) = store.open(name).await? else {
        let what = format!("{location} is gone: restore it, or start a run with another name");
        return Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what));
    };
    Ok(JsonLines::new(reader.body, location, Some(sha256)))
}
