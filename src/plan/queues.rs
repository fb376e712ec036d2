//! The queue and facts files: written to a temporary file, hashed on the way, then stored.

use std::{
    io::{self, BufWriter, Write},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::NamedTempFile;

use super::{draft::Draft, facts::FactSpool, spool::no_room};
use crate::{
    domain::ShardIndex,
    inputs::Hasher,
    ports::{Fault, PutOptions},
    run::{PlanId, RunStore, ShardPlan, names},
};

/// Shards written at a time.
const UNDER_WAY: usize = 4;

/// Writes the files of every shard; what the plan keeps of each, in order.
pub async fn write(
    store: &RunStore,
    plan_id: &PlanId,
    shards: u32,
    draft: &Arc<Draft>,
    facts: Option<&Arc<FactSpool>>,
) -> Result<Vec<ShardPlan>, Fault> {
    stream::iter(0..shards)
        .map(|shard| write_shard(store, plan_id, ShardIndex(shard), shards, draft, facts))
        .buffered(UNDER_WAY)
        .try_collect()
        .await
}

/// The names of every file that [`write`] writes.
pub fn written(plan_id: &PlanId, shards: u32) -> Vec<String> {
    (0..shards)
        .map(ShardIndex)
        .flat_map(|shard| [names::queue(plan_id, shard), names::facts(plan_id, shard)])
        .collect()
}

async fn write_shard(
    store: &RunStore,
    plan_id: &PlanId,
    shard: ShardIndex,
    shards: u32,
    draft: &Arc<Draft>,
    facts: Option<&Arc<FactSpool>>,
) -> Result<ShardPlan, Fault> {
    let rows = draft.queue(shard, shards).count() as u64;
    let of = Arc::clone(draft);
    let queue = file(move |out| {
        for index in of.queue(shard, shards) {
            serde_json::to_writer(&mut *out, &of.queued(index)?)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    });
    let queue_sha256 = put(store, &names::queue(plan_id, shard), queue.await?).await?;
    let mut facts_sha256 = None;
    if let Some(facts) = facts {
        let (of, facts) = (Arc::clone(draft), Arc::clone(facts));
        let facts = file(move |out| facts.write(&of, shard, out));
        facts_sha256 = Some(put(store, &names::facts(plan_id, shard), facts.await?).await?);
    }
    Ok(ShardPlan { rows, queue_sha256, facts_sha256 })
}

/// A temporary file with what `fill` writes, and its SHA-256.
async fn file(
    fill: impl FnOnce(&mut Hashed) -> io::Result<()> + Send + 'static,
) -> Result<(NamedTempFile, String), Fault> {
    let filled = tokio::task::spawn_blocking(move || {
        let mut out = Hashed { file: BufWriter::new(NamedTempFile::new()?), hasher: Hasher::default() };
        fill(&mut out)?;
        let written = out.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((written, out.hasher.finish().sha256))
    });
    filled.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked))).map_err(no_room)
}

async fn put(store: &RunStore, name: &str, (file, sha256): (NamedTempFile, String)) -> Result<String, Fault> {
    let options = PutOptions::create("application/x-ndjson");
    store.blobs().put_file(&store.path(name), file.path(), &options).await?;
    Ok(sha256)
}

struct Hashed {
    file: BufWriter<NamedTempFile>,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
