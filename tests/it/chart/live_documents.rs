//! Every command for `kubectl` and `helm` in deploy/RUNNING.md, in the notes and in what the program says to type is run, in the order
//! of the document, against a release whose Secret is refused: its Jobs end by themselves. What is tested is that the commands do
//! something, not what the run does.

use std::{cell::Cell, fs, path::Path, process::Command};

use super::{
    inline::{EXPLAINED, Found, INLINE, SAID, Typed, commands_in_order, with_names},
    live::{Namespace, repository_and_tag},
    rendered::{chart, helm},
};
use crate::support::{documents::read, process};

/// What `kubectl top` says in a cluster without metrics, and of pods whose first are not there yet.
const LACKS_METRICS: [&str; 3] = [
    "error: Metrics API not available",
    "error: metrics not available yet",
    "error: Metrics not available for pod",
];

/// Commands that follow something end here.
const LONGEST_S: &str = "8";

/// The queue of the lines for Kueue, as far as they see one: a cluster without Kueue gets the kind for the time of the test.
const QUEUE: &str = "queue";
const KIND: &str = "localqueues.kueue.x-k8s.io";
const KIND_AND_QUEUE: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: localqueues.kueue.x-k8s.io}
spec:
  group: kueue.x-k8s.io
  scope: Namespaced
  names: {plural: localqueues, singular: localqueue, kind: LocalQueue}
  versions:
    - name: v1beta1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata: {name: queue}
spec: {clusterQueue: none}
";

struct Day {
    namespace: Namespace,
    folder: tempfile::TempDir,
    path: String,
    /// The last command let Helm delete what runs: the next one takes that back, as the document says.
    may_replace: Cell<bool>,
    /// The cluster had no queues before.
    made_kind: bool,
}

impl Drop for Day {
    fn drop(&mut self) {
        if self.made_kind {
            self.namespace.try_kubectl(&["delete", "crd", KIND, "--wait=false"]);
        }
    }
}

