//! What scripts install, and where; and what they may delete.

mod checks;
mod release;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{azurite, documents::read, process};

/// An npm that another installer of the same package overtakes.
const OVERTAKEN: &str = r#"#!/bin/sh
touch "$3/ours"
mkdir "$HOME_OF_AZURITE"
touch "$HOME_OF_AZURITE/theirs"
"#;

/// An npm that finds the installation incomplete.
const INCOMPLETE: &str = r#"#!/bin/sh
[ "$1" = ls ] && exit 1
touch "$3/whole"
"#;

/// A kubectl in whose cluster the namespace exists, with the label of `LABEL`; it writes down what it is asked to delete.
const CLUSTER: &str = r#"#!/bin/sh
case "$*" in
  *jsonpath*) printf %s "$LABEL" ;;
  "get namespace "*) echo "namespace/$3" ;;
  *delete*) echo "$*" >>"$DELETED" ;;
  *) exit 1 ;;
esac
"#;

#[test]
fn an_installation_of_azurite_that_is_overtaken_by_another_one_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "npm", OVERTAKEN);
    let home = home_of_azurite(folder.path());
    let done = need(folder.path(), "need_azurite");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let kept: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["theirs"]);
    assert_eq!(fs::read_dir(home.parent().unwrap()).unwrap().count(), 1, "its own is cleared away");
}

#[test]
fn the_demonstration_on_kubernetes_uses_the_azurite_of_the_tests() {
    let image = format!("azure-storage/azurite:{}\n", azurite::version());
    assert!(read("deploy/kind/run.sh").contains(&image), "{image}");
}

#[test]
fn an_installation_of_azurite_that_was_cut_off_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "npm", INCOMPLETE);
    let home = home_of_azurite(folder.path());
    fs::create_dir_all(home.join("node_modules")).unwrap();
    let done = need(folder.path(), "need_azurite");
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(said.contains(&format!("Azurite in {} is not whole", home.display())), "{said}");
    assert!(home.join("whole").exists(), "the new one");
    assert!(!home.join("node_modules").exists(), "nothing is left of the old one");
}

#[test]
fn programs_that_are_too_old_are_refused_with_the_version_that_is_needed() {
    for (name, answer, wanted) in [
        ("node", "v17.9.1", "Node.js v17.9.1 is too old for Azurite: install 18.0.0 or newer"),
        ("go", "go version go1.24.9 linux/amd64", "Go 1.24.9 is too old for Helm 4: install 1.25.0 or newer"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "npm", "#!/bin/sh\n");
        program(folder.path(), name, &format!("#!/bin/sh\necho '{answer}'\n"));
        let done = need(folder.path(), &format!("need_{name}"));
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn the_tests_ask_for_the_node_that_the_scripts_take() {
    let need = read("tests/need.sh");
    let least = need.lines().find_map(|line| line.strip_prefix("NODE_LEAST=")).unwrap();
    let says = format!("node ({} or later) is needed", least.split('.').next().unwrap());
    for file in ["tests/it/support/azurite.rs", "tests/it/warehouse/tedious.rs"] {
        assert!(read(file).contains(&says), "{file}: {says}");
    }
}

#[test]
fn the_demonstration_on_kubernetes_deletes_only_a_namespace_that_it_created() {
    for (label, arguments, code, deleted) in [
        ("", &["--delete"][..], 1, ""),
        ("", &["--services"], 1, ""),
        ("helm", &["--services"], 1, ""),
        ("kind-run", &["--delete"], 0, "delete namespace theirs\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "kubectl", CLUSTER);
        for name in ["docker", "helm"] {
            program(folder.path(), name, "#!/bin/sh\n");
        }
        let log = folder.path().join("deleted");
        fs::write(&log, "").unwrap();
        let mut run = kind_run(folder.path(), arguments);
        let done = process::blocking(run.env("LABEL", label).env("DELETED", &log));
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(code), "{label} {arguments:?}: {said}");
        assert_eq!(fs::read_to_string(&log).unwrap(), deleted, "{label} {arguments:?}");
        let refused = said.contains("the namespace theirs exists and was not created by this script");
        assert_eq!(refused, code == 1, "{said}");
    }
}

/// A kubectl that forwards a port until it is ended, and knows the run's Secret.
const FORWARDS: &str = r#"#!/bin/sh
case "$*" in
  *port-forward*)
    echo "$*" >>"$ASKED"
    [ -z "$AWAY" ] || { echo 'services "azurite" not found' >&2; exit 1; }
    echo $$ >"$ASKED.pid"
    echo 'Forwarding from 127.0.0.1:4711 -> 10000'
    exec sleep 60 ;;
  *"get secret rogo-migrate"*)
    printf %s 'AccountName=demo;AccountKey=a2V5;BlobEndpoint=http://azurite.theirs:10000/demo;' | base64 -w 0 ;;
  *) exit 1 ;;
