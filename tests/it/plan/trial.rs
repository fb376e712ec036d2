//! `--dry-run`, `--limit` and `--attempts`.

use rogo_migrate::{domain::Facts, domain::FailCode, exit::Exit, plan::PlanState};

use super::{World, five, numbers};

#[tokio::test]
async fn a_rehearsal_writes_nothing_anywhere() {
    let mut world = five();
    let report = world.rehearse().await.unwrap();
    assert_eq!(report.state, PlanState::Rehearsed);
    assert_eq!(report.plan.shards[0].rows, 5);
    world.warehouse.facts = Facts::default();
    assert_eq!(world.rehearse().await.unwrap_err().exit, Exit::Configuration);
    assert!(world.documents.names().is_empty());
    assert_eq!((world.documents.writes(), world.files.writes()), (0, 0));
}

#[tokio::test]
async fn a_trial_takes_the_newest_rows_and_says_what_it_leaves_out() {
    let mut world = five();
    world.settings.trial.limit = Some(2);
    let report = world.make().await.unwrap();
    assert_eq!(numbers(&world.queue(&report.plan, 0).await), [5, 4]);
    assert_eq!((report.plan.rows, report.plan.rows_left_out), (2, 3));
    assert!(report.lines().iter().any(|line| line.contains("3 rows, by --limit 2")));
}

#[tokio::test]
async fn a_trial_of_attempts_takes_exactly_them() {
    let mut world = World::new(
        &[("1", ""), ("x", ""), ("2", ""), ("1", ""), ("3", "")],
        &[("1", "24_01", "Attempt 1"), ("2", "24_01", "Attempt 1")],
    );
    let ids = world.path("ids.txt");
    std::fs::write(&ids, "\u{feff}3\r\n\r\n 001 \n1\n").unwrap();
    world.settings.trial.attempts = Some(ids.clone());
    let report = world.make().await.unwrap();
    let rows = world.queue(&report.plan, 0).await;
    assert_eq!(numbers(&rows), [5, 4, 1]);
    assert_eq!(rows[2].newer_row, Some(4));
    assert_eq!(report.plan.rows_left_out, 2);
}

#[tokio::test]
async fn an_attempts_file_that_cannot_be_meant_is_refused_with_64() {
    for (text, words) in [
        ("1\n12x\n", "line 2: not a whole number"),
        ("-1", "line 1: not a whole number"),
        ("1,2", "line 1: not a whole number"),
        ("\n \n", "names no attempt id"),
        ("1\n77\n88\n", "2 attempt ids that no row of submission_files.csv has: 77, 88"),
    ] {
        let mut world = five();
        std::fs::write(world.path("ids.txt"), text).unwrap();
        world.settings.trial.attempts = Some(world.path("ids.txt"));
        world.check_refused(Exit::Usage, &["--attempts", words]).await;
    }
    let mut world = five();
    world.settings.trial.attempts = Some(world.path("none.txt"));
    world.check_refused(Exit::Usage, &["none.txt"]).await;
    world.settings.trial = rogo_migrate::settings::Trial { limit: Some(0), ..Default::default() };
    world.check_refused(Exit::Usage, &["--limit 0"]).await;
}

/// Writes what an earlier run said of each row, oldest first.
fn write_errors(world: &World, errors: &[&str]) {
    let path = world.path("submission_files.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let errors = std::iter::once("").chain(errors.iter().copied());
    let rows: Vec<String> = text.lines().zip(errors).map(|(row, error)| format!("{row}{error}\n")).collect();
    std::fs::write(&path, rows.concat()).unwrap();
}

#[tokio::test]
async fn a_later_run_takes_the_rows_of_a_failure_csv_by_their_codes() {
    let mut world = five();
    write_errors(
        &world,
        &["file_missing: gone", "report_missing: none", " unavailable : later", "file_missing_too: x", ""],
    );
    world.settings.trial.codes = vec![FailCode::Unavailable, FailCode::FileMissing];
    let report = world.make().await.unwrap();
    assert_eq!(numbers(&world.queue(&report.plan, 0).await), [3, 1]);
    assert_eq!((report.plan.rows, report.plan.rows_left_out), (2, 3));
    assert_eq!(report.plan.trial.as_deref(), Some("--code file_missing,unavailable"));
    world.settings.trial.codes.pop();
    let stop = world.make().await.unwrap_err();
    assert_eq!(stop.exit, Exit::Configuration);
    assert!(stop.message.contains("the trial") && stop.message.contains("--code unavailable"), "{stop}");
}

#[tokio::test]
async fn an_older_row_is_left_out_with_the_newer_one_of_its_attempt() {
    let rows = ["1", "2", "1", "2"].map(|attempt| (attempt, ""));
    let mut world = World::new(&rows, &[("1", "24_01", "Attempt 1"), ("2", "24_01", "Attempt 1")]);
    write_errors(&world, &["file_missing: a", "report_missing: b", "report_missing: c", "file_missing: d"]);
    world.settings.trial.codes = vec![FailCode::FileMissing];
    let report = world.make().await.unwrap();
    assert_eq!(numbers(&world.queue(&report.plan, 0).await), [4]);
}

#[tokio::test]
async fn codes_that_no_row_has_are_refused_with_64() {
    let mut world = five();
    world.settings.trial.codes = vec![FailCode::FileMissing];
    world.check_refused(Exit::Usage, &["--code file_missing", "the failure CSV of an earlier run"]).await;
}
