//! One scan of each table: rows of this run's submissions that no outcome explains, and what belongs to a row that failed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{FailedAttempts, Known, KnownSubmissions, UNKNOWN, failed::FailedScan, own::OwnRows};
use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_launch_id},
    ports::{Fault, Link, StoredTarget, Table},
    run::{
        WriterId,
        lines::{Buckets, SpooledBuckets},
        writers::of_blob,
    },
    verify::{
        findings::{Difference, Kind},
        table::CheckId,
    },
};

/// Rows that are judged together: more wait on disk.
const TOGETHER: usize = 50_000;
/// So often; those beyond are judged with the last ones.
const TIMES: usize = 64;
/// Rows of which it is found out together which have an id of a submission of this run.
const OWN_TOGETHER: usize = 2_000_000;
/// Rows under ids that follow on those of the outcome: a program wrote them, and its outcome was lost.
const MORE_ROWS: usize = 100;

/// What a scan compares with.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
    /// The submissions of this run that were verified.
    pub known: &'a KnownSubmissions,
    /// The attempts whose rows failed, of those that were verified.
    pub failed: &'a FailedAttempts,
    /// Guid of the LMS instance.
    pub lms_instance: &'a str,
    /// The writers of this run.
    pub writers: &'a BTreeSet<WriterId>,
    /// Whether only some rows of the run are verified: a file of this run's writers may belong to another one.
    pub in_part: bool,
    /// When the plan was made: a launch session of before is not of this run.
    pub planned_at: DateTime<Utc>,
    /// When the run's result was made.
    pub ended_at: DateTime<Utc>,
}

/// A row that stands and should not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurplusRow {
    /// The attempt that it belongs to, as far as it names one.
    pub attempt: Option<AttemptId>,
    /// Table that it stands in.
    pub table: Table,
    /// Id of the row.
    pub id: String,
    /// The check that finds it: [`CheckId::FailedAbsent`] for a row of an attempt that failed.
    pub(super) check: CheckId,
    /// [`Kind::Added`] if the run's own programs would not have written it so, else [`Kind::Surplus`].
    pub(super) kind: Kind,
    /// The transaction that wrote it.
    pub(super) transaction: u32,
}

impl SurplusRow {
    /// What is reported about it.
    pub fn difference(&self) -> Difference {
        let why = match (self.check, self.kind) {
            (CheckId::FailedAbsent, _) => "belongs to an attempt whose row failed",
            (_, Kind::Added) => "no outcome of this run names the row, which was written after the commit",
            _ => "no outcome of this run names the row",
        };
        let issue = format!("{} {}: {why}", self.table.name(), self.id);
        Difference { check: self.check, kind: self.kind, issue, values: None }
    }
}

impl<'a> Scan<'a> {
    /// The tables that are scanned, files before the last. Grades are looked up by their id, and have a unique submission: a
    /// second one cannot stand.
    pub const TABLES: [Table; 5] =
        [Table::LaunchSessions, Table::SessionRecords, Table::Files, Table::Assignments, Table::Marks];

