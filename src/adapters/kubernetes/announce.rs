//! The one thing that is written through the Kubernetes API: an Event on the shard Job that says how the run ended.

use chrono::{SecondsFormat, Utc};
use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use kube::{Api, api::PostParams};
use serde_json::json;

use super::{ClusterJob, faults::within};
use crate::{
    ports::{Fault, FaultKind, Service},
    run::{Ending, RunResult},
};

/// Longest message of an Event.
const MESSAGE_BYTES: usize = 1_000;

impl ClusterJob {
    /// Leaves an Event on the Job. `message` holds no personal data.
    pub async fn announce(&self, ending: &Ending, message: &str) -> Result<(), Fault> {
        let client = self.cluster.client().await?;
        let jobs: Api<Job> = Api::namespaced(client.clone(), &self.namespace);
        let job = within(jobs.get(&self.name)).await?;
        let (kind, reason) = match ending {
            Ending::Verdict(verdict) => match verdict.result {
                RunResult::Complete => ("Normal", "RunComplete"),
                RunResult::Incomplete => ("Warning", "RunIncomplete"),
            },
            Ending::Stopped(_) => ("Warning", "RunStopped"),
        };
        let message: String = message
            .chars()
            .scan(0, |bytes, letter| {
                *bytes += letter.len_utf8();
                (*bytes <= MESSAGE_BYTES).then_some(letter)
            })
            .collect();
        let now = Utc::now();
        let event = json!({
            "metadata": {"name": format!("{}.{:x}", self.name, now.timestamp_micros()), "namespace": self.namespace},
            "involvedObject": {
                "apiVersion": "batch/v1", "kind": "Job", "namespace": self.namespace, "name": self.name,
                "uid": job.metadata.uid,
            },
            "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now.to_rfc3339_opts(SecondsFormat::Secs, true),
            "lastTimestamp": now.to_rfc3339_opts(SecondsFormat::Secs, true),
            "source": {"component": "rogo-migrate"},
        });
        let event: Event = serde_json::from_value(event).map_err(|error| {
            Fault::caused(Service::Cluster, FaultKind::Misconfigured, "an Event cannot be made", error)
        })?;
        let events: Api<Event> = Api::namespaced(client, &self.namespace);
        within(events.create(&PostParams::default(), &event)).await.map(|_| ())
    }
}
