//! What verify names is repaired by two commands, and the commands of the documents do what they say.

use std::process::Stdio;

use tokio::process::Command;

use super::{Csv, delete_submission, lose, migrated, plain_app, plain_sample, skipped};
use crate::support::{
    app::{Ended, TestApp},
    process,
};

async fn as_role(app: &TestApp<'_>, url: String, arguments: &[&str]) -> Ended {
    let mut command = app.command(arguments);
    command.env("DATABASE_URL", url);
    process::output(command).await
}

async fn verify(app: &TestApp<'_>, run: &str, code: i32) -> Ended {
    let arguments = ["verify", "--recheck", "0s", "--run", run, "--out", run];
    let ended = as_role(app, app.database.verifiers_url(), &arguments).await;
    let found = app.result(&format!("{run}/verification_failures.csv"));
    assert_eq!(ended.code, Some(code), "{}\n{}\n{found}", ended.stdout, ended.stderr);
    ended
}

/// Attempts of a failure CSV of verify, each once.
fn named(app: &TestApp<'_>, run: &str) -> Vec<String> {
    let path = app.out.path().join(run).join("verification_failures.csv");
    let csv = Csv::read(&path);
    let place = csv.place("Attempt ID");
    let mut ids: Vec<String> = csv.rows.into_iter().map(|row| row[place].clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test]
async fn differences_that_verify_named_are_gone_after_two_commands_and_a_second_verify() {
    let sample = plain_sample(40, 73).await;
    let app = plain_app(&sample).await;
    app.run(&["run", "--run", "rogo", "--out", "rogo"]).await.expect(0);
    let ids = migrated(&app, "rogo");
    let of = |id: &str| {
        format!("(select id from assignment_submissions where lti_launch_id like 'rogo\\_{id}\\_%')")
    };
    for sql in [
        format!(
            "update submission_section_marks set marks_awarded = marks_awarded + 1 where submission_id in {}",
            of(&ids[0])
        ),
        format!("update submission_grades set final_grade = 'Other' where submission_id in {}", of(&ids[1])),
        format!("delete from submission_files where upload_order = 1 and submission_id in {}", of(&ids[2])),
    ] {
        app.database.run(&sql).await;
    }
    delete_submission(&app, &ids[3]).await;
    lose(&app, &ids[4]).await;
    verify(&app, "rogo", 1).await;
    let mut expected = ids[..5].to_vec();
    expected.sort();
    assert_eq!(named(&app, "rogo"), expected);

    let failures = app.out.path().join("rogo/verification_failures.csv").display().to_string();
    let rollback = ["rollback", "--run", "rogo", "--out", "rogo", "--attempts", &failures];
    let removers = app.database.removers_url();
    let dry = as_role(&app, removers.clone(), &rollback).await;
    assert_eq!(
        dry.code,
        Some(69),
        "what was changed after the run needs a person's decision: {}",
        dry.stdout
    );
    let decided = ["--yes", "--force-touched", "--reason", "verify named them"];
    as_role(&app, removers, &[&rollback[..], &decided].concat()).await.expect(0);
    app.run(&["run", "--run", "repair", "--attempts", &failures, "--out", "repair"]).await.expect(0);
    let mut moved = migrated(&app, "repair");
    moved.sort();
    assert_eq!(moved, expected);
    verify(&app, "rogo", 0).await;
    verify(&app, "repair", 0).await;
}

/// The commands of one chapter of RUNNING.md for the program itself, in order.
fn commands_of(chapter: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/RUNNING.md")).unwrap();
    let from = text.find(chapter).unwrap_or_else(|| panic!("RUNNING.md has no chapter {chapter}"));
    let text = &text[from + chapter.len()..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    let mut blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let joined = blocks.by_ref().map(|block| block.replace("\\\n", " ")).collect::<String>();
    let lines = joined.lines().map(str::trim).map(str::to_owned);
    lines.filter(|line| line.starts_with("rogo-migrate ") || line.starts_with("grep ")).collect()
}

/// Runs a line of the documents in a shell, the built program being `rogo-migrate`.
async fn shell(app: &TestApp<'_>, line: &str, url: &str) -> Ended {
    let program =
        std::path::Path::new(env!("CARGO_BIN_EXE_rogo-migrate")).parent().unwrap().display().to_string();
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env_clear()
        .envs(app.environment())
        .env("PATH", format!("{program}:/usr/bin:/bin"))
        .env("DATABASE_URL", url)
        .current_dir(app.out.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    process::output(command).await
}

#[tokio::test]
async fn the_commands_of_the_chapter_on_rolling_back_do_what_it_says() {
    let sample = plain_sample(12, 74).await;
    let app = plain_app(&sample).await;
    let before = super::target(&app).await;
    app.run(&["run"]).await.expect(0);
    let ids: Vec<String> = app
        .result("migrated.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect();
    std::fs::write(app.out.path().join("wrong.csv"), format!("Attempt ID\n{}\n{}\n", ids[0], ids[1]))
        .unwrap();
    let commands = commands_of("## 7. Roll back");
    let repair: Vec<&String> = commands.iter().filter(|line| line.contains("wrong.csv")).collect();
    let whole: Vec<&String> = commands.iter().filter(|line| !line.contains("wrong.csv")).collect();
    assert_eq!((repair.len(), whole.len()), (2, 2), "{commands:?}");
    for line in repair {
        let url = if line.contains(" rollback ") { app.database.removers_url() } else { app.database.url() };
        shell(&app, line, &url).await.expect(0);
    }
    assert_eq!(migrated(&app, "repair").len(), 2);
    let undo = "rogo-migrate rollback --run repair --yes --reason TICKET --out repair";
    shell(&app, undo, &app.database.removers_url()).await.expect(0);
    let stands = super::target(&app).await;
    shell(&app, whole[0], &app.database.removers_url()).await.expect(0);
    assert_eq!(super::target(&app).await, stands, "the first only looks");
    shell(&app, whole[1], &app.database.removers_url()).await.expect(0);
    assert_eq!(super::target(&app).await, before);
}

#[tokio::test]
async fn the_commands_of_the_chapter_on_two_weeks_later_do_what_it_says() {
    let sample = plain_sample(12, 75).await;
    let app = plain_app(&sample).await;
    app.run(&["run"]).await.expect(0);
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    let (changed, erased) = (export.rows[2][place].clone(), export.rows[5][place].clone());
    export.cell("Attempt ID", &changed, "Course Title").push_str(" (revised)");
    std::fs::write(app.out.path().join("second.csv"), export.text()).unwrap();
    std::fs::write(
        app.out.path().join("exclude.csv"),
        format!("Attempt ID,Reason\n{erased},asked to be erased\n"),
    )
    .unwrap();
    for line in commands_of("## 8. Two weeks later") {
        let url = if line.contains(" rollback ") { app.database.removers_url() } else { app.database.url() };
        shell(&app, &line, &url).await.expect(0);
    }
    let rows = skipped(&app, "second");
    assert_eq!(rows[&changed].0, "changed_at_source");
    assert_eq!(rows[&erased].0, "excluded_by_owner");
    assert_eq!(migrated(&app, "replaced"), [changed]);
    let held = "select count(*) from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    assert_eq!(app.database.number(held).await, 11, "eleven stand, one was erased");
}
