//! Every pod that was ever seen in a namespace: a pod that has ended may be gone before somebody asks.

use std::{
    collections::BTreeMap,
    io::BufReader,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::kubectl::{Kubectl, PATIENCE, until};
use crate::chart::rendered::text;

/// Takes note of every change of the pods of a component, from its start until it is dropped.
pub struct PodHistory {
    seen: Arc<Mutex<BTreeMap<String, Value>>>,
    watching: Child,
}

/// How a container ended.
#[derive(Debug, Clone)]
pub struct End {
    pub exit_code: i64,
    pub reason: String,
    pub finished_at: DateTime<Utc>,
}

impl PodHistory {
    pub fn of(kubectl: &Kubectl, component: &str) -> Self {
        let selector = format!("--selector=app.kubernetes.io/component={component}");
        let mut watching = kubectl
            .command(&["get", "pods", &selector, "--watch", "--output=json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let output = BufReader::new(watching.stdout.take().unwrap());
        let seen: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let noting = seen.clone();
        std::thread::spawn(move || {
            let changes = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
            for pod in changes.map_while(Result::ok) {
                noting.lock().unwrap().insert(text(&pod, "/metadata/name"), pod);
            }
        });
        Self { seen, watching }
    }

    /// All pods as they were seen last, by name.
    pub fn all(&self) -> BTreeMap<String, Value> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the pod has ended.
    #[track_caller]
    pub fn until_ended(&self, pod: &str) -> End {
        until(&format!("the end of the pod {pod}"), PATIENCE, || end(self.all().get(pod)?))
    }

    /// Waits for the pod that follows another one on its index.
    #[track_caller]
    pub fn until_replaced(&self, pod: &Value) -> Value {
        let (index, name) = (index(pod), text(pod, "/metadata/name"));
        until(&format!("a pod in place of {name}"), PATIENCE, || {
            let after = created(pod);
            self.all().into_values().find(|other| {
                super::pods::index(other) == index
                    && text(other, "/metadata/name") != name
                    && created(other) >= after
            })
        })
    }
}

impl Drop for PodHistory {
    fn drop(&mut self) {
        let _ended_already = self.watching.kill();
        let _code = self.watching.wait();
    }
}

/// The pod's completion index.
pub fn index(pod: &Value) -> u64 {
    annotation(pod, "job-completion-index").parse().expect("a pod of an Indexed Job")
}

/// `batch.kubernetes.io/<name>`.
pub fn annotation(pod: &Value, name: &str) -> String {
    let key = format!("batch.kubernetes.io/{name}");
    pod["metadata"]["annotations"][&key].as_str().unwrap_or_default().to_owned()
}

pub fn name(pod: &Value) -> String {
    text(pod, "/metadata/name")
}

/// How the program's container ended, where it has.
pub fn end(pod: &Value) -> Option<End> {
    let ended = pod.pointer("/status/containerStatuses/0/state/terminated")?;
    Some(End {
        exit_code: ended["exitCode"].as_i64()?,
        reason: text(ended, "/reason"),
        finished_at: text(ended, "/finishedAt").parse().ok()?,
    })
}

/// How long after it was told to end, as Kubernetes saw it.
pub fn time_to_end(pod: &Value) -> Option<Duration> {
    let grace = pod.pointer("/metadata/deletionGracePeriodSeconds")?.as_i64()?;
    let deadline: DateTime<Utc> = text(pod, "/metadata/deletionTimestamp").parse().ok()?;
    (end(pod)?.finished_at - (deadline - chrono::Duration::seconds(grace))).to_std().ok()
}

fn created(pod: &Value) -> String {
    text(pod, "/metadata/creationTimestamp")
}
