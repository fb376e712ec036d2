//! The wait for the shards: the done markers in the run store are the truth, the Job is a hint.
//!
//! All done markers end it, except where the Job moves lost rows again: they stand from before. So does the Job's own
//! end, if an earlier look saw this Job (by its UID) and it is not being deleted; a Job that is gone ends it only if no heartbeat is
//! young. A cluster that does not answer never ends it.

mod warnings;

use std::{pin::Pin, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

pub use warnings::{LASTING, Warnings};

use crate::{
    exit::{Exit, Stop},
    ports::{Backoff, Fault, FaultKind, JobEnd, JobState, Jobs, Patience, Survey, every, pause},
    run::{DoneMarkers, Epoch, Plan, RunStore, clocks::is_at_work},
    settings::HelmRelease,
};

/// How often the run store is asked for done markers, and the cluster for obstacles.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Before the next look: a watch that ends without a change may end at once every time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Between looks at a cluster that does not answer.
const CLUSTER_AWAY: Backoff = Backoff::new(BETWEEN_LOOKS, Duration::from_secs(30));
/// A Job that is not there is looked for this often; so soon one is looked at again that had ended at the first look.
const LOOK_FOR_JOB_EVERY: Duration = Duration::from_secs(5);
/// The same problem is logged again after this time.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Evictions of one shard's pods for their own disk after which waiting is given up: each may cost no retry, so that the
/// Job itself would never end.
pub const MOST_EVICTIONS: usize = 10;

/// What the wait is for.
pub struct JobWait<'a> {
    /// Store of the run: done markers and heartbeats.
    pub store: &'a RunStore,
    /// Plan of the run, which names its shards.
    pub plan: &'a Plan,
    /// The chart's epoch: whose heartbeats count.
    pub epoch: &'a Epoch,
    /// The shard Job.
    pub jobs: &'a dyn Jobs,
    /// Name of the shard Job.
    pub job: &'a str,
    /// Namespace of the shard Job.
    pub namespace: &'a str,
    /// The release that made the Job, for the line that gives its pods more disk.
    pub release: Option<&'a HelmRelease>,
    /// The Job moves lost rows again: done markers say nothing of it, only its own end does.
    pub redo: bool,
    /// How long to wait for a Job that was never seen.
    pub wait_plan: Duration,
    /// How long the run store may be unreachable.
    pub give_up_after: Duration,
    /// Start of the wait (UTC); time goes on from here by tokio's clock.
    pub began_at: DateTime<Utc>,
}

/// Why there is nothing more to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitEnd {
    /// Every shard's done marker stands.
    AllDone,
    /// The Job is complete.
    JobComplete,
    /// The Job failed: the cluster's words.
    JobFailed(String),
    /// There is no Job, and no heartbeat.
    JobGone,
}

/// Waits until there is something to merge; `tell` gets what a person should know meanwhile.
pub async fn wait(context: &JobWait<'_>, tell: &mut (dyn FnMut(String) + Send)) -> Result<WaitEnd, Stop> {
    let mut wait = Wait::begin(context);
    let mut looking = look(context.jobs, None, Duration::ZERO);
    let mut asking = every(ASK_EVERY);
    loop {
        tokio::select! {
            seen = &mut looking => looking = wait.saw(seen, tell),
            _ = asking.tick() => wait.ask(tell).await?,
        }
        if let Some(end) = wait.end().await {
            return Ok(end);
        }
    }
}

type Look<'a> = Pin<Box<dyn Future<Output = Result<Option<JobState>, Fault>> + Send + 'a>>;

/// Looks at the Job after a pause.
fn look(jobs: &dyn Jobs, version: Option<String>, after: Duration) -> Look<'_> {
    Box::pin(async move {
        pause(after).await;
        jobs.look(version.as_deref()).await
    })
}

/// The Job as it was last.
enum Sight {
    /// The cluster has not answered yet.
    Unknown,
    Missing,
    There(JobState),
}

/// What is known so far.
struct Wait<'a> {
    context: &'a JobWait<'a>,
    began: Instant,
    /// Whether the Job was ever there.
    seen: bool,
    job: Sight,
    /// Whether an earlier look saw the Job that is there now, by its UID: one that had ended at the first look may be about to be
    /// replaced by another of its name.
    is_known: bool,
    cluster: Patience,
    markers: DoneMarkers,
    done: usize,
    run_store: Patience,
    told: Option<Instant>,
    told_done: Option<usize>,
    warnings: Warnings,
}

impl<'a> Wait<'a> {
    fn begin(context: &'a JobWait<'a>) -> Self {
        let began = Instant::now();
        Self {
            context,
            began,
            seen: false,
            job: Sight::Unknown,
            is_known: false,
            cluster: Patience::new(CLUSTER_AWAY),
            markers: DoneMarkers::new(context.store.clone()),
            done: 0,
            run_store: Patience::new(Backoff::steady(ASK_EVERY)),
            told: None,
            told_done: None,
            warnings: Warnings::new(context.namespace, context.job),
        }
    }

    fn shards(&self) -> usize {
        self.context.plan.shards.len()
    }

    /// The current time (UTC). It advances with tokio's clock, so that tests can pause it.
    fn now(&self) -> DateTime<Utc> {
        self.context.began_at + TimeDelta::from_std(self.began.elapsed()).unwrap_or_default()
    }

