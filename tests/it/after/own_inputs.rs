//! A result never lands on an input of the run.

use std::fs;

use super::plain_sample;
use crate::support::{
    app::{Sample, TestApp},
    documents::shell,
    process::output,
};

const FAILED: &str = "submissions_failed_migration.csv";

/// The attempt of each row of the input, in its order.
fn attempts_of(sample: &Sample) -> Vec<String> {
    let input = fs::read_to_string(sample.path("submission_files.csv")).unwrap();
    input.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_failure_csv_is_an_input_only_of_a_run_whose_results_go_elsewhere() {
    let sample = plain_sample(6).await;
    let mut app = TestApp::without_cluster(&sample).await;
    // One row fails, so that its CSV is a next input.
    let attempt = attempts_of(&sample).swap_remove(0);
    app.database.run("update assessments set name = 'none of them'").await;
    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await;
    let own = app.out.path().join(FAILED);
    let failed = fs::read(&own).unwrap();
    assert!(failed.starts_with(b"\xef\xbb\xbf"), "Excel reads it right");
    assert!(String::from_utf8_lossy(&failed).contains(&attempt));

    app.set("ROGO_SUBMISSIONS", own.to_str().unwrap());
    app.set("ROGO_RUN", "second");
    for command in ["run", "finalize", "resume"] {
        let ended = app.run(&[command]).await.expect(64);
        assert!(ended.stderr.contains(FAILED) && ended.stderr.contains("--out"), "{}", ended.stderr);
    }
    assert_eq!(fs::read(&own).unwrap(), failed, "the input is as it was");

    let link = app.out.path().join("linked.csv");
    std::os::unix::fs::symlink(&own, &link).unwrap();
    app.set("ROGO_SUBMISSIONS", link.to_str().unwrap());
    app.run(&["run"]).await.expect(64);

    let elsewhere = app.out.path().join("second");
    app.set("ROGO_OUT", elsewhere.to_str().unwrap());
    app.set("ROGO_SUBMISSIONS", own.to_str().unwrap());
    app.run(&["plan"]).await.expect(0);
    // Each line that is printed runs as it stands: it finds the input, and no result lands on it.
    let flags = format!(" --submissions {} --out {}\n", own.display(), elsewhere.display());
    let store = app.variable("ROGO_RUN_STORE");
    let resume = format!("rogo-migrate resume --run second --run-store {store}");
    let incomplete = app.run(&["finalize"]).await.expect(69);
    let said = format!("{resume}{flags}");
    assert!(incomplete.stderr.contains(&said), "{said}{}", incomplete.stderr);
    let status = app.run(&["status"]).await.expect(69);
    assert!(status.stdout.ends_with(&format!("next: {said}")), "{}", status.stdout);

    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await.expect(0);
    let status = app.run(&["status"]).await.expect(0);
    assert!(status.stdout.ends_with(" --to second\n"), "{}", status.stdout);
    let fetched = app.run(&["results", "--to", app.out.path().to_str().unwrap()]).await.expect(64);
    assert!(fetched.stderr.contains("--to"), "{}", fetched.stderr);
    // What packs the run takes no other file's place either: an input, or a log that goes into it.
    let (log, place) = (app.out.path().join("pod.log"), own.to_str().unwrap());
    fs::write(&log, "a log").unwrap();
    let log = log.to_str().unwrap();
    for (arguments, option) in [
        (&["--bundle", place][..], "--bundle"),
        (&["--evidence", place], "--evidence"),
        (&["--evidence", log, "--logs", log], "--evidence"),
    ] {
        let ended = app.run(&[&["results"], arguments].concat()).await.expect(64);
        assert!(ended.stderr.contains(&format!("give {option} another file")), "{}", ended.stderr);
    }
    assert_eq!(fs::read(log).unwrap(), b"a log");
    assert_eq!(fs::read(&own).unwrap(), failed);
}

#[tokio::test]
async fn results_are_not_copied_over_the_lists_of_attempts_that_the_plan_read() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    let attempts = attempts_of(&sample);
    let lists = app.out.path().join("lists");
    fs::create_dir(&lists).unwrap();
    let (excluded, taken) = (lists.join("skipped.csv"), lists.join("notes.csv"));
    let of_owner = format!("Attempt ID,Reason\n{},withdrawn\n", attempts[0]);
    fs::write(&excluded, &of_owner).unwrap();
    fs::write(&taken, attempts.join("\n")).unwrap();
    // As a person names them, from the folder in which they stand.
    let arguments =
        ["run", "--exclude", "skipped.csv", "--attempts", "notes.csv", "--reason", "the owner's list"];
    let mut command = app.command(&[&arguments[..], &["--out", app.out.path().to_str().unwrap()]].concat());
    command.current_dir(&lists);
    output(command).await.expect(0);
    for (gone, list) in [(&taken, &excluded), (&excluded, &taken)] {
        let text = fs::read(gone).unwrap();
        fs::remove_file(gone).unwrap();
        let ended = app.run(&["results", "--to", lists.to_str().unwrap()]).await.expect(64);
        assert!(ended.stderr.contains(list.to_str().unwrap()), "{}", ended.stderr);
        fs::write(gone, text).unwrap();
    }
    assert_eq!(fs::read_to_string(&excluded).unwrap(), of_owner);
    assert_eq!(fs::read_to_string(&taken).unwrap(), attempts.join("\n"));
}

