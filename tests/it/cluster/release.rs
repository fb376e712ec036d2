//! The chart in a world: installed, upgraded, and its Jobs.

use std::{collections::BTreeMap, io::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    kubectl::{PATIENCE, until},
    services::variable,
    world::World,
};
use crate::chart::rendered::{KUBERNETES, chart, component, helm, text};
use crate::support::process;

const RELEASE: &str = "r";
/// What a run of a few seconds does not need.
const SMALL: [&str; 2] = ["shards.count=8", "shards.parallelism=3"];
/// One submission at a time in each pod, so that a slow commit slows the run.
pub const ONE_AT_A_TIME: [&str; 3] = ["work.workers=1", "work.pool=1", "work.inFlight=1"];

/// A release of the chart.
pub struct Release<'world> {
    world: &'world World,
}

impl<'world> Release<'world> {
    /// `helm install`, with values besides those of the demo.
    #[track_caller]
    pub fn install(world: &'world World, set: &[&str]) -> Self {
        let release = Self { world };
        let mut verb = vec!["install".to_owned()];
        verb.extend(values(world));
        release.helm(&verb, set).unwrap_or_else(|refusal| panic!("{refusal}"));
        release
    }

    /// `helm template | kubectl apply`, with values besides those of the demo.
    #[track_caller]
    pub fn apply(world: &'world World, set: &[&str]) -> Self {
        let mut command = helm();
        command.args(["template", RELEASE, chart().to_str().unwrap(), "--namespace", &world.name]);
        command.args(["--kube-version", KUBERNETES, "--skip-tests"]).args(values(world));
        for pair in set {
            command.args(["--set", pair]);
        }
        let output = process::blocking(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut objects = tempfile::NamedTempFile::new().unwrap();
        objects.write_all(&output.stdout).unwrap();
        let file = format!("--filename={}", objects.path().display());
        world.kubectl.run(&["apply", &file]);
        Self { world }
    }

    /// `helm upgrade` that keeps all values but these; the refusal where Helm refuses.
    pub fn upgrade(&self, set: &[&str]) -> Result<(), String> {
        self.helm(&["upgrade".to_owned(), "--reset-then-reuse-values".to_owned()], set)
    }

    pub fn uninstall(&self) {
        let output = process::blocking(helm().args(["uninstall", RELEASE, "--namespace", &self.world.name]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn helm(&self, verb: &[String], set: &[&str]) -> Result<(), String> {
        let mut command = helm();
        command.args(verb).args([RELEASE, chart().to_str().unwrap(), "--namespace", &self.world.name]);
        for pair in set {
            command.args(["--set", pair]);
        }
        let output = process::blocking(command);
        let refusal = String::from_utf8_lossy(&output.stderr);
        let sentence = refusal.split_whitespace().collect::<Vec<_>>().join(" ");
        if output.status.success() { Ok(()) } else { Err(sentence) }
    }

    /// The Jobs by component.
    pub fn jobs(&self) -> BTreeMap<String, Value> {
        let jobs = self.world.kubectl.list(&["jobs"]);
        jobs.into_iter().filter_map(|job| Some((component(&job)?, job))).collect()
    }

    #[track_caller]
    pub fn job(&self, of: &str) -> Value {
        self.jobs().remove(of).unwrap_or_else(|| panic!("a Job {of}"))
    }

    pub fn uids(&self) -> BTreeMap<String, String> {
        self.jobs().into_iter().map(|(of, job)| (of, text(&job, "/metadata/uid"))).collect()
    }

    /// The pods of a component that are there now.
    pub fn pods(&self, of: &str) -> Vec<Value> {
        self.world.kubectl.list(&["pods", &format!("--selector=app.kubernetes.io/component={of}")])
    }

    /// Waits for the Job's end: `Complete` or `Failed`.
    #[track_caller]
    pub fn until_ended(&self, of: &str) -> &'static str {
        until(&format!("the end of the Job {of}"), PATIENCE, || self.jobs().get(of).and_then(end))
    }

    /// Waits for the end of all three, and for it to be the right one.
    #[track_caller]
    pub fn until_complete(&self) {
        for of in ["plan", "shards", "finalize"] {
            assert_eq!(self.until_ended(of), "Complete", "{of}: {}", self.job(of)["status"]);
        }
    }

    /// Waits until so many pods of a component run.
    #[track_caller]
    pub fn until_running(&self, of: &str, pods: usize) -> Vec<Value> {
        until(&format!("{pods} running pods of {of}"), PATIENCE, || {
            let running = self.pods(of).into_iter().filter(|pod| text(pod, "/status/phase") == "Running");
            let running: Vec<Value> = running.collect();
            (running.len() >= pods).then_some(running)
        })
    }

    /// How the last pod of a component ended: exit code and termination message.
    #[track_caller]
    pub fn end_of(&self, of: &str) -> (i64, Value) {
        let pods = self.pods(of);
        let ended = pods.iter().filter_map(|pod| pod.pointer("/status/containerStatuses/0/state/terminated"));
        let last = ended.max_by_key(|end| text(end, "/finishedAt")).expect("a pod that has ended");
        let message = text(last, "/message");
        let parsed = serde_json::from_str(&message).unwrap_or_else(|_| panic!("JSON: {message}"));
        (last["exitCode"].as_i64().unwrap(), parsed)
    }
}

/// How a Job ended, where it has.
pub fn end(job: &Value) -> Option<&'static str> {
    let conditions = job.pointer("/status/conditions")?.as_array()?;
    ["Complete", "Failed"].into_iter().find(|kind| {
        conditions.iter().any(|condition| condition["type"] == *kind && condition["status"] == "True")
    })
}

/// What all installations of these tests share.
fn values(world: &World) -> Vec<String> {
    let demo = chart().join("../../deploy/kind/values.yaml");
    let image = variable("ROGO_TEST_IMAGE");
    let (repository, tag) = image.rsplit_once(':').expect("an image with a tag");
    let mut arguments = vec!["--values".to_owned(), demo.display().to_string()];
    let own = [
        format!("image.repository={repository}"),
        format!("image.tag={tag}"),
        format!("source.allow={{{}}}", world.services.source_url()),
        format!("target.container=az://{}", world.name),
        format!("storage.runStore=az://{}-runs/store", world.name),
    ];
    for pair in SMALL.iter().map(ToString::to_string).chain(own) {
        arguments.extend(["--set".to_owned(), pair]);
    }
    arguments
}

/// The whole run in one pod, with the settings that the chart gives it; returns when it has ended well.
pub fn run_in_one_pod(world: &World) {
    let mut command = helm();
    command.args(["template", RELEASE, chart().to_str().unwrap(), "--namespace", &world.name]);
    command.args(["--kube-version", KUBERNETES]);
    let output = process::blocking(command.args(values(world)).args(["--show-only", "templates/jobs.yaml"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let jobs: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let plan = jobs.into_iter().find(|job| component(job).as_deref() == Some("plan")).unwrap();
    let mut spec = plan["spec"]["template"]["spec"].clone();
    spec["serviceAccountName"] = json!("default");
    let container = &mut spec["containers"][0];
    container["args"][0] = json!("run");
    container["env"].as_array_mut().unwrap().push(json!({"name": "ROGO_OUT", "value": "/tmp"}));
    let metadata = json!({"name": "alone", "labels": {"app.kubernetes.io/name": "rogo-migrate"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    world.kubectl.give(&["create", "--filename=-"], &pod);
    let phase = until("the end of the run in one pod", PATIENCE + Duration::from_mins(1), || {
        let phase = text(&world.kubectl.get(&["pod/alone"]), "/status/phase");
        ["Succeeded", "Failed"].contains(&phase.as_str()).then_some(phase)
    });
    assert_eq!(phase, "Succeeded", "{}", world.kubectl.run(&["logs", "alone", "--tail=20"]));
}
