//! A shard's facts file: what the warehouse holds of each row of its queue that needs it, in the queue's order.

use super::{
    Plan, PlanId, RunStore,
    lines::{self, JsonLines, Line},
    names,
    queue::{QueueReader, shard_plan},
};
use crate::{
    domain::{AttemptFacts, AttemptId, Facts, QueuedRow, ShardIndex},
    ports::{Fault, FaultKind, Service},
};

/// Writes the shard's facts file of lines that [`line`] made, in the order of its queue; its SHA-256 (hex), which the plan
/// keeps.
pub async fn write<I>(store: &RunStore, plan: &PlanId, shard: ShardIndex, facts: I) -> Result<String, Fault>
where
    I: Iterator<Item = Result<Line, Fault>> + Send + 'static,
{
    lines::create_from_text(store, &names::facts(plan, shard), facts).await
}

/// The line of an attempt whose reports and scores are JSON text each: as an [`AttemptFacts`] is written.
pub fn line<'t>(
    attempt: AttemptId,
    reports: impl Iterator<Item = &'t [u8]> + Clone,
    scores: impl Iterator<Item = &'t [u8]> + Clone,
) -> Line {
    let size = reports.clone().chain(scores.clone()).map(|text| text.len() + 1).sum::<usize>();
    let mut line = Vec::with_capacity(size + 64);
    line.extend_from_slice(format!("{{\"attempt\":{attempt},\"facts\":{{\"reports\":[").as_bytes());
    list(&mut line, reports);
    line.extend_from_slice(b"],\"scores\":[");
    list(&mut line, scores);
    line.extend_from_slice(b"]}}");
    Line::of_json(line)
}

fn list<'t>(line: &mut Vec<u8>, texts: impl Iterator<Item = &'t [u8]>) {
    for (n, text) in texts.enumerate() {
        if n > 0 {
            line.push(b',');
        }
        line.extend_from_slice(text);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Report, Score, Value};

    #[test]
    fn a_line_of_texts_is_the_line_of_the_facts() {
        let report = |grade: &str| Report { grade: Value::Text(grade.into()), ..Report::default() };
        let score = |score: f64| Score { score: Value::Number(score), ..Score::default() };
        for (reports, scores) in [
            (Vec::new(), Vec::new()),
            (vec![report("Pass")], vec![score(0.1), score(7.0), score(-1e-9)]),
            (vec![report("\"\n]}"), report("é")], Vec::new()),
            (Vec::new(), vec![score(1e300)]),
        ] {
            let facts = Facts { reports, scores };
            let reports: Vec<Vec<u8>> =
                facts.reports.iter().map(|report| serde_json::to_vec(report).unwrap()).collect();
            let scores: Vec<Vec<u8>> =
                facts.scores.iter().map(|score| serde_json::to_vec(score).unwrap()).collect();
            let attempt: AttemptId = "2147483647".parse().unwrap();
            let made = line(attempt, reports.iter().map(Vec::as_slice), scores.iter().map(Vec::as_slice));
            assert_eq!(made.json(), serde_json::to_vec(&AttemptFacts { attempt, facts }).unwrap());
        }
    }
}
