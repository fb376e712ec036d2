//! JSON lines: how the documents of many rows are written and read, and kept on the local disk meanwhile.

mod spool;

use std::{
    io::{BufWriter, Write},
    marker::PhantomData,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;

use crate::{
    inputs::Hasher,
    ports::{Fault, FaultKind, PutOptions, Service, gently, on_thread},
    run::{RunStore, purged},
};

pub use spool::{Buckets, Place, Spool, Spooled, SpooledBuckets, no_room, value_of};

/// Content type of every document of JSON lines.
pub const JSON_LINES: &str = "application/x-ndjson";
/// What to do about a document that is not as it was written.
const ADVICE: &str =
    "not what was written; it was changed or cut: restore it, or start a run with another name";

/// Appends the value as a line. On an error the buffer is as it was.
pub fn push(lines: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let before = lines.len();
    if let Err(error) = serde_json::to_writer(&mut *lines, value) {
        lines.truncate(before);
        return Err(error);
    }
    lines.push(b'\n');
    Ok(())
}

/// A line that is JSON text already: whatever was kept as JSON goes into a document as it is, neither parsed nor written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<u8>);

impl Line {
    /// `json` is one value, written by `serde_json`: it holds no line break.
    pub(super) fn of_json(json: Vec<u8>) -> Self {
        Self(json)
    }

    /// The text, without the line's end.
    pub fn json(&self) -> &[u8] {
        &self.0
    }
}

/// Writes a document of these lines that must not be there yet, through a temporary file; its SHA-256 (hex). Its name is
/// one that no other process writes: what stands there after a broken connection is a part of the same lines.
pub async fn create<T, I>(store: &RunStore, name: &str, lines: I) -> Result<String, Fault>
where
    T: Serialize,
    I: Iterator<Item = Result<T, Fault>> + Send + 'static,
{
    create_by(store, name, lines, |draft, value| draft.push(&value)).await
}

/// As [`create`], from lines that are JSON text.
pub async fn create_from_text<I>(store: &RunStore, name: &str, lines: I) -> Result<String, Fault>
where
    I: Iterator<Item = Result<Line, Fault>> + Send + 'static,
{
    create_by(store, name, lines, |draft, line| draft.push_text(&line)).await
}

async fn create_by<T, I>(
    store: &RunStore,
    name: &str,
    lines: I,
    push: impl Fn(&mut Draft, T) -> Result<(), Fault> + Send + 'static,
) -> Result<String, Fault>
where
    I: Iterator<Item = Result<T, Fault>> + Send + 'static,
{
    let drafted = on_thread(move || {
        let mut draft = Draft::new()?;
        for line in lines {
            push(&mut draft, line?)?;
        }
        draft.finish()
    });
    let (file, sha256) = drafted.await?;
    let (path, mut options) = (store.path(name), PutOptions::create(JSON_LINES));
    gently(|| {
        let options = std::mem::replace(&mut options, PutOptions::replace(JSON_LINES));
        let (path, file) = (&path, file.path());
        async move { store.blobs().put_file(path, file, &options).await }
    })
    .await?;
    Ok(sha256)
}

/// A document of JSON lines that is written on the local disk.
pub struct Draft {
    file: BufWriter<NamedTempFile>,
    hasher: Hasher,
    line: Vec<u8>,
}

impl Draft {
    /// One without lines yet; a disk without room is refused.
    pub fn new() -> Result<Self, Fault> {
        let file = BufWriter::new(NamedTempFile::new().map_err(no_room)?);
        Ok(Self { file, hasher: Hasher::default(), line: Vec::new() })
    }

    /// Adds a line.
    pub fn push(&mut self, value: &impl Serialize) -> Result<(), Fault> {
        self.line.clear();
        push(&mut self.line, value).map_err(|error| no_room(error.into()))?;
        self.hasher.update(&self.line);
        self.file.write_all(&self.line).map_err(no_room)
    }

    /// Adds a line that is JSON text.
    fn push_text(&mut self, Line(json): &Line) -> Result<(), Fault> {
        for part in [json.as_slice(), b"\n"] {
            self.hasher.update(part);
            self.file.write_all(part).map_err(no_room)?;
        }
        Ok(())
    }

    /// The file, and its SHA-256 (hex).
    pub fn finish(self) -> Result<(NamedTempFile, String), Fault> {
        let file = self.file.into_inner().map_err(|error| no_room(error.into_error()))?;
        Ok((file, self.hasher.finish().sha256))
    }
}

/// Opens a document that its planned SHA-256 (hex) pins; [`FaultKind::Corrupt`] if it is gone. A purge of some attempts may
/// have rewritten it: that is looked up at its end, and only if its digest is not the planned one.
pub async fn open<T: DeserializeOwned>(
    store: &RunStore,
    name: &str,
    planned: &str,
) -> Result<JsonLines<T>, Fault> {
    let location = store.describe(name);
    let Some(reader) = store.open(name).await? else {
        let what = format!("{location} is gone: restore it, or start a run with another name");
        return Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what));
    };
    Ok(JsonLines {
        body: reader.body,
        store: store.clone(),
        name: name.to_owned(),
        location,
        planned: planned.to_owned(),
        hasher: Hasher::default(),
        buffer: BytesMut::new(),
        searched: 0,
        line: 0,
        ended: false,
        item: PhantomData,
    })
}

