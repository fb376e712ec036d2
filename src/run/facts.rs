//! A shard's facts file: what the warehouse holds of each row of its queue that needs it, in the queue's order.

use super::{
    Plan, PlanId, RunStore,
    lines::{self, JsonLines},
    names,
    queue::{QueueReader, shard_plan},
};
use crate::{
    domain::{AttemptFacts, AttemptId, Facts, QueuedRow, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// Writes the shard's facts file, in the order of its queue; its SHA-256 (hex), which the plan keeps.
pub async fn write<I>(store: &RunStore, plan: &PlanId, shard: ShardIndex, facts: I) -> Result<String, Fault>
where
    I: Iterator<Item = Result<AttemptFacts, Fault>> + Send + 'static,
{
    lines::create(store, &names::facts(plan, shard), facts).await
}

/// The facts of one shard's attempts, in the order of its queue.
pub struct FactsReader {
    lines: JsonLines<AttemptFacts>,
    shard: ShardIndex,
}

impl FactsReader {
    /// Opens the shard's facts file; `None` if the plan has none and the warehouse is asked.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Option<Self>, Fault> {
        let Some(planned) = &shard_plan(store, plan, shard)?.facts_sha256 else { return Ok(None) };
        let lines = lines::open(store, &names::facts(&plan.id, shard), planned).await?;
        Ok(Some(Self { lines, shard }))
    }

    /// The facts of `attempt`, which follows in the queue on those asked for before; attempts between
    /// may be left out. Rows that need none (`rules::needs_facts`) have none here and are not to be
    /// asked for.
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
    pub async fn finish(&mut self) -> Result<(), Fault> {
        while self.lines.next().await?.is_some() {}
        Ok(())
    }
}

/// The rows of one shard, newest first, each with its facts if the plan made facts files.
pub struct QueueWithFacts {
    queue: QueueReader,
    facts: Option<FactsReader>,
}

impl QueueWithFacts {
    /// Opens both files, so that a missing one is found before the first row.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Self, Fault> {
        let queue = QueueReader::open(store, plan, shard).await?;
        Ok(Self { queue, facts: FactsReader::open(store, plan, shard).await? })
    }

    /// Passes over rows; their facts need not be read.
    pub async fn skip(&mut self, rows: u64) -> Result<(), Fault> {
        for _ in 0..rows {
            self.queue.next().await?;
        }
        Ok(())
    }

    /// The next row; `None` at the end, once the digests of both files are as planned.
    pub async fn next(
        &mut self,
        needs_facts: impl Fn(&QueuedRow) -> bool,
    ) -> Result<Option<(QueuedRow, Option<Facts>)>, Fault> {
        let Some(row) = self.queue.next().await? else {
            if let Some(facts) = &mut self.facts {
                facts.finish().await?;
            }
            return Ok(None);
        };
        let facts = match (&mut self.facts, row.attempt) {
            (Some(reader), Some(attempt)) if needs_facts(&row) => Some(reader.of(attempt).await?),
            _ => None,
        };
        Ok(Some((row, facts)))
    }
}
