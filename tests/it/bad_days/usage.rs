//! A new user's first hour: what is missing or mistyped is named at once, all of it, with the way to give it.

use serde_json::{Value, json};

use super::{Day, plain_sample};
use crate::support::{
    app::{Ended, TestApp},
    port::Port,
    process::output,
};

/// The program in an empty folder and an empty environment.
async fn bare(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rogo-migrate"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(folder.path());
    let ended = output(command).await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?}");
    ended
}

#[tokio::test]
async fn every_missing_setting_is_named_at_once() {
    for command in ["plan", "run", "shard", "finalize", "orphans"] {
        let ended = bare(&[command], &[]).await.expect(64);
        for part in [
            "DATABASE_URL_FILE",
            "DATA_WAREHOUSE_CONNECTION_STRING",
            "--source-allow, ROGO_SOURCE_ALLOW, source_allow in the config file",
            "--target, ROGO_TARGET",
            "--lms-instance",
            "--lms-name",
            "--return-url",
            "ROGO_CONSUMER_KEY",
        ] {
            assert!(ended.stderr.contains(part), "{command}: {part} is not said in {}", ended.stderr);
        }
    }
    let azure = bare(&["run"], &[("ROGO_TARGET", "az://files")]).await.expect(64);
    assert!(azure.stderr.contains("AZURE_STORAGE_CONNECTION_STRING"), "{}", azure.stderr);
}

