//! Rows that stand and should not: one scan of each table looks for rows of this run's submissions that no outcome
//! explains, and for a second submission of an attempt.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    findings::{Difference, Kind},
    table::CheckId,
};
use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_launch_id},
    ports::{Fault, Link, StoredTarget, Table},
    run::{WriterId, writers::of_blob},
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
        let id = submission.parse::<Uuid>().ok()?.into_bytes();
        let at = self.0.binary_search_by_key(&id, |known| known.submission).ok()?;
        self.0.get(at)
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
                if ids.launch_id() != launch_id || ids.row(Table::Submissions.name(), 1) != link.id {
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

    /// Whether there is one under this launch id.
    pub fn is_under(&self, attempt: AttemptId, launch_id: &str) -> bool {
        self.0.get(&attempt).is_some_and(|others| others.iter().any(|(_, other)| other == launch_id))
    }
}

/// What a scan compares with.
pub struct Scan<'a> {
    /// The submissions of this run that were verified.
    pub known: &'a KnownSubmissions,
    /// Guid of the LMS instance.
    pub lms_instance: &'a str,
    /// The writers of this run; empty if only some of its rows are verified.
    pub writers: &'a BTreeSet<WriterId>,
    /// When the plan was made: a launch session of before is not of this run.
    pub planned_at: DateTime<Utc>,
}

/// A row that stands and should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurplusRow {
    /// The attempt that it belongs to, as far as it names one.
    pub attempt: Option<AttemptId>,
    /// Table that it stands in.
    pub table: Table,
    /// Id of the row.
    pub id: String,
}

impl SurplusRow {
    /// What is reported about it.
    pub fn difference(&self) -> Difference {
        let issue = format!("{} {}: no outcome of this run names the row", self.table.name(), self.id);
        Difference { check: CheckId::NothingSurplus, kind: Kind::Surplus, issue, values: None }
    }
}

impl Scan<'_> {
    /// The tables that are scanned. Grades are looked up by their unique submission, and so can have no second row.
    pub const TABLES: [Table; 5] =
        [Table::LaunchSessions, Table::SessionRecords, Table::Files, Table::Assignments, Table::Marks];

    /// Reads every row of the table; the number read, and those that should not stand.
    pub async fn table(
        &self,
        target: &dyn StoredTarget,
        table: Table,
    ) -> Result<(u64, Vec<SurplusRow>), Fault> {
        let (mut read, mut found) = (0, Vec::new());
        let mut each = |links: Vec<Link>| {
            read += links.len() as u64;
            for link in links {
                if let Some(attempt) = self.surplus(table, &link) {
                    found.push(SurplusRow { attempt, table, id: link.id });
                }
            }
        };
        target.links(table, &mut each).await?;
        Ok((read, found))
    }

    /// The attempt of a row that should not stand, if it names one; `None` for a row that may.
    #[expect(clippy::option_option, reason = "a surplus row may name no attempt")]
    fn surplus(&self, table: Table, link: &Link) -> Option<Option<AttemptId>> {
        let parent = link.parent.as_deref().unwrap_or_default();
        if matches!(table, Table::LaunchSessions | Table::SessionRecords) {
            return self.surplus_by_launch_id(link, parent).map(Some);
        }
        if let Some(known) = self.known.find(parent) {
            let rows = match table {
                Table::Files => known.files,
                Table::Marks => known.marks,
                _ => 1,
            };
            let ids = SubmissionIds::new(self.lms_instance, known.attempt);
            let is_derived = (1..=usize::from(rows)).any(|n| ids.row(table.name(), n) == link.id);
            return (rows != UNKNOWN && !is_derived).then_some(Some(known.attempt));
        }
        let writer = link.blob.as_deref().and_then(of_blob)?;
        self.writers.contains(&writer).then_some(None)
    }

    /// A session under another launch id of the attempt, made since the plan. Under its own one the row is looked up.
    fn surplus_by_launch_id(&self, link: &Link, launch_id: &str) -> Option<AttemptId> {
        let attempt = attempt_of_launch_id(launch_id)?;
        let ids = SubmissionIds::new(self.lms_instance, attempt);
        let is_ours = self.known.attempt(&ids.row(Table::Submissions.name(), 1)).is_some();
        let since_plan = link.created_at.is_none_or(|at| at >= self.planned_at);
        (is_ours && since_plan && ids.launch_id() != launch_id).then_some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_an_outcome_explains_may_stand_under_a_submission_of_the_run() {
        let attempt: AttemptId = "987".parse().unwrap();
        let ids = SubmissionIds::new("X", attempt);
        let mut known = KnownSubmissions::default();
        known.add(&ids, attempt, Some(2), None);
        known.finish();
        let writers: BTreeSet<WriterId> = ["0123456789ab".parse().unwrap()].into();
        let scan =
            Scan { known: &known, lms_instance: "X", writers: &writers, planned_at: DateTime::UNIX_EPOCH };
        let submission = ids.row("assignment_submissions", 1);
        let link = |id: &str, parent: &str, blob: Option<&str>| Link {
            id: id.into(),
            parent: Some(parent.into()),
            blob: blob.map(str::to_owned),
            created_at: None,
        };
        let file = |n| ids.row("submission_files", n);
        assert_eq!(scan.surplus(Table::Files, &link(&file(2), &submission, None)), None);
        assert_eq!(scan.surplus(Table::Files, &link(&file(3), &submission, None)), Some(Some(attempt)));
        assert_eq!(
            scan.surplus(Table::Files, &link("x", "other", Some("LTI_Uploads/0123456789ab/1_1_a"))),
            Some(None)
        );
        assert_eq!(
            scan.surplus(Table::Files, &link("x", "other", Some("LTI_Uploads/0123456789ac/1_1_a"))),
            None
        );
        // How many marks there are is not known.
        assert_eq!(scan.surplus(Table::Marks, &link("x", &submission, None)), None);
        assert_eq!(scan.surplus(Table::Assignments, &link("x", &submission, None)), Some(Some(attempt)));
        assert_eq!(scan.surplus(Table::LaunchSessions, &link("x", &ids.launch_id(), None)), None);
        assert_eq!(scan.surplus(Table::LaunchSessions, &link("x", "rogo_986_x", None)), None);
        assert_eq!(scan.surplus(Table::LaunchSessions, &link("x", "rogo_987_x", None)), Some(Some(attempt)));
    }
}