/// More files are copied than finalize writes: those of a prediction and of a verification, which may be elsewhere.
#[tokio::test]
async fn no_file_that_results_copies_takes_the_place_of_a_list_that_the_plan_read() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    let attempts = attempts_of(&sample);
    let lists = app.out.path().join("lists");
    fs::create_dir_all(lists.join("verify-store")).unwrap();
    // As after the verification of an earlier run, and a person's list beside its results.
    let (taken, excluded) =
        (lists.join("verification_failures.csv"), lists.join("verify-store/controls.csv"));
    let of_owner = format!("Attempt ID,Reason\n{},withdrawn\n", attempts[0]);
    fs::write(&taken, attempts.join("\n")).unwrap();
    fs::write(&excluded, &of_owner).unwrap();
    let (read, left_out) = (taken.to_str().unwrap(), excluded.to_str().unwrap());
    let by_lists = ["--attempts", read, "--exclude", left_out, "--reason", "the owner's list"];
    app.run(&[&["plan", "--predict"], &by_lists[..]].concat()).await.expect(0);
    app.run(&[&["run"], &by_lists[..]].concat()).await.expect(0);
    let verified = app.out.path().join("verified");
    fs::create_dir(&verified).unwrap();
    let verified = format!("file://{}", verified.display());
    app.run(&["verify", "--recheck", "0s", "--verify-store", &verified]).await.expect(0);

    let fetch = ["results", "--verify-store", &verified, "--to", lists.to_str().unwrap()];
    for (gone, list) in [(&taken, &excluded), (&excluded, &taken)] {
        let text = fs::read(gone).unwrap();
        fs::remove_file(gone).unwrap();
        let ended = app.run(&fetch).await.expect(64);
        assert!(ended.stderr.contains(list.to_str().unwrap()), "{}", ended.stderr);
        fs::write(gone, text).unwrap();
    }
    assert_eq!(fs::read_to_string(&excluded).unwrap(), of_owner);
    assert_eq!(fs::read_to_string(&taken).unwrap(), attempts.join("\n"));
    assert_eq!(fs::read_dir(&lists).unwrap().count(), 2, "nothing was copied");
    fs::remove_file(&taken).unwrap();
    fs::remove_file(&excluded).unwrap();
    app.run(&fetch).await.expect(0);
    assert!(taken.is_file() && excluded.is_file(), "both are results");
}

#[tokio::test]
async fn a_relative_path_to_an_input_is_the_same_file_from_every_folder() {
    let sample = plain_sample(6).await;
    let app = TestApp::without_cluster(&sample).await;
    app.database.run("update assessments set name = 'none of them'").await;
    app.run(&["run", "--breaker", "off", "--reason", "a test"]).await;
    let own = app.out.path().join(FAILED);
    let failed = fs::read(&own).unwrap();

    // As the README has it for the rows that failed.
    let (_, line) = include_str!("../../../README.md").split_once("`rogo-migrate run --run second").unwrap();
    let step = format!("rogo-migrate run --run second{}", line.split_once('`').unwrap().0);
    let apart = shell(&app, &format!("{step} --breaker off --reason 'a test'"), &[]).await;
    let second = app.out.path().join("second");
    assert!(second.join(FAILED).is_file(), "{}{}", apart.stdout, apart.stderr);
    assert_eq!(fs::read(&own).unwrap(), failed, "the input is as it was");

    let elsewhere = tempfile::tempdir().unwrap();
    for to in [app.out.path().to_str().unwrap(), "."] {
        for folder in [app.out.path(), elsewhere.path()] {
            let fetch = ["results", "--run", "second", "--to", to];
            let mut command = app.command(&fetch);
            command.current_dir(folder).env_remove("ROGO_SUBMISSIONS");
            let takes_its_place = to != "." || folder == app.out.path();
            output(command).await.expect(if takes_its_place { 64 } else { 0 });
            assert_eq!(fs::read(&own).unwrap(), failed, "--to {to} from {}", folder.display());
        }
    }
    assert!(elsewhere.path().join(FAILED).is_file());
}

#[tokio::test]
async fn a_shard_refuses_an_input_that_changed_since_the_plan_before_its_first_row() {
    let sample = plain_sample(12).await;
    let mut app = TestApp::without_cluster(&sample).await;
    app.run(&["plan"]).await.expect(0);
    for (variable, input) in
        [("ROGO_SUBMISSIONS", "submission_files.csv"), ("ROGO_MAPPING", "attempt_number_mapping.csv")]
    {
        let planned = app.variable(variable).to_owned();
        let changed = app.out.path().join(input);
        // Of the same length: the last digit before the last line break.
        let mut bytes = fs::read(sample.path(input)).unwrap();
        let digit = bytes.iter().rposition(u8::is_ascii_digit).unwrap();
        bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
        fs::write(&changed, bytes).unwrap();
        app.set(variable, changed.display().to_string());
        let said = app.run(&["shard", "--shard", "0"]).await.expect(78);
        assert!(said.stderr.contains(&format!("{input} changed since the run began")), "{}", said.stderr);
        let moved = "select count(*) from lti_session_records where launch_id like 'rogo%'";
        assert_eq!(app.database.number(moved).await, 0);
        app.set(variable, planned);
    }
    // One that a pod does not have is not its business: the queue holds the rows.
    app.set("ROGO_MAPPING", app.out.path().join("not-here.csv").display().to_string());
    app.run(&["shard", "--shard", "0"]).await.expect(0);
}
