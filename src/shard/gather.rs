//! Gather: everything a decision needs, fetched for a whole chunk at once.

use std::collections::HashMap;

use crate::{
    domain::{AttemptId, Facts, QueuedRow, SubmissionIds},
    exit::Stop,
    ports::{HeldSubmission, Service},
};

use super::{
    Shard, WorkerServices,
    feed::{Chunk, FedRow, needs_facts},
    pace::Trouble,
};

/// A row with all that its decision needs.
pub struct GatheredRow {
    /// The row; its `held_launch_id` is set where another run or program migrated the attempt.
    pub row: QueuedRow,
    /// What the warehouse holds.
    pub facts: Facts,
    /// What this run itself wrote for the attempt, before a crash or in a twin process.
    pub written: Option<HeldSubmission>,
    /// The launch id of a launch session that stands in the row's way: no submission belongs to it.
    pub lone_launch_session: Option<String>,
}

/// Gathers a chunk: what the target holds, then what the warehouse holds.
pub async fn gather(
    shard: &Shard,
    services: &WorkerServices,
    chunk: Chunk,
) -> Result<Vec<GatheredRow>, Trouble> {
    let mut held = held(shard, services, &chunk).await?;
    let mut rows = Vec::with_capacity(chunk.len());
    let mut asked = Vec::new();
    for FedRow { mut row, facts } in chunk {
        let found = row.attempt.filter(|_| needs_facts(&row)).and_then(|attempt| held.remove(&attempt));
        let (mut written, mut lone_launch_session) = (None, None);
        if let Some(found) = found {
            if found.submission_id.is_none() {
                lone_launch_session = Some(found.launch_id);
            } else if shard.pace.steady(&[Service::RunStore], || shard.writers.wrote(&found)).await? {
                written = Some(found);
            } else {
                row.held_launch_id = Some(found.launch_id);
            }
        }
        if facts.is_none() && needs_facts(&row) {
            asked.extend(row.attempt.map(|attempt| (rows.len(), attempt)));
        }
        rows.push(GatheredRow { row, facts: facts.unwrap_or_default(), written, lone_launch_session });
    }
    fill_facts(shard, services, &mut rows, &asked).await?;
    Ok(rows)
}

/// What the target holds under the launch ids of these rows, by attempt.
async fn held(
    shard: &Shard,
    services: &WorkerServices,
    chunk: &Chunk,
) -> Result<HashMap<AttemptId, HeldSubmission>, Trouble> {
    let by_launch_id: HashMap<String, AttemptId> = chunk
        .iter()
        .filter(|fed| needs_facts(&fed.row))
        .filter_map(|fed| fed.row.attempt)
        .map(|attempt| (SubmissionIds::new(&shard.rules.lms_instance, attempt).launch_id(), attempt))
        .collect();
    let launch_ids: Vec<String> = by_launch_id.keys().cloned().collect();
    if launch_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = shard.pace.steady(&[Service::Database], || services.target.held(&launch_ids)).await?;
    Ok(found
        .into_iter()
        .filter_map(|submission| Some((*by_launch_id.get(&submission.launch_id)?, submission)))
        .collect())
}

async fn fill_facts(
    shard: &Shard,
    services: &WorkerServices,
    rows: &mut [GatheredRow],
    asked: &[(usize, AttemptId)],
) -> Result<(), Trouble> {
    let Some(warehouse) = &services.warehouse else { return Ok(()) };
    if asked.is_empty() {
        return Ok(());
    }
    let attempts: Vec<AttemptId> = asked.iter().map(|(_, attempt)| *attempt).collect();
    let answers = shard.pace.steady(&[Service::Warehouse], || warehouse.fetch(&attempts)).await?;
    if answers.len() != attempts.len() {
        let message = format!(
            "the warehouse answered {} attempts of {}; please report it",
            answers.len(),
            attempts.len()
        );
        return Err(Trouble::Process(Stop::new(crate::exit::Exit::Bug, message)));
    }
    for ((place, _), facts) in asked.iter().zip(answers) {
        if let Some(row) = rows.get_mut(*place) {
            row.facts = facts;
        }
    }
    Ok(())
}
