//! The Jobs of a run, found by their labels: for a person at a laptop who names only the run.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, Pod},
};
use kube::{Api, Client, api::ListParams};

use super::{Cluster, faults::within, states, survey};
use crate::{
    ids::Epoch,
    ports::{Fault, FoundJobs, JobEnd, JobState, LastWord, Obstacle, RunJob, RunJobs},
};

impl Cluster {
    /// The Jobs of the run in this namespace, else the context's, of the release that was installed last: those of this
    /// run store, because another run may have the same name.
    pub async fn find(
        &self,
        namespace: Option<&str>,
        run: &str,
        run_store: &str,
    ) -> Result<FoundJobs, Fault> {
        let client = self.client().await?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
        let selector = format!("app.kubernetes.io/name=rogo-migrate,rogo-migrate/run={run}");
        let list = within(jobs.list(&ListParams::default().labels(&selector))).await?;
        let mut found = newest(list.items, &namespace, run_store);
        for job in found.iter_mut().flat_map(|found| &mut found.jobs).filter(|job| is_failed_finalizer(job)) {
            job.last_word = last_word(&client, &namespace, &job.name).await;
        }
        for job in found.iter_mut().flat_map(|found| &mut found.jobs).filter(|job| waits(&job.state)) {
            job.obstacles = obstacles(&client, &namespace, &job.name).await;
        }
        Ok(FoundJobs { namespace, jobs: found })
    }
}

fn is_failed_finalizer(job: &RunJob) -> bool {
    job.component.starts_with("finalize") && matches!(job.state.end, Some(JobEnd::Failed(_)))
}

/// Whether pods of the Job are to run and do not.
fn waits(state: &JobState) -> bool {
    state.end.is_none() && !state.suspended && (state.active == 0 || state.ready < state.active)
}

/// Why they do not: nothing if the cluster does not tell.
async fn obstacles(client: &Client, namespace: &str, job: &str) -> Vec<Obstacle> {
    match survey(client, namespace, job).await {
        Ok(survey) => survey.obstacles,
        Err(fault) => {
            tracing::debug!(fault = %fault.chain(), job, "its pods cannot be looked at");
            Vec::new()
        }
    }
}

/// A cluster that does not tell of pods leaves the Job's own words.
async fn last_word(client: &Client, namespace: &str, job: &str) -> Option<LastWord> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = format!("batch.kubernetes.io/job-name={job}");
    match within(pods.list(&ListParams::default().labels(&selector))).await {
        Ok(pods) => states::last_word(&pods.items),
        Err(fault) => {
            tracing::debug!(fault = %fault.chain(), job, "its pods cannot be looked at");
            None
        }
    }
}

/// The Jobs of the newest release, oldest first.
fn newest(jobs: Vec<Job>, namespace: &str, run_store: &str) -> Option<RunJobs> {
    let mut releases: BTreeMap<String, Vec<Job>> = BTreeMap::new();
    for job in jobs {
        let same_store = variable(&job, "ROGO_RUN_STORE")
            .is_some_and(|place| place.trim_end_matches('/') == run_store.trim_end_matches('/'));
        if let Some(release) = label(&job, "app.kubernetes.io/instance").filter(|_| same_store) {
            releases.entry(release.to_owned()).or_default().push(job);
        }
    }
    let made = |job: &Job| job.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second());
    let (release, mut jobs) = releases.into_iter().max_by_key(|(_, jobs)| jobs.iter().map(made).max())?;
    jobs.sort_by_key(made);
    let last = jobs.last()?;
    let newest_text = |name: &str| jobs.iter().rev().find_map(|job| variable(job, name)).map(str::to_owned);
    Some(RunJobs {
        release,
        namespace: namespace.to_owned(),
        chart: newest_text("ROGO_HELM_CHART"),
        values_prefix: newest_text("ROGO_HELM_PREFIX").unwrap_or_default(),
        epoch: epoch(last),
        jobs: jobs.iter().map(named).collect(),
    })
}

