//! A target database that answers a commit with what is temporary by its SQLSTATE, at each try.

use super::World;
use crate::{
    crash::{no_orphans_and_nothing_missing, submissions},
    support::{
        app::{TestApp, assert_same},
        csv::Csv,
    },
};

/// From now on each row that `when` holds of is refused with this SQLSTATE.
async fn refuse(app: &TestApp<'_>, sqlstate: &str, when: &str) {
    refuse_in(app, "lti_launch_sessions", sqlstate, when).await;
}

async fn refuse_in(app: &TestApp<'_>, table: &str, sqlstate: &str, when: &str) {
    app.database
        .run(&format!(
            "create or replace function refuse() returns trigger language plpgsql as $$
             begin raise exception 'planted-{sqlstate}' using errcode = '{sqlstate}'; end $$;
             drop trigger if exists refuse on {table};
             create trigger refuse before insert on {table} for each row
             when ({when}) execute function refuse()"
        ))
        .await;
}

/// From now on each row takes so many seconds, one on each of so many connections. Few more rows are under way, so that one that
/// is tried again soon has a connection, and commits of others stand close before and behind its try.
async fn slow(app: &mut TestApp<'_>, seconds: &str, connections: &str, under_way: &str) {
    for (name, value) in [("ROGO_WORKERS", "1"), ("ROGO_POOL", connections), ("ROGO_IN_FLIGHT", under_way)] {
        app.set(name, value);
    }
    app.commit_slowly(seconds).await;
}

async fn accept(app: &TestApp<'_>) {
    app.database.run("drop function refuse cascade").await;
}

/// The attempt of the first row of the input.
fn an_attempt(app: &TestApp<'_>) -> String {
    column(app, "Attempt ID").swap_remove(0)
}