/// A document of JSON lines as a stream; its end proves all bytes.
pub struct JsonLines<T> {
    body: BoxStream<'static, Result<Bytes, Fault>>,
    store: RunStore,
    name: String,
    location: String,
    planned: String,
    hasher: Hasher,
    buffer: BytesMut,
    searched: usize,
    line: usize,
    ended: bool,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    /// The next line; `None` at the end, once the digest is as expected.
    pub async fn next(&mut self) -> Result<Option<T>, Fault> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end);
                self.buffer.advance(1);
                self.searched = 0;
                self.line += 1;
                return parse(&self.location, self.line, &line).map(Some);
            }
            self.searched = self.buffer.len();
            if self.ended {
                return Ok(None);
            }
            if let Some(piece) = self.body.try_next().await? {
                self.hasher.update(&piece);
                self.buffer.extend_from_slice(&piece);
            } else {
                // After a fault of the proof the next call asks again.
                self.body = stream::empty().boxed();
                self.prove().await?;
                self.ended = true;
            }
        }
    }

    async fn prove(&self) -> Result<(), Fault> {
        let read = self.hasher.clone().finish().sha256;
        if self.buffer.is_empty()
            && (read == self.planned || purged::rewrote(&self.store, &self.name, &read).await?)
        {
            return Ok(());
        }
        let what = format!("{}: {ADVICE}", self.location);
        Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what))
    }
}

/// The lines of a document that is held whole; `before` lines of it were read already.
pub fn parse_all<'l, T: DeserializeOwned>(
    location: &'l str,
    before: usize,
    bytes: &'l [u8],
) -> impl Iterator<Item = Result<T, Fault>> + 'l {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(before + 1..);
    lines.map(move |(line, number)| match line.strip_suffix(b"\n") {
        Some(line) => parse(location, number, line),
        None => Err(damaged(location, number)),
    })
}

/// One line of the document; `number` counts from 1.
pub fn parse<T: DeserializeOwned>(location: &str, number: usize, line: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(line).map_err(|error| {
        // The error's text may quote the line, so only its kind and place are reported.
        let cause = format!("{:?} error at column {}", error.classify(), error.column());
        let Fault { service, kind, what, .. } = damaged(location, number);
        Fault::caused(service, kind, what, cause)
    })
}

/// The line is cut, or not what such a document holds.
pub fn damaged(location: &str, number: usize) -> Fault {
    Fault::new(Service::RunStore, FaultKind::Corrupt, format!("{location}, line {number}: {ADVICE}"))
}
