//! Rollback: removes what a run, and only it, created in the target: rows and blobs. It may be killed at any moment and
//! run again.
//!
//! ```text
//! Quiet ─► rolled-back.json ─► per submission: one transaction, then its blobs ─► blobs that no row names
//! ```
//!
//! A submission is the run's if its files name a writer that is registered in the run's store. One on which the
//! application has worked since is left and named.

pub mod judge;
pub mod reason;
pub mod report;
mod find;
mod marks;
mod remove;

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_blob},
    exit::Stop,
    ports::{Blobs, Fault, FaultKind, TargetUndo, WrittenSubmission},
    run::{
        Decided, RolledBack, decisions,
        lock::{Exclusive, LockedRun, Quiet},
        names,
        orphans::remove_orphans,
        writers::UncleanWriters,
    },
};
use find::Found;
use judge::Judged;
use report::{Report, Settled};

/// Submissions that are looked at in one transaction, and between two looks at the lock.
const AT_A_TIME: usize = 200;
/// Removals under way.
const REMOVALS: usize = 4;

/// What happens to a submission on which the application has worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// It is left and named.
    Keep,
    /// `--force-touched`: it is removed too, with the application's work on it.
    Remove,
}

/// One rollback: of a run, or of some of its attempts.
pub struct Rollback<'a> {
    /// The run, its lock and its database; already compared with the settings.
    pub run: LockedRun<'a>,
    /// The same database, from which rows are removed.
    pub undo: &'a dyn TargetUndo,
    /// The target container.
    pub files: &'a Arc<dyn Blobs>,
    /// The LMS instance's guid, from which the ids of rows are derived.
    pub lms_instance: &'a str,
    /// `--attempts`: only these, ascending.
    pub attempts: Option<&'a [AttemptId]>,
    /// `--force-touched`.
    pub touched: Touched,
    /// How long a service may be unreachable.
    pub give_up_after: Duration,
}

/// Submissions whose malpractice rule has to be undone come last: the older rules of the same learner are gone then.
struct Rest(Vec<AttemptId>);

