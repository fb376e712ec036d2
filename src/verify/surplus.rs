//! Rows that stand and should not: which submissions this run migrated, which other ones name their attempts, and one scan of
//! each table beside them.

mod added;
mod failed;
mod own;
mod scan;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    added::settle,
    failed::{BesideFailed, FailedAttempts},
    scan::{Scan, SurplusRow},
};
use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_launch_id},
    ports::{Fault, Link, StoredTarget, Table},
};

/// The number of rows of a submission cannot be said.
const UNKNOWN: u16 = u16::MAX;

/// One submission that this run migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    submission: uuid::Bytes,
    attempt: AttemptId,
    files: u16,
    marks: u16,
}

/// The submissions that this run migrated: 24 bytes each.
#[derive(Debug, Clone, Default)]
pub struct KnownSubmissions(Vec<Known>);

impl KnownSubmissions {
    /// Adds a submission, with the number of its files and marks if they are known.
    pub fn add(
        &mut self,
        ids: &SubmissionIds,
        attempt: AttemptId,
        files: Option<usize>,
        marks: Option<usize>,
    ) {
        let number = |rows: Option<usize>| rows.and_then(|rows| u16::try_from(rows).ok()).unwrap_or(UNKNOWN);
        if let Ok(submission) = ids.row(Table::Submissions.name(), 1).parse::<Uuid>() {
            let submission = submission.into_bytes();
            self.0.push(Known { submission, attempt, files: number(files), marks: number(marks) });
        }
    }

    /// Attempt, files and marks of each, for a state; [`Self::add_again`] takes them back.
    pub fn kept(&self) -> Vec<(AttemptId, u16, u16)> {
        self.0.iter().map(|known| (known.attempt, known.files, known.marks)).collect()
    }

    /// Adds submissions of a state.
    pub fn add_again(&mut self, lms_instance: &str, kept: Vec<(AttemptId, u16, u16)>) {
        for (attempt, files, marks) in kept {
            let number = |rows: u16| (rows != UNKNOWN).then_some(usize::from(rows));
            self.add(&SubmissionIds::new(lms_instance, attempt), attempt, number(files), number(marks));
        }
    }

    /// To be called once all are added.
    pub fn finish(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// The attempt of a submission of this run.
    pub fn attempt(&self, submission: &str) -> Option<AttemptId> {
        self.find(submission).map(|known| known.attempt)
    }

    fn find(&self, submission: &str) -> Option<&Known> {
        self.of_id(submission.parse::<Uuid>().ok()?.into_bytes())
    }

    fn holds(&self, id: uuid::Bytes) -> bool {
        self.of_id(id).is_some()
    }

    fn of_id(&self, id: uuid::Bytes) -> Option<&Known> {
        let at = self.0.binary_search_by_key(&id, |known| known.submission).ok()?;
        self.0.get(at)
    }
}

impl Known {
    /// How many rows of it the table holds; [`UNKNOWN`] if that is not known.
    fn rows(&self, table: Table) -> u16 {
        match table {
            Table::Files => self.files,
            Table::Marks => self.marks,
            _ => 1,
        }
    }
}

/// Submissions under launch ids that name an attempt, other than the one that this program derives for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OtherSubmissions(BTreeMap<AttemptId, Vec<(String, String)>>);

impl OtherSubmissions {
    /// Reads the launch ids of all submissions once.
    pub async fn read(target: &dyn StoredTarget, lms_instance: &str) -> Result<Self, Fault> {
        let mut others = Self::default();
        let mut each = |links: Vec<Link>| {
            for link in links {
                let launch_id = link.parent.unwrap_or_default();
                let Some(attempt) = attempt_of_launch_id(&launch_id) else { continue };
                let ids = SubmissionIds::new(lms_instance, attempt);
                // The attempt's own one is looked up by its id, whatever launch id it has.
                if ids.row(Table::Submissions.name(), 1) != link.id {
                    others.0.entry(attempt).or_default().push((link.id, launch_id));
                }
            }
        };
        target.links(Table::Submissions, &mut each).await?;
        Ok(others)
    }

    /// Whether there is one of the attempt.
    pub fn has(&self, attempt: AttemptId) -> bool {
        self.0.contains_key(&attempt)
    }

    /// Those of an attempt whose row failed. `may_be_older`: whether one under this launch id may have stood before the run.
    pub fn beside_failed(
        &self,
        attempt: AttemptId,
        may_be_older: impl Fn(&str) -> bool,
    ) -> Vec<BesideFailed> {
        let of = self.0.get(&attempt).map(Vec::as_slice).unwrap_or_default();
        let beside = |(submission, launch_id): &(String, String)| BesideFailed {
            attempt,
            submission: submission.clone(),
            launch_id: launch_id.clone(),
            may_be_older: may_be_older(launch_id),
        };
        of.iter().map(beside).collect()
    }

    /// Whether there is one under this launch id.
    pub fn is_under(&self, attempt: AttemptId, launch_id: &str) -> bool {
        self.0.get(&attempt).is_some_and(|others| others.iter().any(|(_, other)| other == launch_id))
    }
}