/// The values of a column of the input.
fn column(app: &TestApp<'_>, name: &str) -> Vec<String> {
    let submissions = Csv::read(&app.sample.path("submission_files.csv"));
    submissions.column(name).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_row_that_the_target_alone_refuses_fails_and_every_other_is_moved() {
    let world = World::plain(12, 1_616).await;
    let app = world.app().await;
    let attempt = an_attempt(&app);
    let this_one = format!("new.launch_id like 'rogo\\_{attempt}\\_%'");
    for (run, sqlstate, migrated) in [("first", "XX000", 11), ("alone", "0A000", 0)] {
        refuse(&app, sqlstate, &this_one).await;
        // In the second run all others stand already: no other row is left to be committed.
        let ended = app.run(&["run", "--run", run, "--give-up-after", "20s"]).await.expect(0);
        let says = format!("12 rows = {migrated} migrated + 1 failed");
        assert!(ended.stdout.contains(&says), "{}", ended.stdout);
        let failed = app.result("submissions_failed_migration.csv");
        assert!(failed.contains(&format!("SQLSTATE {sqlstate}")), "{failed}");
        assert!(failed.contains("unavailable: target database"), "{failed}");
        assert!(!failed.contains("planted"), "the server's words may quote a row: {failed}");
        assert_eq!(failed.lines().count(), 2, "{failed}");
        no_orphans_and_nothing_missing(&app).await;
    }
    accept(&app).await;
    let ended = app.run(&["run", "--run", "mended"]).await.expect(0);
    assert!(ended.stdout.contains("12 rows = 1 migrated + 0 failed"), "{}", ended.stdout);
    let rehearsed = "select count(*) from lti_launch_sessions where launch_id like 'rogo\\_2147483647\\_%'";
    assert_eq!(app.database.number(rehearsed).await, 0);
}

#[tokio::test]
async fn a_target_that_refuses_every_row_is_held_and_blames_none() {
    let world = World::plain(6, 1_617).await;
    let app = world.app().await;
    for sqlstate in ["XX000", "53100"] {
        refuse(&app, sqlstate, "true").await;
        let ended = app.run(&["run", "--give-up-after", "8s"]).await.expect(75);
        for says in [
            "in which each answer was a refusal",
            "No row was blamed",
            "The row that gave up was that of attempt",
            sqlstate,
            "--exclude",
        ] {
            assert!(ended.stderr.contains(says), "{says:?} is not said in\n{}", ended.stderr);
        }
    }
    accept(&app).await;
    let ended = app.run(&["run"]).await.expect(0);
    assert!(ended.stdout.contains("6 rows = 6 migrated"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_full_disk_that_strikes_one_row_is_no_rows_fault_and_the_row_is_named() {
    let world = World::plain(6, 1_618).await;
    let app = world.app().await;
    let attempt = an_attempt(&app);
    refuse(&app, "53100", &format!("new.launch_id like 'rogo\\_{attempt}\\_%'")).await;
    let ended = app.run(&["run", "--give-up-after", "5s"]).await.expect(75);
    let says = format!("The row that gave up was that of attempt {attempt} (SQLSTATE 53100)");
    assert!(ended.stderr.contains(&says), "{}", ended.stderr);
    accept(&app).await;
    app.run(&["run"]).await.expect(0);
}

#[tokio::test]
async fn a_learner_whom_a_trigger_refuses_fails_beside_others_and_when_no_other_row_is_left() {
    let world = World::plain(12, 1_619).await;
    let app = world.app().await;
    let emails = column(&app, "Learner Email");
    let failed = emails.iter().filter(|email| **email == emails[0]).count();
    refuse(&app, "XX000", &format!("new.user_email = '{}'", emails[0])).await;
    for (run, migrated) in [("first", 12 - failed), ("alone", 0)] {
        let ended = app.run(&["run", "--run", run, "--give-up-after", "20s"]).await.expect(0);
        let says = format!("12 rows = {migrated} migrated + {failed} failed");
        assert!(ended.stdout.contains(&says), "{}", ended.stdout);
        let failed = app.result("submissions_failed_migration.csv");
        assert!(failed.contains("SQLSTATE XX000"), "{failed}");
        no_orphans_and_nothing_missing(&app).await;
    }
    accept(&app).await;
    app.run(&["run", "--run", "mended"]).await.expect(0);
}

/// Runs until the process gives up, after at least so many commits beside the refused rows, which last for longer than the tries
/// that would blame a row; then everything is moved as if it had not been disturbed.
async fn is_held(world: &World, app: &TestApp<'_>, sqlstate: &str, commits: i64) {
    let before = submissions(app).await;
    let ended = app.run(&["run", "--give-up-after", "20s"]).await.expect(75);
    for says in ["No row was blamed", sqlstate] {
        assert!(ended.stderr.contains(says), "{says:?} is not said in\n{}", ended.stderr);
    }
    let committed = submissions(app).await - before;
    assert!(committed >= commits, "{committed} rows were committed beside those that are refused");
    accept(app).await;
    app.commit_at_once().await;
    app.run(&["run"]).await.expect(0);
    assert_same(&app.everything().await, &world.undisturbed().await);
    no_orphans_and_nothing_missing(app).await;
}

#[tokio::test]
async fn a_target_that_is_short_of_something_is_held_though_it_takes_some_rows() {
    let world = World::plain(200, 1_620).await;
    let mut app = world.app().await;
    let attempts = column(&app, "Attempt ID");
    // Besides four rows the attempt that does not exist, of which every rehearsal is.
    let refused = [30, 80, 130, 180].map(|row: usize| attempts[row].as_str());
    let refused = [&refused[..], &["2147483647"]].concat();
    refuse(&app, "XX000", &format!("split_part(new.launch_id, '_', 2) in ('{}')", refused.join("','"))).await;
    slow(&mut app, "0.5", "4", "8").await;
    is_held(&world, &app, "XX000", 196).await;
}

#[tokio::test]
async fn a_table_that_takes_no_row_is_waited_for_though_rows_that_need_it_not_are_committed() {
    let world = World::new(300, 1_621).await;
    let mut app = world.app().await;
    refuse_in(&app, "malpractice_enforcements", "XX000", "true").await;
    slow(&mut app, "0.25", "2", "24").await;
    is_held(&world, &app, "XX000", 150).await;
}
