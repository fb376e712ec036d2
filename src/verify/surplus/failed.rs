//! What stands of an attempt whose row failed, beside the rows that are looked up by the ids that this program gives it.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SurplusRow;
use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_blob, attempt_of_launch_id},
    ports::Table,
    run::{WriterId, writers::of_blob},
    verify::table::CheckId,
};

/// A submission that names a failed attempt in a launch id that this program does not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BesideFailed {
    /// The attempt whose row failed.
    pub attempt: AttemptId,
    /// Id of the submission.
    pub submission: String,
    /// Its launch id.
    pub launch_id: String,
    /// Whether it may have stood before the run: the row failed before the target was asked about it.
    pub may_be_older: bool,
}

/// The attempts whose rows failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempts {
    attempts: Vec<AttemptId>,
    beside: Vec<BesideFailed>,
}

impl FailedAttempts {
    /// Adds an attempt, and the submissions that name it.
    pub fn add(&mut self, attempt: AttemptId, mut beside: Vec<BesideFailed>) {
        self.attempts.push(attempt);
        self.beside.append(&mut beside);
    }

    /// Adds those of another part.
    pub fn append(&mut self, mut other: Self) {
        self.attempts.append(&mut other.attempts);
        self.beside.append(&mut other.beside);
    }

    /// To be called once all are added.
    pub fn finish(&mut self) {
        self.attempts.sort_unstable();
        self.attempts.dedup();
    }

    fn holds(&self, attempt: AttemptId) -> bool {
        self.attempts.binary_search(&attempt).is_ok()
    }
}

/// What the files under a submission beside a failed attempt say of its writer.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    has_files: bool,
    has_ours: bool,
}

/// Collects what the scans of several tables find of failed attempts.
pub struct FailedScan<'a> {
    failed: &'a FailedAttempts,
    writers: &'a BTreeSet<WriterId>,
    /// Submissions by the id that this program gives them, sorted.
    own: Vec<(uuid::Bytes, AttemptId)>,
    /// The places of submissions among [`FailedAttempts::beside`].
    beside: HashMap<&'a str, usize>,
    launch_ids: BTreeSet<&'a str>,
    seen: Vec<Seen>,
    lms_instance: &'a str,
}

impl<'a> FailedScan<'a> {
    pub(super) fn new(
        failed: &'a FailedAttempts,
        lms_instance: &'a str,
        writers: &'a BTreeSet<WriterId>,
    ) -> Self {
        let of = |attempt: &AttemptId| {
            let id = SubmissionIds::new(lms_instance, *attempt).row(Table::Submissions.name(), 1);
            Some((id.parse::<Uuid>().ok()?.into_bytes(), *attempt))
        };
        let mut own: Vec<(uuid::Bytes, AttemptId)> = failed.attempts.iter().filter_map(of).collect();
        own.sort_unstable();
        Self {
            failed,
            writers,
            own,
            beside: failed.beside.iter().enumerate().map(|(n, one)| (one.submission.as_str(), n)).collect(),
            launch_ids: failed.beside.iter().map(|one| one.launch_id.as_str()).collect(),
            seen: vec![Seen::default(); failed.beside.len()],
            lms_instance,
        }
    }

    /// A session under a launch id of a failed attempt. Under the one that this program gives, the row is looked up; with a
    /// submission, it is the submission that is reported.
    #[expect(clippy::option_option, reason = "a row of a failed attempt may be another program's")]
    pub(super) fn session(&self, launch_id: &str, since_plan: bool) -> Option<Option<AttemptId>> {
        let attempt = attempt_of_launch_id(launch_id).filter(|attempt| self.failed.holds(*attempt))?;
        let own = SubmissionIds::new(self.lms_instance, attempt).launch_id();
        let is_alone = launch_id != own && !self.launch_ids.contains(launch_id);
        Some((is_alone && since_plan).then_some(attempt))
    }