fn named(job: &Job) -> RunJob {
    RunJob {
        name: job.metadata.name.clone().unwrap_or_default(),
        component: label(job, "app.kubernetes.io/component").unwrap_or_default().to_owned(),
        epoch: epoch(job),
        state: states::job(job),
        queue: label(job, "kueue.x-k8s.io/queue-name").map(str::to_owned),
        shard_job: variable(job, "ROGO_SHARD_JOB").map(str::to_owned),
        redo: variable(job, "ROGO_REDO").is_some(),
        obstacles: Vec::new(),
        last_word: None,
    }
}

fn label<'j>(job: &'j Job, name: &str) -> Option<&'j str> {
    job.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn epoch(job: &Job) -> Option<Epoch> {
    variable(job, "ROGO_EPOCH")?.parse().ok()
}

/// A variable of the program's own container.
fn variable<'j>(job: &'j Job, name: &str) -> Option<&'j str> {
    let containers = &job.spec.as_ref()?.template.spec.as_ref()?.containers;
    let own = |container: &&Container| container.name == "rogo-migrate";
    let variables = containers.iter().find(own)?.env.iter().flatten();
    variables.filter(|variable| variable.name == name).find_map(|variable| variable.value.as_deref())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(release: &str, component: &str, made: u32, store: &str) -> Job {
        let env = json!([
            {"name": "ROGO_RUN_STORE", "value": store},
            {"name": "ROGO_EPOCH", "value": "1-abc"},
            {"name": "ROGO_HELM_CHART", "value": "charts/rogo-migrate"},
            {"name": "ROGO_SHARD_JOB", "value": "r-s-1"}
        ]);
        serde_json::from_value(json!({
            "metadata": {
                "name": format!("{release}-{component}"),
                "creationTimestamp": format!("2026-01-01T00:00:{made:02}Z"),
                "labels": {
                    "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component,
                    "kueue.x-k8s.io/queue-name": "q"
                }
            },
            "spec": {"template": {"spec": {"containers": [{"name": "rogo-migrate", "env": env}]}}}
        }))
        .unwrap()
    }

    #[test]
    fn a_job_waits_if_pods_that_it_has_are_not_ready_or_it_has_none() {
        let state = |active, ready| JobState { active, ready, ..JobState::default() };
        assert!(waits(&state(0, 0)) && waits(&state(3, 2)));
        assert!(!waits(&state(3, 3)));
        assert!(!waits(&JobState { suspended: true, ..state(0, 0) }));
        assert!(!waits(&JobState { end: Some(JobEnd::Complete), ..state(0, 0) }));
    }

    #[test]
    fn a_run_is_known_by_its_run_store_and_the_newest_release_counts() {
        let jobs = vec![
            job("old", "shards", 1, "az://runs/x"),
            job("other", "shards", 9, "az://elsewhere"),
            job("new", "finalize", 3, "az://runs/x/"),
            job("new", "shards", 2, "az://runs/x/"),
        ];
        let found = newest(jobs, "ns", "az://runs/x").unwrap();
        assert_eq!((found.release.as_str(), found.namespace.as_str()), ("new", "ns"));
        assert_eq!(found.chart.as_deref(), Some("charts/rogo-migrate"));
        assert_eq!(found.epoch, "1-abc".parse().ok());
        let names: Vec<_> = found.jobs.iter().map(|job| job.name.as_str()).collect();
        assert_eq!(names, ["new-shards", "new-finalize"]);
        for job in &found.jobs {
            let read = (job.queue.as_deref(), job.shard_job.as_deref(), job.redo);
            assert_eq!(read, (Some("q"), Some("r-s-1"), false));
        }
        assert!(newest(vec![job("r", "shards", 1, "az://elsewhere")], "ns", "az://runs/x").is_none());
    }
}