/// Arguments, environment, and what must be said.
type Mistyped = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static [&'static str]);

#[tokio::test]
async fn what_is_mistyped_is_named_with_what_is_expected() {
    let cases: &[Mistyped] = &[
        (&["run", "--worker", "3"], &[], &["--worker", "--workers"]),
        (&["finalise"], &[], &["finalise", "finalize"]),
        (&["run", "--workers", "0"], &[], &["--workers", "\"0\"", "from 1 to"]),
        (&["run", "--workers", "five"], &[], &["--workers", "\"five\"", "whole number"]),
        (&["run", "--flush", "10"], &[], &["--flush", "\"10\"", "10s"]),
        (&["run", "--breaker", "200%"], &[], &["--breaker", "\"200%\""]),
        (&["run", "--run", "My Run"], &[], &["--run", "a-z, 0-9 and -"]),
        (&["run", "--target", "files"], &[], &["--target", "az://container, file:///dir"]),
        (
            &["run", "--target", "https://acc.blob.core.windows.net/files"],
            &[],
            &["--target", "az://container"],
        ),
        (&["run", "--lms-instance", "my-lms"], &[], &["--lms-instance", "guid"]),
        (&["run", "--warehouse-time-zone", "BST"], &[], &["--warehouse-time-zone", "Europe/London"]),
        (&["run", "--encoding", "latin"], &[], &["--encoding", "windows-1252"]),
        (&["run", "--marker-only", "maybe"], &[], &["--marker-only", "fail", "migrate"]),
        (&["run", "--limit", "0"], &[], &["--limit", "from 1"]),
        (&["run", "--source-allow", "*"], &[], &["--source-allow", "https://"]),
        (&["run", "--config", "none.toml"], &[], &["none.toml"]),
        (&["run"], &[("DATABASE_URL", "Server=db;Password=planted")], &["DATABASE_URL", "postgres://"]),
        (&["run"], &[("DATABASE_URL_FILE", "/no/such/file")], &["DATABASE_URL_FILE", "/no/such/file"]),
        (&["shard"], &[("SHARD_INDEXES", "3-1")], &["SHARD_INDEXES", "3,7-9"]),
        (&["shard"], &[("SHARD_INDEXES", "1,1")], &["SHARD_INDEXES", "each once"]),
        (&["shard"], &[("SHARD_INDEXES", "a-b")], &["SHARD_INDEXES", "\"a-b\""]),
        (
            &["shard"],
            &[("SHARD_INDEXES", "3,7-9"), ("JOB_COMPLETION_INDEX", "4")],
            &["JOB_COMPLETION_INDEX", "4"],
        ),
        (&["shard"], &[("JOB_COMPLETION_INDEX", "-1")], &["JOB_COMPLETION_INDEX"]),
        (&["run", "--log", "rogo_migrate=loud"], &[], &["--log", "loud"]),
        (&["run", "--log-format", "xml"], &[], &["--log-format", "text", "json"]),
        (&["run", "--warehouse", "Server=w;Password=planted"], &[], &["DATA_WAREHOUSE_CONNECTION_STRING"]),
    ];
    for (arguments, environment, says) in cases {
        let ended = bare(arguments, environment).await.expect(64);
        for part in *says {
            assert!(
                ended.stderr.contains(part),
                "{arguments:?} {environment:?}: {part} is not said in\n{}",
                ended.stderr
            );
        }
        assert!(!ended.stderr.contains("planted"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn help_and_settings_answer_without_any_setting() {
    let help = bare(&["--help"], &[]).await.expect(0);
    for part in ["Usage:", "DATABASE_URL", "Exit codes:", "75"] {
        assert!(help.stdout.contains(part), "{part}: {}", help.stdout);
    }
    let run = bare(&["run", "--help"], &[]).await.expect(0);
    for part in ["--source-allow", "ROGO_SOURCE_ALLOW", "required", "--limit"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let settings = bare(&["settings"], &[("DATABASE_URL", "postgres://me:planted@db/app")]).await.expect(0);
    assert!(!settings.stdout.contains("planted"));
    assert!(
        settings.stdout.lines().any(|line| line.starts_with("DATABASE_URL ") && line.contains(" set ")),
        "{}",
        settings.stdout
    );
    let wanted = "not set: required";
    assert!(
        settings.stdout.lines().any(|line| line.starts_with("target ") && line.contains(wanted)),
        "{}",
        settings.stdout
    );
    bare(&["--version"], &[]).await.expect(0);
    bare(&[], &[]).await.expect(64);
}

#[tokio::test]
async fn a_shard_that_is_not_in_the_plan_is_refused() {
    let sample = plain_sample(12).await;
    let app = TestApp::new(&sample).await;
    app.run(&["plan", "--shards", "4"]).await.expect(0);
    let says = ["there is no shard 9", "4 shards, from 0 to 3"];
    Day::new("--shard 9 of 4", &["shard", "--shard", "9"], 64).says(says).is_refused(&app).await;
    let job = Day::new("SHARD_INDEXES beyond the plan", &["shard"], 64)
        .set("JOB_COMPLETION_INDEX", "1")
        .set("SHARD_INDEXES", "0,9");
    job.says(says).is_refused(&app).await;
    let which = Day::new("no shard", &["shard"], 64).says(["--shard", "JOB_COMPLETION_INDEX"]);
    which.is_refused(&app).await;
    let waits = Day::new("no plan", &["shard", "--shard", "0", "--run", "other", "--wait-plan", "0s"], 75);
    waits.says(["no plan at az://", "/other/plan.json", "rogo-migrate plan"]).is_refused(&app).await;
    let merges = Day::new("nothing to finalize", &["finalize", "--run", "other"], 78);
    merges
        .says(["there is no plan at az://", "/other/plan.json", "rogo-migrate plan"])
        .is_refused(&app)
        .await;
}

#[tokio::test]
async fn with_json_an_error_is_an_object_that_says_the_same() {
    let object = |ended: &Ended| -> Value {
        let mut said: Value = serde_json::from_str(&ended.stdout).expect(&ended.stdout);
        let error = said["error"].take();
        assert_eq!(error["exit_code"], ended.code.unwrap(), "{error}");
        error
    };
    for command in [&["plan", "--json"][..], &["verify", "--json"], &["rollback", "--json"]] {
        let ended = bare(command, &[]).await.expect(64);
        let error = object(&ended);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("DATABASE_URL") && ended.stderr.contains(message), "{command:?}: {error}");
        assert_eq!((&error["meaning"], &error["service"]), (&json!("wrong usage"), &Value::Null));
    }
    let unread = bare(&["status", "--json", "--planted"], &[]).await.expect(64);
    assert!(unread.stderr.contains("--planted") && !unread.stdout.contains("planted"), "{}", unread.stdout);
    object(&unread);

    let sample = plain_sample(2).await;
    let mut app = TestApp::new(&sample).await;
    let closed = Port::hold();
    let address = closed.address();
    app.set("DATABASE_URL", format!("postgres://planted:planted@{address}/planted"));
    let ended = app.run(&["plan", "--json"]).await.expect(75);
    let error = object(&ended);
    assert_eq!(error["service"], "target database");
    assert_eq!(error["error_type"], "unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(ended.stderr.ends_with(&format!("error: {message}\n")), "{}", ended.stderr);
    assert_eq!(message.matches("refused").count(), 1, "the chain of causes is said once: {message}");
    assert!(!ended.stdout.contains("planted"), "{}", ended.stdout);
    let text = app.run(&["plan"]).await.expect(75);
    assert_eq!(text.stdout, "", "without --json the error stands on standard error only");
}

/// Standard error as JSON lines; panics at one that is none, or that has not what every line of the log has.
fn json_lines(ended: &Ended) -> Vec<Value> {
    let parsed = ended.lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["timestamp", "level", "message"] {
            assert!(line[member].is_string(), "{member}: {line}");
        }
        line
    });
    parsed.collect()
}

#[tokio::test]
async fn beside_a_log_in_json_everything_that_is_told_is_a_json_line() {
    for (arguments, variables, says) in [
        (&["plan"][..], &[][..], "settings that are missing"),
        (&["plan", "--planted"], &[], "unexpected argument"),
        (&["settings", "--config", "none.toml"], &[], "config file none.toml cannot be read"),
        (&["plan", "--log", "off"], &[], "settings that are missing"),
        (&["shard", "--log-format=json"], &[("ROGO_LOG_FORMAT", "text")], "settings that are missing"),
    ] {
        let lines = json_lines(&bare(arguments, variables).await.expect(64));
        let error = lines.last().unwrap();
        assert_eq!((&error["level"], &error["exit_code"]), (&json!("ERROR"), &json!(64)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{arguments:?}: {error}");
        assert!(error["next"].as_str().unwrap().contains("run again"), "{error}");
    }
    for (arguments, variables) in [
        (&["plan", "--log-format", "text"][..], &[][..]),
        (&["plan", "--planted"], &[("ROGO_LOG_FORMAT", "text")]),
    ] {
        let ended = bare(arguments, variables).await.expect(64);
        assert!(ended.lines.contains("error: ") && !ended.lines.contains("{\""), "{}", ended.lines);
    }

    let sample = plain_sample(4).await;
    let mut app = TestApp::new(&sample).await;
    app.set("ROGO_LOG_FORMAT", "json");
    let lines = json_lines(&app.run(&["run"]).await.expect(0));
    let of_plan: Vec<&str> = lines
        .iter()
        .filter(|line| line["target"] == "rogo_migrate")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert!(of_plan.first().unwrap().contains(" of run rogo stands: 4 rows; the target is "), "{of_plan:?}");
    assert!(of_plan.len() > 3, "each line of the plan is one: {of_plan:?}");
}

#[tokio::test]
async fn every_command_that_decides_takes_yes_and_says_where_attempts_belong() {
    let no_cluster = [("KUBECONFIG", "/dev/null")];
    for decision in [
        &["finalize", "--accept", "lost", "--yes"][..],
        &["resume", "--redo", "lost", "--yes"],
        &["orphans", "--delete", "--yes"],
        &["plan", "--exclude", "exclude.csv", "--yes"],
        &["run", "--exclude", "exclude.csv", "--yes"],
        &["run", "--breaker", "off", "--yes"],
        &["rollback", "--attempts", "a.csv", "--yes"],
    ] {
        let ended = bare(&[decision, &["--reason", "TICKET-1"]].concat(), &no_cluster).await.expect(64);
        assert!(ended.stderr.contains("settings that are missing"), "{decision:?}: {}", ended.stderr);
    }
    let purge = bare(&["purge", "--yes", "--reason", "TICKET-1"], &no_cluster).await.expect(78);
    assert!(purge.stderr.contains("nothing to purge"), "{}", purge.stderr);
    let by_variable = [("KUBECONFIG", "/dev/null"), ("ROGO_REDO", "lost")];
    let redo = bare(&["resume", "--yes"], &by_variable).await.expect(64);
    assert!(redo.stderr.contains("settings that are missing"), "{}", redo.stderr);
    for (command, add) in [
        ("finalize", "add --accept lost, or"),
        ("resume", "add --redo lost, or"),
        ("orphans", "add --delete, or"),
        ("plan", "add --exclude FILE, or"),
        ("run", "add --exclude FILE or --breaker off, or"),
    ] {
        let ended = bare(&[command, "--yes"], &no_cluster).await.expect(64);
        let says = format!("error: --yes confirms a decision, and {command} is given none: {add}");
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    }
    for decision in [
        &["finalize", "--accept", "lost", "--yes"][..],
        &["resume", "--redo", "lost", "--yes"],
        &["orphans", "--delete", "--yes"],
    ] {
        let some = [decision, &["--attempts", "a.csv", "--reason", "TICKET-1"]].concat();
        let ended = bare(&some, &no_cluster).await.expect(64);
        let says = format!("{} takes no --attempts: ", decision[0]);
        assert!(ended.stderr.contains(&says), "{}", ended.stderr);
        assert!(ended.stderr.contains("rollback, purge, verify, plan and run take"), "{}", ended.stderr);
    }
}
