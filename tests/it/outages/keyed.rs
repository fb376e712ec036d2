//! A row that the target refuses at each try, beside keys and checks of the application's own: what they make of rehearsed rows says
//! nothing of the target.

use super::World;
use crate::{crash::no_orphans_and_nothing_missing, support::csv::Csv};

/// What stands may not stand twice, which a rehearsal of a committed submission meets.
const KEY: &str = "create unique index one_of_each on assignment_submissions
    (email, lms_user_id, context_title, custom_assessment_code, attempt_number, submitted_at, created_at)
    where lti_launch_id ~ '^rogo_[0-9]+_[0-9a-f]{32}$'";
/// Learners are known, which those of a rehearsal are not.
const KNOWN: &str =
    "alter table assignment_submissions add constraint known check (email not like 'rehearsal%') not valid";

#[tokio::test]
async fn a_refused_row_fails_although_the_target_takes_no_values_twice_and_none_of_unknown_learners() {
    let world = World::plain(12, 1_625).await;
    let app = world.app().await;
    let submissions = Csv::read(&app.sample.path("submission_files.csv"));
    let attempt = submissions.column("Attempt ID").next().unwrap();
    app.database
        .run(&format!(
            "create function refuse() returns trigger language plpgsql as $$
             begin raise exception 'planted' using errcode = 'XX000'; end $$;
             create trigger refuse before insert on lti_launch_sessions for each row
             when (new.launch_id like 'rogo\\_{attempt}\\_%') execute function refuse()"
        ))
        .await;
    // In the second run all others stand: no submission of its own is left to be rehearsed.
    for (run, constraint, migrated) in [("keyed", KEY, 11), ("known", KNOWN, 0)] {
        app.database.run(constraint).await;
        let ended = app.run(&["run", "--run", run, "--give-up-after", "20s"]).await.expect(0);
        let says = format!("12 rows = {migrated} migrated + 1 failed");
        assert!(ended.stdout.contains(&says), "{}", ended.stdout);
        let failed = app.result("submissions_failed_migration.csv");
        assert!(failed.contains("SQLSTATE XX000"), "{failed}");
        no_orphans_and_nothing_missing(&app).await;
    }
}