esac
"#;

/// A docker that writes down what it is asked to run, and with which account.
const RUNS: &str = r#"#!/bin/sh
printf '%s\n' "$*" "$AZURE_STORAGE_CONNECTION_STRING" >>"$ASKED"
"#;

/// A docker whose build takes two seconds, and fails.
const BUILDS: &str = r#"#!/bin/sh
[ "$1" = build ] || exit 0
echo '#7 compiling'
sleep 2
echo '#8 no space is left' >&2
exit 3
"#;

/// deploy/kind/run.sh in the namespace `theirs`, with the folder's programs, in a cluster of its own.
fn kind_run(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = beside(folder);
    command.args(["deploy/kind/run.sh", "--namespace", "theirs"]).args(arguments);
    command.envs([("LOAD", "true"), ("KUBECONFIG", "/dev/null")]).env_remove("IMAGE").env_remove("HELM");
    command
}

#[test]
fn the_results_of_the_demonstration_on_kubernetes_are_copied_through_a_forwarded_port() {
    for away in ["", "yes"] {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "kubectl", FORWARDS);
        program(folder.path(), "docker", RUNS);
        program(folder.path(), "helm", "#!/bin/sh\n");
        let (asked, results) = (folder.path().join("asked"), folder.path().join("my results"));
        let mut run = kind_run(folder.path(), &["--results", results.to_str().unwrap()]);
        let done = process::blocking(run.env("ASKED", &asked).env("AWAY", away));
        let said = String::from_utf8(done.stderr).unwrap();
        let asked_for = fs::read_to_string(&asked).unwrap();
        let mut lines = asked_for.lines();
        let forward = "--namespace theirs port-forward --address 127.0.0.1 service/azurite :10000";
        assert_eq!(lines.next(), Some(forward));
        if !away.is_empty() {
            assert_eq!(done.status.code(), Some(1), "{said}");
            let reason = "the service azurite of the namespace theirs cannot be reached";
            assert!(said.contains(reason) && said.contains("\"azurite\" not found"), "{said}");
            assert_eq!(lines.next(), None, "nothing is run");
            continue;
        }
        assert_eq!(done.status.code(), Some(0), "{said}");
        let run = lines.next().unwrap();
        assert!(run.ends_with("rogo-migrate:demo results --run-store az://runs/demo --to /out"), "{run}");
        assert!(run.contains(&format!("--volume {}:/out ", results.display())), "{run}");
        let account = "AccountName=demo;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:4711/demo;";
        assert_eq!(lines.next(), Some(account), "as this machine reaches it");
        assert!(results.is_dir());
        let forwarder = fs::read_to_string(folder.path().join("asked.pid")).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", forwarder.trim())).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "the port is still forwarded: {stat}");
    }
}

