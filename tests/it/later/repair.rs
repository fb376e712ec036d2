//! What verify names is repaired by the commands that `explain` prints, and the commands of the documents do what they say.

use super::{plain_sample, skipped};
use crate::support::{
    app::{Ended, TestApp},
    csv::Csv,
    documents::{commands, follow, shell},
};

const RUNNING: &str = "deploy/RUNNING.md";

async fn verify(app: &TestApp<'_>, run: &str, code: i32) -> Ended {
    let arguments = ["verify", "--recheck", "0s", "--run", run, "--out", run];
    let ended = app.run_as(&app.database.verifiers_url(), &arguments).await;
    let found = app.result(&format!("{run}/verification_failures.csv"));
    assert_eq!(ended.code, Some(code), "{}\n{}\n{found}", ended.stdout, ended.stderr);
    ended
}

/// Attempts of a failure CSV of verify, each once.
fn named(app: &TestApp<'_>, run: &str) -> Vec<String> {
    let failures = Csv::of(&app.result(&format!("{run}/verification_failures.csv")));
    let mut ids: Vec<String> = failures.column("Attempt ID").map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The commands that `explain` prints for a check, of this file of failures and of a run `repair`.
async fn printed(app: &TestApp<'_>, check: &str, failures: &str) -> Vec<String> {
    let said = app.run(&["explain", check]).await.expect(0);
    let lines = said.stdout.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = lines.filter(|line| line.starts_with("rogo-migrate "));
    let typed = |line: &str| {
        line.replace("verification_failures.csv", failures)
            .replace("--attempts FILE", "--attempts wrong.txt")
            .replace("TEXT", "'verify named them'")
            .replace("NAME", "repair --out repair")
    };
    commands.map(typed).collect()
}

#[tokio::test]
async fn differences_that_verify_named_are_gone_after_the_printed_commands_and_a_second_verify() {
    let sample = plain_sample(40, 73).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run", "--run", "rogo", "--out", "rogo"]).await.expect(0);
    let ids = app.migrated_in("rogo");
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
    app.delete_submission(&ids[3]).await;
    app.lose(&ids[4]).await;
    verify(&app, "rogo", 1).await;
    let mut expected = ids[..5].to_vec();
    expected.sort();
    assert_eq!(named(&app, "rogo"), expected);

    let failures = "rogo/verification_failures.csv";
    let removers = app.database.removers_url();
    let printed = printed(&app, "marks_values", failures).await;
    let [rollback, run, forced] = printed.as_slice() else { panic!("three commands: {printed:?}") };
    // What was changed after the run needs a person's decision.
    shell(&app, rollback, &[("DATABASE_URL", &removers)]).await.expect(69);
    let left = Csv::of(&app.result("rolled_back.csv"));
    let (attempt, result) = (left.place("Attempt ID"), left.place("Result"));
    let left: Vec<&str> =
        left.rows.iter().filter(|row| row[result] == "kept").map(|row| &*row[attempt]).collect();
    assert!(ids[..2].iter().all(|id| left.contains(&id.as_str())), "{left:?}");
    std::fs::write(app.out.path().join("wrong.txt"), left.join("\n")).unwrap();
    follow(&app, forced, &removers).await;
    follow(&app, run, &app.database.url()).await;
    let mut moved = app.migrated_in("repair");
    moved.sort();
    assert_eq!(moved, expected);
    verify(&app, "rogo", 0).await;
    verify(&app, "repair", 0).await;
}

#[tokio::test]
async fn the_commands_of_the_chapter_on_rolling_back_do_what_it_says() {
    let sample = plain_sample(12, 74).await;
    let app = TestApp::without_cluster(&sample).await;
    let before = super::target(&app).await;
    app.run(&["run"]).await.expect(0);
    let ids = app.migrated();
    std::fs::write(app.out.path().join("wrong.csv"), format!("Attempt ID\n{}\n{}\n", ids[0], ids[1]))
        .unwrap();
    let commands = commands(RUNNING, Some("7. Roll back"));
    let repair: Vec<&String> = commands.iter().filter(|line| line.contains("wrong.csv")).collect();
    let whole: Vec<&String> = commands.iter().filter(|line| !line.contains("wrong.csv")).collect();
    assert_eq!((repair.len(), whole.len()), (2, 2), "{commands:?}");
    for line in repair {
        let url = if line.contains(" rollback ") { app.database.removers_url() } else { app.database.url() };
        follow(&app, line, &url).await;
    }
    assert_eq!(app.migrated_in("repair").len(), 2);
    let undo = "rogo-migrate rollback --run repair --yes --reason TICKET --out repair";
    follow(&app, undo, &app.database.removers_url()).await;
    let stands = super::target(&app).await;
    follow(&app, whole[0], &app.database.removers_url()).await;
    assert_eq!(super::target(&app).await, stands, "the first only looks");
    follow(&app, whole[1], &app.database.removers_url()).await;
    assert_eq!(super::target(&app).await, before);
}

#[tokio::test]
async fn the_commands_of_the_chapter_on_two_weeks_later_do_what_it_says() {
    let sample = plain_sample(12, 75).await;
    let app = TestApp::without_cluster(&sample).await;
    app.run(&["run"]).await.expect(0);
    let mut export = Csv::read(&sample.path("submission_files.csv"));
    let place = export.place("Attempt ID");
    let (changed, erased) = (export.rows[2][place].clone(), export.rows[5][place].clone());
    export.cell("Attempt ID", &changed, "Course Title").push_str(" (revised)");
    export.write(&app.out.path().join("second.csv"));
    std::fs::write(
        app.out.path().join("exclude.csv"),
        format!("Attempt ID,Reason\n{erased},asked to be erased\n"),
    )
    .unwrap();
    for line in commands(RUNNING, Some("8. Two weeks later")) {
        let url = if line.contains(" rollback ") { app.database.removers_url() } else { app.database.url() };
        follow(&app, &line, &url).await;
    }
    let rows = skipped(&app, "second");
    assert_eq!(rows[&changed].0, "changed_at_source");
    assert_eq!(rows[&erased].0, "excluded_by_owner");
    assert_eq!(app.migrated_in("replaced"), [changed]);
    let held = "select count(*) from assignment_submissions where lti_launch_id like 'rogo\\_%'";
    assert_eq!(app.database.number(held).await, 11, "eleven stand, one was erased");
}