    /// A file under no submission that this run migrated.
    #[expect(clippy::option_option, reason = "a row of a failed attempt may be another program's")]
    pub(super) fn file(&mut self, submission: &str, blob: &str) -> Option<Option<AttemptId>> {
        let is_ours = of_blob(blob).is_some_and(|writer| self.writers.contains(&writer));
        if let Some(n) = self.beside.get(submission).copied() {
            let seen = self.seen.get_mut(n)?;
            *seen = Seen { has_files: true, has_ours: seen.has_ours || is_ours };
            return Some(self.failed.beside.get(n).filter(|_| is_ours).map(|beside| beside.attempt));
        }
        if !is_ours {
            return None;
        }
        let of_blob = || attempt_of_blob(blob).filter(|attempt| self.failed.holds(*attempt));
        self.own(submission).or_else(of_blob).map(Some)
    }

    fn own(&self, submission: &str) -> Option<AttemptId> {
        let id = submission.parse::<Uuid>().ok()?.into_bytes();
        let at = self.own.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        self.own.get(at).map(|(_, attempt)| *attempt)
    }

    /// The submissions beside failed attempts that no other program wrote: a file names a writer of this run, or there is no
    /// file to name another one. The plan saw none of them, but for those that may be older.
    pub fn finish(self) -> Vec<SurplusRow> {
        let of_this_run = |(beside, seen): (&BesideFailed, Seen)| {
            (seen.has_ours || (!seen.has_files && !beside.may_be_older)).then(|| SurplusRow {
                attempt: Some(beside.attempt),
                table: Table::Submissions,
                id: beside.submission.clone(),
                check: CheckId::FailedAbsent,
            })
        };
        self.failed.beside.iter().zip(self.seen).filter_map(of_this_run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "LTI_Uploads/0123456789ab/987_1_a.pdf";
    const THEIRS: &str = "LTI_Uploads/0123456789ac/987_1_a.pdf";

    fn attempt(text: &str) -> AttemptId {
        text.parse().unwrap()
    }

    /// The submissions that are reported if these files are seen under one beside attempt 987.
    fn reported(files: &[&str], may_be_older: bool) -> Vec<String> {
        let mut failed = FailedAttempts::default();
        let beside = BesideFailed {
            attempt: attempt("987"),
            submission: "s".into(),
            launch_id: "rogo_987_aa".into(),
            may_be_older,
        };
        failed.add(attempt("987"), vec![beside]);
        failed.finish();
        let writers: BTreeSet<WriterId> = ["0123456789ab".parse().unwrap()].into();
        let mut scan = FailedScan::new(&failed, "X", &writers);
        for file in files {
            scan.file("s", file);
        }
        scan.finish().into_iter().map(|row| row.id).collect()
    }

    #[test]
    fn a_submission_of_a_failed_attempt_is_ours_unless_its_files_are_another_writers() {
        assert_eq!(reported(&[OURS], false), ["s"]);
        assert_eq!(reported(&[THEIRS, OURS], true), ["s"]);
        assert_eq!(reported(&[], false), ["s"]);
        let nothing: [&str; 0] = [];
        assert_eq!(reported(&[THEIRS], false), nothing);
        assert_eq!(reported(&["uploads/7"], false), nothing);
        // The target was not asked about the row: the submission may be one of before the plan.
        assert_eq!(reported(&[], true), nothing);
    }

    #[test]
    fn files_and_sessions_name_the_failed_attempt_that_they_belong_to() {
        let mut failed = FailedAttempts::default();
        failed.add(attempt("987"), Vec::new());
        failed.finish();
        let writers: BTreeSet<WriterId> = ["0123456789ab".parse().unwrap()].into();
        let mut scan = FailedScan::new(&failed, "X", &writers);
        let own = SubmissionIds::new("X", attempt("987"));
        let id = own.row(Table::Submissions.name(), 1);
        let another = OURS.replace("987", "986");
        assert_eq!(scan.file(&id, &another), Some(Some(attempt("987"))));
        assert_eq!(scan.file("elsewhere", OURS), Some(Some(attempt("987"))));
        assert_eq!(scan.file("elsewhere", &another), None);
        assert_eq!(scan.file(&id, THEIRS), None);
        assert_eq!(scan.session("rogo_987_aa", true), Some(Some(attempt("987"))));
        assert_eq!(scan.session("rogo_987_aa", false), Some(None));
        assert_eq!(scan.session(&own.launch_id(), true), Some(None));
        assert_eq!(scan.session("rogo_986_aa", true), None);
    }
}
