//! A target database that answers a commit with what is temporary by its SQLSTATE, at each try.

use super::World;
use crate::{crash::no_orphans_and_nothing_missing, support::app::TestApp};

/// From now on each row that `when` holds of is refused with this SQLSTATE.
async fn refuse(app: &TestApp<'_>, sqlstate: &str, when: &str) {
    app.database
        .run(&format!(
            "create or replace function refuse() returns trigger language plpgsql as $$
             begin raise exception 'planted-{sqlstate}' using errcode = '{sqlstate}'; end $$;
             drop trigger if exists refuse on lti_launch_sessions;
             create trigger refuse before insert on lti_launch_sessions for each row
             when ({when}) execute function refuse()"
        ))
        .await;
}

async fn accept(app: &TestApp<'_>) {
    app.database.run("drop trigger refuse on lti_launch_sessions").await;
}

/// The attempt of the first row of the input.
fn an_attempt(app: &TestApp<'_>) -> String {
    let mut reader = csv::Reader::from_path(app.sample.path("submission_files.csv")).unwrap();
    let place = reader.headers().unwrap().iter().position(|name| name == "Attempt ID").unwrap();
    reader.records().next().unwrap().unwrap()[place].to_owned()
}

#[tokio::test]
async fn a_row_that_the_target_alone_refuses_fails_and_every_other_is_moved() {
    let world = World::plain(12, 1_616).await;
    let app = world.app().await;
    let attempt = an_attempt(&app);
    let this_one = format!("new.launch_id like 'rogo\\_{attempt}\\_%'");
    for (run, sqlstate, migrated) in [("first", "XX000", 11), ("alone", "57014", 0)] {
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