impl Rollback<'_> {
    /// Says what would be removed and what would be left. Writes nothing.
    pub async fn rehearse(&self) -> Result<Report, Stop> {
        let lock = Exclusive::take_for_rollback(&self.run).await?;
        let found = self.find().await?;
        let mut report = Report::new(&found);
        let mut leaving = HashSet::new();
        let mut rest = Rest(Vec::new());
        for attempts in found.candidates.chunks(AT_A_TIME) {
            for submission in self.examine(attempts).await? {
                if names_rule(&submission) {
                    rest.0.push(submission.ids.attempt());
                    continue;
                }
                let judged = found.judge.judge(&submission, &HashSet::new());
                if submission.malpractice.is_some() && matches!(judged, Judged::Remove(_)) {
                    leaving.insert(submission.ids.launch_id());
                }
                report.count(&submission, &self.result(&found, &submission, judged));
            }
        }
        for attempts in rest.0.chunks(AT_A_TIME) {
            let standing = self.examine(attempts).await?;
            leaving.extend(standing.iter().map(|submission| submission.ids.launch_id()));
            for submission in standing {
                let judged = found.judge.judge(&submission, &leaving);
                report.count(&submission, &self.result(&found, &submission, judged));
            }
        }
        lock.release().await;
        Ok(report)
    }

    /// Removes. Each row of the report is handed to `each` as it is settled.
    pub async fn perform(
        &self,
        decided: &Decided,
        each: &mut (dyn FnMut(&WrittenSubmission, &Settled) -> Result<(), Stop> + Send),
    ) -> Result<Report, Stop> {
        let mut quiet = Quiet::begin_rollback(&self.run).await?;
        let found = self.find().await?;
        let mut report = Report::new(&found);
        // First of all: a process that comes later finds the run, or these attempts, rolled back.
        self.record(decided, &found).await?;
        let swept = self.writers_to_sweep(&found, quiet.unclean()).await?;

        let mut rest = Rest(Vec::new());
        for attempts in found.candidates.chunks(AT_A_TIME) {
            quiet.still_held().await?;
            let (later, now) = self.examine(attempts).await?.into_iter().partition::<Vec<_>, _>(names_rule);
            rest.0.extend(later.iter().map(|submission| submission.ids.attempt()));
            self.remove_all(&found, &now, REMOVALS, &mut report, each).await?;
        }
        for attempts in rest.0.chunks(AT_A_TIME) {
            quiet.still_held().await?;
            let standing = self.examine(attempts).await?;
            self.remove_all(&found, &standing, 1, &mut report, each).await?;
        }
        report.blobs += self.sweep(&mut quiet, &swept).await?;
        if self.attempts.is_some() {
            self.mark_clean(&found).await?;
        }
        quiet.end().await;
        Ok(report)
    }

    async fn examine(&self, attempts: &[AttemptId]) -> Result<Vec<WrittenSubmission>, Stop> {
        let ids: Vec<SubmissionIds> =
            attempts.iter().map(|attempt| SubmissionIds::new(self.lms_instance, *attempt)).collect();
        Ok(self.steadily(async || self.undo.examine(&ids).await).await?)
    }

    /// Judges each inside its transaction, removes those that may be, and then their blobs.
    async fn remove_all(
        &self,
        found: &Found,
        submissions: &[WrittenSubmission],
        at_a_time: usize,
        report: &mut Report,
        each: &mut (dyn FnMut(&WrittenSubmission, &Settled) -> Result<(), Stop> + Send),
    ) -> Result<(), Stop> {
        let mut removing = stream::iter(submissions)
            .map(|submission| async move {
                let judged = self.remove(found, submission).await?;
                Ok::<_, Stop>((submission, self.result(found, submission, judged)))
            })
            .buffered(at_a_time);
        while let Some((submission, result)) = removing.try_next().await? {
            report.count(submission, &result);
            each(submission, &result)?;
        }
        Ok(())
    }

    /// What the report says of the submission.
    fn result(&self, found: &Found, submission: &WrittenSubmission, judged: Judged) -> Settled {
        let attempt = submission.ids.attempt();
        match judged {
            Judged::Remove(_) => Settled::Removed,
            Judged::Keep(reasons) => Settled::Kept(reasons),
            Judged::Gone if found.was_migrated(attempt) => Settled::GoneAlready,
            Judged::Gone => Settled::NotMigrated,
            // A later run moved it again.
            Judged::Elsewhere if self.attempts.is_none() && found.is_rolled_back(attempt) => {
                Settled::GoneAlready
            }
            Judged::Elsewhere => Settled::Elsewhere,
        }
    }

    /// `rolled-back.json` for the run, `rolled-back/<id>.json` for some attempts; then the log of decisions.
    async fn record(&self, decided: &Decided, found: &Found) -> Result<(), Stop> {
        let store = self.run.store;
        // Now that the lock is held: results that say otherwise are older.
        let decided = Decided { at: Utc::now(), attempts: found.candidates.len() as u64, ..decided.clone() };
        let document = RolledBack {
            plan: self.run.plan.id.clone(),
            decided: decided.clone(),
            attempts: self.attempts.map(<[AttemptId]>::to_vec),
        };
        let name = match self.attempts {
            None => names::ROLLED_BACK.to_owned(),
            Some(_) => names::rolled_back_attempts(&uuid::Uuid::new_v4().simple().to_string()),
        };
        match store.create(&name, &document).await {
            // A rollback that was killed wrote it.
            Err(Fault { kind: FaultKind::Exists, .. }) | Ok(()) => {}
            Err(fault) => return Err(fault.into()),
        }
        Ok(decisions::log(store, &decided).await?)
    }

    /// The writers whose blobs are looked at in the end. For some attempts: those that left blobs, and those of files that
    /// no row names any more; from here on all of them count as such, so that the next sweep finds what a killed rollback
    /// leaves.
    async fn writers_to_sweep(
        &self,
        found: &Found,
        unclean: &UncleanWriters,
    ) -> Result<UncleanWriters, Stop> {
        if self.attempts.is_none() {
            return Ok(UncleanWriters::all(&found.writers));
        }
        self.run.store.delete(&found.clean).await?;
        let mut swept = unclean.clone();
        swept.extend(found.unnamed_by.iter().cloned());
        Ok(swept)
    }

    async fn mark_clean(&self, found: &Found) -> Result<(), Stop> {
        for name in &found.clean {
            self.run.store.replace(name, &serde_json::json!({})).await?;
        }
        Ok(())
    }

    /// Removes blobs of the run that no row names; of some attempts only theirs.
    async fn sweep(&self, quiet: &mut Quiet, writers: &UncleanWriters) -> Result<u64, Stop> {
        let rolled_back = decisions::rolled_back(self.run.store).await?;
        let takes = |name: &str| {
            let attempt = attempt_of_blob(name);
            self.attempts.is_none() || attempt.is_some_and(|attempt| rolled_back.contains_key(&attempt))
        };
        Ok(remove_orphans(quiet, self.files, self.run.target, writers, &takes).await?.blobs)
    }
}

/// Whether a malpractice rule names the submission.
fn names_rule(submission: &WrittenSubmission) -> bool {
    let id = submission.ids.row("assignment_submissions", 1);
    submission.rules.iter().any(|rule| rule.submission_id.as_ref() == Some(&id))
}
