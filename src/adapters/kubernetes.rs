//! Kubernetes: Jobs and their pods, read and never changed; an Event says how a run ended.

mod announce;
mod faults;
mod found;
mod states;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
use kube::{
    Api, Client, Config,
    api::{ListParams, WatchEvent, WatchParams},
    config::KubeConfigOptions,
};
use tokio::sync::OnceCell;

use self::faults::{fault, within};
use crate::ports::{Fault, FaultKind, JobState, Jobs, Service, Survey, on_thread};

/// A watch is asked to end after this long, so that a connection that died unnoticed is soon another.
const WATCH_S: u32 = 60;
/// The longest that an answer may take, a watch's end included.
const READ: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(10);
/// Number of events requested for one pod or Job; only the newest is reported.
const EVENTS: u32 = 50;
/// Number of pods whose events are requested; the events of further pods would say the same.
const PODS_ASKED: usize = 3;
/// Pods that one request reads.
const PODS: u32 = 500;

/// A cluster: the one that this pod runs in, else the current context of `KUBECONFIG`. No request is sent yet.
#[derive(Default)]
pub struct Cluster {
    client: OnceCell<Client>,
}

impl Cluster {
    /// The connection, made at the first use. A failure is reported to the caller, and the next call tries again.
    async fn client(&self) -> Result<Client, Fault> {
        self.client.get_or_try_init(connect).await.cloned()
    }
}

async fn connect() -> Result<Client, Fault> {
    let unconfigured = |error| {
        let what = "neither is this a pod with a service account's token, nor is there a usable kubeconfig; see \
                    KUBECONFIG";
        Fault::caused(Service::Cluster, FaultKind::Misconfigured, what, error)
    };
    let mut config = match Config::incluster() {
        Ok(config) => config,
        Err(_) => Config::from_kubeconfig(&KubeConfigOptions::default()).await.map_err(unconfigured)?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    config.reset_reader_on_write = true;
    // It runs a kubeconfig's login program to its end, which may wait for a person.
    on_thread(move || Client::try_from(config)).await.map_err(fault)
}

/// One Job by name, and its pods.
pub struct ClusterJob {
    cluster: Cluster,
    namespace: String,
    name: String,
}

impl ClusterJob {
    /// The Job `name` of `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { cluster: Cluster::default(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

#[async_trait]
impl Jobs for ClusterJob {
    async fn look(&self, version: Option<&str>) -> Result<Option<JobState>, Fault> {
        let jobs: Api<Job> = Api::namespaced(self.cluster.client().await?, &self.namespace);
        if let Some(version) = version
            && let Some(changed) = watch(&jobs, &self.name, version).await?
        {
            return Ok(changed.state);
        }
        Ok(within(jobs.get_opt(&self.name)).await?.as_ref().map(states::job))
    }

    async fn survey(&self) -> Result<Survey, Fault> {
        survey(&self.cluster.client().await?, &self.namespace, &self.name).await
    }
}

/// What keeps the pods of `job` from starting, staying or ending.
async fn survey(client: &Client, namespace: &str, job: &str) -> Result<Survey, Fault> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = format!("batch.kubernetes.io/job-name={job}");
    let selected = |fields: &str| ListParams::default().labels(&selector).fields(fields).limit(PODS);
    let living = all(&pods, selected("status.phase!=Succeeded,status.phase!=Failed"), |_| true).await?;
    let evicted = all(&pods, selected("status.phase=Failed"), states::was_evicted_for_disk).await?;
    let mut survey = Survey {
        obstacles: living.iter().filter_map(states::obstacle).collect(),
        disk_evictions: 0,
        terminating: living.iter().filter_map(states::terminating).collect(),
    };
    let (evicted, most) = states::evicted_for_disk(&evicted);
    survey.obstacles.extend(evicted);
    survey.disk_evictions = most;
    let unexplained = living.iter().filter(|pod| states::waits_unexplained(pod));
    for pod in unexplained.take(PODS_ASKED).filter_map(|pod| pod.metadata.name.as_deref()) {
        let event = last_warning(client, namespace, pod).await?;
        survey.obstacles.extend(event.map(|event| states::of_pod_event(pod, &event)));
    }
    if living.is_empty() {
        let event = last_warning(client, namespace, job).await?;
        survey.obstacles.extend(event.as_ref().and_then(states::of_job_event));
    }
    Ok(survey)
}

/// The pods that `params` selects, a page at a time, as far as `wanted` keeps them.
async fn all(
    pods: &Api<Pod>,
    mut params: ListParams,
    wanted: impl Fn(&Pod) -> bool,
) -> Result<Vec<Pod>, Fault> {
    let mut found = Vec::new();
    loop {
        let page = within(pods.list(&params)).await?;
        found.extend(page.items.into_iter().filter(&wanted));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// The newest warning about a pod or Job.
async fn last_warning(client: &Client, namespace: &str, object: &str) -> Result<Option<Event>, Fault> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let selector = format!("involvedObject.name={object},type=Warning");
    let list = within(events.list(&ListParams::default().fields(&selector).limit(EVENTS))).await?;
    Ok(list.items.into_iter().max_by_key(states::happened))
}

/// What a watch saw first.
struct Changed {
    state: Option<JobState>,
}

/// The first change after `version`; `None` if the watch ended before one, or the version is too old.
async fn watch(jobs: &Api<Job>, name: &str, version: &str) -> Result<Option<Changed>, Fault> {
    // The Role names the Job: a watch passes only with this selector.
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH_S);
    let mut events = Box::pin(within(jobs.watch(&params, version)).await?);
    let next = async {
        while let Some(event) = events.try_next().await.map_err(fault)? {
            match event {
                WatchEvent::Added(job) | WatchEvent::Modified(job) => {
                    return Ok(Some(Changed { state: Some(states::job(&job)) }));
                }
                WatchEvent::Deleted(_) => return Ok(Some(Changed { state: None })),
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) if status.code == 410 => return Ok(None),
                WatchEvent::Error(status) => return Err(fault(kube::Error::Api(status))),
            }
        }
        Ok(None)
    };
    // A connection that died unnoticed ends like one that the server closed.
    tokio::time::timeout(READ, next).await.unwrap_or(Ok(None))
}
