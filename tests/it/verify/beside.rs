//! Verify beside others: the run while it still moves rows, and an application that must not wait for what verify reads.

use super::{corruptions::in_folders, small, small_files, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    process::{ended, until},
};

#[tokio::test]
async fn a_run_whose_shard_is_at_work_is_not_verified_and_the_sentence_says_when_it_can_be() {
    let sample = Sample::in_folder(12, 91, small).await;
    let app = in_folders(&sample).await;
    app.run(&["plan"]).await.expect(0);
    let mut holding = app.database.pool().begin().await.unwrap();
    sqlx::Executor::execute(&mut *holding, "lock table lti_launch_sessions in share mode").await.unwrap();
    let mut running = app.start(&["run"]);
    // It waits to insert in a table that may only be read meanwhile.
    until("the shard commits", || async { app.database.lock_waits().await > 0 }).await;

    let early = verify(&app, &[]).await.expect(75);
    let says = format!(
        "run rogo has no result yet: its 12 rows are being moved, or finalize was not run; verify it when rogo-migrate \
         status --run rogo --run-store {} shows a result",
        app.variable("ROGO_RUN_STORE")
    );
    assert!(early.stderr.contains(&says), "{}", early.stderr);
    assert!(!app.out.path().join("verification.json").exists(), "there is nothing to say yet");

    holding.rollback().await.unwrap();
    ended(&mut running).await.expect(0);
    verify(&app, &[]).await.expect(0);
    assert_eq!(verification(&app)["rows_compared"], 12);
}

/// From now on each row that verify reads asks for how long its statement may last.
async fn demand(app: &TestApp<'_>, below: &str) {
    let demanded = format!(
        "create or replace function demanded() returns boolean language plpgsql as $$ begin
            if current_setting('statement_timeout')::interval not between '1 ms' and '{below}'::interval then
                raise exception 'a snapshot may last %', current_setting('statement_timeout');
            end if;
            return true;
         end $$"
    );
    app.database.run(&demanded).await;
}

/// Each table is a view whose condition is evaluated in the sessions of verify, with each row: there the server shows its limits.
#[tokio::test]
async fn no_statement_of_verify_may_hold_a_snapshot_for_five_minutes() {
    let sample = Sample::in_folder(60, 92, small_files).await;
    let app = in_folders(&sample).await;
    app.run(&["run"]).await.expect(0);
    demand(&app, "299 s").await;
    for table in rogo_migrate::ports::Table::ALL {
        let name = table.name();
        let view = format!(
            "alter table {name} rename to {name}_kept;
             create view {name} as select xmin, * from {name}_kept where demanded();
             grant select on {name} to verifier"
        );
        app.database.run(&view).await;
    }
    for level in ["rows", "content"] {
        verify(&app, &["--level", level]).await.expect(0);
    }
    // Pages of tables may take longer than what looks up some rows.
    for (below, what) in [("29 s", "a look-up"), ("279 s", "a page")] {
        demand(&app, below).await;
        let ended = verify(&app, &[]).await;
        assert_ne!(ended.code, Some(0), "{what} asked for nothing: {}", ended.stdout);
    }
}