    /// What is found of failed rows, which several tables have to say something about.
    pub fn of_failed(&self) -> FailedScan<'a> {
        FailedScan::new(self)
    }

    /// Reads every row of the table; the number read, and on disk those that may not stand ([`Self::surplus`]).
    pub async fn table(
        &self,
        target: &dyn StoredTarget,
        table: Table,
        failed: &mut FailedScan<'_>,
    ) -> Result<(u64, SpooledBuckets), Fault> {
        let mut dealt = Buckets::new(TIMES)?;
        let (mut read, mut found, mut fault) = (0, 0, None);
        let mut each = |links: Vec<Link>| {
            read += links.len() as u64;
            for link in links {
                if let Some((attempt, check)) = self.judge(table, &link, failed) {
                    let kind = if self.may_be_added(table, &link) { Kind::Added } else { Kind::Surplus };
                    let Link { id, transaction, .. } = link;
                    let row = SurplusRow { attempt, table, id, check, kind, transaction };
                    fault = fault.take().or(dealt.push((found / TOGETHER).min(TIMES - 1), &row).err());
                    found += 1;
                }
            }
        };
        target.links(table, &mut each).await?;
        fault.map_or_else(|| Ok((read, dealt.finish()?)), Err)
    }

    /// What [`Self::surplus`] has to know of bucket `first` of [`Self::table`], and of those that follow on it up to
    /// [`OwnRows::end`].
    pub async fn own(&self, table: Table, dealt: &SpooledBuckets, first: usize) -> Result<OwnRows, Fault> {
        OwnRows::of((self.known, self.lms_instance), table, dealt, first, OWN_TOGETHER).await
    }

    /// Those of a bucket of [`Self::table`] that should not stand.
    pub fn surplus(
        &self,
        own: &OwnRows,
        dealt: &SpooledBuckets,
        bucket: usize,
    ) -> Result<Vec<SurplusRow>, Fault> {
        let mut found = Vec::new();
        dealt.read(bucket, |row: SurplusRow| {
            if !own.holds(&row) {
                found.push(row);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The check that finds a row which should not stand, with the attempt that it names, if any; `None` for a row that may.
    fn judge(
        &self,
        table: Table,
        link: &Link,
        failed: &mut FailedScan<'_>,
    ) -> Option<(Option<AttemptId>, CheckId)> {
        if let Some(known) = self.submission(table, link) {
            let rows = known.rows(table);
            let is_surplus = rows != UNKNOWN && !self.is_derived(known, table, link, usize::from(rows));
            return is_surplus.then_some((Some(known.attempt), CheckId::NothingSurplus));
        }
        let (parent, blob) =
            (link.parent.as_deref().unwrap_or_default(), link.blob.as_deref().unwrap_or_default());
        let is_session = is_session(table);
        let of_failed = match table {
            _ if is_session => failed.session(parent, link.created_at),
            Table::Files => failed.file(parent, blob),
            _ => None,
        };
        if let Some(reported) = of_failed {
            return reported.map(|attempt| (Some(attempt), CheckId::FailedAbsent));
        }
        if is_session {
            let attempt = self.surplus_by_launch_id(link, parent)?;
            return Some((Some(attempt), CheckId::NothingSurplus));
        }
        (!self.in_part && self.is_ours(blob)).then_some((None, CheckId::NothingSurplus))
    }

    /// Whether the row stands beside those of a submission of this run, under an id that no program gives, and names no blob of a
    /// writer of the run.
    fn may_be_added(&self, table: Table, link: &Link) -> bool {
        let Some(known) = self.submission(table, link) else { return false };
        let most = usize::from(known.rows(table)) + MORE_ROWS;
        let is_ours = link.blob.as_deref().is_some_and(|blob| self.is_ours(blob));
        !is_ours && !self.is_derived(known, table, link, most)
    }

    /// The submission of this run that the row stands under; a session stands under none.
    fn submission(&self, table: Table, link: &Link) -> Option<&'a Known> {
        link.parent.as_deref().filter(|_| !is_session(table)).and_then(|parent| self.known.find(parent))
    }

    /// Whether the row has one of the first `rows` ids that the submission gives.
    fn is_derived(&self, known: &Known, table: Table, link: &Link, rows: usize) -> bool {
        let ids = SubmissionIds::new(self.lms_instance, known.attempt);
        (1..=rows).any(|n| ids.row(table.name(), n) == link.id)
    }

    /// Whether a writer of this run wrote the blob.
    pub(super) fn is_ours(&self, blob: &str) -> bool {
        of_blob(blob).is_some_and(|writer| self.writers.contains(&writer))
    }

    fn is_since_plan(&self, link: &Link) -> bool {
        link.created_at.is_none_or(|at| at >= self.planned_at)
    }

    /// A session under another launch id of the attempt, made since the plan. Under its own one the row is looked up.
    fn surplus_by_launch_id(&self, link: &Link, launch_id: &str) -> Option<AttemptId> {
        let attempt = attempt_of_launch_id(launch_id)?;
        let ids = SubmissionIds::new(self.lms_instance, attempt);
        let is_ours = self.known.attempt(&ids.row(Table::Submissions.name(), 1)).is_some();
        (is_ours && self.is_since_plan(link) && ids.launch_id() != launch_id).then_some(attempt)
    }
}

fn is_session(table: Table) -> bool {
    matches!(table, Table::LaunchSessions | Table::SessionRecords)
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
        let scan = Scan {
            known: &known,
            failed: &FailedAttempts::default(),
            lms_instance: "X",
            writers: &writers,
            in_part: false,
            planned_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
        };
        let submission = ids.row("assignment_submissions", 1);
        let link = |id: &str, parent: &str, blob: Option<&str>| Link {
            id: id.into(),
            parent: Some(parent.into()),
            blob: blob.map(str::to_owned),
            created_at: None,
            transaction: 7,
        };
        let file = |n| ids.row("submission_files", n);
        let surplus = |table, link: &Link| {
            let found = scan.judge(table, link, &mut scan.of_failed());
            found.map(|(attempt, check)| {
                assert_eq!(check, CheckId::NothingSurplus);
                attempt
            })
        };
        assert_eq!(surplus(Table::Files, &link(&file(2), &submission, None)), None);
        assert_eq!(surplus(Table::Files, &link(&file(3), &submission, None)), Some(Some(attempt)));
        assert_eq!(
            surplus(Table::Files, &link("x", "other", Some("LTI_Uploads/0123456789ab/1_1_a"))),
            Some(None)
        );
        assert_eq!(surplus(Table::Files, &link("x", "other", Some("LTI_Uploads/0123456789ac/1_1_a"))), None);
        // How many marks there are is not known.
        assert_eq!(surplus(Table::Marks, &link("x", &submission, None)), None);
        assert_eq!(surplus(Table::Assignments, &link("x", &submission, None)), Some(Some(attempt)));
        // What only the application writes so.
        let ours = Some("LTI_Uploads/0123456789ab/1_1_a");
        for (id, blob, may_be_added) in [
            ("x", Some("uploads/a"), true),
            ("x", Some("LTI_Uploads/0123456789ac/1_1_a"), true),
            ("x", ours, false),
            (file(3).as_str(), Some("uploads/a"), false),
        ] {
            let row = link(id, &submission, blob);
            assert_eq!(scan.may_be_added(Table::Files, &row), may_be_added, "{id} {blob:?}");
        }
        assert!(!scan.may_be_added(Table::LaunchSessions, &link("x", "rogo_987_x", None)));
        assert_eq!(surplus(Table::LaunchSessions, &link("x", &ids.launch_id(), None)), None);
        assert_eq!(surplus(Table::LaunchSessions, &link("x", "rogo_986_x", None)), None);
        assert_eq!(surplus(Table::LaunchSessions, &link("x", "rogo_987_x", None)), Some(Some(attempt)));
    }
}
