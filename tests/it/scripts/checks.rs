//! What `tests/run.sh` passes on to the tests, what `.ci/run` counts of them, and what becomes of a test that lacks something or hangs.

use std::{
    fs,
    panic::AssertUnwindSafe,
    process::{Command, Output},
    time::Duration,
};

use super::{beside, program, repository};
use crate::support::{
    machine::or_skipped,
    process::{blocking, blocking_within},
};

/// A runner whose tests pass, but one skips itself; it says what it was given.
const RUNNER: &str = r#"#!/bin/sh
printf 'a::b\tno node\n' >>"$ROGO_SKIPPED"
echo "given: $* kills=$ROGO_TEST_KILLS"
echo 'test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s'
exit "${CODE:-0}"
"#;

/// What is there already, on every machine.
const NOTHING_NEEDED: &str = "need_cargo() { :; }\nneed_postgres() { :; }\nneed_node() { :; }\nneed_chromium() { :; }\n\
                              need_prometheus() { :; }\nneed_collector() { :; }\n";

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn one_command_runs_the_long_set() {
    for (arguments, given) in [
        (&["--long", "crash::"][..], "given: test --locked crash:: kills=1000\n"),
        (&["--long"], "given: test --locked kills=1000\n"),
        (&["crash::"], "given: test --locked crash:: kills=\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = repository(folder.path(), &["tests/run.sh"]);
        fs::write(root.join("tests/need.sh"), NOTHING_NEEDED).unwrap();
        program(folder.path(), "cargo", RUNNER);
        let mut run = beside(folder.path());
        run.arg(root.join("tests/run.sh")).args(arguments);
        for name in ["ROGO_TEST_KILLS", "ROGO_SKIPPED", "TEST_WAREHOUSE_URL"] {
            run.env_remove(name);
        }
        run.env("CODE", "7");
        let done = blocking(run);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(7), "the runner's: {said:?}");
        assert!(said.contains(given), "{said:?}");
        let skipped =
            "skipped: a::b: no node\nskipped: warehouse::real: TEST_WAREHOUSE_URL names no SQL Server\n";
        assert!(said.ends_with(skipped), "{said:?}");
    }
    let crash = crate::support::documents::read("tests/it/crash.rs");
    assert!(crash.contains("\"ROGO_TEST_KILLS\""), "it is read");
}

#[test]
fn a_test_that_skipped_itself_is_counted_as_skipped_and_in_ci_it_is_a_failure() {
    let option = "── skipped: warehouse::real: TEST_WAREHOUSE_URL names no SQL Server\n";
    for (server, ci, last, code) in [
        ("", None, "4 passed, 0 failed, 2 skipped", 0),
        ("Server=x", None, "4 passed, 0 failed, 1 skipped", 0),
        ("", Some("true"), "4 passed, 0 failed, 2 skipped", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = repository(folder.path(), &[".ci/run", "tests/need.sh", "tests/summary.sh"]);
        program(&root.join("tests"), "run.sh", RUNNER);
        program(folder.path(), "cargo", "#!/bin/sh\n");
        let mut run = beside(folder.path());
        run.arg(root.join(".ci/run")).arg("tests").env("XDG_CACHE_HOME", folder.path().join("cache"));
        run.env("TEST_WAREHOUSE_URL", server).env_remove("CI").envs(ci.map(|value| ("CI", value)));
        let done = blocking(run);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(code), "{said:?}");
        assert_eq!(said.lines().last(), Some(last), "{said:?}");
        assert!(said.contains("── skipped: a::b: no node\n"), "{said:?}");
        assert_eq!(said.contains(option), server.is_empty(), "{said:?}");
    }
}

/// A runner that knows these tests.
const LIST: &str = r"#!/bin/sh
printf '%s: test\n' chart::live::a chart::live_documents::b chart::names::c cluster::d
";

#[test]
fn what_the_chart_leaves_out_without_a_cluster_is_counted_as_skipped_once() {
    let chart = "── skipped: chart::live (2 tests): KUBECONFIG names no cluster";
    let cluster = "── skipped: cluster (3 tests): no cluster is named";
    for (sections, ci, last, named, code) in [
        (&["chart"][..], None, "4 passed, 0 failed, 3 skipped", chart, 0),
        (&["chart"], Some("true"), "4 passed, 0 failed, 3 skipped", chart, 1),
        (&["chart", "cluster"], None, "4 passed, 0 failed, 4 skipped", cluster, 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = repository(folder.path(), &[".ci/run", "tests/need.sh", "tests/summary.sh"]);
        program(&root.join("tests"), "chart.sh", RUNNER);
        program(folder.path(), "cargo", LIST);
        let mut run = beside(folder.path());
        run.arg(root.join(".ci/run")).args(sections).env("XDG_CACHE_HOME", folder.path().join("cache"));
        for name in ["CI", "KUBECONFIG", "ROGO_TEST_CLUSTER", "ROGO_TEST_LOAD"] {
            run.env_remove(name);
        }
        run.envs(ci.map(|value| ("CI", value)));
        let done = blocking(run);
        let said = said(&done);
        assert_eq!(done.status.code(), Some(code), "{said:?}");
        assert_eq!(said.lines().last(), Some(last), "{said:?}");
        let skipped: Vec<&str> = said.lines().filter(|line| line.starts_with("── skipped: c")).collect();
        assert!(matches!(skipped[..], [one] if one.starts_with(named)), "{said:?}");
    }
}

const MARK: &str = "ROGO_TEST_LACKS";

#[test]
fn what_a_test_lacks_is_written_down_and_in_ci_it_is_a_failure() {
    if std::env::var_os(MARK).is_some() {
        assert_eq!(or_skipped::<()>(Err("no such\nprogram".into())), None);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skipped");
    let name = std::thread::current().name().unwrap().to_owned();
    for (ci, code) in [(None, 0), (Some("true"), 101)] {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", &name]).env(MARK, "1").env("ROGO_SKIPPED", &file).env_remove("CI");
        test.envs(ci.map(|value| ("CI", value)));
        let ended = blocking(test);
        assert_eq!(ended.status.code(), Some(code), "{}", String::from_utf8_lossy(&ended.stdout));
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{name}\tno such program\n"));
    }
}

#[test]
fn a_process_that_hangs_is_killed_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut hanging = Command::new("sh");
    let id = folder.path().join("id");
    hanging.args(["-c", "echo $$ >\"$0\"; exec sleep 600"]).arg(&id);
    let said =
        std::panic::catch_unwind(AssertUnwindSafe(|| blocking_within(Duration::from_secs(1), hanging)));
    let said = said.unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("does not end within 1 s") && said.contains("sleep 600"), "{said}");
    let id = fs::read_to_string(id).unwrap();
    assert!(!std::path::Path::new("/proc").join(id.trim()).exists(), "it still runs");

    let mut loud = Command::new("sh");
    loud.args(["-c", "head -c 1000000 /dev/zero; echo no >&2; exit 3"]);
    let output = blocking(loud);
    assert_eq!(
        (output.status.code(), output.stdout.len(), output.stderr),
        (Some(3), 1_000_000, b"no\n".to_vec())
    );
}