impl Day {
    fn new() -> Self {
        let namespace = Namespace::new();
        namespace.wrong_secret();
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(helm().get_program(), bin.join("helm")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let minimal = fs::read_to_string(chart().join("ci/minimal-values.yaml")).unwrap();
        let (repository, tag) = repository_and_tag();
        let small = "{resources: {cpu: 20m, memory: 64Mi, ephemeralStorage: 100Mi}";
        let values = format!(
            "{minimal}image: {{repository: {repository}, tag: {tag}}}\nplan: {small}}}\nfinalize: {small}}}\n\
             verify: {small}}}\nshards: {small}, count: 10}}\n"
        );
        fs::write(folder.path().join("values.yaml"), values).unwrap();
        fs::write(folder.path().join("rehearsal.env"), "DATABASE_URL=wrong\n").unwrap();
        let keys = [
            "DATABASE_URL",
            "DATA_WAREHOUSE_CONNECTION_STRING",
            "AZURE_STORAGE_CONNECTION_STRING",
            "ROGO_CONSUMER_KEY",
        ];
        fs::write(folder.path().join("verify.env"), keys.map(|key| format!("{key}=wrong\n")).concat())
            .unwrap();
        let made_kind = !namespace.try_kubectl(&["get", "crd", KIND]).status.success();
        let queue = folder.path().join("queue.yaml");
        let (kind, of_kind) = KIND_AND_QUEUE.split_once("---\n").unwrap();
        if made_kind {
            fs::write(&queue, kind).unwrap();
            namespace.kubectl(&["create", "--filename", queue.to_str().unwrap()]);
            namespace.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", KIND]);
        }
        fs::write(&queue, of_kind).unwrap();
        namespace.kubectl(&["create", "--filename", queue.to_str().unwrap()]);
        Self { namespace, folder, path, may_replace: Cell::new(false), made_kind }
    }

    /// The name of one object of this kind that the namespace, or the cluster, has now; the first, in the order of their names.
    fn one(&self, kind: &str, selector: &str) -> String {
        let names = self.namespace.kubectl(&["get", kind, "--selector", selector, "--output=name"]);
        let first = names.lines().next().unwrap_or_else(|| panic!("there is no {kind}"));
        first.split_once('/').unwrap().1.to_owned()
    }

    /// The notes of the release as it is.
    fn notes(&self) -> Vec<String> {
        let get = ["get", "notes", "rogo", "--namespace", &self.namespace.0];
        let notes = process::blocking(helm().args(get));
        of_notes(&String::from_utf8(notes.stdout).unwrap())
    }

    /// Gives the release one more value; what Helm says.
    fn upgrade(&self, arguments: &[&str]) -> String {
        let mut upgrade = helm();
        upgrade.arg("upgrade").arg("rogo").arg(chart()).args(["--namespace", &self.namespace.0]);
        let done = process::blocking(upgrade.arg("--reset-then-reuse-values").args(arguments));
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs one line as a person would, in `folder`; what is wrong with it, if anything.
    fn run(&self, line: &str, folder: &Path) -> Option<String> {
        // They are refused while Jobs that they would replace are unfinished.
        let replaces =
            ["shards.only=", "generation=", "verify.again="].iter().any(|value| line.contains(value));
        if replaces && !line.contains("replaceRunning=true") {
            self.namespace.wait_until_all_failed();
        }
        let mut line = line.to_owned();
        if line.starts_with("helm upgrade") && self.may_replace.replace(line.contains("replaceRunning=true"))
        {
            line.push_str(" --set replaceRunning=false");
        }
        let line = line.as_str();
        let named = |word: &str, kind: &str, selector: &str| {
            if line.contains(word) { self.one(kind, selector) } else { String::new() }
        };
        let job = named("$JOB", "jobs", "app.kubernetes.io/component=plan,app.kubernetes.io/instance=rogo");
        let (pod, node) = (named("$POD", "pods", ""), named("$NODE", "nodes", ""));
        let mut output = None;
        // Pods may not have begun.
        for _ in 0..30 {
            let follows = line.contains(" -f") && line.contains(" logs ") || line.contains("--watch");
            // All programs of the line are in the group that a timeout ends.
            let bounded = ["timeout", LONGEST_S, "bash", "-o", "pipefail", "-c", line];
            let words = if follows { &bounded[..] } else { &bounded[2..] };
            let mut command = Command::new(words[0]);
            command
                .args(&words[1..])
                .current_dir(folder)
                .env("PATH", &self.path)
                .envs([("R", "rogo"), ("NS", &self.namespace.0), ("QUEUE", QUEUE)])
                .envs([("JOB", &job), ("POD", &pod), ("NODE", &node)])
                .env("CHART", chart());
            let done = process::blocking(command);
            let code = done.status.code().unwrap_or(-1);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            // The test reaches services with a Secret that is refused, and says so.
            let fails_as_it_should = line.starts_with("helm test") && said.contains("failed");
            // A cluster need not have metrics: then its server has understood the question.
            let lacks_metrics =
                line.contains(" top ") && LACKS_METRICS.iter().any(|words| said.contains(words));
            if code == 0 || follows && code == 124 || fails_as_it_should || lacks_metrics {
                return None;
            }
            output = Some(format!("{line}\n  ends with {code}: {said}"));
            if !said.contains("waiting to start") && !said.contains("is not available") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        output
    }
}

/// Whether a line is one for the cluster. Those of the program are tested elsewhere, and `az` needs a subscription.
fn is_for_cluster(line: &str) -> bool {
    ["kubectl ", "helm "].iter().any(|program| line.starts_with(program))
}

/// The commands of the notes: after a word at the margin, or indented.
fn of_notes(notes: &str) -> Vec<String> {
    let starts = |line: &str| line.find("kubectl ").or_else(|| line.find("helm ")).filter(|at| *at == 11);
    notes.lines().filter_map(|line| starts(line).and_then(|at| line.get(at..))).map(str::to_owned).collect()
}

/// What comes before the release is removed: the lines of its notes, also those of other values, and the lines that the program
/// says; what is wrong with them, and how many there were.
fn of_the_release(day: &Day) -> (Vec<String>, usize) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = day.notes();
    assert!(lines.len() >= 10, "{lines:#?}");
    // Only tried: without Kueue its Jobs would never begin. It is refused too while Jobs are unfinished.
    day.namespace.wait_until_all_failed();
    let queued = day.upgrade(&["--set", &format!("shards.queueName={QUEUE}"), "--dry-run=server"]);
    let queued: Vec<_> = of_notes(&queued).into_iter().filter(|line| line.contains("localqueue")).collect();
    assert_eq!(queued.len(), 2, "pause and resume: {queued:#?}");
    lines.extend(queued);
    let of_program = SAID.iter().chain(EXPLAINED).filter(|(_, _, typed)| *typed == Typed::Live);
    lines.extend(of_program.map(|(_, said, _)| with_names(said)));
    let mut wrong: Vec<String> = lines.iter().filter_map(|line| day.run(line, repository)).collect();

    day.namespace.wait_until_all_failed();
    day.upgrade(&["--set", "replaceRunning=true"]);
    let mut replacing = day.notes();
    replacing.retain(|line| line.contains("--set replaceRunning=false"));
    assert_eq!(replacing.len(), 6, "{replacing:#?}");
    wrong.extend(replacing.iter().filter_map(|line| day.run(line, repository)));
    (wrong, lines.len() + replacing.len())
}

#[test]
fn every_command_of_the_documents_runs() {
    let day = Day::new();
    let is_live = |span: &str| INLINE.iter().any(|(known, typed)| *known == span && *typed == Typed::Live);
    let lines = commands_in_order(&read("deploy/RUNNING.md")).into_iter().filter_map(|found| match found {
        Found::Line(line) => is_for_cluster(&line).then_some(line),
        Found::Span(span) => is_live(&span).then(|| with_names(&span)),
    });
    let lines: Vec<String> = lines.collect();
    assert!(lines.len() >= 20, "{lines:#?}");
    let mut wrong = Vec::new();
    let mut ran = 0;
    for line in &lines {
        if line.starts_with("helm uninstall") {
            let (of_release, number) = of_the_release(&day);
            wrong.extend(of_release);
            ran += number;
        }
        wrong.extend(day.run(line, day.folder.path()));
        ran += 1;
        if line.contains("\"Hold\"") {
            let policy = ["get", "localqueue", QUEUE, "--output=jsonpath={.spec.stopPolicy}"];
            assert_eq!(day.namespace.kubectl(&policy), "Hold");
        }
    }
    assert!(wrong.is_empty(), "{} of {ran}:\n{}", wrong.len(), wrong.join("\n"));
}
