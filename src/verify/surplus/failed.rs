//! What stands of an attempt whose row failed, beside the rows that are looked up by the ids that this program gives it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Scan, SurplusRow};
use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_blob, attempt_of_launch_id},
    ports::Table,
    verify::{findings::Kind, table::CheckId},
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
}

/// What is known of a submission beside failed attempts.
struct Beside {
    attempt: AttemptId,
    launch_id: String,
    may_be_older: bool,
    has_files: bool,
    has_ours: bool,
}

/// Collects what the scans of several tables find of failed attempts.
pub struct FailedScan<'a> {
    scan: Scan<'a>,
    /// Failed, and not migrated by another row; in rising order.
    attempts: Vec<AttemptId>,
    /// Submissions by the id that this program gives them, sorted.
    own: Vec<(uuid::Bytes, AttemptId)>,
    /// By the id of the submission.
    beside: BTreeMap<&'a str, Beside>,
    /// By the launch ids of these submissions: of its session whether it was made while the run was at work, if there is one.
    sessions: HashMap<&'a str, Option<bool>>,
}

impl<'a> FailedScan<'a> {
    /// An attempt of which this run migrated a submission did not fail, although an older row of it did.
    pub(super) fn new(scan: &Scan<'a>) -> Self {
        let of = |attempt: &AttemptId| {
            let id = SubmissionIds::new(scan.lms_instance, *attempt).row(Table::Submissions.name(), 1);
            Some((id.parse::<Uuid>().ok()?.into_bytes(), *attempt))
        };
        let is_known = |(id, _): &(uuid::Bytes, AttemptId)| scan.known.holds(*id);
        let mut own: Vec<(uuid::Bytes, AttemptId)> =
            scan.failed.attempts.iter().filter_map(of).filter(|one| !is_known(one)).collect();
        own.sort_unstable();
        let mut attempts: Vec<AttemptId> = own.iter().map(|(_, attempt)| *attempt).collect();
        attempts.sort_unstable();
        let (mut beside, mut sessions) = (BTreeMap::new(), HashMap::new());
        let failed = |one: &&BesideFailed| attempts.binary_search(&one.attempt).is_ok();
        for one in scan.failed.beside.iter().filter(failed) {
            sessions.insert(one.launch_id.as_str(), None);
            let known = beside.entry(one.submission.as_str()).or_insert_with(|| Beside {
                attempt: one.attempt,
                launch_id: one.launch_id.clone(),
                may_be_older: false,
                has_files: false,
                has_ours: false,
            });
            known.may_be_older |= one.may_be_older;
        }
        Self { scan: *scan, attempts, own, beside, sessions }
    }

    fn holds(&self, attempt: AttemptId) -> bool {
        self.attempts.binary_search(&attempt).is_ok()
    }

    /// A session under a launch id of a failed attempt. Under the one that this program gives, the row is looked up; with a
    /// submission, it is the submission that is reported.
    #[expect(clippy::option_option, reason = "a row of a failed attempt may be another program's")]
    pub(super) fn session(
        &mut self,
        launch_id: &str,
        created_at: Option<DateTime<Utc>>,
    ) -> Option<Option<AttemptId>> {
        let attempt = attempt_of_launch_id(launch_id).filter(|attempt| self.holds(*attempt))?;
        let own = SubmissionIds::new(self.scan.lms_instance, attempt).launch_id();
        let Scan { planned_at, ended_at, .. } = self.scan;
        let is_since_plan = created_at.is_none_or(|at| at >= planned_at);
        if let Some(made_at_work) = self.sessions.get_mut(launch_id) {
            let is_at_work = is_since_plan && created_at.is_none_or(|at| at <= ended_at);
            *made_at_work = Some(is_at_work || *made_at_work == Some(true));
            return Some(None);
        }
        Some((launch_id != own && is_since_plan).then_some(attempt))
    }

    /// A file under no submission that this run migrated.
    #[expect(clippy::option_option, reason = "a row of a failed attempt may be another program's")]
    pub(super) fn file(&mut self, submission: &str, blob: &str) -> Option<Option<AttemptId>> {
        let is_ours = self.scan.is_ours(blob);
        if let Some(beside) = self.beside.get_mut(submission) {
            beside.has_files = true;
            beside.has_ours |= is_ours;
            return Some(is_ours.then_some(beside.attempt));
        }
        if !is_ours {
            return None;
        }
        let of_blob = || attempt_of_blob(blob).filter(|attempt| self.holds(*attempt));
        self.own(submission).or_else(of_blob).map(Some)
    }

    fn own(&self, submission: &str) -> Option<AttemptId> {
        let id = submission.parse::<Uuid>().ok()?.into_bytes();
        let at = self.own.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        self.own.get(at).map(|(_, attempt)| *attempt)
    }

    /// The submissions beside failed attempts that are this run's, and the number of those of which that cannot be said. A file
    /// says who wrote one. The plan saw none of those without a file, but for those that may be older: one that was made while
    /// this run was at work is reported, and so is one without a session, which no program leaves.
    pub fn finish(self) -> (Vec<SurplusRow>, u64) {
        let (mut found, mut nameless) = (Vec::new(), 0);
        for (submission, beside) in self.beside {
            let is_nameless = !beside.has_files && !beside.may_be_older;
            let made_at_work = self.sessions.get(beside.launch_id.as_str()).copied().flatten();
            if beside.has_ours || (is_nameless && made_at_work != Some(false)) {
                let (attempt, id) = (Some(beside.attempt), submission.to_owned());
                found.push(SurplusRow {
                    attempt,
                    table: Table::Submissions,
                    id,
                    check: CheckId::FailedAbsent,
                    kind: Kind::Surplus,
                    transaction: 0,
                });
            } else if is_nameless {
                nameless += 1;
            }
        }
        (found, nameless)
    }
}
