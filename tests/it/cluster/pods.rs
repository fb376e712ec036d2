//! Every pod that was ever seen in a namespace: a pod that has ended may be gone before the test asks.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    told: Arc<Mutex<BTreeMap<String, DateTime<Utc>>>>,
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
        let told: Arc<Mutex<BTreeMap<String, DateTime<Utc>>>> = Arc::default();
        let (noting, telling) = (seen.clone(), told.clone());
        std::thread::spawn(move || {
            let changes = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
            for pod in changes.map_while(Result::ok) {
                if let Some(at) = told_to_end(&pod) {
                    // At its end it is told once more, without a grace period.
                    telling
                        .lock()
                        .unwrap()
                        .entry(name(&pod))
                        .and_modify(|first| *first = at.min(*first))
                        .or_insert(at);
                }
                noting.lock().unwrap().insert(text(&pod, "/metadata/name"), pod);
            }
        });
        Self { seen, told, watching }
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

    /// How long the pod took to end after it was told to.
    pub fn time_to_end(&self, pod: &str) -> Option<Duration> {
        let told = *self.told.lock().unwrap().get(pod)?;
        // Both are told in whole seconds.
        let took = end(self.all().get(pod)?)?.finished_at - told;
        Some(took.to_std().unwrap_or_default())
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

pub fn names(pods: &[Value]) -> BTreeSet<String> {
    pods.iter().map(name).collect()
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

fn told_to_end(pod: &Value) -> Option<DateTime<Utc>> {
    let grace = pod.pointer("/metadata/deletionGracePeriodSeconds")?.as_i64()?;
    let deadline: DateTime<Utc> = text(pod, "/metadata/deletionTimestamp").parse().ok()?;
    Some(deadline - chrono::Duration::seconds(grace))
}

fn created(pod: &Value) -> String {
    text(pod, "/metadata/creationTimestamp")
}
