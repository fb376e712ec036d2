//! What a person is warned of while the finalizer waits: what does not start, and what does not end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{JobWait, MOST_EVICTIONS};
use crate::{
    exit::{Exit, Stop},
    ports::{JobState, Obstacle, ObstacleKind, Survey},
    watch::rerun::more_disk,
};

/// A problem that lasts this long is logged, and logged again after the same time.
pub const LASTING: Duration = Duration::from_mins(10);
/// A problem that does not pass by itself is logged after this time.
const CERTAIN: Duration = Duration::from_secs(30);
/// Pods that a warning names.
const NAMED: usize = 5;

/// The end of the wait for shards whose pods are evicted again and again.
pub(super) fn too_little_disk(context: &JobWait<'_>, survey: &Survey) -> Stop {
    let evicted = survey.obstacles.iter().find(|obstacle| obstacle.kind == ObstacleKind::Disk);
    let what = evicted.map(|obstacle| format!(": {}", obstacle.what)).unwrap_or_default();
    let next = match context.release {
        Some(release) => more_disk(release),
        None => "raise shards.resources.ephemeralStorage".to_owned(),
    };
    let message = format!(
        "Job {}: pods of one shard were evicted {} times because they used too much ephemeral storage{what}; no retry \
         mends that, and nothing was merged; next: {next}",
        context.job, survey.disk_evictions
    );
    Stop::new(Exit::Incomplete, message)
}

/// Remembers since when what is amiss, and what was told.
pub struct Warnings {
    namespace: String,
    job: String,
    /// Since when a Job that goes on was seen without a ready pod.
    idle_since: Option<Instant>,
    certain_since: BTreeMap<ObstacleKind, Instant>,
    told: BTreeMap<Topic, Instant>,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Obstacle(ObstacleKind),
    Idle,
    Terminating,
}

impl Warnings {
    /// Nothing has been seen yet.
    pub fn new(namespace: &str, job: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            job: job.to_owned(),
            idle_since: None,
            certain_since: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// What to tell at `now`, which is `utc` on the wall. `None`: there is no Job.
    pub fn at(
        &mut self,
        now: Instant,
        utc: DateTime<Utc>,
        job: Option<&JobState>,
        survey: &Survey,
    ) -> Vec<String> {
        let mut warnings = self.certain(now, survey);
        if job.is_some_and(|job| job.ready > 0 || job.end.is_some()) {
            self.idle_since = None;
            self.told.remove(&Topic::Idle);
        } else {
            let idle_for = now - *self.idle_since.get_or_insert(now);
            if idle_for >= LASTING && warnings.is_empty() && self.may_tell(Topic::Idle, now) {
                warnings.push(self.idle(idle_for, job, survey));
            }
        }
        warnings.extend(self.terminating(now, utc, survey));
        warnings
    }

    /// What does not pass by itself.
    fn certain(&mut self, now: Instant, survey: &Survey) -> Vec<String> {
        let certain = survey.obstacles.iter().filter(|obstacle| obstacle.kind.is_certain());
        let kinds: BTreeSet<ObstacleKind> = certain.map(|obstacle| obstacle.kind).collect();
        self.certain_since.retain(|kind, _| kinds.contains(kind));
        let mut warnings = Vec::new();
        for kind in kinds {
            let since = *self.certain_since.entry(kind).or_insert(now);
            if now - since >= CERTAIN && self.may_tell(Topic::Obstacle(kind), now) {
                let of_kind = survey.obstacles.iter().filter(|obstacle| obstacle.kind == kind);
                warnings.extend(of_kind.take(1).map(|obstacle| self.obstacle(obstacle)));
            }
        }
        warnings
    }

    fn may_tell(&mut self, topic: Topic, now: Instant) -> bool {
        if self.told.get(&topic).is_some_and(|told| now - *told < LASTING) {
            return false;
        }
        self.told.insert(topic, now);
        true
    }

    fn obstacle(&self, obstacle: &Obstacle) -> String {
        let Obstacle { kind, pod, what } = obstacle;
        if let Some(pod) = pod {
            let describe = self.describe("pod", pod);
            if *kind == ObstacleKind::Disk {
                return format!(
                    "pod {pod} was evicted because it used too much ephemeral storage: {what}; its Job starts it again, which \
                     mends nothing until shards.resources.ephemeralStorage is raised (--set replaceRunning=true for this once); after \
                     {MOST_EVICTIONS} evictions of one shard the finalizer ends; {describe}"
                );
            }
            return format!("pod {pod} does not start ({}): {what}; {describe}", kind.name());
        }
        let describe = self.describe("job", &self.job);
        format!("Job {} can make no pods ({}): {what}; {describe}", self.job, kind.name())
    }

    fn idle(&self, idle_for: Duration, job: Option<&JobState>, survey: &Survey) -> String {
        let minutes = idle_for.as_secs() / 60;
        let describe = self.describe("job", &self.job);
        let Some(job) = job else {
            return format!("there has been no Job {} for {minutes} min; {describe}", self.job);
        };
        if job.suspended {
            return format!(
                "Job {} has been suspended for {minutes} min: it is paused (--set shards.suspend=false lets it go on), or \
                 its queue has no room; {describe}",
                self.job
            );
        }
        let idle = if job.active == 0 { "active" } else { "ready" };
        let begin = format!("no pod of Job {} has been {idle} for {minutes} min", self.job);
        match survey.obstacles.first() {
            Some(obstacle) => format!("{begin}: {}", self.obstacle(obstacle)),
            None => format!("{begin}; {describe}"),
        }
    }

    /// Pods that should have been gone long ago: their node does not answer any more.
    fn terminating(&mut self, now: Instant, utc: DateTime<Utc>, survey: &Survey) -> Option<String> {
        let overdue = |due: DateTime<Utc>| (utc - due).to_std().is_ok_and(|late| late >= LASTING);
        let stuck: Vec<_> = survey.terminating.iter().filter(|pod| overdue(pod.due)).collect();
        if stuck.is_empty() || !self.may_tell(Topic::Terminating, now) {
            return None;
        }
        let names: Vec<&str> = stuck.iter().take(NAMED).map(|pod| pod.name.as_str()).collect();
        let names = names.join(" ");
        let nodes: BTreeSet<&str> = stuck.iter().filter_map(|pod| pod.node.as_deref()).collect();
        let nodes = nodes.into_iter().take(NAMED).collect::<Vec<_>>().join(" ");
        let delete =
            format!("kubectl --namespace {} delete pod {names} --grace-period=0 --force", self.namespace);
        Some(format!(
            "{} pods of Job {} were told to end more than {} min ago and are still there, as where a node is gone; \
             if it is: kubectl delete node {nodes}; else: {delete} (nothing is written twice, whatever still runs)",
            stuck.len(),
            self.job,
            LASTING.as_secs() / 60
        ))
    }

    fn describe(&self, kind: &str, name: &str) -> String {
        format!("see kubectl --namespace {} describe {kind} {name}", self.namespace)
    }
}