#[test]
fn a_long_build_of_the_demonstration_on_kubernetes_says_that_it_still_runs_and_why_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "kubectl", "#!/bin/sh\n");
    program(folder.path(), "docker", BUILDS);
    program(folder.path(), "helm", "#!/bin/sh\n");
    let done = process::blocking(kind_run(folder.path(), &["--services"]).env("SAY_EVERY", "1"));
    let (out, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(out.contains("building rogo-migrate:demo (5 to 15 minutes the first time)"), "{out}");
    assert!(out.contains("s    still running: #7 compiling\n"), "{out}");
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("#8 no space is left\nfailed: docker build --network host"), "{said}");
}

/// A kubectl of a cluster in which everything that is asked for succeeds, and the finalizer has ended as `END` says.
const ENDED: &str = r#"#!/bin/sh
case "$*" in
  *"apply --filename"*) cat >/dev/null ;;
  *"get namespace"*) ;;
  *"get jobs --selector app.kubernetes.io/component=finalize"*) echo job.batch/finalizer ;;
  *"get job.batch/finalizer"*conditions*) printf %s "$END" ;;
  *"get job.batch/finalizer"*succeeded*) [ "$END" = Failed ] || printf 1 ;;
  *"get jobs"*) echo 'NAME STATUS' ;;
  *"logs job.batch/finalizer"*) echo 'the books' ;;
esac
"#;

/// A Helm whose test says what it found, and ends with `TESTED`.
const TESTS: &str = r#"#!/bin/sh
[ "$1" = test ] || exit 0
echo 'checks: target reached'
exit "$TESTED"
"#;

#[test]
fn the_demonstration_on_kubernetes_says_what_its_check_and_its_failed_rows_are() {
    let heading = "helm test: the checks of the plan, which write nothing";
    let meant =
        "failed and skipped rows are part of the sample: it contains every outcome that data alone can cause";
    for (end, tested, code) in [("Complete", "0", 0), ("Failed", "0", 1), ("Complete", "1", 1)] {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "kubectl", ENDED);
        program(folder.path(), "helm", TESTS);
        program(folder.path(), "docker", "#!/bin/sh\n");
        let mut run = kind_run(folder.path(), &["--no-sqlserver"]);
        let variables = [("IMAGE", "rogo-migrate:demo"), ("END", end), ("TESTED", tested)];
        let done = process::blocking(run.envs(variables));
        let (out, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        assert_eq!(done.status.code(), Some(code), "{end} {tested}: {out}{said}");
        if tested != "0" {
            assert!(out.trim_end().ends_with(heading), "nothing more is done: {out}");
            assert_eq!(said, "checks: target reached\na check failed: see above\n");
            continue;
        }
        let place = |words: &str| out.find(words).unwrap_or_else(|| panic!("{words} is not said: {out}"));
        let in_order = [
            "installing the chart: 8 shards",
            heading,
            "\n         checks: target reached\n",
            "the run has ended",
            "\nthe books\n",
            meant,
            "deploy/kind/run.sh --namespace theirs --results results",
            "deploy/kind/run.sh --namespace theirs --delete",
        ];
        let places = in_order.map(place);
        assert!(places.is_sorted(), "{places:?}: {out}");
    }
}

/// Puts a program of this name into the folder.
fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where an installation with this folder as its cache keeps Azurite.
fn home_of_azurite(folder: &Path) -> PathBuf {
    folder.join(format!("cache/rogo-migrate/azurite-{}", azurite::version()))
}

/// Runs a function of `need.sh`, with the folder's programs before all others.
fn need(folder: &Path, function: &str) -> Output {
    let mut needing = beside(folder);
    needing
        .args(["-euc", &format!(". tests/need.sh && {function}")])
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("HOME_OF_AZURITE", home_of_azurite(folder));
    process::blocking(needing)
}

/// A repository below the folder: copies of these files.
fn repository(folder: &Path, files: &[&str]) -> PathBuf {
    let root = folder.join("repository");
    for file in files {
        let to = root.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).unwrap();
    }
    root
}

/// bash, with the folder's programs before all others.
fn beside(folder: &Path) -> Command {
    let mut bash = Command::new("bash");
    bash.current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    bash
}
