//! A shard's queue: its rows as the plan froze them, newest first, a JSON line each.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{
    Plan, PlanId, RunStore, ShardPlan,
    lines::{self, JsonLines, Line, no_room},
    names,
};
use crate::{
    domain::{QueuedRow, ShardIndex, SubmissionRow},
    ports::{Fault, FaultKind, Service},
};

/// Writes the shard's queue of lines that [`line`] made; its SHA-256 (hex), which the plan keeps.
pub async fn write<I>(store: &RunStore, plan: &PlanId, shard: ShardIndex, rows: I) -> Result<String, Fault>
where
    I: Iterator<Item = Result<Line, Fault>> + Send + 'static,
{
    lines::create_from_text(store, &names::queue(plan, shard), rows).await
}

/// Bytes of the cells of a row that are all empty.
static BLANK_CELLS: LazyLock<usize> =
    LazyLock::new(|| serde_json::to_vec(&SubmissionRow::<&str>::default()).map_or(0, |blank| blank.len()));

/// The line of a row whose cells are JSON text, as a plan's spool holds them: what `row` has in their place is not written.
pub fn line(row: QueuedRow, cells: &[u8]) -> Result<Line, Fault> {
    let row = QueuedRow { cells: SubmissionRow::default(), ..row };
    let mut line = serde_json::to_vec(&row).map_err(|error| no_room(error.into()))?;
    // The cells are the last field, and the last byte closes the row.
    line.truncate(line.len().saturating_sub(*BLANK_CELLS + 1));
    line.reserve_exact(cells.len() + 1);
    line.extend_from_slice(cells);
    line.push(b'}');
    Ok(Line::of_json(line))
}

/// The rows of one shard, newest first.
pub struct QueueReader(JsonLines<QueuedRow>);

impl QueueReader {
    /// Opens the shard's queue.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Self, Fault> {
        let planned = &shard_plan(store, plan, shard)?.queue_sha256;
        lines::open(store, &names::queue(&plan.id, shard), planned).await.map(Self)
    }

    /// The next row; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<QueuedRow>, Fault> {
        self.0.next().await
    }
}

/// The numbers of one shard's rows, newest first, without their cells.
pub struct NumbersReader(JsonLines<Numbered>);

/// The rest of a queued row is not needed.
#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

impl NumbersReader {
    /// Opens the shard's queue; `None` if it is gone, as after a run that is complete.
    pub async fn open(store: &RunStore, plan: &Plan, shard: ShardIndex) -> Result<Option<Self>, Fault> {
        let planned = &shard_plan(store, plan, shard)?.queue_sha256;
        let name = names::queue(&plan.id, shard);
        if !store.exists(&name).await? {
            return Ok(None);
        }
        lines::open(store, &name, planned).await.map(|lines| Some(Self(lines)))
    }

    /// The next row's number; `None` at the end, once the queue's digest is as planned.
    pub async fn next(&mut self) -> Result<Option<u64>, Fault> {
        Ok(self.0.next().await?.map(|row| row.number))
    }
}

/// What the plan keeps of the shard.
pub(super) fn shard_plan<'a>(
    store: &RunStore,
    plan: &'a Plan,
    shard: ShardIndex,
) -> Result<&'a ShardPlan, Fault> {
    plan.shard(shard).ok_or_else(|| {
        let what = format!(
            "there is no shard {shard} in run {}: its plan has {}, counted from 0; check --shard",
            store.run(),
            plan.shards.len()
        );
        Fault::new(Service::RunStore, FaultKind::Misconfigured, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ListedFile, Mapping, MappingState};

    #[test]
    fn a_line_whose_cells_are_text_is_the_line_of_the_whole_row() {
        let blank = QueuedRow {
            number: 7,
            attempt: None,
            newer_row: None,
            held_launch_id: None,
            held_submission_id: None,
            excluded: None,
            earlier: None,
            withdrawn: None,
            mapping: MappingState::Missing,
            listed: Vec::new(),
            cells: SubmissionRow::default(),
        };
        let cells = SubmissionRow {
            first_name: "\u{1}\"Zoë\\\n".into(),
            learner_email: "a@b.example".into(),
            marker_blob_urls: "{\"cells\":\"}".into(),
            ..SubmissionRow::default()
        };
        let mapping = Mapping { unit_version: "24_01".into(), submission: "\"cells\":{}".into() };
        let listed =
            ListedFile { order: 1, size_bytes: 2, etag: "\"0x1\"".into(), md5: None, content_encoding: None };
        let full = QueuedRow {
            attempt: "9".parse().ok(),
            newer_row: Some(8),
            held_launch_id: Some("rogo_9_1".into()),
            excluded: Some("why".into()),
            mapping: MappingState::Found(mapping),
            listed: vec![listed],
            cells: cells.clone(),
            ..blank.clone()
        };
        for row in [blank, full] {
            let text = serde_json::to_vec(&row.cells).unwrap();
            let whole = serde_json::to_vec(&row).unwrap();
            assert_eq!(line(row, &text).unwrap().json(), whole, "{}", String::from_utf8_lossy(&whole));
        }
    }
}