    /// Notes the cluster's answer, and begins the next look.
    fn saw(
        &mut self,
        seen: Result<Option<JobState>, Fault>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Look<'a> {
        let jobs = self.context.jobs;
        match seen {
            Ok(job) => {
                self.cluster.answered();
                self.is_known =
                    matches!((&job, &self.job), (Some(job), Sight::There(before)) if job.uid == before.uid);
                // It may never change again: its version is not waited for.
                let has_ended = |job: &JobState| job.end.is_some() && !self.is_known;
                self.seen |= job.as_ref().is_some_and(|job| !job.deleting && !has_ended(job));
                let version = job.as_ref().filter(|job| !has_ended(job)).map(|job| job.version.clone());
                let after = match (&job, &self.job) {
                    (None, _) => LOOK_FOR_JOB_EVERY,
                    (Some(job), _) if has_ended(job) => LOOK_FOR_JOB_EVERY,
                    (Some(job), Sight::There(before)) if job.version == before.version => BETWEEN_LOOKS,
                    (Some(_), _) => Duration::ZERO,
                };
                self.job = job.map_or(Sight::Missing, Sight::There);
                look(jobs, version, after)
            }
            Err(fault) => {
                self.trouble(&fault, &format!("cannot look at Job {}", self.context.job), tell);
                // Without the version: it may be the one that the cluster has forgotten.
                look(jobs, None, self.cluster.failed())
            }
        }
    }

    /// Asks the run store for done markers, and the cluster for obstacles.
    async fn ask(&mut self, tell: &mut (dyn FnMut(String) + Send)) -> Result<(), Stop> {
        match self.markers.look(self.context.plan).await {
            Ok(done) => {
                self.run_store.answered();
                self.done = done.len();
            }
            // A marker of another run: waiting does not change it.
            Err(fault) if fault.kind == FaultKind::Corrupt => return Err(fault.into()),
            Err(fault) => {
                if self.run_store.failing_for() >= self.context.give_up_after {
                    return Err(Stop::new(Exit::Temporary, fault.chain()));
                }
                self.trouble(&fault, "cannot look for done markers", tell);
            }
        }
        if self.told_done != Some(self.done) {
            self.told_done = Some(self.done);
            tracing::info!(shards_done = self.done, shards = self.shards(), "waiting for the shards");
        }
        let job = match &self.job {
            // A cluster that does not answer says nothing of its Job.
            Sight::Unknown => return Ok(()),
            Sight::Missing => None,
            Sight::There(job) => Some(job.clone()),
        };
        if let Some(survey) = self.survey(job.as_ref(), tell).await {
            if survey.disk_evictions >= MOST_EVICTIONS {
                return Err(warnings::too_little_disk(self.context, &survey));
            }
            for warning in self.warnings.at(Instant::now(), self.now(), job.as_ref(), &survey) {
                tell(warning);
            }
        }
        Ok(())
    }

    /// Pods that do not start or end; not asked for if all pods are ready, or the Job has ended.
    async fn survey(
        &mut self,
        job: Option<&JobState>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Option<Survey> {
        let amiss = job.is_some_and(|job| {
            job.end.is_none()
                && !job.suspended
                && (job.ready < job.active || job.ready == 0 || job.terminating > 0)
        });
        if !amiss {
            return Some(Survey::default());
        }
        match self.context.jobs.survey().await {
            Ok(survey) => Some(survey),
            Err(fault) => {
                self.trouble(&fault, &format!("cannot look at the pods of Job {}", self.context.job), tell);
                None
            }
        }
    }

    /// Tells of a service's trouble, once a minute at most.
    fn trouble(&mut self, fault: &Fault, what: &str, tell: &mut (dyn FnMut(String) + Send)) {
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let counts = if self.context.redo {
            "the Job's end is waited for, since it moves lost rows again"
        } else {
            "done markers in the run store count"
        };
        tell(format!("{what}: {}; it is tried again, and {counts}", fault.chain()));
    }

    /// Whether there is nothing more to wait for.
    async fn end(&self) -> Option<WaitEnd> {
        if self.done == self.shards() && !self.context.redo {
            return Some(WaitEnd::AllDone);
        }
        match &self.job {
            Sight::Unknown => None,
            Sight::There(job) if !job.deleting => {
                job.end.as_ref().filter(|_| self.is_known).map(|end| match end {
                    JobEnd::Complete => WaitEnd::JobComplete,
                    JobEnd::Failed(words) => WaitEnd::JobFailed(words.clone()),
                })
            }
            // One that is being deleted is as good as gone.
            Sight::Missing | Sight::There(_)
                if !self.seen && self.began.elapsed() < self.context.wait_plan =>
            {
                None
            }
            Sight::Missing | Sight::There(_) => (!self.may_be_at_work().await).then_some(WaitEnd::JobGone),
        }
    }

    /// Whether a process of this epoch wrote a heartbeat lately, or that cannot be found out.
    async fn may_be_at_work(&self) -> bool {
        match self.context.store.heartbeats(&self.context.plan.id, self.context.epoch).await {
            Ok(beats) => beats.iter().any(|beat| is_at_work(beat.at, self.now())),
            Err(fault) => {
                tracing::warn!(fault = %fault.chain(), "cannot look for heartbeats");
                true
            }
        }
    }
}
