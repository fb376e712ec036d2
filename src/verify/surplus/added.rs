//! What the application added to a submission of the run, told from what the run itself may have written.

use std::collections::{BTreeMap, BTreeSet};

use super::SurplusRow;
use crate::{
    domain::{AttemptId, SubmissionIds},
    ports::{Fault, Lookup, StoredTarget, Table},
    verify::{findings::Kind, rows::is_newer},
};

/// Attempts whose rows are looked up at a time.
const AT_A_TIME: usize = 300;
/// The tables in which the run writes a row of every submission.
const OF_A_SUBMISSION: [Table; 6] = [
    Table::LaunchSessions,
    Table::SessionRecords,
    Table::Submissions,
    Table::Files,
    Table::Assignments,
    Table::Grades,
];

/// Of the rows that no program of the run is known to have written, leaves as [`Kind::Added`] those of transactions after the
/// run's commit. The oldest of the submission's own rows that stand tells which that was.
pub async fn settle(
    target: &dyn StoredTarget,
    unreadable: &BTreeSet<Table>,
    lms_instance: &str,
    rows: &mut [SurplusRow],
) -> Result<(), Fault> {
    let added = |row: &&mut SurplusRow| row.kind == Kind::Added;
    let attempts: BTreeSet<AttemptId> = rows.iter_mut().filter(added).filter_map(|row| row.attempt).collect();
    let attempts: Vec<AttemptId> = attempts.into_iter().collect();
    let mut commits = BTreeMap::new();
    for some in attempts.chunks(AT_A_TIME) {
        oldest(target, unreadable, lms_instance, some, &mut commits).await?;
    }
    for row in rows.iter_mut().filter(added) {
        let commit = row.attempt.and_then(|attempt| commits.get(&attempt));
        if !commit.is_some_and(|commit| is_newer(row.transaction, *commit)) {
            row.kind = Kind::Surplus;
        }
    }
    Ok(())
}

/// The transaction that wrote the oldest of each attempt's own rows.
async fn oldest(
    target: &dyn StoredTarget,
    unreadable: &BTreeSet<Table>,
    lms_instance: &str,
    attempts: &[AttemptId],
    oldest: &mut BTreeMap<AttemptId, u32>,
) -> Result<(), Fault> {
    let mut of = BTreeMap::new();
    let mut lookups = Vec::new();
    for table in OF_A_SUBMISSION.into_iter().filter(|table| !unreadable.contains(table)) {
        let ids = attempts.iter().map(|attempt| {
            let id = SubmissionIds::new(lms_instance, *attempt).row(table.name(), 1);
            of.insert(id.clone(), *attempt);
            id
        });
        lookups.push(Lookup { table, key: "id", values: ids.collect() });
    }
    for row in target.rows(&lookups).await?.into_iter().flatten() {
        let Some(attempt) = of.get(row.id()) else { continue };
        let known = oldest.entry(*attempt).or_insert(row.transaction);
        if is_newer(*known, row.transaction) {
            *known = row.transaction;
        }
    }
    Ok(())
}
