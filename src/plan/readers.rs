//! How a shard reads what the plan wrote for it: its rows and, where there are facts files, their facts.

use std::marker::PhantomData;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{TryStreamExt, stream::BoxStream};
use serde::de::DeserializeOwned;

use crate::{
    domain::{AttemptFacts, AttemptId, Facts, Plan, QueuedRow, ShardIndex, ShardPlan},
    inputs::Hasher,
    ports::{Fault, FaultKind, Service},
    run_store::{RunStore, names},
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

/// The rows of one shard, newest first.
pub struct QueueReader(JsonLines<QueuedRow>);

impl QueueReader {
    /// Opens the shard's queue.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Self, Fault> {
        let sha256 = shard_plan(store, plan, shard)?.queue_sha256.clone();
        open(store, &names::queue(&plan.id, shard), sha256).await.map(Self)
    }

    /// The next row; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<QueuedRow>, Fault> {
        self.0.next().await
    }
}

/// The facts of one shard's attempts, in the order of its queue.
pub struct FactsReader {
    lines: JsonLines<AttemptFacts>,
    shard: ShardIndex,
}

impl FactsReader {
    /// Opens the shard's facts file; `None` where the plan has none and the warehouse is asked.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Option<Self>, Fault> {
        let Some(sha256) = shard_plan(store, plan, shard)?.facts_sha256.clone() else { return Ok(None) };
        let lines = open(store, &names::facts(&plan.id, shard), sha256).await?;
        Ok(Some(Self { lines, shard }))
    }

    /// The facts of `attempt`, which follows in the queue on those asked for before; attempts between
    /// may be left out. Rows that the plan marks as duplicate or held have none here and are not
    /// to be asked for.
    pub async fn of(&mut self, attempt: AttemptId) -> Result<Facts, Fault> {
        while let Some(line) = self.lines.next().await? {
            if line.attempt == attempt {
                return Ok(line.facts);
            }
        }
        let what = format!(
            "the facts file of shard {} holds nothing for attempt {attempt} from where it was read on; this is a bug: please report it",
            self.shard
        );
        Err(Fault::new(Service::RunStore, FaultKind::Corrupt, what))
    }

    /// Reads to the end, which proves that the file is as planned.
    pub async fn finish(mut self) -> Result<(), Fault> {
        while self.lines.next().await?.is_some() {}
        Ok(())
    }
}

fn shard_plan<'a>(store: &RunStore, plan: &'a Plan, shard: ShardIndex) -> Result<&'a ShardPlan, Fault> {
    usize::try_from(shard.0).ok().and_then(|index| plan.shards.get(index)).ok_or_else(|| {
        let what = format!(
            "there is no shard {shard} in run {}: its plan has {}, counted from 0; check --shard",
            store.run(),
            plan.shards.len()
        );
        Fault::new(Service::RunStore, FaultKind::Misconfigured, what)
    })
}

async fn open<T: DeserializeOwned>(
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
