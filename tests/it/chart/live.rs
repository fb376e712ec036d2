//! What only a cluster shows: upgrades beside Jobs that run or have ended, in a namespace of the test's own.

use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::{
    lines,
    rendered::{chart, component, helm, text},
};
use crate::support::process;

/// Deleted at the end, with all that is in it.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new() -> Self {
        let name = format!("chart-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let namespace = Self(name.clone());
        namespace.kubectl(&["create", "namespace", &name]);
        namespace
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn try_kubectl(&self, arguments: &[&str]) -> Output {
        let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
        let mut command = Command::new(program);
        process::blocking(command.args(["--namespace", &self.0]).args(arguments))
    }

    /// `install` or `upgrade`: what Helm says, or its refusal.
    fn helm(&self, verb: &[&str], set: &[&str]) -> Result<String, String> {
        let mut command = helm();
        command.args(verb).arg("r").arg(chart()).args(["--namespace", &self.0]);
        for pair in set {
            command.args(["--set", pair]);
        }
        let output = process::blocking(command);
        let refusal = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(refusal.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }

    fn install(&self, set: &[&str]) {
        let values = chart().join("ci/minimal-values.yaml");
        self.helm(&["install", "--values", values.to_str().unwrap()], set).unwrap();
    }

    fn upgrade(&self, set: &[&str]) -> Result<String, String> {
        self.helm(&["upgrade", "--reset-then-reuse-values"], set)
    }

    /// The Jobs by component.
    fn jobs(&self) -> BTreeMap<String, Value> {
        let list: Value = serde_json::from_str(&self.kubectl(&["get", "jobs", "--output=json"])).unwrap();
        let jobs = list.get("items").and_then(Value::as_array).unwrap().clone();
        jobs.into_iter().map(|job| (component(&job).unwrap(), job)).collect()
    }

    fn uids(&self) -> BTreeMap<String, String> {
        self.jobs().into_iter().map(|(of, job)| (of, text(&job, "/metadata/uid"))).collect()
    }

    fn wait_until_failed(&self, component: &str) {
        let selector = format!("--selector=app.kubernetes.io/component={component}");
        self.kubectl(&["wait", "jobs", &selector, "--for=condition=Failed", "--timeout=180s"]);
    }

    /// A Secret that the program refuses at once.
    pub fn wrong_secret(&self) {
        let keys = [
            "DATABASE_URL",
            "DATA_WAREHOUSE_CONNECTION_STRING",
            "AZURE_STORAGE_CONNECTION_STRING",
            "ROGO_CONSUMER_KEY",
        ];
        let literals: Vec<_> = keys.iter().map(|key| format!("--from-literal={key}=wrong")).collect();
        let mut secret = vec!["create", "secret", "generic", "rogo-migrate"];
        secret.extend(literals.iter().map(String::as_str));
        self.kubectl(&secret);
    }

    pub fn wait_until_all_failed(&self) {
        self.kubectl(&["wait", "jobs", "--all", "--for=condition=Failed", "--timeout=180s"]);
    }
}

/// The image that the cluster has.
pub fn repository_and_tag() -> (String, String) {
    let image =
        std::env::var("ROGO_TEST_IMAGE").expect("ROGO_TEST_IMAGE names an image that the cluster has");
    let (repository, tag) = image.rsplit_once(':').unwrap();
    (repository.to_owned(), tag.to_owned())
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Jobs that were made in this very second have been seen to outlive their namespace's deletion.
        self.try_kubectl(&["delete", "jobs", "--all", "--wait=false"]);
        self.try_kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

/// An image that no node has: its Jobs stay unfinished.
const NO_IMAGE: [&str; 2] = ["image.repository=no-such-image", "image.pullPolicy=Never"];

#[test]
fn running_jobs_are_throttled_and_paused_in_place_and_never_deleted_unasked() {
    let namespace = Namespace::new();
    namespace.install(&NO_IMAGE);
    let before = namespace.uids();
    assert_eq!(before.len(), 3);

    namespace.upgrade(&[]).unwrap();
    assert_eq!(namespace.uids(), before);

    let shards = |pointer: &str| namespace.jobs()["shards"].pointer(pointer).cloned();
    namespace
        .upgrade(&["shards.parallelism=2", "shards.suspend=true", "shards.activeDeadlineSeconds=3600"])
        .unwrap();
    assert_eq!(namespace.uids(), before);
    assert_eq!(shards("/spec/parallelism"), Some(json!(2)));
    assert_eq!(shards("/spec/maxFailedIndexes"), Some(json!(7)), "throttling does not fail a run");
    assert_eq!(shards("/spec/activeDeadlineSeconds"), Some(json!(3600)));
    assert_eq!(shards("/spec/suspend"), Some(json!(true)));
    namespace.upgrade(&["shards.suspend=false"]).unwrap();
    assert_eq!(shards("/spec/suspend"), Some(json!(false)));
    assert_eq!(namespace.uids(), before);

    let refusal = namespace.upgrade(&["image.tag=other"]).unwrap_err();
    assert!(refusal.contains("Helm would delete r-rogo-") && refusal.contains("are unfinished"), "{refusal}");
    let refusal = namespace.upgrade(&["shards.only=3"]).unwrap_err();
    assert!(refusal.contains("shards.only is set while the shard Job r-rogo-s-"), "{refusal}");
    assert_eq!(namespace.uids(), before);

    namespace.upgrade(&["image.tag=other", "replaceRunning=true"]).unwrap();
    assert!(namespace.uids().iter().all(|(of, uid)| before.get(of) != Some(uid)));

    let uninstalled = process::blocking(helm().args(["uninstall", "r", "--namespace", &namespace.0]));
    assert!(uninstalled.status.success());
    let deleted = ["wait", "pods,jobs", "--all", "--for=delete", "--timeout=120s"];
    namespace.try_kubectl(&deleted);
    let kinds = "jobs,pods,roles,rolebindings,secrets,networkpolicies,configmaps,serviceaccounts";
    let left = namespace.kubectl(&["get", kinds, "--output=name"]);
    assert_eq!(left.trim(), "configmap/kube-root-ca.crt\nserviceaccount/default");
}

/// With a Secret that the program refuses at once: everything ends by itself.
#[test]
fn a_failed_list_of_shards_runs_again_and_a_later_generation_ignores_it() {
    let (repository, tag) = repository_and_tag();
    let namespace = Namespace::new();
    namespace.wrong_secret();

    namespace.install(&[
        &format!("image.repository={repository}"),
        &format!("image.tag={tag}"),
        "shards.count=2",
    ]);
    namespace.wait_until_all_failed();
    let before = namespace.uids();

    // The same line, twice; nothing happens to it while it runs.
    namespace.upgrade(&["shards.only=1", "shards.suspend=true"]).unwrap();
    namespace.wait_until_failed("finalize-again");
    let paused = namespace.uids();
    namespace.upgrade(&[]).unwrap();
    assert_eq!(namespace.uids(), paused);
    let refusal = namespace.upgrade(&["shards.only="]).unwrap_err();
    assert!(
        refusal.contains("Helm would delete r-rogo-s-") && refusal.contains("is unfinished"),
        "{refusal}"
    );
    namespace.upgrade(&["shards.suspend=false"]).unwrap();
    namespace.wait_until_all_failed();
    assert_eq!(namespace.uids(), paused);
    let first = namespace.uids();
    namespace.upgrade(&["shards.only=1"]).unwrap();
    namespace.wait_until_all_failed();
    let second = namespace.uids();
    for job in ["plan", "shards", "finalize"] {
        assert_eq!((first.get(job), second.get(job)), (before.get(job), before.get(job)), "{job}");
    }
    for job in ["shards-again", "finalize-again"] {
        assert!(
            first.contains_key(job) && second.contains_key(job) && first.get(job) != second.get(job),
            "{job}"
        );
    }

    // The line that the finalizer prints for lost rows: the same list, and yet another additional Job.
    namespace.upgrade(&["shards.redo=lost", "shards.reason=failover", "shards.only=1"]).unwrap();
    let redone = namespace.uids();
    for job in ["plan", "shards", "finalize"] {
        assert_eq!(redone.get(job), before.get(job), "{job}");
    }
    for job in ["shards-again", "finalize-again"] {
        assert!(redone.contains_key(job) && redone.get(job) != second.get(job), "{job}");
    }
    namespace.wait_until_all_failed();

    namespace.upgrade(&["generation=2"]).unwrap();
    let third = namespace.uids();
    assert_eq!(third.keys().collect::<Vec<_>>(), ["finalize", "plan", "shards"]);
    assert!(third.iter().all(|(of, uid)| before.get(of) != Some(uid)));
}

/// A Job with this deadline ends by itself; it may change in place.
const DEADLINES: [&str; 3] =
    ["plan.activeDeadlineSeconds=1", "shards.activeDeadlineSeconds=1", "finalize.activeDeadlineSeconds=1"];

#[test]
fn a_list_that_is_older_than_the_shard_job_stands_in_nobodys_way() {
    let namespace = Namespace::new();
    namespace.install(&[&NO_IMAGE[..], &DEADLINES, &["shards.count=2"]].concat());
    namespace.wait_until_all_failed();
    namespace.upgrade(&["shards.only=1"]).unwrap();
    namespace.wait_until_all_failed();

    let notes = namespace.upgrade(&["generation=2", "shards.activeDeadlineSeconds=3600"]).unwrap();
    assert!(notes.contains("shards.only=1 is older than these Jobs and ignored."), "{notes}");
    let second = namespace.uids();
    assert_eq!(second.keys().collect::<Vec<_>>(), ["finalize", "plan", "shards"]);
    for set in ["shards.suspend=true", "shards.suspend=false", "shards.parallelism=1", "generation=2"] {
        namespace.upgrade(&[set]).unwrap();
        assert_eq!(namespace.uids(), second, "{set}");
    }
    let refusal = namespace.upgrade(&["shards.only=0"]).unwrap_err();
    assert!(refusal.contains("shards.only is set while the shard Job r-rogo-s-"), "{refusal}");
    namespace.upgrade(&["shards.activeDeadlineSeconds=1"]).unwrap();
    namespace.wait_until_all_failed();
    namespace.upgrade(&[]).unwrap();
    assert_eq!(namespace.uids(), second);

    // Where just these have failed, it is the line that the finalizer prints.
    for (completed, again) in [("1", false), ("0", true)] {
        let status = format!("--patch={{\"status\":{{\"completedIndexes\":\"{completed}\"}}}}");
        let job = format!("job/{}", text(&namespace.jobs()["shards"], "/metadata/name"));
        namespace.kubectl(&["patch", &job, "--subresource=status", "--type=merge", &status]);
        namespace.upgrade(&["shards.only=1"]).unwrap();
        assert_eq!(namespace.uids().contains_key("shards-again"), again, "completed: {completed}");
    }
}

#[test]
fn after_lost_rows_of_all_shards_were_moved_again_a_list_of_shards_has_its_additional_job() {
    let namespace = Namespace::new();
    namespace.install(&[&NO_IMAGE[..], &DEADLINES, &["shards.count=2"]].concat());
    namespace.wait_until_all_failed();
    let first = namespace.uids();
    namespace.upgrade(&["shards.redo=lost", "shards.reason=failover"]).unwrap();
    namespace.wait_until_all_failed();
    let all = namespace.uids();
    assert_eq!(all["plan"], first["plan"]);
    assert_ne!(all["shards"], first["shards"]);

    // The lines that its finalizer prints: for lost rows, with a reason of its own, and for shards that failed.
    for line in [&["shards.redo=lost", "shards.reason=another", "shards.only=1"][..], &["shards.only=0"]] {
        let notes = namespace.upgrade(line).unwrap();
        assert!(notes.contains(" again."), "{notes}");
        let again = namespace.uids();
        for job in ["plan", "shards", "finalize"] {
            assert_eq!(again.get(job), all.get(job), "{job} after {line:?}");
        }
        assert!(again.contains_key("shards-again") && again.contains_key("finalize-again"), "{line:?}");
        namespace.wait_until_all_failed();
    }
}

/// The API server takes what each renders beside the Jobs of the release, and nothing is changed.
#[test]
fn every_line_of_helm_that_the_program_makes_is_taken_by_helm_as_it_stands() {
    let namespace = Namespace::new();
    namespace.install(&[&NO_IMAGE[..], &DEADLINES, &["shards.count=2"]].concat());
    namespace.wait_until_all_failed();
    let before = namespace.uids();
    let program = helm().get_program().to_str().unwrap().to_owned();
    for line in lines::typed(&namespace.0) {
        let tried = line.replacen("helm", &format!("'{program}'"), 1) + " --dry-run=server";
        let output = process::blocking(Command::new("sh").args(["-c", &tried]));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(namespace.uids(), before);
}

/// It waits for a COMPLETE result that will not come: it stands in the way of no other test.
#[test]
fn a_job_that_waits_to_verify_does_not_keep_a_run_from_being_made_anew() {
    let namespace = Namespace::new();
    namespace.install(&[&NO_IMAGE[..], &DEADLINES, &["shards.count=2", "verify.enabled=true"]].concat());
    for component in ["plan", "shards", "finalize"] {
        namespace.wait_until_failed(component);
    }
    let before = namespace.uids();
    assert!(before.contains_key("verify"));
    namespace.upgrade(&["generation=2"]).unwrap();
    let after = namespace.uids();
    assert_eq!(after.keys().collect::<Vec<_>>(), ["finalize", "plan", "shards", "verify"]);
    assert!(after.iter().all(|(of, uid)| before.get(of) != Some(uid)));
}
