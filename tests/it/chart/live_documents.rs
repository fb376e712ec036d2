//! Every command for `kubectl` and `helm` in deploy/RUNNING.md and in the notes is run, in the order of the document, against a release
//! whose Secret is refused: its Jobs end by themselves. What is tested is that the commands do something, not what the run does.

use std::{fs, path::Path, process::Command};

use super::{
    live::{Namespace, repository_and_tag},
    rendered::{chart, helm},
};
use crate::support::documents::commands;

/// Commands that follow something end here.
const LONGEST_S: &str = "8";

struct Day {
    namespace: Namespace,
    folder: tempfile::TempDir,
    path: String,
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
        Self { namespace, folder, path }
    }

    /// Runs one line as a person would, in `folder`; what is wrong with it, if anything.
    fn run(&self, line: &str, folder: &Path) -> Option<String> {
        // They are refused while Jobs that they would replace are unfinished.
        if ["shards.only=", "generation=", "verify.again="].iter().any(|value| line.contains(value)) {
            self.namespace.wait_until_all_failed();
        }
        let mut output = None;
        // Pods may not have begun.
        for _ in 0..30 {
            let follows = line.contains(" -f") && line.contains(" logs ") || line.contains("--watch");
            // All programs of the line are in the group that a timeout ends.
            let bounded = ["timeout", LONGEST_S, "bash", "-o", "pipefail", "-c", line];
            let words = if follows { &bounded[..] } else { &bounded[2..] };
            let done = Command::new(words[0])
                .args(&words[1..])
                .current_dir(folder)
                .env("PATH", &self.path)
                .envs([("R", "rogo"), ("NS", &self.namespace.0)])
                .env("CHART", chart())
                .output()
                .unwrap();
            let code = done.status.code().unwrap_or(-1);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            // The test reaches services with a Secret that is refused, and says so.
            let fails_as_it_should = line.starts_with("helm test") && said.contains("failed");
            if code == 0 || follows && code == 124 || fails_as_it_should {
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

#[test]
fn every_command_of_the_documents_runs() {
    let day = Day::new();
    let lines: Vec<_> =
        commands("deploy/RUNNING.md", None).into_iter().filter(|line| is_for_cluster(line)).collect();
    assert!(lines.len() >= 15, "{lines:#?}");
    let mut wrong = Vec::new();
    let mut ran = 0;
    for line in &lines {
        if line.starts_with("helm uninstall") {
            let notes =
                helm().args(["get", "notes", "rogo", "--namespace", &day.namespace.0]).output().unwrap();
            let notes = of_notes(&String::from_utf8(notes.stdout).unwrap());
            assert!(notes.len() >= 10, "{notes:#?}");
            let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
            wrong.extend(notes.iter().filter_map(|line| day.run(line, repository)));
            ran += notes.len();
        }
        wrong.extend(day.run(line, day.folder.path()));
        ran += 1;
    }
    assert!(wrong.is_empty(), "{} of {ran}:\n{}", wrong.len(), wrong.join("\n"));
}
