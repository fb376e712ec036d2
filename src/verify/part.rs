//! What was found in one partition of the rows: written to the verify store, and read by the process that merges.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    content::Read,
    enforcement::{Key, Receipted, Rule},
    facts::SharedLines,
    findings::Lack,
    nothing::Nothing,
    pass::Passed,
    surplus::FailedAttempts,
    table::CheckId,
};
use crate::domain::{AttemptId, Digest, ShardIndex};

/// The first look at a partition. Values and texts are not kept: what differs is looked at again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its place among the partitions.
    pub part: usize,
    /// When its first row was looked at (UTC).
    pub began_at: DateTime<Utc>,
    /// When its last row was (UTC).
    pub at: DateTime<Utc>,
    /// Rows with an outcome that were looked at.
    pub rows: u64,
    fates: [u64; 3],
    met: Vec<AttemptId>,
    compared: Vec<(CheckId, u64)>,
    lacking: Vec<(CheckId, Lack, u64)>,
    #[serde(default)]
    nothing: Vec<(CheckId, Nothing, u64)>,
    /// Attempt, files and marks of each submission that this run migrated.
    known: Vec<(AttemptId, u16, u16)>,
    failed: FailedAttempts,
    rules: Vec<(Key, Rule)>,
    receipted: Vec<Receipted>,
    unknown_rules: u64,
    /// What enters the run's receipt of each row with an outcome, in the order of rows, with its shard.
    pub digests: Vec<(ShardIndex, Digest)>,
    /// What was read of the files of its rows, at level content.
    pub read: Option<Read>,
    /// The file with a [`super::content::manifest::ManifestLine`] for each file that was read, if there is one.
    pub manifest: Option<SharedLines>,
    /// Row and check of each difference.
    pub differences: Vec<(u64, CheckId)>,
}

impl Part {
    /// What a pass over the rows of one partition leaves.
    pub fn new(
        part: usize,
        began_at: DateTime<Utc>,
        passed: Passed,
        digests: Vec<(ShardIndex, Digest)>,
        differences: Vec<(u64, CheckId)>,
    ) -> Self {
        let Passed { tally, known, failed, rules } = passed;
        Self {
            part,
            began_at,
            at: Utc::now(),
            rows: tally.rows,
            fates: tally.fates,
            compared: tally.all_compared().collect(),
            nothing: tally.nothing.into_iter().map(|((check, why), rows)| (check, why, rows)).collect(),
            lacking: tally.lacking.into_iter().map(|((check, lack), rows)| (check, lack, rows)).collect(),
            met: tally.met.into_iter().collect(),
            known: known.kept(),
            failed,
            rules: rules.newest.into_iter().collect(),
            receipted: rules.receipted,
            unknown_rules: rules.unknown,
            digests,
            read: None,
            manifest: None,
            differences,
        }
    }

    /// Adds it to what the parts before it leave; its differences stay.
    pub fn add_to(&mut self, all: &mut Passed, lms_instance: &str) {
        let tally = &mut all.tally;
        tally.rows += self.rows;
        for (all, of_part) in tally.fates.iter_mut().zip(self.fates) {
            *all += of_part;
        }
        tally.met.extend(self.met.drain(..));
        for (check, rows) in self.compared.drain(..) {
            tally.compare(check, rows);
        }
        for (check, lack, rows) in self.lacking.drain(..) {
            tally.lack(check, lack, rows);
        }
        for (check, nothing, rows) in self.nothing.drain(..) {
            tally.nothing(check, nothing, rows);
        }
        all.known.add_again(lms_instance, std::mem::take(&mut self.known));
        all.failed.append(std::mem::take(&mut self.failed));
        for (key, rule) in self.rules.drain(..) {
            all.rules.keep(key, rule);
        }
        all.rules.receipted.append(&mut self.receipted);
        all.rules.unknown += self.unknown_rules;
    }
}
